//! AES encryption by tables (FIPS 197).
//!
//! SRTP uses the cipher in one direction only. Look-ups depend on the key, so their time does: the XDP program has no
//! AES instructions, and the original's fast path for such machines has the same property.

mod tables;

pub(super) use tables::{add, spread};
use tables::{add_substituted, substitute};

/// Bytes of the largest key.
pub const MAX_KEY: usize = 32;
/// Words of round keys for the largest key: fifteen rounds' worth.
const WORDS: usize = 60;
/// Those of all rounds but the last.
const SPREAD: usize = WORDS - 4;

/// Two blocks on their way through the rounds, in words as `tables` looks them up.
pub type States = [u64; 8];
/// Two blocks of key stream, eight bytes to a number, of which the first is the least significant.
pub type Stream = [u64; 4];

/// The round keys of one AES key.
///
/// They end at the same place for every key length, so that code for the last ten rounds knows where its keys are:
/// a 128-bit key leaves the first 16 words unused, a 192-bit key the first 8.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RoundKeys {
    /// Words, [`spread`].
    words: [u64; SPREAD],
    /// The last round's, as in [`Stream`].
    last: [u64; 2],
    /// Rounds beyond the ten of a 128-bit key: 0, 2 or 4.
    extra: u64,
}

impl Default for RoundKeys {
    /// All zero: no key.
    fn default() -> Self {
        Self { words: [0; SPREAD], last: [0; 2], extra: 0 }
    }
}

impl RoundKeys {
    /// Expands a key of 16, 24 or 32 bytes; `None` for another length.
    pub fn expand(key: &[u8]) -> Option<Self> {
        let key_words = match key.len() {
            16 | 24 | 32 => key.len() / 4,
            _ => return None,
        };
        let mut keys = Self { extra: key_words as u64 - 4, ..Self::default() };
        let mut words = [0; WORDS];
        let schedule = &mut words[keys.start()..];
        for (word, bytes) in schedule.iter_mut().zip(key.as_chunks::<4>().0) {
            *word = u32::from_be_bytes(*bytes);
        }
        let mut constant = 1_u8;
        for index in key_words..schedule.len() {
            let mut word = schedule[index - 1];
            if index % key_words == 0 {
                word = substitute(word.rotate_left(8)) ^ u32::from(constant) << 24;
                constant = double(constant);
            } else if key_words == 8 && index % 8 == 4 {
                word = substitute(word);
            }
            schedule[index] = schedule[index - key_words] ^ word;
        }
        let [.., a, b, c, d] = words;
        keys.last = [pair(a, b), pair(c, d)];
        for (to, word) in keys.words.iter_mut().zip(words) {
            *to = spread(word);
        }
        #[cfg(feature = "srtp")]
        zeroize::Zeroize::zeroize(&mut words);
        Some(keys)
    }

    /// Where the key of the whitening before the first round lies.
    #[inline(always)]
    const fn start(&self) -> usize {
        // Masked: the verifier knows no bounds of a value in a map.
        16_usize.wrapping_sub(self.extra as usize * 4) & 31
    }

    /// The words from the whitening key on that `ctr` needs for the first two rounds.
    #[inline(always)]
    pub(super) fn first(&self) -> &[u64; 12] {
        let start = self.start();
        // The largest start is 31 of 56.
        self.words[start..].first_chunk().unwrap_or(&[0; 12])
    }

    /// Encrypts one block of bytes.
    pub fn encrypt_bytes(&self, block: [u8; 16]) -> [u8; 16] {
        let keys = self.first();
        let mut states = [0; 8];
        for ((state, word), key) in states.iter_mut().zip(from_bytes(block)).zip(keys) {
            *state = spread(word) ^ key;
        }
        round::<0, 1, 2, 3>(&mut states, keys, 4);
        round::<0, 1, 2, 3>(&mut states, keys, 8);
        let [first, second, _, _] = self.finish(&mut states);
        (u128::from(second) << 64 | u128::from(first)).to_le_bytes()
    }

    /// All rounds after the second, of two blocks side by side: the CPU waits less for results where there is other work.
    #[inline(always)]
    pub(super) fn finish(&self, states: &mut States) -> Stream {
        let keys = &self.words;
        if self.extra >= 4 {
            rounds(states, keys, 12);
            rounds(states, keys, 16);
        }
        if self.extra >= 2 {
            rounds(states, keys, 20);
            rounds(states, keys, 24);
        }
        rounds(states, keys, 28);
        rounds(states, keys, 32);
        rounds(states, keys, 36);
        rounds(states, keys, 40);
        rounds(states, keys, 44);
        rounds(states, keys, 48);
        rounds(states, keys, 52);
        let [first, second] = self.last;
        [
            half::<0, 1, 2, 3>(first, states),
            half::<2, 3, 0, 1>(second, states),
            half::<4, 5, 6, 7>(first, states),
            half::<6, 7, 4, 5>(second, states),
        ]
    }
}

/// The words of a block.
#[inline(always)]
pub fn from_bytes(block: [u8; 16]) -> [u32; 4] {
    let whole = u128::from_be_bytes(block);
    [(whole >> 96) as u32, (whole >> 64) as u32, (whole >> 32) as u32, whole as u32]
}

/// Two words as they are in [`Stream`].
const fn pair(first: u32, second: u32) -> u64 {
    first.swap_bytes() as u64 | (second.swap_bytes() as u64) << 32
}

/// One full round of both blocks, with the keys at `at`.
#[inline(always)]
fn rounds<const N: usize>(states: &mut States, keys: &[u64; N], at: usize) {
    round::<0, 1, 2, 3>(states, keys, at);
    round::<4, 5, 6, 7>(states, keys, at);
}

/// One full round of the block whose words are `A` to `D` of the states, with the keys at `at`.
#[inline(always)]
fn round<const A: usize, const B: usize, const C: usize, const D: usize>(
    states: &mut States,
    keys: &[u64],
    at: usize,
) {
    let e = column::<A, B, C, D>(keys[at], states);
    let f = column::<B, C, D, A>(keys[at + 1], states);
    let g = column::<C, D, A, B>(keys[at + 2], states);
    let h = column::<D, A, B, C>(keys[at + 3], states);
    [states[A], states[B], states[C], states[D]] = [e, f, g, h];
}

#[inline(always)]
fn column<const A: usize, const B: usize, const C: usize, const D: usize>(key: u64, states: &States) -> u64 {
    let sum = add::<A, 0>(key, states);
    let sum = add::<B, 1>(sum, states);
    let sum = add::<C, 2>(sum, states);
    add::<D, 3>(sum, states)
}

/// The first half of what the last round makes, which mixes no columns.
#[inline(always)]
fn half<const A: usize, const B: usize, const C: usize, const D: usize>(key: u64, states: &States) -> u64 {
    let sum = add_substituted::<A, 0, 0>(key, states);
    let sum = add_substituted::<B, 1, 1>(sum, states);
    let sum = add_substituted::<C, 2, 2>(sum, states);
    let sum = add_substituted::<D, 3, 3>(sum, states);
    let sum = add_substituted::<B, 0, 4>(sum, states);
    let sum = add_substituted::<C, 1, 5>(sum, states);
    let sum = add_substituted::<D, 2, 6>(sum, states);
    add_substituted::<A, 3, 7>(sum, states)
}

/// Multiplication by x in GF(2^8).
const fn double(a: u8) -> u8 {
    a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 }
}

#[cfg(feature = "srtp")]
impl zeroize::DefaultIsZeroes for RoundKeys {}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypted(key: &[u8]) -> [u32; 4] {
        let block = core::array::from_fn(|index| index as u8 * 0x11);
        from_bytes(RoundKeys::expand(key).unwrap().encrypt_bytes(block))
    }

    /// FIPS 197 appendix C.
    #[test]
    fn the_examples_of_the_standard() {
        let key: [u8; 32] = core::array::from_fn(|index| index as u8);
        assert_eq!(encrypted(&key[..16]), [0x69c4_e0d8, 0x6a7b_0430, 0xd8cd_b780, 0x70b4_c55a]);
        assert_eq!(encrypted(&key[..24]), [0xdda9_7ca4, 0x864c_dfe0, 0x6eaf_70a0, 0xec0d_7191]);
        assert_eq!(encrypted(&key), [0x8ea2_b7ca, 0x5167_45bf, 0xeafc_4990, 0x4b49_6089]);
    }

    #[test]
    fn a_key_of_another_length_is_none() {
        for len in (0..64).filter(|len| ![16, 24, 32].contains(len)) {
            assert!(RoundKeys::expand(&[0; 64][..len]).is_none());
        }
    }
}
