//! The counters of a table, mapped into memory: the program adds, userspace reads, no system call in between.

use std::{
    io,
    os::fd::BorrowedFd,
    sync::atomic::{
        AtomicU32, AtomicU64,
        Ordering::{AcqRel, Acquire, Relaxed, Release},
    },
};

use rtpengine_common::abi::{FlowStats, SsrcStats};

use super::mapping::Mapping;

/// The mapped array of [`FlowStats`], indexed by slot. Slots out of range read as zeroes and are never written.
#[derive(Debug)]
pub struct StatsArea(Mapping<FlowStats>);

impl StatsArea {
    /// Maps an array map with `BPF_F_MMAPABLE` whose elements are [`FlowStats`].
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub fn map(fd: BorrowedFd<'_>, slots: u32) -> io::Result<Self> {
        Mapping::new(fd, slots).map(Self)
    }

    /// The counters of a slot. Fields are read one by one: a packet counted meanwhile may show in some of them only.
    #[must_use]
    pub fn read(&self, slot: u32) -> FlowStats {
        let Some(at) = self.slot(slot) else { return FlowStats::default() };
        let mut stats = FlowStats {
            last_seen_ns: word(at.last_seen_ns).load(Relaxed),
            punted: word(at.punted).load(Relaxed),
            dropped: word(at.dropped).load(Relaxed),
            last_reason: half(at.last_reason).load(Relaxed),
            ..FlowStats::default()
        };
        for (to, from) in stats.ssrcs.iter_mut().zip(at.ssrcs) {
            *to = SsrcStats {
                ssrc: half(from.ssrc).load(Relaxed),
                highest_seq: half(from.highest_seq).load(Relaxed),
                packets: word(from.packets).load(Relaxed),
                bytes: word(from.bytes).load(Relaxed),
                last_timestamp: half(from.last_timestamp).load(Relaxed),
                last_payload_type: half(from.last_payload_type).load(Relaxed),
            };
        }
        stats
    }

    /// Zeroes a slot that no flow uses and starts its clock.
    pub fn reset(&self, slot: u32, now_ns: u64) {
        let Some(at) = self.slot(slot) else { return };
        for field in [at.punted, at.dropped] {
            word(field).store(0, Relaxed);
        }
        half(at.last_reason).store(0, Relaxed);
        half(at.settling).store(0, Relaxed);
        for ssrc in at.ssrcs {
            for field in [ssrc.packets, ssrc.bytes] {
                word(field).store(0, Relaxed);
            }
            for field in [ssrc.ssrc, ssrc.highest_seq, ssrc.last_timestamp, ssrc.last_payload_type] {
                half(field).store(0, Relaxed);
            }
        }
        word(at.last_seen_ns).store(now_ns, Relaxed);
    }

    /// Lets the counting of sources continue where userspace stopped: SSRC and highest extended sequence number of each.
    /// Only for a slot whose flow is not in the kernel yet.
    pub fn continue_from(&self, slot: u32, sources: &[(u32, u32)]) {
        let Some(at) = self.slot(slot) else { return };
        for (ssrc, (id, highest)) in at.ssrcs.iter().zip(sources) {
            half(ssrc.ssrc).store(*id, Relaxed);
            half(ssrc.highest_seq).store(*highest, Relaxed);
        }
    }

    /// Has the flow hand up until it is settled. `turn`, not 0, tells this time from others. Only for a flow that does not
    /// forward yet.
    pub fn settle(&self, slot: u32, turn: u32) {
        let Some(at) = self.slot(slot) else { return };
        word(at.handed_up).store(0, Relaxed);
        word(at.relayed).store(0, Relaxed);
        half(at.settling).store(turn, Release);
    }

    /// Tells the program the mark of the newest packet that was relayed. `false`: the flow does not settle any more, or
    /// not in this turn.
    #[must_use]
    pub fn relayed(&self, slot: u32, turn: u32, mark: u64) -> bool {
        let Some(at) = self.slot(slot) else { return false };
        if half(at.settling).load(Acquire) != turn {
            return false;
        }
        word(at.relayed).store(mark, Release);
        true
    }

    /// Lets a flow forward that still settles in this turn.
    pub fn settled(&self, slot: u32, turn: u32) {
        if let Some(at) = self.slot(slot) {
            // In another turn, or once settled, there is nothing to do.
            let _ = half(at.settling).compare_exchange(turn, 0, AcqRel, Relaxed);
        }
    }

    /// Lets a flow forward whose predecessor died with what it had still to relay.
    pub fn adopt(&self, slot: u32) {
        if let Some(at) = self.slot(slot) {
            half(at.settling).store(0, Release);
        }
    }

    /// Restarts the idle clock of a flow.
    pub fn wake(&self, slot: u32, now_ns: u64) {
        if let Some(at) = self.slot(slot) {
            word(at.last_seen_ns).store(now_ns, Release);
        }
    }

    fn slot(&self, slot: u32) -> Option<Fields> {
        let at = self.0.at(slot)?.as_ptr();
        // SAFETY: an element of the mapping, so every projected field is in bounds and aligned; no reference to the
        // shared memory is made, only raw field addresses.
        unsafe {
            let ssrcs = std::array::from_fn(|i| {
                let ssrc = (&raw mut (*at).ssrcs).cast::<SsrcStats>().add(i);
                SsrcFields {
                    ssrc: &raw mut (*ssrc).ssrc,
                    highest_seq: &raw mut (*ssrc).highest_seq,
                    packets: &raw mut (*ssrc).packets,
                    bytes: &raw mut (*ssrc).bytes,
                    last_timestamp: &raw mut (*ssrc).last_timestamp,
                    last_payload_type: &raw mut (*ssrc).last_payload_type,
                }
            });
            Some(Fields {
                last_seen_ns: &raw mut (*at).last_seen_ns,
                punted: &raw mut (*at).punted,
                dropped: &raw mut (*at).dropped,
                last_reason: &raw mut (*at).last_reason,
                settling: &raw mut (*at).settling,
                ssrcs,
                handed_up: &raw mut (*at).handed_up,
                relayed: &raw mut (*at).relayed,
            })
        }
    }
}

struct Fields {
    last_seen_ns: *mut u64,
    punted: *mut u64,
    dropped: *mut u64,
    last_reason: *mut u32,
    settling: *mut u32,
    ssrcs: [SsrcFields; rtpengine_common::abi::MAX_SSRCS],
    handed_up: *mut u64,
    relayed: *mut u64,
}

#[derive(Clone, Copy)]
struct SsrcFields {
    ssrc: *mut u32,
    highest_seq: *mut u32,
    packets: *mut u64,
    bytes: *mut u64,
    last_timestamp: *mut u32,
    last_payload_type: *mut u32,
}

fn word<'a>(at: *mut u64) -> &'a AtomicU64 {
    // SAFETY: only called with field addresses from `StatsArea::slot`, aligned and mapped while the area lives, which
    // outlives every use: the reference never leaves the method that borrows the area.
    unsafe { AtomicU64::from_ptr(at) }
}

fn half<'a>(at: *mut u32) -> &'a AtomicU32 {
    // SAFETY: as for `word`.
    unsafe { AtomicU32::from_ptr(at) }
}
