//! `a=candidate` (RFC 8839 §5.1).

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use super::{digits, ice::is_ice_char};

/// How a candidate was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateKind {
    /// `host`
    Host,
    /// `srflx`
    ServerReflexive,
    /// `prflx`
    PeerReflexive,
    /// `relay`
    Relay,
}

impl CandidateKind {
    fn of(name: &str) -> Option<Self> {
        [Self::Host, Self::ServerReflexive, Self::PeerReflexive, Self::Relay]
            .into_iter()
            .find(|kind| kind.as_str().eq_ignore_ascii_case(name))
    }

    /// The name as in SDP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::ServerReflexive => "srflx",
            Self::PeerReflexive => "prflx",
            Self::Relay => "relay",
        }
    }
}

/// The transport of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport<'a> {
    /// `UDP`
    Udp,
    /// `TCP` (RFC 6544) and everything else, which is not served.
    Other(&'a str),
}

/// Where a candidate is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CandidateAddress<'a> {
    /// An IP address.
    Ip(IpAddr),
    /// A host name, as browsers that hide their addresses write (`....local`): it is not resolved.
    Name(&'a str),
}

impl fmt::Display for CandidateAddress<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// One candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate<'a> {
    /// 1 to 32 characters; equal for candidates of one kind, base and server.
    pub foundation: &'a str,
    /// 1 = RTP, 2 = RTCP; up to 256.
    pub component: u16,
    /// Transport.
    pub transport: Transport<'a>,
    /// 1 to 2^31 - 1; higher is better.
    pub priority: u32,
    /// Address.
    pub address: CandidateAddress<'a>,
    /// Port. 0 and 9 stand for "none" in TCP candidates.
    pub port: u16,
    /// How it was found.
    pub kind: CandidateKind,
    /// `raddr` and `rport`: the base of a reflexive, the mapped address of a relayed candidate.
    pub related: Option<SocketAddr>,
    /// The `ufrag` extension (RFC 8838 §8.1): which credentials the candidate belongs to.
    pub ufrag: Option<&'a str>,
}

impl<'a> Candidate<'a> {
    /// Reads the attribute's value. Unknown extensions are left out.
    #[must_use]
    pub fn parse(value: &'a str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let foundation =
            fields.next().filter(|text| (1..=32).contains(&text.len()) && text.bytes().all(is_ice_char))?;
        let component = component(fields.next()?)?;
        let transport = match fields.next()? {
            name if name.eq_ignore_ascii_case("udp") => Transport::Udp,
            name => Transport::Other(name),
        };
        let priority = fields.next().filter(|text| digits(text, 10))?.parse::<u32>().ok();
        let priority = priority.filter(|priority| (1..1 << 31).contains(priority))?;
        let address = fields.next()?;
        let address = address.parse().map_or(CandidateAddress::Name(address), CandidateAddress::Ip);
        let port = port(fields.next()?)?;
        fields.next().filter(|word| *word == "typ")?;
        let kind = CandidateKind::of(fields.next()?)?;
        let (mut related_ip, mut related_port, mut ufrag) = (None, None, None);
        while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
            match name {
                "raddr" => related_ip = value.parse::<IpAddr>().ok(),
                "rport" => related_port = self::port(value),
                "ufrag" => ufrag = Some(value).filter(|value| super::ice::valid_ufrag(value)),
                _ => {}
            }
        }
        let related = related_ip.zip(related_port).map(|(ip, port)| SocketAddr::new(ip, port));
        Some(Self { foundation, component, transport, priority, address, port, kind, related, ufrag })
    }

    /// The address a UDP check can be sent to.
    #[must_use]
    pub fn udp_address(&self) -> Option<SocketAddr> {
        match (self.transport, self.address) {
            (Transport::Udp, CandidateAddress::Ip(ip)) if self.port != 0 => {
                Some(SocketAddr::new(ip, self.port))
            }
            (Transport::Udp | Transport::Other(_), CandidateAddress::Ip(_) | CandidateAddress::Name(_)) => {
                None
            }
        }
    }
}

impl fmt::Display for Candidate<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::Udp => "UDP",
            Transport::Other(name) => name,
        };
        write!(
            f,
            "{} {} {transport} {} {} {} typ {}",
            self.foundation,
            self.component,
            self.priority,
            self.address,
            self.port,
            self.kind.as_str()
        )?;
        if let Some(related) = self.related {
            write!(f, " raddr {} rport {}", related.ip(), related.port())?;
        }
        match self.ufrag {
            Some(ufrag) => write!(f, " ufrag {ufrag}"),
            None => Ok(()),
        }
    }
}

/// A component id: 1 to 256.
pub(super) fn component(text: &str) -> Option<u16> {
    text.parse().ok().filter(|id| digits(text, 3) && (1..=256).contains(id))
}

/// A port: decimal without sign.
pub(super) fn port(text: &str) -> Option<u16> {
    text.parse().ok().filter(|_| digits(text, 5))
}
