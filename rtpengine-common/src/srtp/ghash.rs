//! GHASH (NIST SP 800-38D section 6.4) by tables. Blocks are two big-endian words, the first bit is the coefficient of
//! x^0.

use crate::words;

/// Words of a block that are multiplied side by side.
const LANES: usize = 4;

/// Multiples of the hash key H: of H * x^(32 n) in lane n, by the four bits they are multiplied with.
///
/// Four lanes of four bits: a quarter of the shifts of a single table of sixteen, and a quarter of the memory of a table
/// of 256, all of which every packet would pull through the cache.
#[repr(C)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct HashKey {
    lanes: [[[u64; 2]; 16]; LANES],
}

impl HashKey {
    /// For the hash key, which is the cipher's output for a block of zeros.
    pub fn new(key: [u64; 2]) -> Self {
        let mut table = Self::default();
        let mut power = key;
        for lane in &mut table.lanes {
            // The first bit of four is the most significant.
            let mut bit = 8;
            while bit > 0 {
                lane[bit] = power;
                power = times_x(power);
                bit /= 2;
            }
            for bits in 1..16_usize {
                let highest = 1 << bits.ilog2();
                let [a, b] = [lane[highest], lane[bits - highest]];
                lane[bits] = [a[0] ^ b[0], a[1] ^ b[1]];
            }
            // Four of the 32 steps to the next lane are done.
            for _ in 4..32 {
                power = times_x(power);
            }
        }
        table
    }

    /// `(hash + block) * H`.
    #[inline(always)]
    pub fn absorb(&self, hash: [u64; 2], block: [u64; 2]) -> [u64; 2] {
        self.multiply([hash[0] ^ block[0], hash[1] ^ block[1]])
    }

    /// `factor * H`: Horner's rule over the eight groups of four bits in each lane, from the last.
    #[inline(always)]
    fn multiply(&self, [high, low]: [u64; 2]) -> [u64; 2] {
        let mut product = [0; 3];
        product = self.add(product, [high << 4, low << 4]);
        product = self.add(times_x4(product), [high, low]);
        product = self.add(times_x4(product), [high >> 4, low >> 4]);
        product = self.add(times_x4(product), [high >> 8, low >> 8]);
        product = self.add(times_x4(product), [high >> 12, low >> 12]);
        product = self.add(times_x4(product), [high >> 16, low >> 16]);
        product = self.add(times_x4(product), [high >> 20, low >> 20]);
        product = self.add(times_x4(product), [high >> 24, low >> 24]);
        // x^128 = 1 + x + x^2 + x^7, for the 28 coefficients from x^128 on.
        let [first, second, over] = product;
        [first ^ over ^ over >> 1 ^ over >> 2 ^ over >> 7, second]
    }

    /// Adds the multiples for the second-last four bits of each half of the words.
    #[inline(always)]
    fn add(&self, [first, second, over]: [u64; 3], [high, low]: [u64; 2]) -> [u64; 3] {
        let table = self.lanes.as_ptr().cast();
        // SAFETY: sixteen pairs of words to a lane.
        let [first, second] = unsafe {
            let sum = words::look_up_pair::<0, 0xf0>([first, second], table, high >> 32);
            let sum = words::look_up_pair::<0x100, 0xf0>(sum, table, high);
            let sum = words::look_up_pair::<0x200, 0xf0>(sum, table, low >> 32);
            words::look_up_pair::<0x300, 0xf0>(sum, table, low)
        };
        [first, second, over]
    }
}

#[cfg(feature = "srtp")]
impl zeroize::DefaultIsZeroes for HashKey {}

/// Multiplication by x^4 without reduction: the third word holds what is beyond x^127.
#[inline(always)]
const fn times_x4([first, second, over]: [u64; 3]) -> [u64; 3] {
    [first >> 4, second >> 4 | first << 60, over >> 4 | second << 60]
}

/// Multiplication by x.
const fn times_x([first, second]: [u64; 2]) -> [u64; 2] {
    let reduced = if second & 1 == 0 { 0 } else { 0xe1 << 56 };
    [first >> 1 ^ reduced, second >> 1 | first << 63]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Bit by bit, as the standard defines it (algorithm 1).
    fn product(x: u128, y: u128) -> u128 {
        let (mut z, mut v) = (0, y);
        for bit in 0..128 {
            if x >> (127 - bit) & 1 == 1 {
                z ^= v;
            }
            v = v >> 1 ^ if v & 1 == 1 { 0xe1 << 120 } else { 0 };
        }
        z
    }

    fn halves(x: u128) -> [u64; 2] {
        [(x >> 64) as u64, x as u64]
    }

    proptest! {
        #[test]
        fn it_is_the_product_of_the_standard(key: u128, hash: u128, block: u128) {
            let table = HashKey::new(halves(key));
            prop_assert_eq!(table.absorb(halves(hash), halves(block)), halves(product(hash ^ block, key)));
        }
    }

    #[test]
    fn every_single_bit_is_multiplied() {
        for key in 0..128 {
            let table = HashKey::new(halves(1 << key));
            for bit in 0..128 {
                assert_eq!(table.multiply(halves(1 << bit)), halves(product(1 << bit, 1 << key)));
            }
        }
    }
}
