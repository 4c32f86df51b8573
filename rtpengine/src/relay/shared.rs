//! The counters of a stream: written by its relay thread alone, read by anyone at any time.
//!
//! Every cell has one writer, so an increment is a plain load and store. Totals are single cells; the
//! records by SSRC and payload type are guarded by a sequence lock, so that the writer never waits.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use rtpengine_core::io::{Reason, SsrcCounters, StreamCounters};
use rtpengine_core::media::ssrc::{MAX_PAYLOAD_TYPES, MAX_SSRCS, Reception};

use super::counters::RelayCounters;
use super::prefetch::prefetch;

/// The reasons the relay can drop a packet for, in the order of [`StreamShared::drops`].
const DROP_REASONS: [Reason; 18] = [
    Reason::NotEstablished,
    Reason::Malformed,
    Reason::NotRtp,
    Reason::Stun,
    Reason::Dtls,
    Reason::SourceDrop,
    Reason::NoSink,
    Reason::NoEndpoint,
    Reason::Hold,
    Reason::Blackhole,
    Reason::NatWait,
    Reason::PacketLength,
    Reason::Bundle,
    Reason::NoKeys,
    Reason::SrtpAuthentication,
    Reason::SrtpReplay,
    Reason::SsrcUnknown,
    Reason::TooBig,
];

/// How often a reader retries a torn read before it lets the writer have the CPU.
const READ_SPINS: u32 = 64;

#[derive(Default)]
struct SsrcCell {
    ssrc: AtomicU32,
    payload_type: AtomicU32,
    highest_seq: AtomicU32,
    last_timestamp: AtomicU32,
    last_mono_us: AtomicU64,
    packets: AtomicU64,
    bytes: AtomicU64,
    /// An `i64`.
    lost: AtomicU64,
    duplicates: AtomicU64,
    reordered: AtomicU64,
    skips: AtomicU64,
    resets: AtomicU64,
    /// An `f64`.
    jitter: AtomicU64,
}

#[derive(Default)]
struct PayloadTypeCell {
    payload_type: AtomicU32,
    packets: AtomicU64,
    bytes: AtomicU64,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct StreamShared {
    packets: AtomicU64,
    bytes: AtomicU64,
    errors: AtomicU64,
    packets_out: AtomicU64,
    bytes_out: AtomicU64,
    errors_out: AtomicU64,
    kernel_packets: AtomicU64,
    kernel_bytes: AtomicU64,
    last_packet_unix_us: AtomicU64,
    queue_overflow: AtomicU64,
    drops: [AtomicU64; DROP_REASONS.len()],
    /// Odd while the fields below are being written.
    version: AtomicU32,
    ssrc_count: AtomicU32,
    payload_type_count: AtomicU32,
    ssrcs: [SsrcCell; MAX_SSRCS],
    payload_types: [PayloadTypeCell; MAX_PAYLOAD_TYPES],
}

/// Adds to a cell only this thread writes.
fn add(cell: &AtomicU64, count: u64) {
    cell.store(cell.load(Ordering::Relaxed).wrapping_add(count), Ordering::Relaxed);
}

fn set<T: Copy + Into<u64>>(cell: &AtomicU64, value: T) {
    cell.store(value.into(), Ordering::Relaxed);
}

impl StreamShared {
    /// Has what a received packet touches fetched.
    pub(super) fn prefetch(&self) {
        prefetch(&self.packets);
        prefetch(&self.last_packet_unix_us);
        prefetch(&self.version);
        let [ssrc, ..] = &self.ssrcs;
        prefetch(ssrc);
        let [payload_type, ..] = &self.payload_types;
        prefetch(payload_type);
    }

    /// Has what a sent packet touches fetched.
    pub(super) fn prefetch_sink(&self) {
        prefetch(&self.packets_out);
    }

    pub(super) fn received(&self, packets: u64, bytes: u64, unix_us: u64) {
        add(&self.packets, packets);
        add(&self.bytes, bytes);
        self.last_packet_unix_us.store(unix_us, Ordering::Relaxed);
    }

    /// Counts a packet that is not forwarded. All but those held back on request are errors. Who sees the error sees its
    /// reason.
    pub(super) fn dropped(&self, reason: Reason, count: u64) {
        if let Some((_, cell)) = DROP_REASONS.iter().zip(&self.drops).find(|(known, _)| **known == reason) {
            add(cell, count);
        }
        if !matches!(reason, Reason::Hold | Reason::Blackhole | Reason::NatWait | Reason::PacketLength) {
            let errors = self.errors.load(Ordering::Relaxed).wrapping_add(count);
            self.errors.store(errors, Ordering::Release);
        }
    }

    /// Counts a failed receive.
    pub(super) fn receive_error(&self) {
        add(&self.errors, 1);
    }

    pub(super) fn sent(&self, packets: u64, bytes: u64, errors: u64) {
        add(&self.packets_out, packets);
        add(&self.bytes_out, bytes);
        if errors != 0 {
            add(&self.errors_out, errors);
        }
    }

    pub(super) fn overflowed(&self, count: u64) {
        add(&self.queue_overflow, count);
    }

    /// Adds what the kernel forwarded, except the records by SSRC.
    pub(super) fn absorb(&self, fold: &super::KernelFold) {
        add(&self.packets, fold.packets);
        add(&self.bytes, fold.bytes);
        add(&self.kernel_packets, fold.packets);
        add(&self.kernel_bytes, fold.bytes);
        add(&self.packets_out, fold.packets_out);
        add(&self.bytes_out, fold.bytes_out);
        let last = self.last_packet_unix_us.load(Ordering::Relaxed);
        self.last_packet_unix_us.store(last.max(fold.last_packet_unix_us), Ordering::Relaxed);
    }

    /// Makes the records by SSRC and payload type visible.
    pub(super) fn publish(&self, reception: &Reception) {
        let version = self.version.load(Ordering::Relaxed);
        self.version.store(version.wrapping_add(1), Ordering::Relaxed);
        fence(Ordering::Release);
        for (cell, counters) in self.ssrcs.iter().zip(reception.ssrcs()) {
            cell.ssrc.store(counters.ssrc, Ordering::Relaxed);
            cell.payload_type.store(counters.payload_type.into(), Ordering::Relaxed);
            cell.highest_seq.store(counters.highest_seq, Ordering::Relaxed);
            cell.last_timestamp.store(counters.last_timestamp, Ordering::Relaxed);
            set(&cell.last_mono_us, counters.last_mono_us);
            set(&cell.packets, counters.packets);
            set(&cell.bytes, counters.bytes);
            set(&cell.lost, counters.lost.cast_unsigned());
            set(&cell.duplicates, counters.duplicates);
            set(&cell.reordered, counters.reordered);
            set(&cell.skips, counters.skips);
            set(&cell.resets, counters.resets);
            set(&cell.jitter, counters.jitter.to_bits());
        }
        for (cell, counters) in self.payload_types.iter().zip(reception.payload_types()) {
            cell.payload_type.store(counters.payload_type.into(), Ordering::Relaxed);
            set(&cell.packets, counters.packets);
            set(&cell.bytes, counters.bytes);
        }
        // Both are at most 16.
        self.ssrc_count.store(reception.ssrcs().len() as u32, Ordering::Relaxed);
        self.payload_type_count.store(reception.payload_types().len() as u32, Ordering::Relaxed);
        self.version.store(version.wrapping_add(2), Ordering::Release);
    }

    /// A consistent copy.
    pub(super) fn read(&self) -> RelayCounters {
        let mut spins = 0;
        loop {
            let before = self.version.load(Ordering::Acquire);
            if before.is_multiple_of(2) {
                let counters = self.copy();
                fence(Ordering::Acquire);
                if self.version.load(Ordering::Relaxed) == before {
                    return counters;
                }
            }
            spins += 1;
            if spins % READ_SPINS == 0 {
                std::thread::yield_now();
            } else {
                std::hint::spin_loop();
            }
        }
    }

    fn copy(&self) -> RelayCounters {
        let get = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let ssrcs = self.ssrcs.iter().take(self.ssrc_count.load(Ordering::Relaxed) as usize).map(|cell| {
            SsrcCounters {
                ssrc: cell.ssrc.load(Ordering::Relaxed),
                payload_type: cell.payload_type.load(Ordering::Relaxed) as u8,
                packets: get(&cell.packets),
                bytes: get(&cell.bytes),
                lost: get(&cell.lost).cast_signed(),
                duplicates: get(&cell.duplicates),
                reordered: get(&cell.reordered),
                skips: get(&cell.skips),
                resets: get(&cell.resets),
                jitter: f64::from_bits(get(&cell.jitter)),
                highest_seq: cell.highest_seq.load(Ordering::Relaxed),
                last_timestamp: cell.last_timestamp.load(Ordering::Relaxed),
                last_mono_us: get(&cell.last_mono_us),
            }
        });
        let payload_types =
            self.payload_types.iter().take(self.payload_type_count.load(Ordering::Relaxed) as usize).map(
                |cell| {
                    (cell.payload_type.load(Ordering::Relaxed) as u8, get(&cell.packets), get(&cell.bytes))
                },
            );
        let drops = DROP_REASONS.iter().zip(&self.drops).map(|(reason, cell)| (*reason, get(cell)));
        RelayCounters {
            stream: StreamCounters {
                packets: get(&self.packets),
                bytes: get(&self.bytes),
                // Before the reasons, see `dropped`.
                errors: self.errors.load(Ordering::Acquire),
                packets_out: get(&self.packets_out),
                bytes_out: get(&self.bytes_out),
                errors_out: get(&self.errors_out),
                kernel_packets: get(&self.kernel_packets),
                kernel_bytes: get(&self.kernel_bytes),
                last_packet_unix_us: get(&self.last_packet_unix_us),
                ssrcs: ssrcs.collect(),
                payload_types: payload_types.collect(),
            },
            drops: drops.filter(|(_, count)| *count != 0).collect(),
            queue_overflow: get(&self.queue_overflow),
        }
    }
}
