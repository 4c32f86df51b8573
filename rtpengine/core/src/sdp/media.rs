//! One media section: an `m=` line and what belongs to it.

use std::net::SocketAddr;
use std::ops::Range;

use super::codec::Codec;
use super::session::{Connection, Security};

/// The media type of an `m=` line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind<'a> {
    /// `audio`
    Audio,
    /// `video`
    Video,
    /// `image` (T.38)
    Image,
    /// `message` (MSRP)
    Message,
    /// `application` (data channels, BFCP)
    Application,
    /// `text` (RFC 4103)
    Text,
    /// Anything else, as written.
    Other(&'a str),
}

impl<'a> MediaKind<'a> {
    pub(super) fn of(name: &'a str) -> Self {
        match name {
            "audio" => Self::Audio,
            "video" => Self::Video,
            "image" => Self::Image,
            "message" => Self::Message,
            "application" => Self::Application,
            "text" => Self::Text,
            other => Self::Other(other),
        }
    }

    /// The name as in the `m=` line.
    #[must_use]
    pub fn as_str(&self) -> &'a str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Image => "image",
            Self::Message => "message",
            Self::Application => "application",
            Self::Text => "text",
            Self::Other(name) => name,
        }
    }
}

/// The transport protocol of an `m=` line. Names compare without regard to case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// `RTP/AVP`
    RtpAvp,
    /// `RTP/SAVP`
    RtpSavp,
    /// `RTP/AVPF`
    RtpAvpf,
    /// `RTP/SAVPF`
    RtpSavpf,
    /// `UDP/TLS/RTP/SAVP`
    UdpTlsRtpSavp,
    /// `UDP/TLS/RTP/SAVPF`
    UdpTlsRtpSavpf,
    /// `udptl` (T.38 over UDP)
    Udptl,
    /// `udp`
    Udp,
    /// `UDP/DTLS/SCTP` or `DTLS/SCTP` (data channels)
    DtlsSctp,
    /// `UDP/BFCP` or `UDP/TLS/BFCP`
    UdpBfcp,
    /// `TCP` or anything over it.
    Tcp,
    /// Anything else; see [`Media::protocol_name`].
    Unknown,
}

/// The first of several names is the one to write.
const NAMES: [(&str, Protocol); 12] = [
    ("RTP/AVP", Protocol::RtpAvp),
    ("RTP/SAVP", Protocol::RtpSavp),
    ("RTP/AVPF", Protocol::RtpAvpf),
    ("RTP/SAVPF", Protocol::RtpSavpf),
    ("UDP/TLS/RTP/SAVP", Protocol::UdpTlsRtpSavp),
    ("UDP/TLS/RTP/SAVPF", Protocol::UdpTlsRtpSavpf),
    ("udptl", Protocol::Udptl),
    ("udp", Protocol::Udp),
    ("UDP/DTLS/SCTP", Protocol::DtlsSctp),
    ("DTLS/SCTP", Protocol::DtlsSctp),
    ("UDP/BFCP", Protocol::UdpBfcp),
    ("UDP/TLS/BFCP", Protocol::UdpBfcp),
];

impl Protocol {
    /// Recognises a name.
    #[must_use]
    pub fn of(name: &str) -> Self {
        if let Some((_, protocol)) = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            return *protocol;
        }
        let first = name.split('/').next().unwrap_or_default();
        if first.eq_ignore_ascii_case("tcp") { Self::Tcp } else { Self::Unknown }
    }

    /// The name to write. `None` where one value stands for several protocols.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(_, protocol)| *protocol == self).map(|(name, _)| *name)
    }

    /// Carries RTP over UDP, encrypted or not.
    #[must_use]
    pub const fn is_rtp(self) -> bool {
        match self {
            Self::RtpAvp | Self::RtpAvpf => true,
            Self::RtpSavp | Self::RtpSavpf | Self::UdpTlsRtpSavp | Self::UdpTlsRtpSavpf => true,
            Self::Udptl | Self::Udp | Self::DtlsSctp | Self::UdpBfcp | Self::Tcp | Self::Unknown => false,
        }
    }

    /// Carries SRTP.
    #[must_use]
    pub const fn is_srtp(self) -> bool {
        match self {
            Self::RtpSavp | Self::RtpSavpf | Self::UdpTlsRtpSavp | Self::UdpTlsRtpSavpf => true,
            Self::RtpAvp | Self::RtpAvpf | Self::Udptl | Self::Udp => false,
            Self::DtlsSctp | Self::UdpBfcp | Self::Tcp | Self::Unknown => false,
        }
    }

    /// Uses the extended feedback profile (RFC 4585).
    #[must_use]
    pub const fn is_feedback(self) -> bool {
        match self {
            Self::RtpAvpf | Self::RtpSavpf | Self::UdpTlsRtpSavpf => true,
            Self::RtpAvp | Self::RtpSavp | Self::UdpTlsRtpSavp | Self::Udptl | Self::Udp => false,
            Self::DtlsSctp | Self::UdpBfcp | Self::Tcp | Self::Unknown => false,
        }
    }

    /// The profile without encryption of an SRTP profile; others stay as they are.
    #[must_use]
    pub const fn unencrypted(self) -> Self {
        match self {
            Self::RtpSavp | Self::UdpTlsRtpSavp => Self::RtpAvp,
            Self::RtpSavpf | Self::UdpTlsRtpSavpf => Self::RtpAvpf,
            Self::RtpAvp | Self::RtpAvpf | Self::Udptl | Self::Udp => self,
            Self::DtlsSctp | Self::UdpBfcp | Self::Tcp | Self::Unknown => self,
        }
    }

    /// Runs over UDP, so that a UDP port can relay it.
    #[must_use]
    pub const fn is_udp(self) -> bool {
        match self {
            Self::RtpAvp | Self::RtpAvpf | Self::Udptl | Self::Udp | Self::DtlsSctp | Self::UdpBfcp => true,
            Self::RtpSavp | Self::RtpSavpf | Self::UdpTlsRtpSavp | Self::UdpTlsRtpSavpf => true,
            Self::Tcp | Self::Unknown => false,
        }
    }
}

/// Who sends (RFC 8866 §6.7), from the point of view of whoever wrote the SDP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways; the default.
    #[default]
    SendRecv,
    /// The writer only sends.
    SendOnly,
    /// The writer only receives.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    pub(super) fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"sendrecv" => Some(Self::SendRecv),
            b"sendonly" => Some(Self::SendOnly),
            b"recvonly" => Some(Self::RecvOnly),
            b"inactive" => Some(Self::Inactive),
            _ => None,
        }
    }

    /// The direction with these two halves.
    #[must_use]
    pub const fn from_parts(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The attribute's name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendRecv => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    /// The writer sends.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendRecv | Self::SendOnly)
    }

    /// The writer receives.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendRecv | Self::RecvOnly)
    }

    /// The same seen from the other end.
    #[must_use]
    pub const fn reversed(self) -> Self {
        Self::from_parts(self.receives(), self.sends())
    }
}

/// `a=rtcp:PORT [IN IP4 ADDRESS]` (RFC 3605).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpAttribute<'a> {
    /// The RTCP port.
    pub port: u16,
    /// Where, if not at the media address.
    pub connection: Option<Connection<'a>>,
}

/// `a=rtcp-fb:PT VALUE` (RFC 4585 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtcpFeedback<'a> {
    /// The payload type, `None` for `*`.
    pub payload_type: Option<u8>,
    /// The rest, as written.
    pub value: &'a str,
}

/// One media section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media<'a> {
    /// Position among the media sections, from 0.
    pub index: usize,
    /// Media type.
    pub kind: MediaKind<'a>,
    /// Port; 0 rejects or disables the stream (RFC 3264 §6).
    pub port: u16,
    /// The count after the port's slash, 1 without one.
    pub num_ports: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// Transport protocol as written.
    pub protocol_name: &'a str,
    /// The formats: payload types for RTP.
    pub formats: Vec<&'a str>,
    /// The connection in force: this section's own, else the session's.
    pub connection: Option<Connection<'a>>,
    /// Whether [`Media::connection`] comes from a `c=` line of this section.
    pub own_connection: bool,
    /// `a=rtcp`
    pub rtcp: Option<RtcpAttribute<'a>>,
    /// `a=rtcp-mux`
    pub rtcp_mux: bool,
    /// `a=rtcp-mux-only`
    pub rtcp_mux_only: bool,
    /// This section's own direction attribute.
    pub own_direction: Option<Direction>,
    /// The direction in force: own, else the session's, else sendrecv. Does not look at the address;
    /// see [`Media::effective_direction`].
    pub direction: Direction,
    /// The payload types that name a known encoding, each once, in the order of the formats (RTP only).
    pub codecs: Vec<Codec<'a>>,
    /// `a=ptime` in milliseconds.
    pub ptime: Option<u32>,
    /// `a=maxptime` in milliseconds.
    pub maxptime: Option<u32>,
    /// `a=mid`
    pub mid: Option<&'a str>,
    /// `a=label`
    pub label: Option<&'a str>,
    /// `a=rtcp-fb` lines.
    pub rtcp_fb: Vec<RtcpFeedback<'a>>,
    /// ICE, SDES and DTLS attributes of this section or the session.
    pub security: Security,
    pub(super) lines: Range<usize>,
}

impl<'a> Media<'a> {
    /// Port 0: rejected or disabled. A BUNDLEd section with `a=bundle-only` has port 0 as well (RFC 9143 §7.2.1).
    #[must_use]
    pub const fn is_disabled(&self) -> bool {
        self.port == 0
    }

    /// On hold through a zero address.
    #[must_use]
    pub fn has_zero_address(&self) -> bool {
        self.connection.is_some_and(|connection| connection.is_zero())
    }

    /// The direction in force, where a zero address means that the writer does not receive.
    #[must_use]
    pub fn effective_direction(&self) -> Direction {
        if self.has_zero_address() {
            Direction::from_parts(self.direction.sends(), false)
        } else {
            self.direction
        }
    }

    /// Where media goes: `None` when disabled or when the address is no IP address. May be a zero address.
    #[must_use]
    pub fn endpoint(&self) -> Option<SocketAddr> {
        let ip = self.connection?.ip?;
        (self.port != 0).then(|| SocketAddr::new(ip, self.port))
    }

    /// Where RTCP goes: as `a=rtcp` says, else to the next port (RFC 3550 §11), the same with
    /// rtcp-mux. `None` when there is no such port, or for protocols without RTCP.
    #[must_use]
    pub fn rtcp_endpoint(&self) -> Option<SocketAddr> {
        let media = self.endpoint()?;
        if !self.protocol.is_rtp() {
            return None;
        }
        if self.rtcp_mux || self.rtcp_mux_only {
            return Some(media);
        }
        match self.rtcp {
            Some(RtcpAttribute { port: 0, .. }) => None,
            Some(RtcpAttribute { port, connection }) => {
                let ip = connection.and_then(|connection| connection.ip).unwrap_or(media.ip());
                Some(SocketAddr::new(ip, port))
            }
            None => Some(SocketAddr::new(media.ip(), media.port().checked_add(1)?)),
        }
    }

    /// The codec of a payload type.
    #[must_use]
    pub fn codec(&self, payload_type: u8) -> Option<&Codec<'a>> {
        self.codecs.iter().find(|codec| codec.payload_type == payload_type)
    }

    /// The first codec that carries media itself (not telephone-event, comfort noise or redundancy).
    #[must_use]
    pub fn primary_codec(&self) -> Option<&Codec<'a>> {
        self.codecs.iter().find(|codec| !codec.is_supplemental())
    }
}
