//! The typed form of an ng request.

use std::net::IpAddr;

use super::command::Command;
use super::edits::{BodyEdits, BundleOptions, MediaEcho};
use super::known::{Flag, NameSet, Replace, RtcpMux};
use super::scope::Said;
use crate::{
    codecs::CodecOptions,
    io::Learning,
    secure::{DtlsOptions, OsrtpOptions, SdesOptions},
};

/// `address family`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressFamily {
    /// `IP4`.
    Ip4,
    /// `IP6`.
    Ip6,
}

impl AddressFamily {
    /// Whether `address` belongs to the family.
    #[must_use]
    pub const fn matches(self, address: IpAddr) -> bool {
        match self {
            Self::Ip4 => address.is_ipv4(),
            Self::Ip6 => address.is_ipv6(),
        }
    }
}

/// `TOS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TosRequest {
    /// Key absent or 256 and above: the value of `--tos`.
    #[default]
    Default,
    /// Negative: leave what the call has.
    Unchanged,
    /// This value for all packets of the call.
    Set(u8),
}

/// `all`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AllMode {
    /// `none` or absent.
    #[default]
    None,
    /// `all`, also as a flag.
    All,
    /// `offer-answer`.
    OfferAnswer,
    /// `except-offer-answer` and its variants.
    ExceptOfferAnswer,
    /// `flows`.
    Flows,
}

/// `transport protocol`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportProtocol {
    /// `RTP/AVP`.
    RtpAvp,
    /// `RTP/AVPF`.
    RtpAvpf,
    /// `RTP/SAVP`.
    RtpSavp,
    /// `RTP/SAVPF`.
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP`.
    DtlsSavp,
    /// `UDP/TLS/RTP/SAVPF`.
    DtlsSavpf,
    /// `UDPTL`.
    Udptl,
    /// `accept`: go along with the protocol of the answer.
    Accept,
}

impl TransportProtocol {
    /// The name in an m-line; `None` for [`TransportProtocol::Accept`].
    #[must_use]
    pub const fn sdp_name(&self) -> Option<&'static str> {
        match self {
            Self::RtpAvp => Some("RTP/AVP"),
            Self::RtpAvpf => Some("RTP/AVPF"),
            Self::RtpSavp => Some("RTP/SAVP"),
            Self::RtpSavpf => Some("RTP/SAVPF"),
            Self::DtlsSavp => Some("UDP/TLS/RTP/SAVP"),
            Self::DtlsSavpf => Some("UDP/TLS/RTP/SAVPF"),
            Self::Udptl => Some("UDPTL"),
            Self::Accept => None,
        }
    }
}

/// `drop-traffic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropTraffic {
    /// `start`: discard the media of the call.
    Start,
    /// `stop`: forward it again.
    Stop,
}

/// `ICE`: what becomes of it in the body for the receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IceMode {
    /// `remove`.
    Remove,
    /// `force`: ours instead of the sender's.
    Force,
    /// `default` or absent: ours instead of the sender's, if there is the sender's.
    #[default]
    Default,
    /// `optional`: ours beside the sender's.
    Optional,
    /// `force-relay`: ours as a relay beside the sender's, and the addresses of the body stay.
    ForceRelay,
}

/// `ICE-lite`: towards whom we are lite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceLite {
    /// `forward`: the receiver of the offer.
    Forward,
    /// `backward`: its sender.
    Backward,
    /// `both`.
    Both,
    /// `off`: neither.
    Off,
}

/// A request with every key this version acts on. Presence rules of a command (an offer needs `sdp`) are the engine's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// `command`.
    pub command: Command,
    /// `call-id`.
    pub call_id: Option<String>,
    /// `from-tag`.
    pub from_tag: Option<String>,
    /// `from-tags`, also as flags `from-tags-...`.
    pub from_tags: Vec<String>,
    /// `to-tag`.
    pub to_tag: Option<String>,
    /// `source-tag`.
    pub source_tag: Option<String>,
    /// `to-call-id`.
    pub to_call_id: Option<String>,
    /// `via-branch`.
    pub via_branch: Option<String>,
    /// `label` or `from-label`.
    pub label: Option<String>,
    /// `to-label`.
    pub to_label: Option<String>,
    /// `set-label`.
    pub set_label: Option<String>,
    /// `sdp`, any bytes.
    pub sdp: Option<Vec<u8>>,
    /// First element of `direction`, or `from-interface`: where the sender of the message is.
    pub from_interface: Option<String>,
    /// Second element of `direction`, or `to-interface`: where its receiver is.
    pub to_interface: Option<String>,
    /// `interface`.
    pub interface: Option<String>,
    /// `address family`.
    pub address_family: Option<AddressFamily>,
    /// `media address`.
    pub media_address: Option<IpAddr>,
    /// `xmlrpc-callback`.
    pub xmlrpc_callback: Option<IpAddr>,
    /// The address of `received from`.
    pub received_from: Option<IpAddr>,
    /// `address`, which selects a party.
    pub address: Option<IpAddr>,
    /// `flags`.
    pub flags: NameSet<Flag>,
    /// The flags came as `rtpp-flags`: the proxy has not read them, and adds tags to the request whatever they say.
    pub is_unread: bool,
    /// `DTMF-security=off`.
    pub dtmf_security_off: bool,
    /// `replace`.
    pub replace: NameSet<Replace>,
    /// `rtcp-mux`.
    pub rtcp_mux: NameSet<RtcpMux>,
    /// `transport protocol`.
    pub transport_protocol: Option<TransportProtocol>,
    /// `codec`, also as flags `codec-...` and `transcode-...`.
    pub codecs: CodecOptions,
    /// `SDES`, also as flags `SDES-...` and `pad crypto`.
    pub sdes: SdesOptions,
    /// `OSRTP`, also as flags `OSRTP-...`.
    pub osrtp: OsrtpOptions,
    /// `ICE`.
    pub ice: Option<IceMode>,
    /// `ICE-lite`.
    pub ice_lite: Option<IceLite>,
    /// `DTLS`, `DTLS-reverse`, `DTLS-fingerprint`.
    pub dtls: DtlsOptions,
    /// `TOS`.
    pub tos: TosRequest,
    /// `delete delay`, seconds.
    pub delete_delay: Option<u64>,
    /// `all`.
    pub all: AllMode,
    /// `metadata`.
    pub metadata: Option<String>,
    /// `endpoint-learning`.
    pub endpoint_learning: Option<Learning>,
    /// `drop-traffic`.
    pub drop_traffic: Option<DropTraffic>,
    /// `generate RTCP`, also as a flag.
    pub generate_rtcp: Option<bool>,
    /// `sdp-attr`, `extmap`, `ptime`...
    pub edits: BodyEdits,
    /// `bundle`.
    pub bundle: BundleOptions,
    /// `media echo`.
    pub media_echo: Option<MediaEcho>,
    /// `limit` of `list`.
    pub limit: Option<u32>,
    /// `supports` contains `load limit`.
    pub supports_load_limit: bool,
    /// Keys and flags it says itself, in no template.
    pub said: Said,
    /// Keys and flags that are understood but not acted upon, as sent; each becomes part of the reply's `warning`.
    pub not_built: Vec<String>,
    /// Sentences about values that make no sense and were ignored; part of the reply's `warning`.
    pub invalid: Vec<String>,
    /// Keys and flags nobody knows, as sent: logged once per name and ignored.
    pub unknown: Vec<String>,
}

impl Request {
    /// A request without any key but its command.
    #[must_use]
    pub fn new(command: Command) -> Self {
        Self {
            command,
            call_id: None,
            from_tag: None,
            from_tags: Vec::new(),
            to_tag: None,
            source_tag: None,
            to_call_id: None,
            via_branch: None,
            label: None,
            to_label: None,
            set_label: None,
            sdp: None,
            from_interface: None,
            to_interface: None,
            interface: None,
            address_family: None,
            media_address: None,
            xmlrpc_callback: None,
            received_from: None,
            address: None,
            flags: NameSet::default(),
            is_unread: false,
            dtmf_security_off: false,
            replace: NameSet::default(),
            rtcp_mux: NameSet::default(),
            transport_protocol: None,
            codecs: CodecOptions::default(),
            sdes: SdesOptions::default(),
            osrtp: OsrtpOptions::default(),
            ice: None,
            ice_lite: None,
            dtls: DtlsOptions::default(),
            tos: TosRequest::Default,
            delete_delay: None,
            all: AllMode::None,
            metadata: None,
            endpoint_learning: None,
            drop_traffic: None,
            generate_rtcp: None,
            edits: BodyEdits::default(),
            bundle: BundleOptions::default(),
            media_echo: None,
            limit: None,
            supports_load_limit: false,
            said: Said::default(),
            not_built: Vec::new(),
            invalid: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Whether `flag` was given.
    #[must_use]
    pub const fn has(&self, flag: Flag) -> bool {
        self.flags.has(flag)
    }
}
