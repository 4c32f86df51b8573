//! The statistics of the daemon as a model, and their rendering for the ng command `statistics` and the command line's `list jsonstats`.

use std::net::IpAddr;

use super::command::Command;

pub use self::interval::{CommandInterval, Interval, Spread};
pub use self::metrics::{Sampled, VoipMetrics};

mod interval;
mod metrics;
mod render;

/// Everything `statistics` tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Of running sessions.
    pub current: Current,
    /// Since the start, without running sessions.
    pub total: Total,
    /// MOS and what it is made of.
    pub voip: VoipMetrics,
    /// RTP packets lost.
    pub packets_lost: u64,
    /// Duplicate RTP packets.
    pub rtp_duplicates: u64,
    /// Jumps in RTP sequence numbers.
    pub rtp_skips: u64,
    /// Restarts of RTP sequences.
    pub rtp_seq_resets: u64,
    /// RTP packets out of order.
    pub rtp_reordered: u64,
    /// By control client.
    pub control: Vec<ProxyStatistics>,
    /// By local address.
    pub interfaces: Vec<InterfaceStatistics>,
    /// Of this daemon's own, beyond what the original tells.
    pub own: Vec<Figures>,
}

/// Numbers under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The name.
    pub name: &'static str,
    /// The numbers with theirs.
    pub counts: Vec<(&'static str, u64)>,
}

/// A rate or a sum of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// UDP payload bytes.
    pub bytes: u64,
    /// Errors.
    pub errors: u64,
}

impl std::ops::Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets.saturating_add(other.packets),
            bytes: self.bytes.saturating_add(other.bytes),
            errors: self.errors.saturating_add(other.errors),
        }
    }
}

/// Figures of the running sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// Sessions of this daemon.
    pub sessions_own: u64,
    /// Sessions taken over from another one.
    pub sessions_foreign: u64,
    /// Media being transcoded.
    pub transcoded_media: u64,
    /// Sessions with IPv4 media only.
    pub sessions_ipv4: u64,
    /// Sessions with IPv6 media only.
    pub sessions_ipv6: u64,
    /// Sessions with both.
    pub sessions_mixed: u64,
    /// Per second in userspace.
    pub rate_user: Traffic,
    /// Per second in the kernel.
    pub rate_kernel: Traffic,
    /// RTP sockets whose media is relayed in userspace, in both directions.
    pub media_userspace: u64,
    /// RTP sockets whose media is forwarded by the kernel, in both directions.
    pub media_kernel: u64,
    /// RTP sockets with one direction in the kernel and the other one in userspace.
    pub media_mixed: u64,
}

/// Figures since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Seconds since the start.
    pub uptime: u64,
    /// Sessions that ended.
    pub managed_sessions: u64,
    /// Sessions refused for limits.
    pub rejected_sessions: u64,
    /// Ended by `timeout`.
    pub timeout_sessions: u64,
    /// Ended by `silent-timeout`.
    pub silent_timeout_sessions: u64,
    /// Ended by `final-timeout`.
    pub final_timeout_sessions: u64,
    /// Ended by `offer-timeout`.
    pub offer_timeout_sessions: u64,
    /// Ended by `delete`.
    pub regular_terminated_sessions: u64,
    /// Ended by the operator.
    pub forced_terminated_sessions: u64,
    /// Relayed in userspace.
    pub relayed_user: Traffic,
    /// Forwarded by the kernel.
    pub relayed_kernel: Traffic,
    /// Streams without packets.
    pub zero_way_streams: u64,
    /// Streams with packets in one direction only.
    pub one_way_streams: u64,
    /// Durations of ended calls, seconds.
    pub call_duration: Sampled,
}

/// Commands of one control client.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyStatistics {
    /// Its address.
    pub proxy: IpAddr,
    /// By [`Command::index`].
    pub commands: [CommandStatistics; Command::COUNT],
    /// Requests answered with an error.
    pub errors: u64,
}

impl ProxyStatistics {
    /// Without any commands.
    #[must_use]
    pub fn new(proxy: IpAddr) -> Self {
        Self { proxy, commands: [CommandStatistics::default(); Command::COUNT], errors: 0 }
    }
}

/// Count and time of one command.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CommandStatistics {
    /// Requests handled.
    pub count: u64,
    /// Seconds spent on them.
    pub duration: f64,
}

/// Figures of one local address.
#[derive(Clone, Debug, PartialEq)]
pub struct InterfaceStatistics {
    /// Logical interface.
    pub name: String,
    /// Local address.
    pub address: IpAddr,
    /// First port of the range.
    pub port_min: u16,
    /// Last port of the range.
    pub port_max: u16,
    /// Ports in use.
    pub ports_used: u64,
    /// RTP packets lost.
    pub packets_lost: u64,
    /// Duplicate RTP packets.
    pub duplicates: u64,
    /// Quality.
    pub voip: VoipMetrics,
    /// Received.
    pub ingress: Traffic,
    /// Sent.
    pub egress: Traffic,
}

impl InterfaceStatistics {
    /// Size of the port range.
    #[must_use]
    pub fn ports_total(&self) -> u64 {
        u64::from(self.port_max.saturating_sub(self.port_min)) + 1
    }

    /// Share of ports in use, percent.
    #[must_use]
    pub fn ports_used_percent(&self) -> f64 {
        self.ports_used as f64 * 100.0 / self.ports_total() as f64
    }
}

#[cfg(test)]
mod tests;
