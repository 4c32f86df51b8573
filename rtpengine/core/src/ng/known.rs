//! Every key and flag of the ng protocol and whether this version acts on it: the one place to edit when it learns more.

use super::spelling;

/// What this version does with a key, flag or value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Acted upon.
    Built,
    /// Accepted silently: what it asks for is what happens anyway.
    Harmless,
    /// Understood but not acted upon: the reply's `warning` names it.
    NotYet,
}

/// Declares a closed enum of names with the status of each and a set type.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $status:ident [$first:literal $(, $more:literal)*];)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $first, "`.")] $variant,)*
        }

        impl $name {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Every spelling, the documented one first; case and separators are free besides.
            #[must_use]
            pub const fn spellings(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$first $(, $more)*],)* }
            }

            /// The documented name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $first,)* }
            }

            /// What this version does with it.
            #[must_use]
            pub const fn status(self) -> Status {
                match self { $(Self::$variant => Status::$status,)* }
            }

            /// The one called `name` in any spelling.
            #[must_use]
            pub fn find(name: &[u8]) -> Option<Self> {
                Self::ALL
                    .iter()
                    .copied()
                    .find(|known| known.spellings().iter().any(|spelling| spelling::same(spelling.as_bytes(), name)))
            }
        }
    };
}

names! {
    /// A member of the list `flags`.
    Flag {
        All Built ["all"];
        Asymmetric Built ["asymmetric"];
        Debug Built ["debug", "debugging"];
        Fatal Built ["fatal"];
        FullRtcpAttribute Built ["full rtcp attribute", "full rtcp attr"];
        MediaHandover Built ["media handover"];
        NoPortLatching Built ["no port latching"];
        NoRtcpAttribute Built ["no rtcp attribute", "no rtcp attr"];
        OriginalSendrecv Built ["original sendrecv"];
        PortLatching Harmless ["port latching"];
        Reset Built ["reset"];
        SipSourceAddress Built ["SIP source address"];
        StrictSource Built ["strict source"];
        Symmetric Harmless ["symmetric"];
        TrustAddress Built ["trust address"];
        Unidirectional Harmless ["unidirectional"];
        Fragment Built ["fragment"];
        NewBranch Harmless ["new branch"];
        NoRedisUpdate Harmless ["no redis update"];
        RejectIce Built ["reject ICE", "ICE reject"];
        NoJitterBuffer Harmless ["no jitter buffer"];
        NoPassthrough Harmless ["no passthrough"];
        NoPlayer Harmless ["no player"];
        NoTlsId Built ["no tls id"];
        Provisional Harmless ["provisional"];
        AllowAsymmetricCodecs Built ["allow asymmetric codecs", "asymmetric codecs"];
        AllowNoCodecMedia Built ["allow no codec media"];
        AllowTranscoding Built ["allow transcoding"];
        AlwaysTranscode NotYet ["always transcode"];
        AudioPlayer NotYet ["audio player", "player"];
        Bidirectional NotYet ["bidirectional"];
        BlockDtmf Built ["block DTMF"];
        BlockEgress NotYet ["block egress"];
        BlockShort Built ["block short", "block short packets"];
        DetectDtmf NotYet ["detect DTMF"];
        Directional Built ["directional"];
        DiscardRecording NotYet ["discard recording"];
        EarlyMedia Harmless ["early media"];
        Egress Built ["egress"];
        ExcludeRecording NotYet ["exclude recording"];
        Fast Built ["fast"];
        ForceTranscoding NotYet ["force transcoding"];
        GenerateMid Built ["generate mid"];
        GenerateRtcp Built ["generate RTCP"];
        Inactive Built ["inactive"];
        InjectDtmf NotYet ["inject DTMF"];
        LoopProtect Built ["loop protect"];
        Mix NotYet ["mix"];
        NatWait Built ["NAT wait"];
        PadCrypto Built ["pad crypto"];
        Passthrough NotYet ["passthrough"];
        Pause NotYet ["pause"];
        PierceNat Built ["pierce NAT"];
        RecordCall NotYet ["record call"];
        RecordingAnnouncement NotYet ["recording announcement"];
        Recrypt Built ["recrypt"];
        ReorderCodecs Harmless ["reorder codecs"];
        ReuseCodecs Built ["reuse codecs", "no codec renegotiation"];
        RtcpMirror Built ["RTCP mirror", "mirror RTCP"];
        SingleCodec Built ["single codec"];
        Siprec Built ["SIPREC"];
        SkipRecordingDb NotYet ["skip recording db"];
        StaticCodecs Built ["static codecs"];
        StripExtmap Built ["strip extmap"];
        SymmetricCodecs Harmless ["symmetric codecs"];
        ToTag Built ["to-tag"];
        TrickleIce Built ["trickle ICE"];
        WebRtc Built ["WebRTC"];
    }
}

names! {
    /// A key of a request's dictionary.
    Key {
        Command Built ["command"];
        Sdp Built ["sdp"];
        CallId Built ["call-id", "callid"];
        FromTag Built ["from-tag"];
        ToTag Built ["to-tag"];
        ToCallId Built ["to-call-id"];
        SourceTag Built ["source-tag"];
        ViaBranch Built ["via-branch"];
        Label Built ["label", "from-label"];
        ToLabel Built ["to-label"];
        SetLabel Built ["set-label"];
        Address Built ["address"];
        AddressFamily Built ["address family"];
        All Built ["all"];
        DeleteDelay Built ["delete delay"];
        Direction Built ["direction"];
        DropTraffic Built ["drop-traffic"];
        EndpointLearning Built ["endpoint-learning"];
        Flags Built ["flags", "rtpp_flags"];
        FromInterface Built ["from-interface", "inbound-interface"];
        Interface Built ["interface"];
        Limit Built ["limit"];
        MediaAddress Built ["media address"];
        Metadata Built ["metadata"];
        ReceivedFrom Built ["received from"];
        Replace Built ["replace"];
        RtcpMux Built ["rtcp-mux"];
        Supports Built ["supports"];
        ToInterface Built ["to-interface", "outbound-interface"];
        Tos Built ["TOS"];
        TransportProtocol Built ["transport protocol"];
        XmlrpcCallback Built ["xmlrpc-callback"];
        AudioPlayer NotYet ["audio player"];
        Dtls Built ["DTLS"];
        DtlsReverse Built ["DTLS-reverse"];
        DtlsFingerprint Built ["DTLS-fingerprint"];
        GenerateRtcp Built ["generate RTCP"];
        Ice Built ["ICE"];
        IceLite Built ["ICE-lite"];
        RecordCall NotYet ["record call"];
        Sdes Built ["SDES"];
        Osrtp Built ["OSRTP"];
        T38 NotYet ["T.38", "T38"];
        Passthrough NotYet ["passthrough"];
        DtmfSecurity NotYet ["DTMF-security"];
        DelayBuffer NotYet ["delay-buffer"];
        Alias NotYet ["alias", "alias key"];
        Blob NotYet ["blob"];
        Blob64 NotYet ["blob64"];
        Bundle Built ["bundle"];
        Codec Built ["codec"];
        Code NotYet ["code", "digit"];
        DbId NotYet ["db-id"];
        DtmfDelay NotYet ["DTMF-delay"];
        DtmfLogDest NotYet ["DTMF-log-dest"];
        DtmfSecurityTrigger NotYet ["DTMF-security-trigger"];
        DtmfSecurityTriggerEnd NotYet ["DTMF-security-trigger-end"];
        Duration NotYet ["duration"];
        Extmap Built ["extmap"];
        File NotYet ["file"];
        Frequency NotYet ["frequency", "frequencies"];
        FromTags Built ["from-tags"];
        InboundPeer NotYet ["inbound-peer"];
        MediaEcho Built ["media echo"];
        Moh NotYet ["moh"];
        OutboundPeer NotYet ["outbound-peer"];
        OutputDestination NotYet ["output-destination"];
        Pause NotYet ["pause"];
        Peer NotYet ["peer"];
        Ptime Built ["ptime"];
        PtimeReverse Built ["ptime-reverse"];
        RecordingDir NotYet ["recording-dir"];
        RecordingFile NotYet ["recording-file"];
        RecordingMetadata NotYet ["recording-metadata"];
        RecordingPath NotYet ["recording-path"];
        RecordingPattern NotYet ["recording-pattern"];
        RepeatDuration NotYet ["repeat-duration"];
        RepeatTimes NotYet ["repeat-times"];
        SdpAttr Built ["sdp-attr"];
        SdpMediaRemove Built ["sdp-media-remove"];
        SipCode Harmless ["SIP code"];
        SipMessageType Harmless ["SIP message type"];
        StartPos NotYet ["start-pos"];
        T38Version NotYet ["T.38 version"];
        Template Built ["template"];
        Trigger NotYet ["trigger"];
        TriggerEnd NotYet ["trigger-end", "end trigger"];
        TriggerEndDigits NotYet ["trigger-end-digits"];
        TriggerEndTime NotYet ["trigger-end-time"];
        Volume NotYet ["volume"];
    }
}

names! {
    /// A member of the list `replace`.
    Replace {
        ForceIncrementSdpVersion Built ["force-increment-sdp-ver", "force-increment-sdp-version"];
        Origin Built ["origin"];
        OriginFull Built ["origin-full"];
        SdpVersion Built ["SDP version"];
        SessionConnection Built ["session connection"];
        SessionName Built ["session name"];
        Username Built ["username"];
        ZeroAddress Built ["zero address"];
    }
}

names! {
    /// A member of the list `rtcp-mux`.
    RtcpMux {
        Offer Built ["offer"];
        Require Built ["require"];
        Demux Built ["demux"];
        Accept Built ["accept"];
        Reject Built ["reject"];
    }
}

/// A set over one of the enums of this module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NameSet<T> {
    bits: u128,
    kind: std::marker::PhantomData<T>,
}

impl<T> Default for NameSet<T> {
    fn default() -> Self {
        Self { bits: 0, kind: std::marker::PhantomData }
    }
}

/// Implements the set operations for one enum of fewer than 128 members.
macro_rules! set {
    ($($name:ident)*) => {$(
        const _: () = assert!($name::ALL.len() <= 128, "NameSet holds 128 names");

        impl NameSet<$name> {
            /// Whether `member` is in the set.
            #[must_use]
            pub const fn has(&self, member: $name) -> bool {
                self.bits & (1 << member as u32) != 0
            }

            /// Adds `member`.
            pub const fn insert(&mut self, member: $name) {
                self.bits |= 1 << member as u32;
            }

            /// Whether the set is empty.
            #[must_use]
            pub const fn is_empty(&self) -> bool {
                self.bits == 0
            }
        }

        impl FromIterator<$name> for NameSet<$name> {
            fn from_iter<I: IntoIterator<Item = $name>>(members: I) -> Self {
                let mut set = Self::default();
                for member in members {
                    set.insert(member);
                }
                set
            }
        }
    )*};
}

set! { Flag Key Replace RtcpMux }

/// Prefixes that turn a member of `flags` into a key with a value, as in `SDES-off` or `codec-strip-all`.
pub const FLAG_PREFIXES: &[(&str, Key)] = &[
    ("codec-", Key::Codec),
    ("transcode-", Key::Codec),
    ("SDES-", Key::Sdes),
    ("OSRTP-", Key::Osrtp),
    ("endpoint-learning-", Key::EndpointLearning),
    ("from-tags-", Key::FromTags),
    ("T38-", Key::T38),
    ("T.38-", Key::T38),
    ("replace-", Key::Replace),
    ("rtcp-mux-", Key::RtcpMux),
    ("sdp-attr-", Key::SdpAttr),
    ("sdp-media-remove-", Key::SdpMediaRemove),
    ("extmap-", Key::Extmap),
    ("bundle-", Key::Bundle),
];

/// Values that ask for what happens anyway, by key.
pub const HARMLESS_VALUES: &[(Key, &[&str])] = &[
    (Key::AudioPlayer, &["off", "default"]),
    (Key::DelayBuffer, &["0"]),
    (Key::DtmfSecurity, &["off", "drop"]),
    (Key::Passthrough, &["off", "no"]),
    (Key::RecordCall, &["off", "no"]),
];

/// What becomes of `key` with `value`: some values ask for what happens anyway.
#[must_use]
pub fn value_status(key: Key, value: &[u8]) -> Status {
    let harmless = HARMLESS_VALUES.iter().any(|(known, values)| {
        *known == key && values.iter().any(|text| spelling::same(text.as_bytes(), value))
    });
    if harmless { Status::Harmless } else { key.status() }
}
