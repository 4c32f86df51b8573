//! What the relay reports of a stream, and what it is told of the kernel's share.

use rtpengine_core::io::{Reason, StreamCounters};
use rtpengine_core::media::ssrc::KernelSsrc;
use smallvec::SmallVec;

/// Counters of one stream, read while packets flow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelayCounters {
    /// The stream's counters. What the kernel forwarded is included as far as it was folded in with
    /// [`RelayHandle::absorb`](super::RelayHandle::absorb).
    pub stream: StreamCounters,
    /// Packets that were received but not forwarded, by reason; reasons that never occurred are left out.
    pub drops: SmallVec<[(Reason, u64); 2]>,
    /// Packets the kernel threw away because the socket's receive queue was full.
    pub queue_overflow: u64,
}

/// What a flow that leaves the kernel, or is read while in it, adds to a stream. All counts are increments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelFold {
    /// Packets received from the party.
    pub packets: u64,
    /// UDP payload bytes of those.
    pub bytes: u64,
    /// Packets sent to the party (for the stream at the flow's output).
    pub packets_out: u64,
    /// UDP payload bytes of those.
    pub bytes_out: u64,
    /// Last packet received, Unix microseconds; 0 where none came.
    pub last_packet_unix_us: u64,
    /// By SSRC.
    pub ssrcs: SmallVec<[KernelSsrc; 1]>,
}
