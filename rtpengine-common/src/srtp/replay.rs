//! Which indices of a stream were accepted (RFC 3711 section 3.3.2), so that each is accepted once.
//!
//! The window is a ring of words. Each holds sixteen indices: who they are above, in 44 bits, and below a bit for each
//! that says whether it was accepted. A word only ever moves to later indices, and one compare-and-swap on one word
//! decides on a packet: however many CPUs hold copies of it, one of them wins, and no lock is needed.

/// Words of the ring.
pub const WORDS: usize = 8;
/// Indices in a word.
const SPAN: u64 = 16;
/// An index this far behind the highest, or less, is still told from a new one.
pub const WINDOW: u64 = (WORDS as u64 - 1) * SPAN;

/// An index was accepted before, or it is too old to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed;

/// Which word an index belongs to.
#[inline(always)]
pub const fn slot(index: u64) -> usize {
    (index / SPAN) as usize % WORDS
}

/// The word of [`slot`] with the index accepted.
///
/// # Errors
/// When it was before, or the word has moved on to later indices.
#[inline(always)]
pub const fn accept(word: u64, index: u64) -> Result<u64, Replayed> {
    let (held, wanted) = (word >> 16, index / SPAN);
    let bit = 1 << (index % SPAN);
    if wanted > held {
        Ok(wanted << 16 | bit)
    } else if wanted == held && word & bit == 0 {
        Ok(word | bit)
    } else {
        Err(Replayed)
    }
}

/// The accepted indices that a ring knows of, in no order.
pub fn accepted(ring: &[u64; WORDS]) -> impl Iterator<Item = u64> + '_ {
    ring.iter().flat_map(|word| {
        (0..SPAN).filter(move |bit| word >> bit & 1 != 0).map(move |bit| (word >> 16) * SPAN + bit)
    })
}

/// A ring for a stream of which only the highest accepted index is known: that and everything before counts as accepted.
pub const fn all_up_to(highest: u64) -> [u64; WORDS] {
    let mut ring = [0; WORDS];
    let mut back = 0;
    while back < WORDS as u64 {
        if let Some(held) = (highest / SPAN).checked_sub(back) {
            let bits = if back == 0 { (2 << (highest % SPAN)) - 1 } else { 0xffff };
            ring[held as usize % WORDS] = held << 16 | bits;
        }
        back += 1;
    }
    ring
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use proptest::prelude::*;

    fn take(ring: &mut [u64; WORDS], index: u64) -> bool {
        match accept(ring[slot(index)], index) {
            Ok(word) => {
                ring[slot(index)] = word;
                true
            }
            Err(Replayed) => false,
        }
    }

    proptest! {
        #[test]
        fn each_is_accepted_once_and_new_ones_in_the_window_always(
            start in prop_oneof![0..200_u64, any::<u64>().prop_map(|start| start % (1 << 48))],
            steps in prop::collection::vec(-200..200_i64, 1..400),
        ) {
            let (mut ring, mut seen) = ([0; WORDS], HashSet::new());
            let (mut at, mut highest) = (start, start);
            for step in steps {
                at = at.saturating_add_signed(step).min((1 << 48) - 1);
                let accepted = take(&mut ring, at);
                let new = seen.insert(at);
                prop_assert!(new || !accepted, "{} was accepted twice", at);
                if new && at + WINDOW >= highest {
                    prop_assert!(accepted, "{} was refused, {} behind", at, highest.saturating_sub(at));
                }
                highest = highest.max(at);
            }
        }

        #[test]
        fn another_ring_takes_over_what_one_has_accepted(
            indices in prop::collection::vec((0..1_u64 << 48).prop_flat_map(|at| at.saturating_sub(200)..at + 1), 1..200),
        ) {
            let (mut ring, mut other) = ([0; WORDS], [0; WORDS]);
            for index in indices {
                take(&mut ring, index);
            }
            for index in accepted(&ring) {
                prop_assert!(take(&mut other, index));
            }
            prop_assert_eq!(ring, other);
        }

        #[test]
        fn a_stream_of_which_only_the_highest_is_known_goes_on_behind_it(highest in 0..1_u64 << 47, at in 0..300_u64) {
            let mut ring = all_up_to(highest);
            prop_assert!(!take(&mut ring, highest.saturating_sub(at)));
            prop_assert!(take(&mut ring, highest + 1 + at));
        }
    }

    #[test]
    fn a_window_is_at_least_what_the_rfc_demands() {
        const { assert!(WINDOW >= 64) };
    }
}
