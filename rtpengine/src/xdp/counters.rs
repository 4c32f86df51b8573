//! What the kernel counted, by stream, over all the times a stream was in the kernel.

use std::sync::{Arc, PoisonError, RwLock};

use ahash::AHashMap;
use rtpengine_common::abi::{FlowStats, SsrcStats};
use rtpengine_core::io::StreamId;
use smallvec::SmallVec;

use super::stats::StatsArea;

/// Kernel counters of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelCounters {
    /// Packets from the party that the program forwarded or, for a blackhole flow, counted.
    pub packets: u64,
    /// UDP payload bytes of those.
    pub bytes: u64,
    /// Packets the program sent to the party on behalf of this socket.
    pub packets_out: u64,
    /// UDP payload bytes of those.
    pub bytes_out: u64,
    /// Packets handed up.
    pub punted: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// `CLOCK_MONOTONIC` of the last packet forwarded, nanoseconds; 0: none ever.
    pub last_seen_ns: u64,
    /// By SSRC, in order of appearance; at most [`MAX_SSRC_HISTORY`].
    pub ssrcs: SmallVec<[SsrcStats; 1]>,
}

/// SSRCs remembered per stream.
pub const MAX_SSRC_HISTORY: usize = 8;

impl KernelCounters {
    fn add(&mut self, stats: &FlowStats) {
        self.packets += stats.packets();
        self.bytes += stats.bytes();
        self.punted += stats.punted;
        self.dropped += stats.dropped;
        if stats.packets() > 0 {
            self.last_seen_ns = self.last_seen_ns.max(stats.last_seen_ns);
        }
        for ssrc in stats.ssrcs.iter().filter(|ssrc| ssrc.packets > 0) {
            if let Some(known) = self.ssrcs.iter_mut().find(|known| known.ssrc == ssrc.ssrc) {
                let (packets, bytes) = (known.packets, known.bytes);
                *known = SsrcStats { packets: packets + ssrc.packets, bytes: bytes + ssrc.bytes, ..*ssrc };
            } else if self.ssrcs.len() < MAX_SSRC_HISTORY {
                self.ssrcs.push(*ssrc);
            }
        }
    }
}

/// Output of a live slot: what it had counted when this socket became its output.
#[derive(Clone, Copy, Debug)]
struct OutSegment {
    slot: u32,
    packets: u64,
    bytes: u64,
}

#[derive(Debug, Default)]
struct Entry {
    folded: KernelCounters,
    slots: SmallVec<[u32; 2]>,
    out: SmallVec<[OutSegment; 2]>,
}

#[derive(Debug, Default)]
struct Pages {
    entries: AHashMap<StreamId, Entry>,
    /// Which stream's `out` holds a slot.
    outputs: AHashMap<u32, StreamId>,
}

/// The counters of all streams. Readers share a lock that the packet path never takes.
#[derive(Debug, Default)]
pub struct CounterBook {
    stats: Option<Arc<StatsArea>>,
    pages: RwLock<Pages>,
}

impl CounterBook {
    /// A book over a table's counters.
    #[must_use]
    pub fn new(stats: Arc<StatsArea>) -> Self {
        Self { stats: Some(stats), pages: RwLock::default() }
    }

    fn stats(&self, slot: u32) -> FlowStats {
        self.stats.as_ref().map(|stats| stats.read(slot)).unwrap_or_default()
    }

    /// The counters of a stream, zeroes for an unknown one.
    #[must_use]
    pub fn read(&self, stream: StreamId) -> KernelCounters {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        let Some(entry) = pages.entries.get(&stream) else { return KernelCounters::default() };
        let mut sum = entry.folded.clone();
        for slot in &entry.slots {
            sum.add(&self.stats(*slot));
        }
        for segment in &entry.out {
            let stats = self.stats(segment.slot);
            sum.packets_out += stats.packets().saturating_sub(segment.packets);
            sum.bytes_out += stats.bytes().saturating_sub(segment.bytes);
        }
        sum
    }

    /// From now on `slot` counts for `stream`.
    pub fn open(&self, stream: StreamId, slot: u32) {
        self.write(|pages| pages.entries.entry(stream).or_default().slots.push(slot));
    }

    /// From now on `slot` counts as sent by `output`; the previous output of the slot keeps what was counted so far.
    pub fn set_output(&self, slot: u32, output: Option<StreamId>) {
        let stats = self.stats(slot);
        self.write(|pages| {
            if pages.outputs.get(&slot).copied() == output {
                return;
            }
            pages.close_output(slot, &stats);
            if let Some(output) = output {
                pages
                    .open_output(output, OutSegment { slot, packets: stats.packets(), bytes: stats.bytes() });
            }
        });
    }

    /// As [`CounterBook::set_output`] for an adopted flow: everything the slot counted belongs to `output`.
    pub fn adopt_output(&self, slot: u32, output: StreamId) {
        self.write(|pages| pages.open_output(output, OutSegment { slot, packets: 0, bytes: 0 }));
    }

    /// The slot's flow is gone and its rest is over: its counts become part of the streams' sums.
    pub fn fold(&self, stream: StreamId, slot: u32) {
        let stats = self.stats(slot);
        self.write(|pages| {
            pages.close_output(slot, &stats);
            if let Some(entry) = pages.entries.get_mut(&stream) {
                let before = entry.slots.len();
                entry.slots.retain(|open| *open != slot);
                if entry.slots.len() != before {
                    entry.folded.add(&stats);
                }
            }
        });
    }

    /// Forgets a closed socket.
    pub fn forget(&self, stream: StreamId) {
        self.write(|pages| {
            pages.entries.remove(&stream);
        });
    }

    fn write<T>(&self, change: impl FnOnce(&mut Pages) -> T) -> T {
        change(&mut self.pages.write().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pages {
    fn open_output(&mut self, output: StreamId, segment: OutSegment) {
        self.outputs.insert(segment.slot, output);
        self.entries.entry(output).or_default().out.push(segment);
    }

    fn close_output(&mut self, slot: u32, stats: &FlowStats) {
        let Some(entry) = self.outputs.remove(&slot).and_then(|output| self.entries.get_mut(&output)) else {
            return;
        };
        let folded = &mut entry.folded;
        entry.out.retain(|segment| {
            if segment.slot != slot {
                return true;
            }
            folded.packets_out += stats.packets().saturating_sub(segment.packets);
            folded.bytes_out += stats.bytes().saturating_sub(segment.bytes);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssrc_counts_of_several_stays_in_the_kernel_add_up() {
        let mut counters = KernelCounters::default();
        let mut stats = FlowStats { last_seen_ns: 5, ..FlowStats::default() };
        stats.ssrcs[0] =
            SsrcStats { ssrc: 7, packets: 3, bytes: 300, highest_seq: 10, ..SsrcStats::default() };
        counters.add(&stats);
        stats.ssrcs[0].highest_seq = 20;
        stats.last_seen_ns = 9;
        counters.add(&stats);
        assert_eq!((counters.packets, counters.bytes, counters.last_seen_ns), (6, 600, 9));
        assert_eq!(counters.ssrcs.len(), 1);
        assert_eq!((counters.ssrcs[0].packets, counters.ssrcs[0].highest_seq), (6, 20));
    }

    #[test]
    fn the_start_of_the_idle_clock_is_not_a_packet() {
        let mut counters = KernelCounters::default();
        counters.add(&FlowStats { last_seen_ns: 99, ..FlowStats::default() });
        assert_eq!(counters.last_seen_ns, 0);
    }
}
