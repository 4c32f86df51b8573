//! Storing the new frame and sending it.

use core::mem::MaybeUninit;

use aya_ebpf::{bindings::xdp_action, helpers::generated::bpf_redirect, programs::XdpContext};
use rtpengine_common::{
    abi::{FLOW_OUT_V6, FLOW_REDIRECT, FLOW_REWRITE_RTP, FLOW_VLAN, FlowValue},
    packet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, Ethernet, Ipv4, Ipv6, Rtp, Udp, View, VlanTag},
    reason::Reason,
    rewrite::Checksum,
};

use crate::{ingress::Ingress, packet::Packet};

/// A copy of headers on the stack. The kernel wants aligned stack access, and the header types have no alignment.
#[repr(C, align(8))]
pub struct Saved<T>(MaybeUninit<T>);

impl<T: View> Saved<T> {
    /// Copies word by word; headers are whole words.
    #[inline(always)]
    pub fn copy(headers: &T) -> Self {
        const { assert!(size_of::<T>().is_multiple_of(size_of::<u32>())) };
        let mut saved = Self(MaybeUninit::uninit());
        let from = core::ptr::from_ref(headers).cast::<u32>();
        let to = saved.0.as_mut_ptr().cast::<u32>();
        for index in 0..size_of::<T>() / size_of::<u32>() {
            // SAFETY: both are `T`s, and `to` is aligned.
            unsafe { to.add(index).write(from.add(index).read_unaligned()) };
        }
        saved
    }

    /// The headers.
    #[inline(always)]
    pub fn get(&self) -> &T {
        // SAFETY: `copy` has written all of it.
        unsafe { self.0.assume_init_ref() }
    }
}

/// Length of the outgoing network header. Calculated, here and below: the verifier goes through what follows a choice
/// once for each of its lengths.
#[inline(always)]
pub fn network_len(flow: &FlowValue) -> usize {
    let v6 = (flow.flags / FLOW_OUT_V6 & 1) as usize;
    size_of::<Ipv4>() + v6 * (size_of::<Ipv6>() - size_of::<Ipv4>())
}

/// Length of the outgoing link header.
#[inline(always)]
fn link_len(flow: &FlowValue) -> usize {
    let tags = (flow.flags / FLOW_VLAN & 1) as usize;
    size_of::<Ethernet>() + tags * size_of::<VlanTag>()
}

/// Stores the new headers, making room before them or giving room up. `old_len`: bytes before the UDP payload.
///
/// # Errors
/// [`Reason::RewriteFailed`], with the frame untouched.
#[inline(always)]
pub fn rewrite<I: Ingress>(
    ctx: &XdpContext,
    mut packet: Packet,
    flow: &FlowValue,
    old_len: usize,
    headers: &I,
    rtp: Rtp,
    checksum: Checksum,
) -> Result<(), Reason> {
    let link_len = link_len(flow);
    let new_len = headers_len(flow);
    // What is stored below lies within the frame, as it did before: the verifier alone wants that checked.
    if new_len == old_len {
        headers.store(flow, checksum, &mut packet, link_len).ok_or(Reason::RewriteFailed)?;
    } else {
        let saved = Saved::copy(headers);
        packet = Packet::resize(ctx, old_len as i32 - new_len as i32).ok_or(Reason::RewriteFailed)?;
        saved.get().store(flow, checksum, &mut packet, link_len).ok_or(Reason::RewriteFailed)?;
    }
    store_link(flow, &mut packet).ok_or(Reason::RewriteFailed)?;
    if flow.flags & FLOW_REWRITE_RTP != 0 {
        packet.put(new_len, rtp).ok_or(Reason::RewriteFailed)?;
    }
    Ok(())
}

/// Stores the new headers before a payload that is there already.
///
/// # Errors
/// [`Reason::RewriteFailed`], which the verifier alone holds possible.
#[inline(always)]
pub fn head<I: Ingress>(
    mut packet: Packet,
    flow: &FlowValue,
    headers: &I,
    checksum: Checksum,
) -> Result<(), Reason> {
    headers.store(flow, checksum, &mut packet, link_len(flow)).ok_or(Reason::RewriteFailed)?;
    store_link(flow, &mut packet).ok_or(Reason::RewriteFailed)
}

/// Length of all outgoing headers before the UDP payload.
#[inline(always)]
pub fn headers_len(flow: &FlowValue) -> usize {
    link_len(flow) + network_len(flow) + size_of::<Udp>()
}

/// Piece by piece, each of a size that is stored at once.
#[inline(always)]
fn store_link(flow: &FlowValue, packet: &mut Packet) -> Option<()> {
    let ethertype = if flow.flags & FLOW_OUT_V6 == 0 { ETHERTYPE_IPV4 } else { ETHERTYPE_IPV6 };
    packet.put(0, flow.macs())?;
    if flow.flags & FLOW_VLAN == 0 {
        packet.put(size_of::<[u8; 12]>(), ethertype.to_be_bytes())
    } else {
        let [high, low] = ETHERTYPE_VLAN.to_be_bytes();
        packet.put(size_of::<[u8; 12]>(), [high, low, flow.vlan[0], flow.vlan[1]])?;
        packet.put(size_of::<[u8; 16]>(), ethertype.to_be_bytes())
    }
}

/// Sends the frame.
#[inline(always)]
pub fn send(flow: &FlowValue) -> u32 {
    if flow.flags & FLOW_REDIRECT == 0 {
        return xdp_action::XDP_TX;
    }
    // SAFETY: no pointers are passed.
    unsafe { bpf_redirect(flow.ifindex, 0) as u32 }
}
