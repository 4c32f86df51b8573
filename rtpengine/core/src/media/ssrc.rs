//! Reception statistics by SSRC (RFC 3550 appendices A.1, A.3, A.8) and by payload type, in fixed space.

use smallvec::SmallVec;

use crate::io::SsrcCounters;
use crate::media::classify::RtpHeader;

/// SSRCs followed per stream, as many as the kernel path follows.
pub const MAX_SSRCS: usize = 4;
/// Payload types counted per stream.
pub const MAX_PAYLOAD_TYPES: usize = 16;

/// RFC 3550 A.1: the largest gap forward that is still the same sequence.
const MAX_DROPOUT: u16 = 3000;
/// RFC 3550 A.1: how far back a packet may come from.
const MAX_MISORDER: u16 = 100;

/// Statistics of one SSRC.
#[derive(Clone, Debug, Default)]
pub struct SsrcState {
    counters: SsrcCounters,
    /// Extended sequence number the current run started at.
    base_seq: u32,
    /// Packets of the current run, for the loss of RFC 3550 A.3.
    received: u64,
    /// Loss of the runs before a sequence reset.
    lost_before: i64,
    /// The sequence number that would prove a reset after a large jump.
    bad_seq: Option<u16>,
    /// Bit n: the packet `highest_seq - n` arrived.
    window: u64,
    /// Transit time of the last packet in timestamp units, with the clock rate it was taken at.
    transit: Option<(u32, u32)>,
}

impl SsrcState {
    fn new(header: &RtpHeader) -> Self {
        let mut state = Self {
            counters: SsrcCounters { ssrc: header.ssrc, ..SsrcCounters::default() },
            ..Self::default()
        };
        state.restart(header.sequence);
        state
    }

    /// Starts a run at this sequence number; the packet itself is not counted yet.
    fn restart(&mut self, sequence: u16) {
        self.lost_before = self.counters.lost;
        self.base_seq = u32::from(sequence);
        self.counters.highest_seq = u32::from(sequence);
        self.received = 0;
        self.window = 0;
        self.bad_seq = None;
        self.transit = None;
    }

    /// Counts a packet.
    fn packet(&mut self, header: &RtpHeader, bytes: usize, arrival_us: u64, clock_rate: Option<u32>) {
        self.counters.packets += 1;
        self.counters.bytes += bytes as u64;
        self.counters.payload_type = header.payload_type;
        self.counters.last_timestamp = header.timestamp;
        self.counters.last_mono_us = arrival_us;
        if !self.sequence(header.sequence) {
            return;
        }
        self.received += 1;
        self.update_lost();
        if let Some(rate) = clock_rate {
            self.jitter(header.timestamp, arrival_us, rate);
        }
    }

    /// RFC 3550 A.1 `update_seq`. `false`: a stray far from the sequence, which the next packet confirms or refutes.
    fn sequence(&mut self, sequence: u16) -> bool {
        // The low half of the extended number is the sequence number itself.
        let highest = self.counters.highest_seq as u16;
        let ahead = sequence.wrapping_sub(highest);
        let behind = highest.wrapping_sub(sequence);
        if self.received == 0 && self.window == 0 {
            self.window = 1;
        } else if ahead == 0 {
            self.counters.duplicates += 1;
        } else if ahead < MAX_DROPOUT {
            if ahead > 1 {
                self.counters.skips += 1;
            }
            self.counters.highest_seq = self.counters.highest_seq.wrapping_add(u32::from(ahead));
            self.window = self.window.checked_shl(u32::from(ahead)).unwrap_or(0) | 1;
        } else if behind <= MAX_MISORDER {
            let bit = 1u64.checked_shl(u32::from(behind)).unwrap_or(0);
            if self.window & bit != 0 {
                self.counters.duplicates += 1;
            } else {
                self.counters.reordered += 1;
                self.window |= bit;
            }
            // Packets from before the first one seen stretch the run backwards, as nothing else can have lost them.
            let extended = self.counters.highest_seq.wrapping_sub(u32::from(behind));
            if (self.base_seq.wrapping_sub(extended) as i32) > 0 {
                self.base_seq = extended;
            }
        } else if self.bad_seq == Some(sequence) {
            // Two in a row after a jump: the sender restarted.
            self.counters.resets += 1;
            self.restart(sequence);
            self.window = 1;
        } else {
            self.bad_seq = Some(sequence.wrapping_add(1));
            return false;
        }
        self.bad_seq = None;
        true
    }

    /// RFC 3550 A.3: expected minus received; duplicates count as received, so this can be negative.
    fn update_lost(&mut self) {
        let expected = i64::from(self.counters.highest_seq.wrapping_sub(self.base_seq)) + 1;
        self.counters.lost = self.lost_before + expected - self.received as i64;
    }

    /// RFC 3550 A.8, in floating point.
    fn jitter(&mut self, timestamp: u32, arrival_us: u64, rate: u32) {
        // Timestamps wrap at 2^32, and so may the arrival time in the same units.
        let arrival = (u128::from(arrival_us) * u128::from(rate) / 1_000_000) as u32;
        let transit = arrival.wrapping_sub(timestamp);
        if let Some((last, last_rate)) = self.transit
            && last_rate == rate
        {
            let difference = f64::from(transit.wrapping_sub(last) as i32).abs();
            self.counters.jitter += (difference - self.counters.jitter) / 16.0;
        }
        self.transit = Some((transit, rate));
    }

    /// Continues after packets the kernel forwarded.
    fn absorb(&mut self, kernel: &KernelSsrc) {
        let advance = kernel.highest_seq.wrapping_sub(self.counters.highest_seq);
        if (advance as i32) > 0 {
            self.counters.highest_seq = kernel.highest_seq;
            self.window = self.window.checked_shl(advance).unwrap_or(0) | 1;
        }
        self.counters.packets += kernel.packets;
        self.counters.bytes += kernel.bytes;
        self.counters.payload_type = kernel.payload_type;
        self.received += kernel.packets;
        self.bad_seq = None;
        self.transit = None;
        self.update_lost();
    }
}

/// What the kernel counted for one SSRC while it forwarded the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KernelSsrc {
    /// The SSRC, host order.
    pub ssrc: u32,
    /// Highest extended sequence number, in continuation of the one handed over to the kernel.
    pub highest_seq: u32,
    /// Packets.
    pub packets: u64,
    /// UDP payload bytes.
    pub bytes: u64,
    /// Last payload type.
    pub payload_type: u8,
}

/// Packets and bytes of one payload type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadTypeCounters {
    /// 0 to 127.
    pub payload_type: u8,
    /// Packets received.
    pub packets: u64,
    /// UDP payload bytes received.
    pub bytes: u64,
}

/// Statistics of one stream. Never allocates after construction.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    ssrcs: SmallVec<[SsrcState; MAX_SSRCS]>,
    payload_types: SmallVec<[PayloadTypeCounters; MAX_PAYLOAD_TYPES]>,
}

impl Reception {
    /// Counts a packet of `bytes` UDP payload bytes. `arrival_us` is monotonic, `clock_rate` in Hz.
    pub fn packet(&mut self, header: &RtpHeader, bytes: usize, arrival_us: u64, clock_rate: Option<u32>) {
        let index = match self.ssrcs.iter().rposition(|state| state.counters.ssrc == header.ssrc) {
            Some(index) => index,
            None => self.add(SsrcState::new(header)),
        };
        if let Some(state) = self.ssrcs.get_mut(index) {
            state.packet(header, bytes, arrival_us, clock_rate);
        }
        self.payload_type(header.payload_type, 1, bytes as u64);
    }

    /// Folds in what the kernel counted while it forwarded the stream.
    pub fn absorb(&mut self, kernel: &KernelSsrc) {
        let index = match self.ssrcs.iter().rposition(|state| state.counters.ssrc == kernel.ssrc) {
            Some(index) => index,
            None => {
                // Never seen here: the run is taken to have begun as many packets ago as were counted.
                let first = kernel.highest_seq.wrapping_sub((kernel.packets as u32).saturating_sub(1));
                let counters = SsrcCounters {
                    ssrc: kernel.ssrc,
                    highest_seq: kernel.highest_seq,
                    ..SsrcCounters::default()
                };
                self.add(SsrcState { counters, base_seq: first, window: 1, ..SsrcState::default() })
            }
        };
        if let Some(state) = self.ssrcs.get_mut(index) {
            state.absorb(kernel);
        }
        self.payload_type(kernel.payload_type, kernel.packets, kernel.bytes);
    }

    /// By SSRC, newest last.
    pub fn ssrcs(&self) -> impl ExactSizeIterator<Item = &SsrcCounters> {
        self.ssrcs.iter().map(|state| &state.counters)
    }

    /// By payload type, in order of appearance.
    #[must_use]
    pub fn payload_types(&self) -> &[PayloadTypeCounters] {
        &self.payload_types
    }

    /// Appends a new SSRC, in place of the one with the fewest packets if there is no room: a flood of
    /// invented SSRCs displaces itself, not the media.
    fn add(&mut self, state: SsrcState) -> usize {
        if self.ssrcs.len() >= MAX_SSRCS
            && let Some((least, _)) =
                self.ssrcs.iter().enumerate().min_by_key(|(_, state)| state.counters.packets)
        {
            self.ssrcs.remove(least);
        }
        self.ssrcs.push(state);
        self.ssrcs.len() - 1
    }

    fn payload_type(&mut self, payload_type: u8, packets: u64, bytes: u64) {
        if let Some(known) = self.payload_types.iter_mut().find(|known| known.payload_type == payload_type) {
            known.packets += packets;
            known.bytes += bytes;
        } else if self.payload_types.len() < MAX_PAYLOAD_TYPES {
            self.payload_types.push(PayloadTypeCounters { payload_type, packets, bytes });
        }
    }
}

/// Clock rate in Hz of a static payload type (RFC 3551 section 6); `None` for dynamic and unassigned ones.
#[must_use]
pub fn static_clock_rate(payload_type: u8) -> Option<u32> {
    match payload_type {
        0 | 3..=5 | 7..=9 | 12 | 13 | 15 | 18 | 19 => Some(8000),
        6 => Some(16000),
        10 | 11 => Some(44100),
        16 => Some(11025),
        17 => Some(22050),
        14 | 25 | 26 | 28 | 31..=34 => Some(90000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(ssrc: u32, sequence: u16, timestamp: u32) -> RtpHeader {
        RtpHeader { marker: false, payload_type: 0, sequence, timestamp, ssrc }
    }

    fn run(sequences: impl IntoIterator<Item = u16>) -> SsrcCounters {
        let mut reception = Reception::default();
        for sequence in sequences {
            reception.packet(&header(1, sequence, 0), 172, 0, None);
        }
        *reception.ssrcs().next().expect("one SSRC")
    }

    #[test]
    fn counts_in_order_packets_across_the_wrap() {
        let counters = run((65530..=65535).chain(0..=4));
        assert_eq!((counters.packets, counters.bytes, counters.lost), (11, 11 * 172, 0));
        assert_eq!(counters.highest_seq, 65536 + 4);
        assert_eq!((counters.skips, counters.reordered, counters.duplicates, counters.resets), (0, 0, 0, 0));
    }

    #[test]
    fn tells_loss_reordering_and_duplicates_apart() {
        let counters = run([10, 11, 14, 13, 13, 16]);
        assert_eq!((counters.skips, counters.reordered, counters.duplicates), (2, 1, 1));
        // Expected 7 (10 to 16), received 6 of which one is a duplicate.
        assert_eq!(counters.lost, 1);
    }

    #[test]
    fn a_restarted_sequence_is_a_reset_and_keeps_the_loss_so_far() {
        let counters = run([100, 102, 30000, 30001, 30003]);
        assert_eq!(counters.resets, 1);
        assert_eq!((counters.packets, counters.lost), (5, 2));
        assert_eq!(counters.highest_seq, 30003);
    }

    #[test]
    fn a_single_stray_changes_nothing() {
        let counters = run([100, 101, 40000, 102, 103]);
        assert_eq!((counters.resets, counters.highest_seq, counters.lost), (0, 103, 0));
    }

    #[test]
    fn jitter_follows_the_rfc() {
        let mut reception = Reception::default();
        // 20 ms apart in the timestamps, the third arrives 5 ms late: D = 40 units, J = 40 / 16.
        for (n, arrival) in [(0u16, 0), (1, 20_000), (2, 45_000)] {
            reception.packet(&header(1, n, u32::from(n) * 160), 172, arrival, Some(8000));
        }
        assert_eq!(reception.ssrcs().next().map(|counters| counters.jitter), Some(2.5));
    }

    #[test]
    fn a_flood_of_ssrcs_does_not_displace_the_media() {
        let mut reception = Reception::default();
        for n in 0..50 {
            reception.packet(&header(7, n, 0), 172, 0, None);
        }
        for ssrc in 1000..2000 {
            reception.packet(&header(ssrc, 1, 0), 172, 0, None);
        }
        assert_eq!(reception.ssrcs().len(), MAX_SSRCS);
        assert_eq!(reception.ssrcs().next().map(|counters| (counters.ssrc, counters.packets)), Some((7, 50)));
        assert_eq!(reception.ssrcs().last().map(|counters| counters.ssrc), Some(1999));
        assert!(!reception.ssrcs.spilled() && !reception.payload_types.spilled());
    }

    #[test]
    fn payload_types_are_bounded() {
        let mut reception = Reception::default();
        for payload_type in 0..40 {
            reception.packet(
                &RtpHeader { payload_type, ..header(1, u16::from(payload_type), 0) },
                10,
                0,
                None,
            );
        }
        assert_eq!(reception.payload_types().len(), MAX_PAYLOAD_TYPES);
    }

    #[test]
    fn statistics_continue_after_the_kernel() {
        let mut reception = Reception::default();
        for n in 0..10 {
            reception.packet(&header(1, n, 0), 100, 0, None);
        }
        // The kernel saw 10 to 70009 except five.
        reception.absorb(&KernelSsrc {
            ssrc: 1,
            highest_seq: 70_009,
            packets: 70_000 - 5,
            bytes: 700,
            payload_type: 0,
        });
        reception.packet(&header(1, 70_010_u32 as u16, 0), 100, 0, None);
        let counters = *reception.ssrcs().next().expect("one SSRC");
        assert_eq!((counters.highest_seq, counters.packets, counters.lost), (70_010, 70_006, 5));
        assert_eq!((counters.skips, counters.resets, counters.bytes), (0, 0, 1800));
        assert_eq!(reception.payload_types()[0].packets, 70_006);
    }

    #[test]
    fn an_ssrc_only_the_kernel_saw_is_taken_over() {
        let mut reception = Reception::default();
        reception.absorb(&KernelSsrc {
            ssrc: 9,
            highest_seq: 1_000,
            packets: 50,
            bytes: 5_000,
            payload_type: 8,
        });
        let counters = *reception.ssrcs().next().expect("one SSRC");
        assert_eq!((counters.packets, counters.lost, counters.highest_seq), (50, 0, 1_000));
    }

    proptest! {
        /// Against a plain model over extended numbers: any reordering within the window, drops and duplicates.
        #[test]
        fn loss_is_expected_minus_received(start in any::<u16>(), steps in prop::collection::vec((0u32..3, 0u32..8), 1..300)) {
            let mut counters = Reception::default();
            let mut next = u32::from(start);
            let (mut lowest, mut highest) = (next, next);
            let mut received = 0i64;
            for (advance, back) in steps {
                next += advance;
                let extended = next.saturating_sub(back);
                if received == 0 {
                    (lowest, highest) = (extended, extended);
                }
                (lowest, highest) = (lowest.min(extended), highest.max(extended));
                received += 1;
                counters.packet(&header(1, extended as u16, 0), 20, 0, None);
            }
            let seen = *counters.ssrcs().next().expect("one SSRC");
            prop_assert_eq!(seen.lost, i64::from(highest - lowest) + 1 - received);
            prop_assert_eq!(seen.packets as i64, received);
            prop_assert_eq!(seen.resets, 0);
        }

        #[test]
        fn hostile_sequences_never_panic(packets in prop::collection::vec((0u32..6, any::<u16>(), any::<u32>(), any::<u64>(), any::<u32>()), 0..400)) {
            let mut reception = Reception::default();
            for (ssrc, sequence, timestamp, arrival, rate) in packets {
                reception.packet(&header(ssrc, sequence, timestamp), 1, arrival, Some(rate));
                reception.absorb(&KernelSsrc { ssrc, highest_seq: timestamp, packets: u64::from(rate), bytes: 1, payload_type: 1 });
            }
            prop_assert!(reception.ssrcs().len() <= MAX_SSRCS);
        }
    }
}
