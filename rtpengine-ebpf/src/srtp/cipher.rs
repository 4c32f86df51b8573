//! Encryption and decryption of the payload in scratch memory.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_loop;
use rtpengine_common::srtp::{
    abi::{CIPHER_GCM, SrtpContext},
    ctr::{self, Counter},
};

use super::scratch::Scratch;

/// Bytes of a block.
const BLOCK: u32 = 16;

/// Computes what the packet's counter blocks have in common.
///
/// # Safety
/// `scratch` is from [`Scratch::get`].
// SAFETY: callers have their scratch memory from `Scratch::get`.
#[inline(never)]
pub unsafe fn begin(scratch: *mut Scratch, context: &SrtpContext, ssrc: u32, index: u64) {
    let block = if context.cipher == CIPHER_GCM {
        ctr::gcm_block(&context.salt, ssrc, index)
    } else {
        ctr::cm_block(&context.salt, ssrc, index)
    };
    // SAFETY: by contract.
    unsafe { (&raw mut (*scratch).counter).write(Counter::new(&context.keys, block)) };
}

/// What [`block`] works with.
struct Blocks<'a> {
    scratch: *mut Scratch,
    context: &'a SrtpContext,
    /// Offset of the payload.
    start: u32,
    /// Number of the first counter block.
    first: u32,
}

/// Encrypts or decrypts the bytes `start` to `end` of the packet, after [`begin`]. Up to fifteen bytes behind them change.
///
/// # Safety
/// As [`begin`].
// SAFETY: callers have their scratch memory from `Scratch::get`.
#[inline(never)]
pub unsafe fn apply(scratch: *mut Scratch, context: &SrtpContext, start: u32, end: u32) {
    let first = if context.cipher == CIPHER_GCM { 2 } else { 0 };
    let blocks = (end - start).div_ceil(BLOCK);
    let mut work = Blocks { scratch, context, start, first };
    // SAFETY: the callback takes what it is given here.
    unsafe { bpf_loop(blocks, block as *mut c_void, (&raw mut work).cast(), 0) };
}

/// # Safety
/// Called by [`apply`].
unsafe extern "C" fn block(number: u32, work: *mut c_void) -> i64 {
    // SAFETY: by contract; there is room for a block at every offset.
    unsafe {
        let work = &*work.cast::<Blocks<'_>>();
        let [a, b, c, d] = (*work.scratch).counter.block(&work.context.keys, work.first + number);
        let data = Scratch::at(work.scratch, work.start + BLOCK * number).cast::<u64>();
        let first = u64::from(a.to_be()) | u64::from(b.to_be()) << 32;
        let second = u64::from(c.to_be()) | u64::from(d.to_be()) << 32;
        data.write_unaligned(data.read_unaligned() ^ first);
        data.add(1).write_unaligned(data.add(1).read_unaligned() ^ second);
    }
    0
}
