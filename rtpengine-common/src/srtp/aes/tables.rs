//! Look-ups of what SubBytes, ShiftRows and MixColumns make of a byte.
//!
//! A word of the state (a column) is spread over 64 bits: byte n of it, byte 0 being the most significant, is bits 3 to 10
//! of lane n, which has 16 bits. So a lane, loaded from memory, is an offset into a table of such words: a look-up takes
//! four instructions of BPF, where a byte cut out of a register and brought to a multiple of four takes six.

use super::{States, double};

/// Bytes of a table.
const TABLE: usize = 256 * size_of::<u64>();
/// Bytes behind the tables that the verifier finds within reach of a lane, of which it knows no more than that it has 16
/// bits.
const ROOM: usize = if cfg!(target_arch = "bpf") { (1 << 16) - TABLE + size_of::<u64>() } else { 0 };

/// Table n is for byte n of a column.
#[repr(C, align(64))]
struct Tables {
    tables: [[u64; 256]; 4],
    room: [u8; ROOM],
}

static TABLES: Tables = Tables { tables: tables(), room: [0; ROOM] };

/// `word`, spread.
#[inline(always)]
pub(in crate::srtp) const fn spread(word: u32) -> u64 {
    let word = word as u64;
    word >> 24 << 3 | (word >> 16 & 0xff) << 19 | (word >> 8 & 0xff) << 35 | (word & 0xff) << 51
}

/// `sum`, with the entry for byte `BYTE` of word `WORD` added in GF(2).
///
/// On BPF in its place, neither earlier nor later: the compiler would do many of them side by side, and leave most of it
/// on the stack, which is small.
#[inline(always)]
pub(in crate::srtp) fn add<const WORD: usize, const BYTE: usize>(sum: u64, states: &States) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut sum = sum;
        // SAFETY: no lane is beyond `ROOM`. Not said to leave memory alone, so that it stays in its place.
        unsafe {
            core::arch::asm!(
                "{t} = *(u16 *)({s} + {lane})",
                "{t} += {tables}",
                "{t} = *(u64 *)({t} + {at})",
                "{sum} ^= {t}",
                sum = inout(reg) sum, t = out(reg) _, s = in(reg) states.as_ptr(), tables = in(reg) &raw const TABLES,
                lane = const lane(WORD, BYTE), at = const BYTE * TABLE, options(nostack)
            );
        }
        sum
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        sum ^ TABLES.tables[BYTE][index(states[WORD], BYTE)]
    }
}

/// `sum`, with byte `BYTE` of word `WORD`, substituted, added in GF(2) as byte `TO`, 0 being the least significant.
#[inline(always)]
pub(super) fn add_substituted<const WORD: usize, const BYTE: usize, const TO: usize>(
    sum: u64,
    states: &States,
) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut sum = sum;
        // SAFETY: as in `add`; lane 1 of table 0 is the substituted byte.
        unsafe {
            core::arch::asm!(
                "{t} = *(u16 *)({s} + {lane})",
                "{t} += {tables}",
                "{t} = *(u16 *)({t} + {one})",
                "{t} <<= {left}",
                "{t} >>= {right}",
                "{sum} ^= {t}",
                sum = inout(reg) sum, t = out(reg) _, s = in(reg) states.as_ptr(), tables = in(reg) &raw const TABLES,
                lane = const lane(WORD, BYTE),
                one = const lane(0, 1),
                left = const (TO * 8).saturating_sub(3), right = const 3_usize.saturating_sub(TO * 8),
                options(nostack)
            );
        }
        sum
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        sum ^ u64::from(substituted(index(states[WORD], BYTE))) << (8 * TO)
    }
}

/// Where in memory the lane of a byte of a word is, bytes.
#[cfg(target_arch = "bpf")]
const fn lane(word: usize, byte: usize) -> usize {
    8 * word + 2 * if cfg!(target_endian = "little") { byte } else { 3 - byte }
}

/// Number of the entry for a byte of a word.
#[cfg(not(target_arch = "bpf"))]
#[inline(always)]
fn index(word: u64, byte: usize) -> usize {
    (word >> (16 * byte + 3)) as usize & 0xff
}

/// The S-box on each byte.
pub(super) fn substitute(word: u32) -> u32 {
    u32::from_ne_bytes(word.to_ne_bytes().map(|byte| substituted(byte.into())))
}

/// The S-box, which stands in lane 1 of table 0.
#[inline(always)]
fn substituted(byte: usize) -> u8 {
    (TABLES.tables[0][byte] >> 19) as u8
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

const fn tables() -> [[u64; 256]; 4] {
    let substituted = s_box();
    let mut tables = [[0; 256]; 4];
    let mut byte = 0;
    while byte < 256 {
        let s = substituted[byte];
        let column = u32::from_be_bytes([double(s), s, s, double(s) ^ s]);
        let mut table = 0;
        while table < 4 {
            tables[table][byte] = spread(column.rotate_right(8 * table as u32));
            table += 1;
        }
        byte += 1;
    }
    tables
}
