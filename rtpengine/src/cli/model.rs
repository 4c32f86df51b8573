//! What the command line shows: filled by the daemon, formatted by the rest of this module.

use std::net::{IpAddr, SocketAddr};

use rtpengine_core::io::Path;
use rtpengine_core::ng::statistics::Traffic;

/// One call in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSummary {
    /// SIP Call-ID.
    pub call_id: String,
    /// Deleted already, kept for `--delete-delay`.
    pub deleting: bool,
    /// Unix seconds.
    pub created: u64,
    /// The control client that made it.
    pub proxy: SocketAddr,
    /// Taken over from another daemon.
    pub foreign: bool,
}

/// One call in full.
#[derive(Clone, Debug, PartialEq)]
pub struct CallDetail {
    /// What lists show.
    pub summary: CallSummary,
    /// TOS in force.
    pub tos: u8,
    /// Unix seconds of the last command.
    pub last_signal: u64,
    /// Parties.
    pub tags: Vec<TagDetail>,
}

/// Which side of the first offer a party was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagType {
    /// It made the offer.
    From,
    /// It got the offer.
    To,
}

/// One party.
#[derive(Clone, Debug, PartialEq)]
pub struct TagDetail {
    /// SIP tag; empty while unknown.
    pub tag: String,
    /// Its side.
    pub kind: TagType,
    /// Label.
    pub label: String,
    /// Via branch.
    pub branch: String,
    /// Seconds since it appeared.
    pub duration: f64,
    /// Tags whose media it gets.
    pub subscribed_to: Vec<String>,
    /// Tags that get its media.
    pub subscribers: Vec<String>,
    /// Its media.
    pub medias: Vec<MediaDetail>,
}

/// One m-line.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaDetail {
    /// From 1.
    pub index: u32,
    /// `audio`, `video`...
    pub kind: String,
    /// `RTP/AVP`...
    pub protocol: String,
    /// Codec in use, as `PCMA/8000`.
    pub codec: Option<String>,
    /// Sockets.
    pub streams: Vec<StreamDetail>,
}

/// One socket.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamDetail {
    /// Its local address.
    pub local: SocketAddr,
    /// The party's address.
    pub endpoint: Option<SocketAddr>,
    /// It is an RTCP socket of its own.
    pub rtcp: bool,
    /// The party's SSRC, 0 while none was seen.
    pub ssrc: u32,
    /// Received.
    pub received: Traffic,
    /// Unix seconds of the last packet.
    pub last_packet: u64,
    /// Where packets are forwarded.
    pub path: Path,
}

/// A port range of a local address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfacePorts {
    /// Logical interface.
    pub name: String,
    /// Local address.
    pub address: IpAddr,
    /// First port.
    pub min: u16,
    /// Last port.
    pub max: u16,
    /// In use.
    pub used: u64,
}

/// Settings that `set` changes while the daemon runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RuntimeSettings {
    /// Seconds.
    pub timeout: u64,
    /// Seconds.
    pub silent_timeout: u64,
    /// Seconds, 0 = off.
    pub final_timeout: u64,
    /// Seconds.
    pub offer_timeout: u64,
    /// Seconds.
    pub delete_delay: u64,
    /// -1 = unlimited.
    pub max_sessions: i64,
    /// Percent, 0 = unlimited.
    pub max_cpu: f64,
    /// Load average, 0 = unlimited.
    pub max_load: f64,
    /// Bytes per second, 0 = unlimited.
    pub max_bandwidth: u64,
    /// TOS of control replies, 0 = system default.
    pub control_tos: u8,
}

/// One change of [`RuntimeSettings`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Setting {
    /// `timeout`, seconds.
    Timeout(u64),
    /// `silenttimeout`, seconds.
    SilentTimeout(u64),
    /// `finaltimeout`, seconds.
    FinalTimeout(u64),
    /// `offertimeout`, seconds.
    OfferTimeout(u64),
    /// `deletedelay`, seconds.
    DeleteDelay(u64),
    /// `maxsessions`.
    MaxSessions(i64),
    /// `maxcpu`, percent.
    MaxCpu(f64),
    /// `maxload`.
    MaxLoad(f64),
    /// `maxbw`, bytes per second.
    MaxBandwidth(u64),
    /// `controltos`.
    ControlTos(u8),
}

/// Calls to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// This one.
    Call(String),
    /// Every one.
    All,
    /// This daemon's own.
    Own,
    /// Those taken over.
    Foreign,
}

impl Selection {
    /// Whether a call belongs to it.
    #[must_use]
    pub fn contains(&self, call: &CallSummary) -> bool {
        match self {
            Self::Call(call_id) => call.call_id == *call_id,
            Self::All => true,
            Self::Own => !call.foreign,
            Self::Foreign => call.foreign,
        }
    }
}
