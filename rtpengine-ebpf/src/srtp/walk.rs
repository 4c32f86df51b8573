//! The two halves of a packet's way through scratch memory.

use aya_ebpf::{
    bindings::xdp_md,
    helpers::generated::{bpf_xdp_adjust_head, bpf_xdp_load_bytes, bpf_xdp_store_bytes},
};
use rtpengine_common::{packet::Rtp, reason::Reason, words::masked};

use super::{
    context::Keys,
    scratch::{MAX_PACKET, Scratch},
    stream::Stream,
};

/// Flag in the first byte of an RTP packet: there is a header extension.
const EXTENSION: u8 = 1 << 4;

/// Takes `len` bytes at `offset` of the frame to scratch memory, and decrypts them with the context `receive` unless it
/// is 0. Returns the length of the RTP packet.
///
/// # Safety
/// `ctx` is the context of the program that runs.
///
/// # Errors
/// The reason.
#[inline(always)]
pub unsafe fn open(ctx: *mut xdp_md, offset: u32, len: u32, receive: u32) -> Result<u32, Reason> {
    // SAFETY: by contract, and memory of this CPU that nobody else uses now.
    unsafe {
        let scratch = Scratch::get().ok_or(Reason::NoContext)?;
        load(ctx, offset, scratch, len)?;
        let received = &raw mut (*scratch).received;
        if receive == 0 {
            (*received).clear();
            (*scratch).header_len = header_len(scratch, len).ok_or(Reason::NotRtp)?;
            return Ok(len);
        }
        let keys = Keys::find(receive)?;
        let rtp_len = len.checked_sub(keys.trailer_len()).ok_or(Reason::NotRtp)?;
        let header_len = header_len(scratch, rtp_len).ok_or(Reason::NotRtp)?;
        let rtp: Rtp = Scratch::read(scratch, 0);
        let ssrc = u32::from_be_bytes(rtp.ssrc);
        let sequence = u16::from_be_bytes(rtp.sequence);
        let mut stream = Stream::find(receive, ssrc, sequence, !keys.unauthenticated())?;
        (*scratch).index = stream.index;
        keys.open(scratch, ssrc, header_len, rtp_len)?;
        stream.claim()?;
        received.write(stream);
        (*scratch).header_len = header_len;
        Ok(rtp_len)
    }
}

/// Encrypts the RTP packet of `len` bytes in scratch memory with the context `transmit` unless it is 0, and stores it in
/// the frame, at `offset` and moved as the headers before it move. Returns its length.
///
/// # Safety
/// As [`open`], which has succeeded.
///
/// # Errors
/// The reason.
#[inline(always)]
pub unsafe fn seal(
    ctx: *mut xdp_md,
    offset: u32,
    old_len: u32,
    len: u32,
    transmit: u32,
) -> Result<u32, Reason> {
    // SAFETY: by contract, and memory of this CPU that nobody else uses now.
    unsafe {
        let scratch = Scratch::get().ok_or(Reason::NoContext)?;
        let job = &raw const (*scratch).job;
        if (*job).blackhole != 0 {
            (*scratch).received.commit()?;
            return Err(Reason::Blackhole);
        }
        let rtp = (*job).rtp;
        Scratch::write(scratch, 0, rtp);
        let mut new_len = len;
        let mut stream = Stream::NONE;
        if transmit != 0 {
            let keys = Keys::find(transmit)?;
            new_len += keys.trailer_len();
            if new_len > (*job).limit {
                return Err(Reason::TooBig);
            }
            let ssrc = u32::from_be_bytes(rtp.ssrc);
            stream = Stream::find(transmit, ssrc, u16::from_be_bytes(rtp.sequence), true)?;
            (*scratch).index = stream.index;
            keys.seal(scratch, ssrc, (*scratch).header_len, len);
            stream.claim()?;
        } else if new_len > (*job).limit {
            return Err(Reason::TooBig);
        }
        let shift = old_len as i32 - new_len as i32 + (*job).shift;
        if bpf_xdp_adjust_head(ctx, shift) != 0 {
            return Err(Reason::RewriteFailed);
        }
        (*scratch).received.commit()?;
        stream.commit()?;
        store(ctx, offset.wrapping_sub((*job).shift as u32), scratch, new_len)?;
        if (*job).sum != 0 {
            (*scratch).sum = sum(scratch, new_len);
        }
        Ok(new_len)
    }
}

/// The length, in a way that shows the verifiers of older kernels that it is neither zero nor too large.
#[inline(always)]
fn checked(len: u32) -> Result<u32, Reason> {
    if len == 0 || len > MAX_PACKET {
        return Err(Reason::TooBig);
    }
    Ok(masked::<0x7ff>(u64::from(len - 1)) as u32 + 1)
}

/// Copies the packet to scratch memory.
///
/// # Safety
/// As [`open`].
///
/// # Errors
/// The reason.
#[inline(always)]
pub unsafe fn load(ctx: *mut xdp_md, offset: u32, scratch: *mut Scratch, len: u32) -> Result<(), Reason> {
    let len = checked(len)?;
    // SAFETY: `MAX_PACKET` bytes are there.
    let result = unsafe { bpf_xdp_load_bytes(ctx, offset, Scratch::at(scratch, 0).cast(), len) };
    if result == 0 { Ok(()) } else { Err(Reason::RewriteFailed) }
}

/// Copies the packet to the frame, where there is room for it.
///
/// # Safety
/// As [`open`].
///
/// # Errors
/// The reason.
#[inline(always)]
pub unsafe fn store(ctx: *mut xdp_md, offset: u32, scratch: *mut Scratch, len: u32) -> Result<(), Reason> {
    let len = checked(len)?;
    // SAFETY: `MAX_PACKET` bytes are there.
    let result = unsafe { bpf_xdp_store_bytes(ctx, offset, Scratch::at(scratch, 0).cast(), len) };
    if result == 0 { Ok(()) } else { Err(Reason::RewriteFailed) }
}

/// Bytes before the payload: header, contributing sources, extension. `None`: more than the packet has.
///
/// # Safety
/// `scratch` is from [`Scratch::get`].
#[inline(always)]
pub unsafe fn header_len(scratch: *mut Scratch, len: u32) -> Option<u32> {
    // SAFETY: by the callers' contract.
    unsafe {
        let flags: u8 = Scratch::read(scratch, 0);
        let mut header_len = size_of::<Rtp>() as u32 + u32::from(flags & 0x0f) * 4;
        if flags & EXTENSION != 0 {
            // RFC 3550 section 5.3.1: profile, then length in words without this header.
            let words = u16::from_be(Scratch::read(scratch, header_len + 2));
            header_len += 4 + u32::from(words) * 4;
        }
        if header_len > len { None } else { Some(header_len) }
    }
}

/// Sum of the packet, as the CPU loads its words.
///
/// # Safety
/// `scratch` is from [`Scratch::get`].
#[inline(always)]
pub unsafe fn sum(scratch: *mut Scratch, len: u32) -> u64 {
    const WORD: u32 = size_of::<u64>() as u32;
    let mut sum = 0;
    // SAFETY: by the callers' contract.
    unsafe {
        Scratch::write(scratch, len, 0_u64);
        // As the compiler knows the bound, it would leave it to verifiers that do not.
        let len = masked::<0x7ff>(len.into()) as u32;
        for number in 0..MAX_PACKET / WORD + 1 {
            if number * WORD >= len {
                break;
            }
            let word: u64 = Scratch::read(scratch, number * WORD);
            sum += (word & 0xffff_ffff) + (word >> 32);
        }
    }
    sum
}
