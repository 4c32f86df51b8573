//! SRTP: decryption and encryption of a packet on its way.
//!
//! The packet is copied to scratch memory, worked on there and copied back. Whatever fails before that leaves it as it
//! came, and nothing is remembered of it. What is remembered is so just before it is stored, when all that can go wrong
//! is that another CPU was faster with the same packet, which is then dropped.

mod cipher;
mod context;
mod scratch;
mod stream;
mod tag;
pub mod walk;

use aya_ebpf::bindings::xdp_md;
use rtpengine_common::reason::Reason;

pub use scratch::{Job, MAX_PACKET, Scratch};

/// Flag of a result: there is none, for the reason in the lower half.
const FAILED: u64 = 1 << 32;

/// Takes the UDP payload of `len` bytes at `offset` to scratch memory, and decrypts it with the context `receive` unless
/// it is 0. Returns the length of the RTP packet, of which nothing is remembered yet.
///
/// # Errors
/// The reason.
#[inline(always)]
pub fn open(ctx: *mut xdp_md, offset: usize, len: usize, receive: u32) -> Result<usize, Reason> {
    // SAFETY: the context is the kernel's own.
    result(unsafe { rtpengine_srtp_open(ctx, offset as u32, len as u32, receive) })
}

/// Encrypts the RTP packet of `len` bytes in scratch memory with the context `transmit` unless it is 0. Moves the frame as
/// its length and that of the headers change, and stores the packet, but not the headers, which were `offset` bytes before
/// a payload of `old_len`. Returns the new length of the payload, and its sum if that is wanted.
///
/// # Errors
/// The reason, with the frame as it came unless it is to be dropped.
#[inline(always)]
pub fn seal(
    ctx: *mut xdp_md,
    (offset, old_len): (usize, usize),
    len: usize,
    transmit: u32,
    job: &Job,
) -> Result<(usize, u64), Reason> {
    let scratch = Scratch::get().ok_or(Reason::NoContext)?;
    // SAFETY: memory of this CPU, which nobody else uses now; the context is the kernel's own.
    unsafe {
        (&raw mut (*scratch).job).write(*job);
        let len = result(rtpengine_srtp_seal(ctx, offset as u32, old_len as u32, len as u32, transmit))?;
        Ok((len, (*scratch).sum))
    }
}

/// See [`open`]. An exported function, as is the one below, because the verifier goes through those once, whatever state
/// the callers are in.
///
/// # Safety
/// `ctx` is the context of the program that runs.
#[inline(never)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtpengine_srtp_open(ctx: *mut xdp_md, offset: u32, len: u32, receive: u32) -> u64 {
    // SAFETY: by contract.
    number(unsafe { walk::open(ctx, offset, len, receive) })
}

/// See [`seal`].
///
/// # Safety
/// As [`rtpengine_srtp_open`].
#[inline(never)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtpengine_srtp_seal(
    ctx: *mut xdp_md,
    offset: u32,
    old_len: u32,
    len: u32,
    transmit: u32,
) -> u64 {
    // SAFETY: by contract.
    number(unsafe { walk::seal(ctx, offset, old_len, len, transmit) })
}

/// A result as a number.
#[inline(always)]
fn number(result: Result<u32, Reason>) -> u64 {
    match result {
        Ok(len) => u64::from(len),
        Err(reason) => FAILED | u64::from(reason as u32),
    }
}

/// The result of [`number`].
#[inline(always)]
fn result(number: u64) -> Result<usize, Reason> {
    // All that the functions above may say.
    const REASONS: [Reason; 7] = [
        Reason::NoContext,
        Reason::TooBig,
        Reason::SsrcUnknown,
        Reason::SrtpAuthentication,
        Reason::SrtpReplay,
        Reason::Blackhole,
        Reason::RewriteFailed,
    ];
    if number & FAILED == 0 {
        return Ok(number as usize);
    }
    let mut found = Reason::NotRtp;
    for reason in REASONS {
        if number as u32 == reason as u32 {
            found = reason;
        }
    }
    Err(found)
}
