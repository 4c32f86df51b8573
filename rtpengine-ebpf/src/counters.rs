//! Counters in map memory.
//!
//! Other CPUs and userspace look at the same memory, so nothing here makes a Rust reference to it.

use core::intrinsics::{AtomicOrdering, atomic_cxchg, atomic_xadd};

use rtpengine_common::{
    abi::{FlowStats, MAX_SSRCS, SsrcStats},
    packet::Rtp,
    reason::{PACKET_REASONS, Reason},
    settle,
};

use crate::maps::{REASONS, STATS};

/// Counts `reason` in the row of `table`.
#[inline(always)]
pub fn reason(table: u32, reason: Reason) {
    if let Some(counter) = REASONS.get_ptr_mut(table * PACKET_REASONS + reason as u32) {
        // SAFETY: memory of this CPU, and XDP programs do not interrupt one another on a CPU.
        unsafe { *counter += 1 };
    }
}

/// Counts a packet of a flow that was not forwarded.
#[inline(always)]
pub fn refused(stats: *mut FlowStats, reason: Reason, dropped: bool) {
    // SAFETY: `stats` is a live element of a stats map.
    unsafe {
        let counter = if dropped { &raw mut (*stats).dropped } else { &raw mut (*stats).punted };
        add(counter, 1);
        (&raw mut (*stats).last_reason).write(reason as u32);
    }
}

/// Whether the flow forwards; while it settles, this packet is noted as handed up.
#[inline(always)]
pub fn settled(stats: *mut FlowStats, rtp: &Rtp) -> Result<(), Reason> {
    // SAFETY: `stats` is a live element of a stats map. Packets of a flow come by one queue, hence one after the other.
    unsafe {
        if (&raw const (*stats).settling).read_volatile() == 0 {
            return Ok(());
        }
        let handed_up = &raw mut (*stats).handed_up;
        let settled = settle::settled(handed_up.read(), (&raw const (*stats).relayed).read_volatile());
        match settled {
            Ok(()) => (&raw mut (*stats).settling).write(0),
            Err(_) => handed_up.write(rtp.mark()),
        }
        settled
    }
}

/// The counters of a source, claimed for it when there is room. `None`: more sources than a flow keeps.
#[inline(always)]
pub fn source(stats: *mut FlowStats, row: u32, ssrc: u32) -> Option<*mut SsrcStats> {
    // SAFETY: `stats` is a live element of a stats map and holds that many slots.
    unsafe {
        let slots = (&raw mut (*stats).ssrcs).cast::<SsrcStats>();
        // Nearly every flow has one source.
        if (&raw const (*slots).ssrc).read_volatile() == ssrc {
            return Some(slots);
        }
        let slot = rtpengine_source(row, ssrc);
        if slot == NO_SOURCE { None } else { Some(slots.add(slot as usize % MAX_SSRCS)) }
    }
}

/// [`rtpengine_source`] found no room.
const NO_SOURCE: u32 = u32::MAX;

/// The slot of a source in a row of the stats map, see [`source`]. An exported function, because the verifier goes through
/// those once, and takes their result for any.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn rtpengine_source(row: u32, ssrc: u32) -> u32 {
    let Some(stats) = STATS.get_ptr_mut(row) else { return NO_SOURCE };
    for slot in 0..MAX_SSRCS {
        // SAFETY: `stats` is a live element of a stats map and holds that many slots.
        if unsafe { owns((&raw mut (*stats).ssrcs).cast::<SsrcStats>().add(slot), ssrc) } {
            return slot as u32;
        }
    }
    NO_SOURCE
}

/// Whether the slot is, or has just become, that of `ssrc`.
///
/// # Safety
/// `slot` points into a live element of a stats map.
// SAFETY: callers pass a slot of an element that a lookup in the stats map gave them.
#[inline(always)]
unsafe fn owns(slot: *mut SsrcStats, ssrc: u32) -> bool {
    // SAFETY: by contract.
    unsafe {
        let owner = &raw mut (*slot).ssrc;
        let now = owner.read_volatile();
        if now == ssrc {
            return true;
        }
        if now != 0 {
            return false;
        }
        let (before, claimed) =
            atomic_cxchg::<u32, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(owner, 0, ssrc);
        claimed || before == ssrc
    }
}

/// Counts a packet that was forwarded, or that a blackhole flow took. `bytes`: UDP payload.
#[inline(always)]
pub fn accepted(stats: *mut FlowStats, slot: *mut SsrcStats, rtp: &Rtp, bytes: usize, now_ns: u64) {
    // SAFETY: both point into a live element of a stats map.
    unsafe {
        (&raw mut (*stats).last_seen_ns).write(now_ns);
        add(&raw mut (*slot).packets, 1);
        add(&raw mut (*slot).bytes, bytes as u64);
        (&raw mut (*slot).last_timestamp).write(u32::from_be_bytes(rtp.timestamp));
        (&raw mut (*slot).last_payload_type).write(u32::from(rtp.payload_type()));
        let highest = &raw mut (*slot).highest_seq;
        let old = highest.read();
        let ahead = u16::from_be_bytes(rtp.sequence).wrapping_sub(old as u16);
        // Zero: a source that userspace has not seen, whose first number may be any.
        if old == 0 || ahead.wrapping_sub(1) < 0x7fff {
            highest.write(old.wrapping_add(u32::from(ahead)));
        }
    }
}

/// # Safety
/// `counter` points into map memory.
// SAFETY: callers pass a counter of an element that a lookup gave them.
#[inline(always)]
unsafe fn add(counter: *mut u64, count: u64) {
    // SAFETY: by contract.
    unsafe { atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, count) };
}
