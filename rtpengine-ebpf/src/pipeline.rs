//! From a frame to an action.

use aya_ebpf::{bindings::xdp_action, helpers::generated::bpf_ktime_get_coarse_ns, programs::XdpContext};
use rtpengine_common::{
    abi::{FLOW_BLACKHOLE, FLOW_DEBUG, FLOW_OUT_V6, FlowStats, FlowValue, KeyWords, NO_TABLE},
    admit::{self, ChecksumPlan, Verdict},
    checksum::Difference,
    packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Frame as _, Ipv4Udp, Ipv6Udp, Link, Rtp, Udp},
    reason::Reason,
    restraint,
    rewrite::{self, Checksum},
};

use crate::{
    counters, egress,
    ingress::Ingress,
    maps::{FLOWS, STATS},
    packet::Packet,
    silence, srtp,
};

/// Handles one frame; returns the XDP action.
#[inline(always)]
pub fn run(ctx: &XdpContext) -> u32 {
    let packet = Packet::new(ctx);
    let result = match Link::parse(&packet) {
        Ok(link) if link.ethertype == ETHERTYPE_IPV4 => handle::<Ipv4Udp>(ctx, packet, link.len),
        Ok(link) if link.ethertype == ETHERTYPE_IPV6 => handle::<Ipv6Udp>(ctx, packet, link.len),
        Ok(_) => Err(Reason::NotIp),
        Err(reason) => Err(reason),
    };
    result.unwrap_or_else(|reason| {
        counters::reason(NO_TABLE, reason);
        xdp_action::XDP_PASS
    })
}

/// `Err`: the packet belongs to no flow.
#[inline(always)]
fn handle<I: Ingress>(ctx: &XdpContext, packet: Packet, link_len: usize) -> Result<u32, Reason> {
    let headers = packet.view::<I>(link_len).ok_or(Reason::Malformed)?;
    let payload_len = headers.check(packet.len() - link_len)?;
    let (flow, stats) = find(headers.key()).ok_or(Reason::NoFlow)?;
    let result = forward(ctx, packet, link_len, headers, payload_len, flow, stats);
    let reason = match result {
        Ok(()) => Reason::Forwarded,
        Err(reason) => reason,
    };
    counters::reason(flow.table, reason);
    if flow.flags & FLOW_DEBUG != 0 {
        log(ctx, flow.table, flow.slot, reason as u32);
    }
    if result.is_ok() {
        return Ok(egress::send(flow));
    }
    let dropped = Verdict::of(reason) == Verdict::Drop;
    counters::refused(stats, reason, dropped);
    Ok(if dropped { xdp_action::XDP_DROP } else { xdp_action::XDP_PASS })
}

/// Kept out of the hot path: formatting is many instructions.
#[inline(never)]
fn log(ctx: &XdpContext, table: u32, slot: u32, reason: u32) {
    aya_log_ebpf::debug!(ctx, "table {} slot {} reason {}", table, slot, reason);
}

/// Rewrites and counts the packet of a flow.
#[inline(always)]
fn forward<I: Ingress>(
    ctx: &XdpContext,
    packet: Packet,
    link_len: usize,
    headers: &I,
    payload_len: usize,
    flow: &FlowValue,
    stats: *mut FlowStats,
) -> Result<(), Reason> {
    // SAFETY: no arguments. The coarse clock (kernel 5.11) costs a few loads; timeouts are in seconds.
    let now_ns = unsafe { bpf_ktime_get_coarse_ns() };
    // SAFETY: a live element of a stats map.
    admit::active(flow, now_ns, unsafe { (&raw const (*stats).last_seen_ns).read() })?;

    let headers_len = link_len + size_of::<I>();
    let Some(rtp) = packet.view::<Rtp>(headers_len).filter(|_| payload_len >= size_of::<Rtp>()) else {
        return Err(too_short(&packet, headers_len, payload_len, flow));
    };
    admit::protocol(flow, rtp.flags, rtp.marker_type)?;
    admit::source(flow, headers.src_addr(), headers.udp().src_port)?;
    admit::rtp(flow, rtp, payload_len)?;
    counters::settled(stats, rtp)?;
    if flow.receive_context | flow.transmit_context != 0 {
        return secure(ctx, rtp, headers_len, headers, payload_len, flow, stats, now_ns);
    }
    let slot = counters::source(stats, flow.slot, u32::from_be_bytes(rtp.ssrc)).ok_or(Reason::SsrcUnknown)?;
    let network_len = egress::network_len(flow) + size_of::<Udp>() + payload_len;
    let old_rtp = *rtp;
    let payload_type = old_rtp.payload_type();
    if let Err(reason) = restraint::admit(flow, payload_type).and_then(|()| admit::egress(flow, network_len))
    {
        if matches!(reason, Reason::Blackhole | Reason::PayloadBlocked) {
            counters::accepted(stats, slot, &old_rtp, payload_len, now_ns);
        }
        return Err(reason);
    }
    let (new_rtp, header_difference) = match rewrite::rtp(&old_rtp, flow)? {
        Some(rewritten) => rewritten,
        None => (old_rtp, Difference::NONE),
    };
    // What is computed anew below covers the new payload already.
    let difference = match restraint::silence(flow, payload_type) {
        Some(byte) => header_difference
            .and(silence::fill(ctx, headers_len, payload_len, byte).ok_or(Reason::RewriteFailed)?),
        None => header_difference,
    };
    let checksum = match admit::checksum(flow, headers.udp().checksum) {
        ChecksumPlan::Update => rewrite::updated(headers.without_addresses(), headers.udp(), difference),
        ChecksumPlan::Omit => Checksum::Absent,
        ChecksumPlan::Compute => {
            let payload = Packet::sum(ctx, headers_len, payload_len).ok_or(Reason::NoChecksum)?;
            rewrite::computed(headers.udp(), payload.and(header_difference))
        }
    };
    egress::rewrite(ctx, packet, flow, headers_len, headers, new_rtp, checksum)?;
    counters::accepted(stats, slot, &old_rtp, payload_len, now_ns);
    Ok(())
}

/// As [`forward`] from the point where packets to be decrypted or encrypted go another way.
#[inline(always)]
fn secure<I: Ingress>(
    ctx: &XdpContext,
    rtp: &Rtp,
    headers_len: usize,
    headers: &I,
    payload_len: usize,
    flow: &FlowValue,
    stats: *mut FlowStats,
    now_ns: u64,
) -> Result<(), Reason> {
    let old_rtp = *rtp;
    let new_rtp = match rewrite::rtp(&old_rtp, flow)? {
        Some((rewritten, _)) => rewritten,
        None => old_rtp,
    };
    let saved = egress::Saved::copy(headers);
    let rtp_len = srtp::open(ctx.ctx, headers_len, payload_len, flow.receive_context)?;
    let slot =
        counters::source(stats, flow.slot, u32::from_be_bytes(old_rtp.ssrc)).ok_or(Reason::SsrcUnknown)?;
    let payload_type = old_rtp.payload_type();
    let blocked = restraint::admit(flow, payload_type).is_err();
    if let Some(byte) = restraint::silence(flow, payload_type) {
        silence::fill_scratch(rtp_len, byte).ok_or(Reason::NotRtp)?;
    }
    let v6 = flow.flags & FLOW_OUT_V6;
    let job = srtp::Job {
        rtp: new_rtp,
        limit: u32::from(flow.mtu).saturating_sub((egress::network_len(flow) + size_of::<Udp>()) as u32),
        shift: headers_len as i32 - egress::headers_len(flow) as i32,
        blackhole: flow.flags & FLOW_BLACKHOLE | u32::from(blocked),
        sum: v6,
    };
    match srtp::seal(ctx.ctx, (headers_len, payload_len), rtp_len, flow.transmit_context, &job) {
        Ok((new_len, sum)) => {
            let headers = saved.get().resized(new_len);
            // Without a checksum where that is possible: the tag covers more.
            let checksum = if v6 == 0 {
                Checksum::Absent
            } else {
                rewrite::computed(headers.udp(), Difference::NONE.insert8(sum))
            };
            egress::head(Packet::new(ctx), flow, &headers, checksum)?;
            counters::accepted(stats, slot, &old_rtp, payload_len, now_ns);
            Ok(())
        }
        Err(reason) => {
            if matches!(reason, Reason::Blackhole) {
                counters::accepted(stats, slot, &old_rtp, payload_len, now_ns);
                return Err(if blocked { Reason::PayloadBlocked } else { reason });
            }
            Err(reason)
        }
    }
}

/// Why a payload that cannot hold an RTP header is handed up.
#[inline(always)]
fn too_short(packet: &Packet, offset: usize, payload_len: usize, flow: &FlowValue) -> Reason {
    match packet.view::<[u8; 2]>(offset) {
        Some(&[first, second]) if payload_len >= 2 => {
            admit::protocol(flow, first, second).err().unwrap_or(Reason::NotRtp)
        }
        _ => Reason::NotRtp,
    }
}

/// The flow of a destination, and its counters.
#[inline(always)]
fn find(key: KeyWords) -> Option<(&'static FlowValue, *mut FlowStats)> {
    // SAFETY: an element of a map without preallocation lives until this program ends (RCU), and is replaced as a whole.
    let flow = unsafe { &*FLOWS.get_ptr(key.key())? };
    Some((flow, STATS.get_ptr_mut(flow.slot)?))
}
