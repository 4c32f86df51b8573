//! The rounds in plain Rust.

use super::{BOTH, Block, Schedule, Work};

impl<'a> Work<'a> {
    #[inline(always)]
    pub(super) fn new(block: &'a Block, schedule: &'a mut Schedule) -> Self {
        Self { block, schedule, twice: BOTH, low: 0 }
    }

    /// From here on pairs are rotated by so much.
    #[inline(always)]
    pub(super) fn rotate_by<const BITS: u64>(&mut self) {
        self.low = ((1 << BITS) - 1) * BOTH;
    }

    #[inline(always)]
    pub(super) fn choose<const K: i32, const T: usize>(&self, s: [u64; 5]) -> [u64; 2] {
        let [_, b, c, d, _] = s;
        self.round::<K, T>(s, d ^ b & (c ^ d))
    }

    #[inline(always)]
    pub(super) fn parity<const K: i32, const T: usize>(&self, s: [u64; 5]) -> [u64; 2] {
        let [_, b, c, d, _] = s;
        self.round::<K, T>(s, b ^ c ^ d)
    }

    #[inline(always)]
    pub(super) fn majority<const K: i32, const T: usize>(&self, s: [u64; 5]) -> [u64; 2] {
        let [_, b, c, d, _] = s;
        self.round::<K, T>(s, b & c | d & (b | c))
    }

    /// Round `T` with constant `K`: the new state word, and `b` rotated.
    #[inline(always)]
    fn round<const K: i32, const T: usize>(&self, [a, b, _, _, e]: [u64; 5], f: u64) -> [u64; 2] {
        let pair = self.pair(T / 2);
        let word = if T.is_multiple_of(2) { pair >> 32 } else { pair };
        let sum = e.wrapping_add(f).wrapping_add(word).wrapping_add(K as u64) as u32;
        let b = u64::from(b as u32).wrapping_mul(self.twice) >> 2;
        [sum.wrapping_add((a as u32).rotate_left(5)).into(), b]
    }

    /// Computes words `T` and `T + 1` of the message schedule; `T` is even.
    #[inline(always)]
    pub(super) fn extend<const T: usize>(&mut self) {
        let at = T / 2;
        self.schedule[at & 15] = if T < 16 {
            u64::from_be(self.block[at & 7])
        } else if T < 32 {
            let three_before = self.pair(at + 14) << 32 | self.pair(at + 15) >> 32;
            self.rotate::<1>(three_before ^ self.pair(at + 12) ^ self.pair(at + 9) ^ self.pair(at + 8))
        } else {
            self.rotate::<2>(self.pair(at) ^ self.pair(at + 2) ^ self.pair(at + 8) ^ self.pair(at + 13))
        };
    }

    #[inline(always)]
    fn rotate<const BITS: u32>(&self, pair: u64) -> u64 {
        let up = pair << BITS;
        up ^ (up ^ pair >> (32 - BITS)) & self.low
    }

    #[inline(always)]
    fn pair(&self, at: usize) -> u64 {
        self.schedule[at & 15]
    }
}
