//! SHA-1's compression function (FIPS 180-4 section 6.1.2), unrolled.
//!
//! The message schedule is computed two words at a time: from round 32 on a word is that of 6, 16, 28 and 32 rounds before,
//! rotated by two, so that pairs stay pairs.

#[cfg(target_arch = "bpf")]
mod bpf;
#[cfg(not(target_arch = "bpf"))]
mod host;

/// State before the first block.
pub const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// A block as it stands in the message, most significant byte first in memory.
pub type Block = [u64; 8];
/// Message schedule: memory for [`compress`], whatever it holds. The newest 32 words, of two the first in the upper half.
pub type Schedule = [u64; 16];

/// Twenty rounds from round `$t` on.
macro_rules! twenty {
    ($f:ident, $k:literal, $work:ident, $t:literal, $state:ident) => {
        ten!($f, $k, $work, $t, $state);
        ten!($f, $k, $work, $t + 10, $state);
    };
}

/// Ten rounds, after which each variable has its own name again.
macro_rules! ten {
    ($f:ident, $k:literal, $work:ident, $t:expr, $state:ident) => {
        two!($f, $k, $work, $t, $state 0 1 2 3 4);
        two!($f, $k, $work, $t + 2, $state 3 4 0 1 2);
        two!($f, $k, $work, $t + 4, $state 1 2 3 4 0);
        two!($f, $k, $work, $t + 6, $state 4 0 1 2 3);
        two!($f, $k, $work, $t + 8, $state 2 3 4 0 1);
    };
}

macro_rules! two {
    (
        $f:ident, $k:literal, $work:ident, $t:expr,
        $s:ident $a:literal $b:literal $c:literal $d:literal $e:literal
    ) => {
        $work.extend::<{ $t }>();
        [$s[$e], $s[$b]] = $work.$f::<{ $k as i32 }, { $t }>([$s[$a], $s[$b], $s[$c], $s[$d], $s[$e]]);
        [$s[$d], $s[$a]] = $work.$f::<{ $k as i32 }, { $t + 1 }>([$s[$e], $s[$a], $s[$b], $s[$c], $s[$d]]);
    };
}

/// Takes a block into the state.
///
/// The schedule is the caller's, because on the 512 bytes of a BPF stack there is no room for it.
#[inline(always)]
pub fn compress(state: &mut [u32; 5], block: &Block, schedule: &mut Schedule) {
    let mut work = Work::new(block, schedule);
    let mut s = state.map(u64::from);
    ten!(choose, 0x5a82_7999_u32, work, 0, s);
    two!(choose, 0x5a82_7999_u32, work, 10, s 0 1 2 3 4);
    two!(choose, 0x5a82_7999_u32, work, 12, s 3 4 0 1 2);
    two!(choose, 0x5a82_7999_u32, work, 14, s 1 2 3 4 0);
    work.rotate_by::<1>();
    two!(choose, 0x5a82_7999_u32, work, 16, s 4 0 1 2 3);
    two!(choose, 0x5a82_7999_u32, work, 18, s 2 3 4 0 1);
    ten!(parity, 0x6ed9_eba1_u32, work, 20, s);
    two!(parity, 0x6ed9_eba1_u32, work, 30, s 0 1 2 3 4);
    work.rotate_by::<2>();
    two!(parity, 0x6ed9_eba1_u32, work, 32, s 3 4 0 1 2);
    two!(parity, 0x6ed9_eba1_u32, work, 34, s 1 2 3 4 0);
    two!(parity, 0x6ed9_eba1_u32, work, 36, s 4 0 1 2 3);
    two!(parity, 0x6ed9_eba1_u32, work, 38, s 2 3 4 0 1);
    twenty!(majority, 0x8f1b_bcdc_u32, work, 40, s);
    twenty!(parity, 0xca62_c1d6_u32, work, 60, s);
    for (word, add) in state.iter_mut().zip(s) {
        *word = word.wrapping_add(add as u32);
    }
}

/// Both words of a pair.
const BOTH: u64 = 1 << 32 | 1;

/// What the rounds work with. State words are in the lower halves of what is passed; of the newest two the upper ones are
/// zero, of the others anything.
struct Work<'a> {
    block: &'a Block,
    schedule: &'a mut Schedule,
    /// [`BOTH`]: what a word is multiplied with to stand twice in 64 bits, so that a rotation is one shift.
    twice: u64,
    /// The bits of a pair that come around when it is rotated to the left.
    low: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: &[u8; 64]) -> Block {
        core::array::from_fn(|at| u64::from_ne_bytes(bytes[8 * at..8 * at + 8].try_into().unwrap()))
    }

    /// FIPS 180-2 appendix A.1 and A.2.
    #[test]
    fn the_examples_of_the_standard() {
        let mut schedule = [u64::MAX; 16];
        let mut message = [0; 64];
        message[..4].copy_from_slice(b"abc\x80");
        message[63] = 24;
        let mut state = INITIAL;
        compress(&mut state, &block(&message), &mut schedule);
        assert_eq!(state, [0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c, 0x9cd0_d89d]);

        let mut first = [0; 64];
        first[..57].copy_from_slice(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq\x80");
        let mut second = [0; 64];
        second[62..].copy_from_slice(&448_u16.to_be_bytes());
        let mut state = INITIAL;
        compress(&mut state, &block(&first), &mut schedule);
        compress(&mut state, &block(&second), &mut schedule);
        assert_eq!(state, [0x8498_3e44, 0x1c3b_d26e, 0xbaae_4aa1, 0xf951_29e5, 0xe546_70f1]);
    }
}
