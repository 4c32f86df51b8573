//! Silence in the place of a payload.

use aya_ebpf::{bindings::xdp_md, programs::XdpContext};
use rtpengine_common::{checksum::Difference, packet::Rtp, restraint, words::masked};

use crate::srtp::{MAX_PACKET, Scratch, walk};

const WORD: u32 = size_of::<u64>() as u32;

/// Fills the payload of the RTP packet of `len` bytes at `offset` with `byte`, and tells what that does to a checksum.
/// `None`: the packet is not what its header says, and stays as it is.
#[inline(always)]
pub fn fill(ctx: &XdpContext, offset: usize, len: usize, byte: u8) -> Option<Difference> {
    // SAFETY: the context is the kernel's own.
    let sum = unsafe { rtpengine_silence(ctx.ctx, offset as u32, len as u32, byte.into()) };
    if sum == FAILED { None } else { Some(Difference::NONE.insert8(sum)) }
}

/// [`rtpengine_silence`] failed. No sum of frames is that large.
const FAILED: u64 = u64::MAX;

/// See [`fill`]. An exported function, because the verifier goes through those once, whatever state the callers are in.
///
/// # Safety
/// `ctx` is the context of the program that runs.
#[inline(never)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtpengine_silence(ctx: *mut xdp_md, offset: u32, len: u32, byte: u32) -> u64 {
    let Some(scratch) = Scratch::get() else { return FAILED };
    // SAFETY: by contract, and memory of this CPU that nobody else uses now.
    unsafe {
        if walk::load(ctx, offset, scratch, len).is_err() {
            return FAILED;
        }
        let Some(header_len) = walk::header_len(scratch, len) else { return FAILED };
        (*scratch).header_len = header_len;
        let before = rtpengine_scratch_sum(len);
        if rtpengine_silence_scratch(len, byte) != 0 {
            return FAILED;
        }
        let after = rtpengine_scratch_sum(len);
        if walk::store(ctx, offset, scratch, len).is_err() {
            return FAILED;
        }
        // As one's complement: what is inverted is subtracted.
        (before ^ SUM_MASK) + after
    }
}

/// Sums of packets have no bits above these, of which there are a multiple of sixteen.
const SUM_MASK: u64 = (1 << 48) - 1;

/// Sum of the packet of `len` bytes in scratch memory.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn rtpengine_scratch_sum(len: u32) -> u64 {
    let Some(scratch) = Scratch::get() else { return 0 };
    // SAFETY: memory of this CPU that nobody else uses now.
    unsafe { walk::sum(scratch, len) }
}

/// As [`fill`] for the RTP packet of `len` bytes in scratch memory, whose header has been measured.
#[inline(always)]
pub fn fill_scratch(len: usize, byte: u8) -> Option<()> {
    if rtpengine_silence_scratch(len as u32, byte.into()) == 0 { Some(()) } else { None }
}

/// See [`fill_scratch`]; 0: done.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn rtpengine_silence_scratch(len: u32, byte: u32) -> u32 {
    let Some(scratch) = Scratch::get() else { return 1 };
    // SAFETY: memory of this CPU that nobody else uses now, and offsets wrap around at its end.
    unsafe {
        let start = (*scratch).header_len;
        let rtp: Rtp = Scratch::read(scratch, 0);
        let last: u8 = Scratch::read(scratch, len.wrapping_sub(1));
        let Some(end) = restraint::payload_end(&rtp, last, start as usize, len as usize) else { return 1 };
        // As the compiler knows the bound, it would leave it to verifiers that do not.
        let end = masked::<0x7ff>(end as u64) as u32;
        let pattern = u64::from(byte as u8) * 0x0101_0101_0101_0101;
        // In whole words, and what the last one covers besides is put back.
        let behind: u64 = Scratch::read(scratch, end);
        for number in 0..MAX_PACKET / WORD {
            let at = start + number * WORD;
            if at >= end {
                break;
            }
            Scratch::write(scratch, at, pattern);
        }
        Scratch::write(scratch, end, behind);
    }
    0
}
