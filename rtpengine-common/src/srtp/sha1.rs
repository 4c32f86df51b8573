//! SHA-1's compression function (FIPS 180-4 section 6.1.2), unrolled.

/// State before the first block.
pub const INITIAL: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];

/// Message schedule: memory for [`compress`], whatever it holds.
pub type Schedule = [u32; 16];

/// Twenty rounds from round `$t` on.
macro_rules! rounds {
    ($f:ident, $k:literal, $block:ident, $w:ident, $t:literal, $a:ident $b:ident $c:ident $d:ident $e:ident) => {
        five!($f, $k, $block, $w, $t, $a $b $c $d $e);
        five!($f, $k, $block, $w, $t + 5, $a $b $c $d $e);
        five!($f, $k, $block, $w, $t + 10, $a $b $c $d $e);
        five!($f, $k, $block, $w, $t + 15, $a $b $c $d $e);
    };
}

/// Five rounds, after which each variable has its own name again.
macro_rules! five {
    ($f:ident, $k:literal, $block:ident, $w:ident, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident) => {
        one!($f, $k, $block, $w, $t, $a $b $c $d $e);
        one!($f, $k, $block, $w, $t + 1, $e $a $b $c $d);
        one!($f, $k, $block, $w, $t + 2, $d $e $a $b $c);
        one!($f, $k, $block, $w, $t + 3, $c $d $e $a $b);
        one!($f, $k, $block, $w, $t + 4, $b $c $d $e $a);
    };
}

macro_rules! one {
    ($f:ident, $k:literal, $block:ident, $w:ident, $t:expr, $a:ident $b:ident $c:ident $d:ident $e:ident) => {
        let word = word::<{ $t }>($block, $w);
        $e = $e
            .wrapping_add($a.rotate_left(5))
            .wrapping_add($f($b, $c, $d))
            .wrapping_add($k)
            .wrapping_add(word);
        $b = $b.rotate_left(30);
    };
}

/// Takes a block into the state. `block`: words as they stand in the message, most significant byte first in memory.
///
/// The schedule is the caller's, because on the 512 bytes of a BPF stack there is no room for it.
#[inline(always)]
pub fn compress(state: &mut [u32; 5], block: &[u32; 16], schedule: &mut Schedule) {
    let [mut a, mut b, mut c, mut d, mut e] = *state;
    rounds!(choose, 0x5a82_7999, block, schedule, 0, a b c d e);
    rounds!(parity, 0x6ed9_eba1, block, schedule, 20, a b c d e);
    rounds!(majority, 0x8f1b_bcdc, block, schedule, 40, a b c d e);
    rounds!(parity, 0xca62_c1d6, block, schedule, 60, a b c d e);
    for (word, add) in state.iter_mut().zip([a, b, c, d, e]) {
        *word = word.wrapping_add(add);
    }
}

/// Word `T` of the message schedule.
#[inline(always)]
fn word<const T: usize>(block: &[u32; 16], schedule: &mut Schedule) -> u32 {
    let word = if T < 16 {
        u32::from_be(block[T & 15])
    } else {
        let [a, b, c, d] = [T + 13, T + 8, T + 2, T].map(|at| load(schedule, at & 15));
        (a ^ b ^ c ^ d).rotate_left(1)
    };
    // The last three are never read again.
    if T < 77 {
        store(schedule, T & 15, word);
    }
    word
}

/// Reads a word where it is: the compiler would rather keep all sixteen, which on BPF means on the stack.
#[inline(always)]
fn load(schedule: &Schedule, at: usize) -> u32 {
    // SAFETY: a reference is valid for reads.
    unsafe { core::ptr::from_ref(&schedule[at]).read_volatile() }
}

/// Counterpart of [`load`].
#[inline(always)]
fn store(schedule: &mut Schedule, at: usize, word: u32) {
    // SAFETY: a mutable reference is valid for writes.
    unsafe { core::ptr::from_mut(&mut schedule[at]).write_volatile(word) };
}

#[inline(always)]
const fn choose(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

#[inline(always)]
const fn parity(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

#[inline(always)]
const fn majority(b: u32, c: u32, d: u32) -> u32 {
    (b & c) | (d & (b | c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: &[u8; 64]) -> [u32; 16] {
        core::array::from_fn(|at| u32::from_ne_bytes(bytes[4 * at..4 * at + 4].try_into().unwrap()))
    }

    /// FIPS 180-2 appendix A.1 and A.2.
    #[test]
    fn the_examples_of_the_standard() {
        let mut schedule = [0xffff_ffff; 16];
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
