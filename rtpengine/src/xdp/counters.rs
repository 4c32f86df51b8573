//! What the kernel counted, by stream, over all the times a stream was in the kernel.

use std::sync::{Arc, PoisonError, RwLock};

use ahash::AHashMap;
use rtpengine_common::abi::{FlowStats, MAX_SSRCS, SsrcStats};
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
    /// By SSRC: what the relay's statistics do not contain yet. When a flow leaves the kernel this part moves to the relay
    /// ([`super::Handover::absorb`]), whose statistics then continue from there; until then the two add up.
    pub ssrcs: SmallVec<[SsrcStats; 1]>,
}

impl KernelCounters {
    fn add(&mut self, stats: &FlowStats) {
        self.packets += stats.packets();
        self.bytes += stats.bytes();
        self.punted += stats.punted;
        self.dropped += stats.dropped;
        if stats.packets() > 0 {
            self.last_seen_ns = self.last_seen_ns.max(stats.last_seen_ns);
        }
    }
}

/// A slot that counts for a stream.
#[derive(Clone, Copy, Debug)]
struct Open {
    slot: u32,
    /// By position in the slot: packets and bytes the relay has been told of.
    told: [(u64, u64); MAX_SSRCS],
}

impl Open {
    /// What the relay has not been told of.
    fn untold(&self, stats: &FlowStats) -> impl Iterator<Item = SsrcStats> {
        stats.ssrcs.into_iter().zip(self.told).filter_map(|(ssrc, (packets, bytes))| {
            let new = ssrc.packets.saturating_sub(packets);
            (new > 0).then(|| SsrcStats { packets: new, bytes: ssrc.bytes.saturating_sub(bytes), ..ssrc })
        })
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
    slots: SmallVec<[Open; 1]>,
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
        for open in &entry.slots {
            let stats = self.stats(open.slot);
            sum.add(&stats);
            sum.ssrcs.extend(open.untold(&stats));
        }
        for segment in &entry.out {
            let stats = self.stats(segment.slot);
            sum.packets_out += stats.packets().saturating_sub(segment.packets);
            sum.bytes_out += stats.bytes().saturating_sub(segment.bytes);
        }
        sum
    }

    /// `true` where a slot counts for the stream.
    #[must_use]
    pub fn is_open(&self, stream: StreamId) -> bool {
        let pages = self.pages.read().unwrap_or_else(PoisonError::into_inner);
        pages.entries.get(&stream).is_some_and(|entry| !entry.slots.is_empty())
    }

    /// From now on `slot` counts for `stream`.
    pub fn open(&self, stream: StreamId, slot: u32) {
        self.write(|pages| {
            pages.entries.entry(stream).or_default().slots.push(Open { slot, told: Default::default() })
        });
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

    /// What the relay has not been told of a slot's counts yet; from now on it has.
    pub fn tell(&self, stream: StreamId, slot: u32) -> SmallVec<[SsrcStats; 1]> {
        let stats = self.stats(slot);
        self.write(|pages| {
            let open = pages
                .entries
                .get_mut(&stream)
                .and_then(|entry| entry.slots.iter_mut().find(|o| o.slot == slot));
            let Some(open) = open else { return SmallVec::new() };
            let untold = open.untold(&stats).collect();
            for (told, ssrc) in open.told.iter_mut().zip(stats.ssrcs) {
                *told = (ssrc.packets, ssrc.bytes);
            }
            untold
        })
    }

    /// The slot's flow is gone and its rest is over: its counts become part of the streams' sums.
    pub fn fold(&self, stream: StreamId, slot: u32) {
        let stats = self.stats(slot);
        self.write(|pages| {
            pages.close_output(slot, &stats);
            if let Some(entry) = pages.entries.get_mut(&stream) {
                let before = entry.slots.len();
                entry.slots.retain(|open| open.slot != slot);
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
    fn the_relay_is_told_of_every_packet_once() {
        let mut stats = FlowStats::default();
        stats.ssrcs[1] =
            SsrcStats { ssrc: 7, packets: 3, bytes: 300, highest_seq: 10, ..SsrcStats::default() };
        let mut open = Open { slot: 0, told: Default::default() };
        assert_eq!(open.untold(&stats).collect::<Vec<_>>(), [stats.ssrcs[1]]);
        open.told[1] = (3, 300);
        assert_eq!(open.untold(&stats).count(), 0);
        stats.ssrcs[1] = SsrcStats { packets: 5, bytes: 500, highest_seq: 12, ..stats.ssrcs[1] };
        let new = SsrcStats { packets: 2, bytes: 200, ..stats.ssrcs[1] };
        assert_eq!(open.untold(&stats).collect::<Vec<_>>(), [new]);
    }

    #[test]
    fn the_start_of_the_idle_clock_is_not_a_packet() {
        let mut counters = KernelCounters::default();
        counters.add(&FlowStats { last_seen_ns: 99, ..FlowStats::default() });
        assert_eq!(counters.last_seen_ns, 0);
    }
}
