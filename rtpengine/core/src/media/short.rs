//! `block short`: which packets are shorter than those before, among codecs whose packets are all of one length.

/// Static payload types (RFC 3551 §6) with as many bytes for every frame: PCMU, GSM, PCMA, G.722, L16.
const FIXED_RATE: [u8; 6] = [0, 3, 8, 9, 10, 11];
/// Packets of one length in a row from which it is the usual one.
const USUAL_AFTER: u8 = 5;
/// Packets of one shorter length in a row after which the party has changed to it.
const SHORTER_AFTER: u8 = 10;

/// What is known of the lengths of one party's packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketLengths {
    payload_type: u8,
    /// Payload bytes of the usual packet; 0 while unknown.
    usual: usize,
    last: usize,
    /// Packets of the length `last` in a row.
    row: u8,
}

impl PacketLengths {
    /// Whether a packet with `length` bytes of payload is short.
    pub fn is_short(&mut self, payload_type: u8, length: usize) -> bool {
        if !FIXED_RATE.contains(&payload_type) {
            return false;
        }
        if payload_type != self.payload_type {
            *self = Self { payload_type, ..Self::default() };
        }
        self.row = if length == self.last { self.row.saturating_add(1) } else { 1 };
        self.last = length;
        let enough = if length < self.usual { SHORTER_AFTER } else { USUAL_AFTER };
        if self.row >= enough {
            self.usual = length;
        }
        length < self.usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(lengths: &mut PacketLengths, payload_type: u8, of: &[usize]) -> Vec<bool> {
        of.iter().map(|length| lengths.is_short(payload_type, *length)).collect()
    }

    #[test]
    fn what_is_shorter_than_the_usual_packet_is_short() {
        let mut lengths = PacketLengths::default();
        assert_eq!(feed(&mut lengths, 0, &[160, 40, 160, 160, 160, 160]), [false; 6]);
        assert_eq!(
            feed(&mut lengths, 0, &[160, 159, 160, 0, 240, 160]),
            [false, true, false, true, false, false]
        );
    }

    #[test]
    fn a_party_may_change_to_shorter_and_to_longer_packets() {
        let mut lengths = PacketLengths::default();
        feed(&mut lengths, 8, &[160; 5]);
        let shorter = feed(&mut lengths, 8, &[80; 12]);
        assert_eq!(shorter.iter().filter(|short| **short).count(), 9);
        assert_eq!(feed(&mut lengths, 8, &[240; 5]), [false; 5]);
        assert_eq!(feed(&mut lengths, 8, &[80]), [true]);
    }

    #[test]
    fn other_codecs_are_left_alone() {
        let mut lengths = PacketLengths::default();
        feed(&mut lengths, 0, &[160; 5]);
        assert_eq!(feed(&mut lengths, 96, &[1, 2, 3]), [false; 3]);
        assert_eq!(feed(&mut lengths, 18, &[20, 20, 20, 20, 20, 2]), [false; 6]);
        // Another one begins anew.
        assert_eq!(feed(&mut lengths, 8, &[20]), [false]);
    }
}
