//! What was received on all sockets of a component: with ICE a party's media may come by any of them, and change over.

use super::own::Count;
use crate::io::{MediaPlane, SsrcCounters, StreamCounters, StreamId};

/// Farther ahead of the packets that came than this, a sequence began anew (`MAX_DROPOUT`, RFC 3550 appendix A.1).
const MAX_DROPOUT: u32 = 3000;

/// The counters of these sockets as those of one. `before`: what was counted of an SSRC at the last report.
pub(super) fn counters<'c>(
    plane: &dyn MediaPlane,
    sockets: &[StreamId],
    before: impl Fn(u32) -> Option<&'c Count>,
) -> StreamCounters {
    let mut sockets = sockets.iter().map(|socket| plane.counters(*socket));
    let mut sum = sockets.next().unwrap_or_default();
    for more in sockets {
        sum.packets += more.packets;
        sum.kernel_packets += more.kernel_packets;
        for ssrc in more.ssrcs {
            match sum.ssrcs.iter_mut().find(|known| known.ssrc == ssrc.ssrc) {
                Some(known) => *known = joined(known, &ssrc, before(ssrc.ssrc)),
                None => sum.ssrcs.push(ssrc),
            }
        }
    }
    sum
}

/// Counts add up; where the stream is by now, its last packet says.
fn joined(one: &SsrcCounters, two: &SsrcCounters, before: Option<&Count>) -> SsrcCounters {
    let (last, other) = if two.last_mono_us > one.last_mono_us { (two, one) } else { (one, two) };
    let packets = one.packets + two.packets;
    // Every socket counts the rollovers that it has seen.
    let known = before.map_or(other.highest_seq, |count| count.highest_seq);
    let ahead = u32::from((last.highest_seq as u16).wrapping_sub(known as u16));
    let came = packets.saturating_sub(before.map_or(other.packets, |count| count.packets));
    let goes_on = u64::from(ahead) <= came + u64::from(MAX_DROPOUT);
    SsrcCounters {
        packets,
        bytes: one.bytes + two.bytes,
        lost: one.lost.saturating_add(two.lost),
        duplicates: one.duplicates + two.duplicates,
        reordered: one.reordered + two.reordered,
        skips: one.skips + two.skips,
        resets: one.resets + two.resets,
        highest_seq: if goes_on { known.wrapping_add(ahead) } else { last.highest_seq },
        ..*last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ssrc(packets: u64, highest_seq: u32, last_mono_us: u64) -> SsrcCounters {
        SsrcCounters {
            ssrc: 7,
            packets,
            highest_seq,
            last_mono_us,
            bytes: packets * 172,
            ..SsrcCounters::default()
        }
    }

    #[test]
    fn the_sequence_goes_on_where_the_stream_changes_its_socket() {
        // Two packets before the rollover on one socket, five after it on the other.
        let sum = joined(&ssrc(2, 65_535, 1), &ssrc(5, 4, 2), None);
        assert_eq!((sum.packets, sum.bytes, sum.highest_seq, sum.last_mono_us), (7, 7 * 172, 65_540, 2));
        let sum = joined(&ssrc(2, 100, 9), &ssrc(5, 65_530, 2), None);
        assert_eq!((sum.packets, sum.highest_seq), (7, 65_636));
    }

    #[test]
    fn and_a_sequence_that_began_anew_is_what_it_is() {
        assert_eq!(joined(&ssrc(2, 1000, 1), &ssrc(5, 40_000, 2), None).highest_seq, 40_000);
    }
}
