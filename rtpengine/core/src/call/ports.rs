//! The media ports of one local address: which are free, and how one is picked.

use super::rng::Rng;

/// Bits of even ports within a word: the first of a pair.
const EVEN: u64 = 0x5555_5555_5555_5555;

/// Free and used ports of one local address, one bit each, in words that start at an even port.
#[derive(Clone, Debug)]
pub(super) struct PortPool {
    min: u16,
    max: u16,
    /// `min` rounded down to an even number: the port of bit 0.
    base: u16,
    /// Set bits are free.
    free: Vec<u64>,
    used: u32,
}

impl PortPool {
    /// A pool over `min..=max`. An inverted range is an empty pool.
    pub(super) fn new(min: u16, max: u16) -> Self {
        let base = min & !1;
        let mut pool = Self { min, max, base, free: Vec::new(), used: 0 };
        if max >= min {
            pool.free = vec![0; usize::from(max - base) / 64 + 1];
            for port in min..=max {
                pool.set(port, true);
            }
        }
        pool
    }

    pub(super) fn range(&self) -> (u16, u16) {
        (self.min, self.max)
    }

    pub(super) fn used(&self) -> u32 {
        self.used
    }

    pub(super) fn total(&self) -> u32 {
        if self.max >= self.min { u32::from(self.max - self.min) + 1 } else { 0 }
    }

    /// Takes a random even port together with the odd one above it; returns the even one.
    pub(super) fn take_pair(&mut self, rng: &mut Rng) -> Option<u16> {
        let port = self.find(rng, |word| word & (word >> 1) & EVEN)?;
        self.claim(port);
        self.claim(port + 1);
        Some(port)
    }

    /// Takes one random port, an even one while there are any.
    pub(super) fn take_single(&mut self, rng: &mut Rng) -> Option<u16> {
        let port = self.find(rng, |word| word & EVEN).or_else(|| self.find(rng, |word| word))?;
        self.claim(port);
        Some(port)
    }

    /// Takes exactly this port; `false` where it is used already or outside the range.
    pub(super) fn take_exact(&mut self, port: u16) -> bool {
        let free = self.is_free(port);
        if free {
            self.claim(port);
        }
        free
    }

    /// Gives a port back. A port that is not taken is left alone.
    pub(super) fn release(&mut self, port: u16) {
        if port >= self.min && port <= self.max && !self.is_free(port) {
            self.set(port, true);
            self.used -= 1;
        }
    }

    /// Whether a pair (or, with `single`, any port) is left.
    pub(super) fn has_room(&self, single: bool) -> bool {
        self.free.iter().any(|&word| if single { word != 0 } else { word & (word >> 1) & EVEN != 0 })
    }

    fn is_free(&self, port: u16) -> bool {
        let Some(offset) = port.checked_sub(self.base) else { return false };
        self.free.get(usize::from(offset) / 64).is_some_and(|word| word >> (offset % 64) & 1 == 1)
    }

    fn set(&mut self, port: u16, free: bool) {
        let Some(offset) = port.checked_sub(self.base) else { return };
        if let Some(word) = self.free.get_mut(usize::from(offset) / 64) {
            let bit = 1 << (offset % 64);
            *word = if free { *word | bit } else { *word & !bit };
        }
    }

    fn claim(&mut self, port: u16) {
        self.set(port, false);
        self.used += 1;
    }

    /// The first candidate at or after a random place, wrapping around.
    fn find(&self, rng: &mut Rng, candidates: impl Fn(u64) -> u64) -> Option<u16> {
        let words = self.free.len();
        if words == 0 {
            return None;
        }
        let start = rng.below(u32::try_from(words * 64).ok()?);
        let (first, bit) = (start as usize / 64, start % 64);
        // The first word is looked at twice: above the random bit, and at the very end below it.
        (0..=words).find_map(|step| {
            let index = (first + step) % words;
            let mask = match step {
                0 => u64::MAX << bit,
                last if last == words => !(u64::MAX << bit),
                _ => u64::MAX,
            };
            let found = candidates(*self.free.get(index)?) & mask;
            let offset = index * 64 + found.trailing_zeros() as usize;
            (found != 0).then(|| u16::try_from(offset).ok()?.checked_add(self.base)).flatten()
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn pairs_are_even_and_random_within_the_range() {
        let (mut pool, mut rng) = (PortPool::new(30001, 30100), Rng::new(1));
        let taken: Vec<u16> = (0..49).map(|_| pool.take_pair(&mut rng).unwrap()).collect();
        assert!(taken.iter().all(|port| port % 2 == 0 && (30002..30100).contains(port)));
        assert!(taken.windows(2).any(|two| two[1] != two[0] + 2), "not in sequence");
        assert_eq!(pool.take_pair(&mut rng), None, "30001 and 30100 have no partner");
        assert_eq!(pool.used(), 98);
        assert!(pool.has_room(true) && !pool.has_room(false));
    }

    #[test]
    fn the_highest_port_is_reachable() {
        let (mut pool, mut rng) = (PortPool::new(65534, 65535), Rng::new(3));
        assert_eq!(pool.take_pair(&mut rng), Some(65534));
        assert_eq!(pool.take_single(&mut rng), None);
        assert_eq!(PortPool::new(10, 9).total(), 0);
        assert_eq!(PortPool::new(10, 9).take_pair(&mut rng), None);
    }

    proptest! {
        #[test]
        fn everything_taken_comes_back(seed in any::<u64>(), steps in proptest::collection::vec(0u8..4, 0..200)) {
            let (mut pool, mut rng) = (PortPool::new(2001, 2100), Rng::new(seed));
            let mut held: Vec<u16> = Vec::new();
            for step in steps {
                match step {
                    0 => if let Some(port) = pool.take_pair(&mut rng) { held.extend([port, port + 1]) },
                    1 => held.extend(pool.take_single(&mut rng)),
                    2 => if pool.take_exact(2050) { held.push(2050) },
                    _ => if let Some(port) = held.pop() { pool.release(port); pool.release(port) },
                }
                let mut unique = held.clone();
                unique.sort_unstable();
                unique.dedup();
                prop_assert_eq!(unique.len(), held.len());
                prop_assert_eq!(pool.used() as usize, held.len());
            }
            for port in held { pool.release(port) }
            prop_assert_eq!(pool.used(), 0);
        }
    }
}
