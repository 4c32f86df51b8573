//! The commands of the ng protocol.

/// Declares [`Command`] with its wire, statistics and command-line names.
macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident, $wire:literal, $stats:literal;)*) => {
        /// Every command of the ng protocol, in the order statistics list them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Command {
            $($(#[$doc])* $variant,)*
        }

        impl Command {
            /// All commands.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The value of the key `command`.
            #[must_use]
            pub const fn wire_name(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }

            /// The prefix of the command's statistics keys, as in `pingcount`.
            #[must_use]
            pub const fn statistics_name(self) -> &'static str {
                match self { $(Self::$variant => $stats,)* }
            }
        }
    };
}

commands! {
    /// `ping`.
    Ping, "ping", "ping";
    /// `offer`.
    Offer, "offer", "offer";
    /// `answer`.
    Answer, "answer", "answer";
    /// `delete`.
    Delete, "delete", "delete";
    /// `query`.
    Query, "query", "query";
    /// `list`.
    List, "list", "list";
    /// `start recording`.
    StartRecording, "start recording", "startrec";
    /// `stop recording`.
    StopRecording, "stop recording", "stoprec";
    /// `pause recording`.
    PauseRecording, "pause recording", "pauserec";
    /// `start forwarding`.
    StartForwarding, "start forwarding", "startfwd";
    /// `stop forwarding`.
    StopForwarding, "stop forwarding", "stopfwd";
    /// `block DTMF`.
    BlockDtmf, "block DTMF", "blkdtmf";
    /// `unblock DTMF`.
    UnblockDtmf, "unblock DTMF", "unblkdtmf";
    /// `block media`.
    BlockMedia, "block media", "blkmedia";
    /// `unblock media`.
    UnblockMedia, "unblock media", "unblkmedia";
    /// `play media`.
    PlayMedia, "play media", "playmedia";
    /// `stop media`.
    StopMedia, "stop media", "stopmedia";
    /// `play DTMF`.
    PlayDtmf, "play DTMF", "playdtmf";
    /// `statistics`.
    Statistics, "statistics", "stats";
    /// `silence media`.
    SilenceMedia, "silence media", "slnmedia";
    /// `unsilence media`.
    UnsilenceMedia, "unsilence media", "unslnmedia";
    /// `publish`.
    Publish, "publish", "pub";
    /// `subscribe request`.
    SubscribeRequest, "subscribe request", "subreq";
    /// `subscribe answer`.
    SubscribeAnswer, "subscribe answer", "subans";
    /// `unsubscribe`.
    Unsubscribe, "unsubscribe", "unsub";
    /// `connect`.
    Connect, "connect", "connect";
    /// `create`.
    Create, "create", "create";
    /// `create answer`.
    CreateAnswer, "create answer", "createans";
    /// `mesh`.
    Mesh, "mesh", "mesh";
    /// `transform`.
    Transform, "transform", "transform";
    /// `inject start`.
    InjectStart, "inject start", "injectstart";
    /// `inject stop`.
    InjectStop, "inject stop", "injectstop";
}

impl Command {
    /// Number of commands, for tables indexed by [`Command::index`].
    pub const COUNT: usize = Self::ALL.len();

    /// The commands that statistics list: those of the release line whose form they have. Newer ones come behind them.
    #[must_use]
    pub fn listed() -> &'static [Self] {
        Self::ALL.get(..=Self::Unsubscribe.index()).unwrap_or_default()
    }

    /// Position in [`Command::ALL`].
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether this version carries the command out.
    #[must_use]
    pub const fn is_built(self) -> bool {
        match self {
            Self::Ping
            | Self::Offer
            | Self::Answer
            | Self::Delete
            | Self::Query
            | Self::List
            | Self::Statistics
            | Self::BlockDtmf
            | Self::UnblockDtmf
            | Self::BlockMedia
            | Self::UnblockMedia
            | Self::SilenceMedia
            | Self::UnsilenceMedia
            | Self::Publish
            | Self::SubscribeRequest
            | Self::SubscribeAnswer
            | Self::Unsubscribe
            | Self::StartForwarding
            | Self::StopForwarding
            | Self::Connect
            | Self::Create
            | Self::CreateAnswer
            | Self::Mesh
            | Self::InjectStart
            | Self::InjectStop => true,
            Self::StartRecording
            | Self::StopRecording
            | Self::PauseRecording
            | Self::PlayMedia
            | Self::StopMedia
            | Self::PlayDtmf
            | Self::Transform => false,
        }
    }

    /// The command called `name`: case and the choice between spaces, hyphens and underscores do not matter.
    #[must_use]
    pub fn from_wire(name: &[u8]) -> Option<Self> {
        Self::ALL.iter().copied().find(|command| super::spelling::same(command.wire_name().as_bytes(), name))
    }
}
