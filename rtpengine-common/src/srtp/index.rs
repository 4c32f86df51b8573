//! The index of a packet: sequence number and rollover counter (RFC 3711 section 3.3.1), or the SRTCP index.
//!
//! A stream remembers the number after the highest index that was accepted; zero stands for a stream that nothing was
//! accepted of. So the memory of a new stream is all zero, and the highest of two is the later one.

/// SRTP indices are 48 bits: 32 of rollover counter and 16 of sequence number.
pub const RTP_INDICES: u64 = 1 << 48;
/// SRTCP indices are 31 bits.
pub const RTCP_INDICES: u64 = 1 << 31;

/// The index of the packet with this sequence number, guessed from the `next` of its stream: the one of three rollover
/// counters that puts it closest (RFC 3711 appendix A).
///
/// `None`: it would lie before the first packet of all, or behind the last that the keys are good for (section 9.2).
#[inline(always)]
pub const fn guess(next: u64, sequence: u16) -> Option<u64> {
    if next == 0 {
        return Some(sequence as u64);
    }
    let highest = next - 1;
    let ahead = sequence.wrapping_sub(highest as u16);
    // At half the circle either way is as far; the RFC's comparison goes forward from the lower half only.
    let forward = ahead < 0x8000 || ahead == 0x8000 && (highest as u16) < 0x8000;
    if forward {
        let index = highest + ahead as u64;
        if index < RTP_INDICES { Some(index) } else { None }
    } else {
        highest.checked_sub(0x1_0000 - ahead as u64)
    }
}

/// `next` after a packet was accepted.
#[inline(always)]
pub const fn advance(next: u64, index: u64) -> u64 {
    if index >= next { index + 1 } else { next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 3711 appendix A, word by word.
    fn appendix_a(highest: u64, sequence: u16) -> i64 {
        let (roc, s_l, seq) = ((highest >> 16) as i64, (highest & 0xffff) as i64, i64::from(sequence));
        let v = if s_l < 32_768 {
            if seq - s_l > 32_768 { roc - 1 } else { roc }
        } else if s_l - 32_768 > seq {
            roc + 1
        } else {
            roc
        };
        seq + v * 65_536
    }

    fn agrees(highest: u64, sequence: u16) {
        let expected = u64::try_from(appendix_a(highest, sequence)).ok().filter(|index| *index < RTP_INDICES);
        assert_eq!(guess(highest + 1, sequence), expected, "{highest:#x} {sequence:#x}");
    }

    #[test]
    fn it_is_that_of_the_rfc_for_every_sequence_number() {
        for highest in [0, 1, 0x7fff, 0x8000, 0x8001, 0xffff, 0x1_0000, 0x5_7fff, 0x5_8000, RTP_INDICES - 1] {
            for sequence in 0..=0xffff {
                agrees(highest, sequence);
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_that_of_the_rfc(highest in 0..RTP_INDICES, sequence: u16) {
            agrees(highest, sequence);
        }
    }

    #[test]
    fn a_new_stream_starts_anywhere_with_rollover_counter_zero() {
        assert_eq!(guess(0, 0), Some(0));
        assert_eq!(guess(0, 0xffff), Some(0xffff));
        assert_eq!(guess(advance(0, 0xffff), 0), Some(0x1_0000));
        assert_eq!(guess(advance(0, 0), 0xffff), None);
    }

    #[test]
    fn a_late_packet_does_not_set_the_stream_back() {
        assert_eq!(advance(0, 0), 1);
        assert_eq!(advance(5, 5), 6);
        assert_eq!(advance(5, 4), 5);
        assert_eq!(advance(5, 100), 101);
    }
}
