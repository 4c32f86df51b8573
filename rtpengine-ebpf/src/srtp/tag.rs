//! Authentication tags of the packet in scratch memory.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_loop;
use rtpengine_common::srtp::{abi::SrtpContext, ghash::HashKey, hmac::Midstates, sha1};

use super::{cipher, scratch::Scratch};

/// Bytes of a block of SHA-1.
const SHA1_BLOCK: u32 = 64;
/// Bytes of a block of GHASH.
const HASH_BLOCK: u32 = 16;

/// HMAC-SHA1 of the first `len` bytes of the packet and the rollover counter of the index. What follows in memory is
/// overwritten.
///
/// # Safety
/// `scratch` is from [`Scratch::get`].
// SAFETY: whoever calls it keeps the contract above.
#[inline(never)]
pub unsafe fn hmac(scratch: *mut Scratch, context: &SrtpContext, len: u32) {
    // SAFETY: by contract; there is room for two blocks at every offset.
    unsafe {
        let rollover_counter = ((*scratch).index >> 16) as u32;
        let padding = Scratch::at(scratch, len).cast::<u64>();
        padding.write_unaligned(u64::from(rollover_counter.to_be()) | 0x80 << 32);
        for word in 1..=(SHA1_BLOCK / 8) as usize {
            // Volatile, or the compiler calls a function for it.
            padding.add(word).cast::<[u8; 8]>().write_volatile([0; 8]);
        }
        // Behind the message: rollover counter, one byte of padding, eight of the length in bits, the key's block included.
        let blocks = (len + 4 + 1 + 8).div_ceil(SHA1_BLOCK);
        let bits = u64::from((len + 4 + SHA1_BLOCK) * 8);
        Scratch::write(scratch, blocks * SHA1_BLOCK - 8, bits.to_be());
        (&raw mut (*scratch).state).write(context.hmac.inner);
        // The argument has to be on the stack.
        let mut work = scratch;
        bpf_loop(blocks, sha1_block as *mut c_void, (&raw mut work).cast(), 0);
        Midstates::outer_block(&(*scratch).state, &mut (*scratch).block);
        (&raw mut (*scratch).state).write(context.hmac.outer);
        compress(scratch, &raw const (*scratch).block);
        let [a, b, c, d, _] = (*scratch).state.map(u32::to_be);
        (*scratch).tag = [u64::from(a) | u64::from(b) << 32, u64::from(c) | u64::from(d) << 32];
    }
}

/// # Safety
/// Called by [`hmac`].
unsafe extern "C" fn sha1_block(number: u32, work: *mut c_void) -> i64 {
    // SAFETY: by contract; there is room for a block at every offset.
    unsafe {
        let scratch = *work.cast::<*mut Scratch>();
        compress(scratch, Scratch::at(scratch, number * SHA1_BLOCK).cast());
    }
    0
}

/// # Safety
/// As [`hmac`]; `block` can be read.
// SAFETY: whoever calls it keeps the contract above.
#[inline(never)]
unsafe fn compress(scratch: *mut Scratch, block: *const sha1::Block) {
    // SAFETY: by contract.
    unsafe { sha1::compress(&mut (*scratch).state, &*block, &mut (*scratch).schedule) };
}

/// What [`hash_block`] works with.
struct Blocks<'a> {
    scratch: *mut Scratch,
    key: &'a HashKey,
    start: u32,
    len: u32,
}

/// The tag of AES-GCM, after [`super::cipher::begin`]: of the first `associated` bytes of the packet, which are not
/// encrypted, and the rest up to `len`.
///
/// # Safety
/// As [`hmac`].
// SAFETY: whoever calls it keeps the contract above.
#[inline(never)]
pub unsafe fn gcm(scratch: *mut Scratch, context: &SrtpContext, key: &HashKey, associated: u32, len: u32) {
    // SAFETY: by contract.
    unsafe {
        // Volatile, as in `hmac`.
        (&raw mut (*scratch).hash[0]).write_volatile(0);
        (&raw mut (*scratch).hash[1]).write_volatile(0);
        hash(&mut Blocks { scratch, key, start: 0, len: associated });
        hash(&mut Blocks { scratch, key, start: associated, len: len - associated });
        absorb(scratch, key, u64::from(associated) * 8, u64::from(len - associated) * 8);
        last_block(scratch, context);
    }
}

/// Takes a block into the hash.
///
/// # Safety
/// As [`hmac`].
#[inline(never)]
unsafe fn absorb(scratch: *mut Scratch, key: &HashKey, first: u64, second: u64) {
    // SAFETY: by contract.
    unsafe { (*scratch).hash = key.absorb((*scratch).hash, [first, second]) };
}

/// Encrypts the hash: that is the tag.
///
/// # Safety
/// As [`hmac`].
#[inline(always)]
unsafe fn last_block(scratch: *mut Scratch, context: &SrtpContext) {
    // SAFETY: by contract.
    unsafe {
        cipher::stream(scratch, context, 1);
        let ([first, second], [a, b, _, _]) = ((*scratch).hash, (*scratch).stream);
        (*scratch).tag = [first.to_be() ^ a.to_le(), second.to_be() ^ b.to_le()];
    }
}

/// # Safety
/// As [`hmac`].
#[inline(always)]
unsafe fn hash(work: &mut Blocks<'_>) {
    // SAFETY: the callback takes what it is given here.
    unsafe {
        bpf_loop(work.len.div_ceil(HASH_BLOCK), hash_block as *mut c_void, (&raw mut *work).cast(), 0);
    }
}

/// # Safety
/// Called by [`hash`].
unsafe extern "C" fn hash_block(number: u32, work: *mut c_void) -> i64 {
    // SAFETY: by contract; there is room for a block at every offset.
    unsafe {
        let work = &*work.cast::<Blocks<'_>>();
        let [first, second] = Scratch::read16(work.scratch, work.start + HASH_BLOCK * number);
        let left = work.len - HASH_BLOCK * number;
        let block = if left < HASH_BLOCK {
            let [one, two] = first_bytes(left);
            [u64::from_be(first & one), u64::from_be(second & two)]
        } else {
            [u64::from_be(first), u64::from_be(second)]
        };
        absorb(work.scratch, work.key, block[0], block[1]);
    }
    0
}

/// Masks for the first `len` bytes of sixteen, as the CPU loads them.
#[inline(always)]
pub fn first_bytes(len: u32) -> [u64; 2] {
    // Shifts of 64 bits have no effect, hence two by half of that.
    let below = |len: u32| !(!0_u64 << (4 * len) << (4 * len)).to_le();
    [below(len.min(8)), below(len.saturating_sub(8).min(8))]
}
