//! Encryption and decryption of the payload in scratch memory.

use core::ffi::c_void;

use aya_ebpf::helpers::bpf_loop;
use rtpengine_common::srtp::{
    abi::{CIPHER_GCM, SrtpContext},
    ctr::{self, Counter},
};

use super::scratch::Scratch;

/// Bytes of the two blocks that are made at once.
const BLOCKS: u32 = 32;

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
    unsafe {
        let counter = Counter::new(&context.keys, block, &mut (*scratch).states);
        (&raw mut (*scratch).counter).write(counter);
    }
}

/// Block `number` of the key stream and the next one, in scratch memory, after [`begin`].
///
/// # Safety
/// As [`begin`].
// SAFETY: callers have their scratch memory from `Scratch::get`.
#[inline(never)]
pub unsafe fn stream(scratch: *mut Scratch, context: &SrtpContext, number: u32) {
    // SAFETY: by contract.
    unsafe {
        let stream = (*scratch).counter.blocks(&context.keys, number, &mut (*scratch).states);
        (&raw mut (*scratch).stream).write(stream);
    }
}

/// What [`blocks`] works with.
struct Blocks<'a> {
    scratch: *mut Scratch,
    context: &'a SrtpContext,
    /// Offset of the payload.
    start: u32,
    /// Number of the first counter block.
    first: u32,
}

/// Encrypts or decrypts the bytes `start` to `end` of the packet, after [`begin`]. Up to 31 bytes behind them change.
///
/// # Safety
/// As [`begin`].
// SAFETY: callers have their scratch memory from `Scratch::get`.
#[inline(never)]
pub unsafe fn apply(scratch: *mut Scratch, context: &SrtpContext, start: u32, end: u32) {
    let first = if context.cipher == CIPHER_GCM { 2 } else { 0 };
    let pairs = (end - start).div_ceil(BLOCKS);
    let mut work = Blocks { scratch, context, start, first };
    // SAFETY: the callback takes what it is given here.
    unsafe { bpf_loop(pairs, blocks as *mut c_void, (&raw mut work).cast(), 0) };
}

/// # Safety
/// Called by [`apply`].
unsafe extern "C" fn blocks(pair: u32, work: *mut c_void) -> i64 {
    // SAFETY: by contract; there is room for two blocks at every offset.
    unsafe {
        let work = &*work.cast::<Blocks<'_>>();
        stream(work.scratch, work.context, work.first + 2 * pair);
        let data = Scratch::at(work.scratch, work.start + BLOCKS * pair).cast::<u64>();
        for (at, stream) in (*work.scratch).stream.into_iter().enumerate() {
            let data = data.add(at);
            data.write_unaligned(data.read_unaligned() ^ stream.to_le());
        }
    }
    0
}
