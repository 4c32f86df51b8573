//! Whether a packet of a known flow is forwarded.

use crate::{
    abi::{
        FLOW_ACTIVE, FLOW_BLACKHOLE, FLOW_NO_CHECKSUM_IN, FLOW_OUT_V6, FLOW_PT_FILTER, FLOW_RTCP_MUX,
        FLOW_SOURCE_DROP, FLOW_SOURCE_PUNT, FlowValue,
    },
    packet::{Kind, Rtp, classify},
    reason::Reason,
    restraint,
};

/// Whether the flow handles packets at all. `now_ns` and `last_seen_ns`: `CLOCK_MONOTONIC`.
///
/// # Errors
/// [`Reason::Inactive`] where it is switched off or has been idle for too long.
#[inline(always)]
pub fn active(flow: &FlowValue, now_ns: u64, last_seen_ns: u64) -> Result<(), Reason> {
    if flow.flags & FLOW_ACTIVE == 0 {
        return Err(Reason::Inactive);
    }
    // The clock is coarse, so `last_seen_ns` as set by userspace may lie a little ahead of it.
    if flow.idle_limit_ns != 0 && now_ns.saturating_sub(last_seen_ns) > flow.idle_limit_ns {
        return Err(Reason::Inactive);
    }
    Ok(())
}

/// Whether the flow's policy accepts the packet's source.
///
/// # Errors
/// [`Reason::SourcePunt`] or [`Reason::SourceDrop`].
#[inline(always)]
pub fn source(flow: &FlowValue, addr: [u8; 16], port: [u8; 2]) -> Result<(), Reason> {
    if flow.flags & (FLOW_SOURCE_PUNT | FLOW_SOURCE_DROP) == 0
        || (halves(addr) == halves(flow.expect_addr) && port == flow.expect_port)
    {
        return Ok(());
    }
    if flow.flags & FLOW_SOURCE_DROP != 0 { Err(Reason::SourceDrop) } else { Err(Reason::SourcePunt) }
}

/// Sorts a payload by its first bytes; `second` is zero for a payload of one byte.
///
/// # Errors
/// The reason for everything that is not RTP.
#[inline(always)]
pub fn protocol(flow: &FlowValue, first: u8, second: u8) -> Result<(), Reason> {
    match classify(first, second, flow.flags & FLOW_RTCP_MUX != 0) {
        Kind::Rtp => Ok(()),
        Kind::Stun => Err(Reason::Stun),
        Kind::Dtls => Err(Reason::Dtls),
        Kind::Rtcp => Err(Reason::Rtcp),
        Kind::Other => Err(Reason::NotRtp),
    }
}

/// Whether this RTP packet may be forwarded. `payload_len`: UDP payload, bytes.
///
/// # Errors
/// [`Reason::NotRtp`], [`Reason::PayloadType`] or [`Reason::SsrcUnknown`] (SSRC 0 marks a free counter slot).
#[inline(always)]
pub fn rtp(flow: &FlowValue, rtp: &Rtp, payload_len: usize) -> Result<(), Reason> {
    if rtp.min_len() > payload_len {
        return Err(Reason::NotRtp);
    }
    if flow.flags & FLOW_PT_FILTER != 0 && !restraint::lists(flow.payload_types, rtp.payload_type()) {
        return Err(Reason::PayloadType);
    }
    if rtp.ssrc == [0; 4] {
        return Err(Reason::SsrcUnknown);
    }
    Ok(())
}

/// Whether the flow lets this packet out. `network_len`: outgoing IP packet, bytes.
///
/// # Errors
/// [`Reason::Blackhole`] or [`Reason::TooBig`].
#[inline(always)]
pub fn egress(flow: &FlowValue, network_len: usize) -> Result<(), Reason> {
    if flow.flags & FLOW_BLACKHOLE != 0 {
        return Err(Reason::Blackhole);
    }
    if network_len > usize::from(flow.mtu) { Err(Reason::TooBig) } else { Ok(()) }
}

/// What is to be done about the UDP checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChecksumPlan {
    /// The incoming one is brought up to date.
    Update,
    /// The packet leaves without one.
    Omit,
    /// The packet has none that can be built on, and IPv6 requires one (RFC 8200 section 8.1): it is computed over the
    /// whole packet.
    Compute,
}

/// Plans for a packet with this checksum.
#[inline(always)]
pub fn checksum(flow: &FlowValue, incoming: [u8; 2]) -> ChecksumPlan {
    let unknown = flow.flags & FLOW_NO_CHECKSUM_IN != 0;
    if !unknown && incoming != [0; 2] {
        ChecksumPlan::Update
    } else if flow.flags & FLOW_OUT_V6 == 0 {
        ChecksumPlan::Omit
    } else {
        ChecksumPlan::Compute
    }
}

/// Two comparisons of 64 bits instead of a `memcmp` call, which BPF does not have.
#[inline(always)]
fn halves(a: [u8; 16]) -> u128 {
    u128::from_ne_bytes(a)
}

/// What to do with a packet that is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Sent out.
    Forward,
    /// Handed up to userspace through the network stack.
    Punt,
    /// Dropped.
    Drop,
}

impl Verdict {
    /// The verdict for a reason.
    #[inline(always)]
    pub const fn of(reason: Reason) -> Self {
        // Not an exhaustive match: it would become a jump table, which BPF does not have.
        if matches!(reason, Reason::Forwarded) {
            Self::Forward
        } else if matches!(
            reason,
            Reason::SourceDrop
                | Reason::Blackhole
                | Reason::SrtpAuthentication
                | Reason::SrtpReplay
                | Reason::PayloadBlocked
        ) {
            Self::Drop
        } else {
            Self::Punt
        }
    }
}
