//! One flow, read from its three maps.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use rtpengine_common::abi::{
    FLOW_ACTIVE, FLOW_BLACKHOLE, FLOW_REDIRECT, FLOW_SOURCE_DROP, FLOW_SOURCE_PUNT, FLOW_VLAN, FlowInfo,
    FlowKey, FlowStats, FlowValue,
};
use rtpengine_common::reason::Reason;
use rtpengine_common::srtp::Suite;

/// What the kernel does with packets of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Forwards them.
    Forwarding,
    /// Counts and drops them.
    Blackhole,
    /// Hands them up: the flow is switched off for now.
    Inactive,
}

impl State {
    /// Its name in tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Forwarding => "kernel",
            Self::Blackhole => "drop",
            Self::Inactive => "off",
        }
    }
}

/// One flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Where packets come in.
    pub local: SocketAddr,
    /// Call-ID; empty where the owner wrote none.
    pub call_id: String,
    /// Tag of the sending party.
    pub tag: String,
    /// Tag of the receiving party.
    pub peer_tag: String,
    /// m-line, from 0.
    pub media: u16,
    /// The sending party's endpoint.
    pub source: Option<SocketAddr>,
    /// What happens to packets from elsewhere.
    pub mismatch: &'static str,
    /// New source address.
    pub from: SocketAddr,
    /// New destination.
    pub to: SocketAddr,
    /// What the kernel does.
    pub state: State,
    /// Suite that packets are decrypted with; `None`: they are not.
    pub decrypt: Option<&'static str>,
    /// Suite that they are encrypted with.
    pub encrypt: Option<&'static str>,
    /// Packets forwarded by the kernel.
    pub packets: u64,
    /// UDP payload bytes of those.
    pub bytes: u64,
    /// Packets handed up.
    pub punted: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// Why the last packet that was not forwarded was not; `None` while all were.
    pub last_reason: Option<u32>,
    /// Nanoseconds of `CLOCK_MONOTONIC` of the last packet, 0 before the first.
    pub last_seen_ns: u64,
    /// Nanoseconds of `CLOCK_MONOTONIC` of the installation, 0 where unknown.
    pub installed_ns: u64,
    /// Egress device; `None` sends back out of the device a packet came in by.
    pub device: Option<u32>,
    /// Next hop.
    pub mac: [u8; 6],
    /// VLAN id of outgoing frames.
    pub vlan: Option<u16>,
}

impl Flow {
    /// Puts the parts together.
    pub fn new(key: &FlowKey, value: &FlowValue, stats: Option<FlowStats>, info: Option<&FlowInfo>) -> Self {
        let stats = stats.unwrap_or_default();
        let source = info
            .map(|info| socket(info.endpoint_addr, info.endpoint_port))
            .filter(|source| !source.ip().is_unspecified())
            .or_else(|| {
                let checked = value.flags & (FLOW_SOURCE_PUNT | FLOW_SOURCE_DROP) != 0;
                checked.then(|| socket(value.expect_addr, value.expect_port))
            });
        Self {
            local: socket(key.addr, key.port),
            call_id: info.map(|info| text(&info.call_id)).unwrap_or_default(),
            tag: info.map(|info| text(&info.tag)).unwrap_or_default(),
            peer_tag: info.map(|info| text(&info.peer_tag)).unwrap_or_default(),
            media: info.map_or(0, |info| info.media),
            source,
            mismatch: if value.flags & FLOW_SOURCE_DROP != 0 {
                "drop"
            } else if value.flags & FLOW_SOURCE_PUNT != 0 {
                "punt"
            } else {
                "ignore"
            },
            from: socket(value.src_addr, value.src_port),
            to: socket(value.dst_addr, value.dst_port),
            state: if value.flags & FLOW_BLACKHOLE != 0 {
                State::Blackhole
            } else if value.flags & FLOW_ACTIVE != 0 {
                State::Forwarding
            } else {
                State::Inactive
            },
            decrypt: suite(value.receive_context, info.and_then(FlowInfo::receive_suite)),
            encrypt: suite(value.transmit_context, info.and_then(FlowInfo::transmit_suite)),
            packets: stats.packets(),
            bytes: stats.bytes(),
            punted: stats.punted,
            dropped: stats.dropped,
            last_reason: Some(stats.last_reason).filter(|reason| *reason != Reason::Forwarded as u32),
            last_seen_ns: stats.last_seen_ns,
            installed_ns: info.map_or(0, |info| info.installed_ns),
            device: (value.flags & FLOW_REDIRECT != 0).then_some(value.ifindex),
            mac: value.dst_mac,
            vlan: (value.flags & FLOW_VLAN != 0).then(|| u16::from_be_bytes(value.vlan) & 0x0fff),
        }
    }
}

/// Name of the suite of a context. The context itself holds keys and is not for us to read.
fn suite(context: u32, suite: Option<Suite>) -> Option<&'static str> {
    (context != 0).then(|| suite.map_or("?", Suite::name))
}

/// An address from its map form: IPv4 as `::ffff:a.b.c.d`.
fn socket(address: [u8; 16], port: [u8; 2]) -> SocketAddr {
    let address = Ipv6Addr::from(address);
    let ip = address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4);
    SocketAddr::new(ip, u16::from_be_bytes(port))
}

/// A zero-padded string; what is not text or would disturb a terminal is replaced.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default())
        .chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}
