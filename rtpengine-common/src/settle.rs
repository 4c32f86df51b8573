//! The way into the kernel: a new flow forwards once everything that was handed up before has been relayed.
//!
//! The program notes the mark of each packet that it hands up while the flow settles, and the relay that of the newest
//! one it has relayed. A socket's packets keep their order on the way up, so when both marks are the same, no packet is
//! on its way. Lost packets and others handed up in between delay that until a later packet, and never count wrong.

use crate::{packet::Rtp, reason::Reason};

impl Rtp {
    /// What packets of a stream are told apart by: version, marker, payload type, sequence number and timestamp. Never 0.
    #[inline(always)]
    pub fn mark(&self) -> u64 {
        let (seq, time) = (self.sequence, self.timestamp);
        let bytes = [self.flags, self.marker_type, seq[0], seq[1], time[0], time[1], time[2], time[3]];
        u64::from_ne_bytes(bytes)
    }
}

/// Mark of a UDP payload; `None`: it is not RTP version 2.
pub fn mark(payload: &[u8]) -> Option<u64> {
    if payload.len() < size_of::<Rtp>() || payload.first()? >> 6 != 2 {
        return None;
    }
    payload.first_chunk().map(|bytes| u64::from_ne_bytes(*bytes))
}

/// Whether a settling flow forwards from now on. The marks are of the newest packet handed up and of the newest one
/// relayed, 0 for none.
///
/// # Errors
/// [`Reason::Settling`]: the packet is to be handed up and noted.
#[inline(always)]
pub const fn settled(handed_up: u64, relayed: u64) -> Result<(), Reason> {
    if handed_up != 0 && handed_up == relayed { Ok(()) } else { Err(Reason::Settling) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> [u8; 12] {
        let [high, low] = sequence.to_be_bytes();
        [0x80, 8, high, low, 0, 0, high, low, 1, 2, 3, 4]
    }

    #[test]
    fn both_sides_give_a_packet_the_same_mark() {
        let bytes = packet(0x1234);
        let rtp = Rtp {
            flags: 0x80,
            marker_type: 8,
            sequence: [0x12, 0x34],
            timestamp: [0, 0, 0x12, 0x34],
            ssrc: [1, 2, 3, 4],
        };
        assert_eq!(mark(&bytes), Some(rtp.mark()));
        assert_ne!(mark(&bytes), mark(&packet(0x1235)));
        assert_ne!(rtp.mark(), 0);
    }

    #[test]
    fn what_the_program_never_notes_has_no_mark() {
        for payload in [&[][..], &packet(1)[..11], &[0x40; 12], &[0; 20]] {
            assert_eq!(mark(payload), None);
        }
    }

    /// A queue of any length between program and relay, whose packets may be lost: what the flow forwards comes after
    /// everything that is relayed.
    #[test]
    fn nothing_that_is_forwarded_overtakes_what_was_handed_up() {
        // A linear congruential generator will do (Knuth's MMIX).
        let mut random = 1u64;
        let mut chance = |of: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33).is_multiple_of(of)
        };
        let mut forwarded = 0;
        for _ in 0..2000 {
            let mut waiting = std::collections::VecDeque::from([0, 1, 2]);
            let (mut handed_up, mut relayed, mut out) = (0, 0, Vec::new());
            for sequence in 3..40 {
                if settled(handed_up, relayed).is_ok() {
                    out.push(sequence);
                    forwarded += 1;
                    break;
                }
                handed_up = mark(&packet(sequence)).unwrap();
                if !chance(10) {
                    waiting.push_back(sequence);
                }
                while !chance(3) {
                    let Some(next) = waiting.pop_front() else { break };
                    out.push(next);
                    relayed = mark(&packet(next)).unwrap();
                }
            }
            out.extend(waiting);
            assert!(out.is_sorted(), "{out:?}");
        }
        assert!(forwarded > 1000, "{forwarded}");
    }
}
