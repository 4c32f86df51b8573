//! AES encryption by tables (FIPS 197). Blocks are four big-endian words.
//!
//! SRTP uses the cipher in one direction only. Look-ups depend on the key, so their time does: the XDP program has no
//! AES instructions, and the original's fast path for such machines has the same property.

use crate::words;

/// Bytes of the largest key.
pub const MAX_KEY: usize = 32;
/// Words of round keys for the largest key: fifteen rounds' worth.
const WORDS: usize = 60;

/// SubBytes, ShiftRows and MixColumns of one byte: table n is for byte n of a column.
static TABLES: [[u32; 256]; 4] = tables();

/// The round keys of one AES key.
///
/// They end at the same place for every key length, so that code for the last ten rounds knows where its keys are:
/// a 128-bit key leaves the first 16 words unused, a 192-bit key the first 8.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct RoundKeys {
    /// Big-endian words.
    words: [u32; WORDS],
    /// Rounds beyond the ten of a 128-bit key: 0, 2 or 4.
    extra: u32,
}

impl Default for RoundKeys {
    /// All zero: no key.
    fn default() -> Self {
        Self { words: [0; WORDS], extra: 0 }
    }
}

impl RoundKeys {
    /// Expands a key of 16, 24 or 32 bytes; `None` for another length.
    pub fn expand(key: &[u8]) -> Option<Self> {
        let key_words = match key.len() {
            16 | 24 | 32 => key.len() / 4,
            _ => return None,
        };
        let mut keys = Self { extra: key_words as u32 - 4, ..Self::default() };
        let start = keys.start();
        let schedule = &mut keys.words[start..];
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
    pub(super) fn first(&self) -> &[u32; 12] {
        let start = self.start();
        // The largest start is 31 of 60.
        self.words[start..].first_chunk().unwrap_or(&[0; 12])
    }

    /// Encrypts one block.
    #[inline(always)]
    pub fn encrypt(&self, block: [u32; 4]) -> [u32; 4] {
        let keys = self.first();
        let [a, b, c, d] = block;
        let state = [a ^ keys[0], b ^ keys[1], c ^ keys[2], d ^ keys[3]];
        self.finish(round(round(state.map(u64::from), keys, 4), keys, 8).map(|word| word as u32))
    }

    /// Encrypts one block of bytes.
    #[inline(always)]
    pub fn encrypt_bytes(&self, block: [u8; 16]) -> [u8; 16] {
        to_bytes(self.encrypt(from_bytes(block)))
    }

    /// All rounds after the second.
    #[inline(always)]
    pub(super) fn finish(&self, state: [u32; 4]) -> [u32; 4] {
        let mut state = state.map(u64::from);
        if self.extra >= 4 {
            state = round(state, &self.words, 12);
            state = round(state, &self.words, 16);
        }
        if self.extra >= 2 {
            state = round(state, &self.words, 20);
            state = round(state, &self.words, 24);
        }
        state = round(state, &self.words, 28);
        state = round(state, &self.words, 32);
        state = round(state, &self.words, 36);
        state = round(state, &self.words, 40);
        state = round(state, &self.words, 44);
        state = round(state, &self.words, 48);
        state = round(state, &self.words, 52);
        last_round(state, &self.words)
    }
}

/// The words of a block.
#[inline(always)]
pub fn from_bytes(block: [u8; 16]) -> [u32; 4] {
    let whole = u128::from_be_bytes(block);
    [(whole >> 96) as u32, (whole >> 64) as u32, (whole >> 32) as u32, whole as u32]
}

/// The bytes of a block.
#[inline(always)]
pub fn to_bytes([a, b, c, d]: [u32; 4]) -> [u8; 16] {
    (u128::from(a) << 96 | u128::from(b) << 64 | u128::from(c) << 32 | u128::from(d)).to_be_bytes()
}

/// `sum` and the entry of table `TABLE` for byte `byte` of `word`, byte 0 being the most significant; of the entry the
/// bits in `KEEP`. Words of 32 bits, see [`words::look_up`].
#[inline(always)]
fn add<const TABLE: usize, const KEEP: i32>(sum: u64, word: u64, byte: u32) -> u64 {
    // Offset in bytes, four to an entry.
    let offset = if byte == 3 { word << 2 } else { word >> (22 - 8 * byte) };
    let tables = TABLES.as_ptr().cast();
    // SAFETY: masked to the length of a table, of which there are four.
    unsafe {
        match TABLE {
            0 => words::look_up::<0, 0x3fc, KEEP>(sum, tables, offset),
            1 => words::look_up::<0x400, 0x3fc, KEEP>(sum, tables, offset),
            2 => words::look_up::<0x800, 0x3fc, KEEP>(sum, tables, offset),
            _ => words::look_up::<0xc00, 0x3fc, KEEP>(sum, tables, offset),
        }
    }
}

/// Entry of table `table` for byte `byte` of `word`, byte 0 being the most significant.
#[inline(always)]
pub(super) fn look_up(table: usize, word: u32, byte: u32) -> u32 {
    TABLES[table][(word >> (24 - 8 * byte)) as usize & 0xff]
}

/// One full round with the keys at `at`. One column after the other of what comes in, each of which can then be
/// forgotten: BPF has ten registers.
#[inline(always)]
fn round<const N: usize>([a, b, c, d]: [u64; 4], keys: &[u32; N], at: usize) -> [u64; 4] {
    let e = add::<0, -1>(keys[at].into(), a, 0);
    let f = add::<3, -1>(keys[at + 1].into(), a, 3);
    let g = add::<2, -1>(keys[at + 2].into(), a, 2);
    let h = add::<1, -1>(keys[at + 3].into(), a, 1);
    let (e, f) = (add::<1, -1>(e, b, 1), add::<0, -1>(f, b, 0));
    let (g, h) = (add::<3, -1>(g, b, 3), add::<2, -1>(h, b, 2));
    let (e, f) = (add::<2, -1>(e, c, 2), add::<1, -1>(f, c, 1));
    let (g, h) = (add::<0, -1>(g, c, 0), add::<3, -1>(h, c, 3));
    [add::<3, -1>(e, d, 3), add::<2, -1>(f, d, 2), add::<1, -1>(g, d, 1), add::<0, -1>(h, d, 0)]
}

/// The last round, which mixes no columns: the plain S-box stands in each table.
#[inline(always)]
fn last_round([a, b, c, d]: [u64; 4], keys: &[u32; WORDS]) -> [u32; 4] {
    [
        last_column(keys[56], a, b, c, d),
        last_column(keys[57], b, c, d, a),
        last_column(keys[58], c, d, a, b),
        last_column(keys[59], d, a, b, c),
    ]
}

#[inline(always)]
fn last_column(key: u32, a: u64, b: u64, c: u64, d: u64) -> u32 {
    let sum = add::<2, { 0xff00_0000_u32 as i32 }>(key.into(), a, 0);
    let sum = add::<3, 0x00ff_0000>(sum, b, 1);
    let sum = add::<0, 0x0000_ff00>(sum, c, 2);
    add::<1, 0x0000_00ff>(sum, d, 3) as u32
}

/// The S-box on each byte.
fn substitute(word: u32) -> u32 {
    let word = u64::from(word);
    last_column(0, word, word, word, word)
}

/// Multiplication by x in GF(2^8).
const fn double(a: u8) -> u8 {
    a << 1 ^ if a & 0x80 != 0 { 0x1b } else { 0 }
}

/// FIPS 197 section 5.1.1, by walking the field's multiplicative group and its inverse side by side.
const fn s_box() -> [u8; 256] {
    let mut table = [0; 256];
    let (mut element, mut inverse) = (1_u8, 1_u8);
    loop {
        // Times 3, and divided by 3 (times 0xf6).
        element ^= double(element);
        inverse ^= inverse << 1;
        inverse ^= inverse << 2;
        inverse ^= inverse << 4;
        if inverse & 0x80 != 0 {
            inverse ^= 0x09;
        }
        table[element as usize] = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4)
            ^ 0x63;
        if element == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
}

const fn tables() -> [[u32; 256]; 4] {
    let substituted = s_box();
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let s = substituted[byte];
        let column = u32::from_be_bytes([double(s), s, s, double(s) ^ s]);
        let mut table = 0;
        while table < 4 {
            tables[table][byte] = column.rotate_right(8 * table as u32);
            table += 1;
        }
        byte += 1;
    }
    tables
}

#[cfg(feature = "srtp")]
impl zeroize::DefaultIsZeroes for RoundKeys {}

#[cfg(test)]
mod tests {
    use super::*;

    fn encrypted(key: &[u8]) -> [u32; 4] {
        RoundKeys::expand(key).unwrap().encrypt([0x0011_2233, 0x4455_6677, 0x8899_aabb, 0xccdd_eeff])
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
