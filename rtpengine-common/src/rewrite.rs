//! New headers for a packet: every combination of IP versions, and the RTP fields.
//!
//! Packets leave as if this host had sent them: source and destination of the flow, a fresh TTL. Everything is computed
//! before anything is stored, so a packet that cannot be rewritten is handed up untouched.

use crate::{
    abi::{FLOW_REWRITE_RTP, FLOW_SET_TOS, FLOW_TURN_SSRC, FlowValue, SsrcRewrite},
    checksum::Difference,
    packet::{Ipv4, Ipv4Udp, Ipv6, Ipv6Udp, Rtp, Udp},
    reason::Reason,
    words::{copy16, unmapped},
};

/// TTL and hop limit of outgoing packets: Linux' default for its own.
pub const TTL: u8 = 64;

/// Where the UDP checksum of the outgoing packet comes from.
#[derive(Clone, Copy, Debug)]
pub enum Checksum {
    /// There is none, which only IPv4 allows.
    Absent,
    /// Everything that it covers, the new addresses and ports apart ([`updated`], [`computed`]).
    Over(Difference),
}

/// Brings the checksum of a packet up to date. `addresses`: what the removal of the old ones changes; `payload`: what
/// RTP rewriting changes. Length and protocol stand in the pseudo-headers of both IP versions and cancel out.
#[inline(always)]
pub fn updated(addresses: Difference, old: &Udp, payload: Difference) -> Checksum {
    let ports = [old.src_port[0], old.src_port[1], old.dst_port[0], old.dst_port[1]];
    Checksum::Over(addresses.and(payload).remove4(ports).remove2(old.checksum))
}

/// Computes a checksum anew. `payload`: the sum of the UDP payload as it will leave.
#[inline(always)]
pub fn computed(old: &Udp, payload: Difference) -> Checksum {
    // The length stands in the pseudo-header and in the header.
    Checksum::Over(payload.insert2([0, Udp::PROTOCOL]).insert2(old.len).insert2(old.len))
}

/// IPv4 to IPv4. Identification and "don't fragment" are kept.
#[inline(always)]
pub fn v4_to_v4(old: &Ipv4Udp, flow: &FlowValue, checksum: Checksum) -> Ipv4Udp {
    let mut new = *old;
    new.ip.src = unmapped(flow.src_addr);
    new.ip.dst = unmapped(flow.dst_addr);
    new.ip.ttl = TTL;
    new.ip.tos = tos(flow, old.ip.tos);
    let addresses = Difference::NONE.replace4(old.ip.src, new.ip.src).replace4(old.ip.dst, new.ip.dst);
    new.ip.checksum = addresses
        .replace2([old.ip.version_ihl, old.ip.tos], [new.ip.version_ihl, new.ip.tos])
        .replace2([old.ip.ttl, old.ip.protocol], [new.ip.ttl, new.ip.protocol])
        .apply(old.ip.checksum);
    let inserted = Difference::NONE.insert4(new.ip.src).insert4(new.ip.dst);
    new.udp = udp(old.udp.len, flow, inserted, checksum);
    new
}

/// IPv6 to IPv6. The flow label is kept: it was the sender's, one per stream.
#[inline(always)]
pub fn v6_to_v6(old: &Ipv6Udp, flow: &FlowValue, checksum: Checksum) -> Ipv6Udp {
    let mut new = *old;
    new.ip.version_class_label =
        Ipv6::with_traffic_class(old.ip.version_class_label, tos(flow, old.ip.traffic_class()));
    new.ip.hop_limit = TTL;
    new.ip.src = copy16(flow.src_addr);
    new.ip.dst = copy16(flow.dst_addr);
    let inserted = Difference::NONE.insert16(new.ip.src).insert16(new.ip.dst);
    new.udp = udp(old.udp.len, flow, inserted, checksum);
    new
}

/// IPv4 to IPv6.
#[inline(always)]
pub fn v4_to_v6(old: &Ipv4Udp, flow: &FlowValue, checksum: Checksum) -> Ipv6Udp {
    let inserted = Difference::NONE.insert16(flow.src_addr).insert16(flow.dst_addr);
    Ipv6Udp {
        ip: Ipv6 {
            version_class_label: Ipv6::with_traffic_class([0; 4], tos(flow, old.ip.tos)),
            payload_len: old.udp.len,
            next_header: Udp::PROTOCOL,
            hop_limit: TTL,
            src: copy16(flow.src_addr),
            dst: copy16(flow.dst_addr),
        },
        udp: udp(old.udp.len, flow, inserted, checksum),
    }
}

/// IPv6 to IPv4. The packet is atomic: identification 0, "don't fragment" (RFC 6864 section 4).
#[inline(always)]
pub fn v6_to_v4(old: &Ipv6Udp, flow: &FlowValue, checksum: Checksum) -> Ipv4Udp {
    let (src, dst) = (unmapped(flow.src_addr), unmapped(flow.dst_addr));
    let inserted = Difference::NONE.insert4(src).insert4(dst);
    let tos = tos(flow, old.ip.traffic_class());
    let total_len = (u16::from_be_bytes(old.udp.len).saturating_add(size_of::<Ipv4>() as u16)).to_be_bytes();
    let header_checksum = inserted
        .insert2([Ipv4::VERSION_IHL, tos])
        .insert2(total_len)
        .insert2(Ipv4::DF)
        .insert2([TTL, Udp::PROTOCOL])
        .finish();
    Ipv4Udp {
        ip: Ipv4 {
            version_ihl: Ipv4::VERSION_IHL,
            tos,
            total_len,
            id: [0; 2],
            fragment: Ipv4::DF,
            ttl: TTL,
            protocol: Udp::PROTOCOL,
            checksum: header_checksum,
            src,
            dst,
        },
        udp: udp(old.udp.len, flow, inserted, checksum),
    }
}

/// The rewritten RTP header and what that does to the UDP checksum; `None` where the flow rewrites nothing.
///
/// # Errors
/// [`Reason::SsrcUnknown`] for a source that the flow has no rewriting for.
#[inline(always)]
pub fn rtp(old: &Rtp, flow: &FlowValue) -> Result<Option<(Rtp, Difference)>, Reason> {
    if flow.flags & FLOW_REWRITE_RTP == 0 {
        return Ok(None);
    }
    let turns = flow.flags & FLOW_TURN_SSRC != 0;
    let [first, ..] = &flow.ssrcs;
    let entry = if turns { first } else { entry(flow, old.ssrc).ok_or(Reason::SsrcUnknown)? };
    let mut new = *old;
    new.sequence = u16::from_be_bytes(old.sequence).wrapping_add(entry.seq_offset).to_be_bytes();
    // Calculated: a choice here leaves the header in pieces on the stack, which the verifier refuses.
    let kept = u32::from_ne_bytes(old.ssrc) & u32::from(turns).wrapping_neg();
    new.ssrc = (u32::from_ne_bytes(entry.ssrc_out) ^ kept).to_ne_bytes();
    let difference = Difference::NONE.replace2(old.sequence, new.sequence).replace4(old.ssrc, new.ssrc);
    Ok(Some((new, difference)))
}

#[inline(always)]
fn entry(flow: &FlowValue, ssrc: [u8; 4]) -> Option<&SsrcRewrite> {
    let [a, b, c, d] = &flow.ssrcs;
    // Spelled out: a loop over a map value costs the verifier more than it saves here. All zero marks an unused entry.
    if ssrc == [0; 4] {
        None
    } else if a.ssrc_in == ssrc {
        Some(a)
    } else if b.ssrc_in == ssrc {
        Some(b)
    } else if c.ssrc_in == ssrc {
        Some(c)
    } else if d.ssrc_in == ssrc {
        Some(d)
    } else {
        None
    }
}

/// `addresses`: the new ones.
#[inline(always)]
fn udp(len: [u8; 2], flow: &FlowValue, addresses: Difference, checksum: Checksum) -> Udp {
    let ports = [flow.src_port[0], flow.src_port[1], flow.dst_port[0], flow.dst_port[1]];
    let checksum = match checksum {
        Checksum::Absent => [0; 2],
        Checksum::Over(rest) => rest.and(addresses).insert4(ports).finish_udp(),
    };
    Udp { src_port: flow.src_port, dst_port: flow.dst_port, len, checksum }
}

#[inline(always)]
fn tos(flow: &FlowValue, old: u8) -> u8 {
    if flow.flags & FLOW_SET_TOS != 0 { flow.tos } else { old }
}
