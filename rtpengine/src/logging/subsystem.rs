//! The subsystems log levels can be set for. An event names its subsystem by its `target`.

use super::RTCP_DATA;

/// A logging subsystem of the manual page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Subsystem {
    /// Everything that has no subsystem of its own.
    Core,
    /// Messages of the SpanDSP library.
    Spandsp,
    /// Messages of the FFmpeg libraries.
    Ffmpeg,
    /// Media and RTP transcoding.
    Transcoding,
    /// Codec negotiation.
    Codec,
    /// RTCP handling.
    Rtcp,
    /// ICE negotiation.
    Ice,
    /// Negotiation of SRTP, SDES and DTLS.
    Crypto,
    /// SRTP encryption and decryption.
    Srtp,
    /// Noisy internals and messages of libraries; silent unless configured.
    Internals,
    /// HTTP and WebSocket.
    Http,
    /// Control protocols, SDP exchanges, CLI.
    Control,
    /// DTX timer and buffer.
    Dtx,
}

impl Subsystem {
    /// All of them, in the order of the CLI's list.
    pub const ALL: [Self; 13] = [
        Self::Core,
        Self::Spandsp,
        Self::Ffmpeg,
        Self::Transcoding,
        Self::Codec,
        Self::Rtcp,
        Self::Ice,
        Self::Crypto,
        Self::Srtp,
        Self::Internals,
        Self::Http,
        Self::Control,
        Self::Dtx,
    ];

    /// The subsystem of an event with this target. Our modules without a target of their own are `core`;
    /// what is not ours is `internals`.
    #[must_use]
    pub fn of_target(target: &str) -> Self {
        match Self::from_name(target) {
            Some(subsystem) => subsystem,
            None if target == RTCP_DATA => Self::Rtcp,
            None if target.starts_with("rtpengine") => Self::Core,
            None => Self::Internals,
        }
    }

    /// The subsystem of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|subsystem| subsystem.name() == name)
    }

    /// Its name in targets, in log lines and in the CLI.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.option().strip_prefix("log-level-").unwrap_or_default()
    }

    /// The option that sets its level.
    #[must_use]
    pub const fn option(self) -> &'static str {
        match self {
            Self::Core => "log-level-core",
            Self::Spandsp => "log-level-spandsp",
            Self::Ffmpeg => "log-level-ffmpeg",
            Self::Transcoding => "log-level-transcoding",
            Self::Codec => "log-level-codec",
            Self::Rtcp => "log-level-rtcp",
            Self::Ice => "log-level-ice",
            Self::Crypto => "log-level-crypto",
            Self::Srtp => "log-level-srtp",
            Self::Internals => "log-level-internals",
            Self::Http => "log-level-http",
            Self::Control => "log-level-control",
            Self::Dtx => "log-level-dtx",
        }
    }

    /// What it covers, for `--help` and the CLI.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::Core => "Everything without a subsystem of its own",
            Self::Spandsp => "Messages of SpanDSP",
            Self::Ffmpeg => "Messages of FFmpeg",
            Self::Transcoding => "Media and RTP transcoding",
            Self::Codec => "Codec negotiation",
            Self::Rtcp => "RTCP",
            Self::Ice => "ICE negotiation",
            Self::Crypto => "Negotiation of SRTP, SDES and DTLS",
            Self::Srtp => "SRTP encryption and decryption",
            Self::Internals => "Noisy internals and libraries",
            Self::Http => "HTTP and WebSocket",
            Self::Control => "Control protocols, SDP exchanges, CLI",
            Self::Dtx => "DTX timer and buffer",
        }
    }

    /// Whether it logs nothing unless configured, whatever `--log-level` says.
    #[must_use]
    pub const fn is_silent_by_default(self) -> bool {
        matches!(self, Self::Internals)
    }
}
