//! The stream that a packet belongs to, in memory that other CPUs and userspace work on as well.

use rtpengine_common::{
    reason::Reason,
    srtp::{index, shared::SharedStreams},
};

use crate::maps::SRTP_STREAMS;

/// Where the state of a stream is and which index a packet has in it.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Stream {
    /// Of the packet.
    pub index: u64,
    /// Context number; 0: there is no stream.
    context: u32,
    /// Slot in the context's row.
    slot: u32,
    ssrc: u32,
    /// Not 0: no index counts twice.
    once: u32,
}

/// No room in the row.
const FULL: u32 = u32::MAX;
/// Flag beside a slot: it is that of the SSRC already.
const KNOWN: u32 = 1 << 16;

impl Stream {
    /// No stream.
    pub const NONE: Self = Self { index: 0, context: 0, slot: 0, ssrc: 0, once: 0 };

    /// Makes it [`Stream::NONE`].
    #[inline(always)]
    pub fn clear(&mut self) {
        self.context = 0;
    }

    /// The stream of a packet under a context. `once`: a packet whose index was used before is refused.
    ///
    /// # Errors
    /// [`Reason::NoContext`], [`Reason::SsrcUnknown`] or [`Reason::SrtpReplay`].
    #[inline(always)]
    pub fn find(context: u32, ssrc: u32, sequence: u16, once: bool) -> Result<Self, Reason> {
        let position = rtpengine_stream(context, ssrc, 0);
        if position == FULL {
            return Err(Reason::SsrcUnknown);
        }
        let slot = position & (KNOWN - 1);
        let stream = streams(context).ok_or(Reason::NoContext)?.get(slot as usize);
        let known = position & KNOWN != 0;
        let next = if known { stream.next() } else { 0 };
        let index = index::guess(next, sequence).ok_or(Reason::SrtpReplay)?;
        if known && once && stream.check(index).is_err() {
            return Err(Reason::SrtpReplay);
        }
        Ok(Self { index, context, slot, ssrc, once: u32::from(once) })
    }

    /// Makes the stream one that is known.
    ///
    /// # Errors
    /// [`Reason::SsrcUnknown`]: others have taken all the room.
    #[inline(always)]
    pub fn claim(&mut self) -> Result<(), Reason> {
        self.slot = rtpengine_stream(self.context, self.ssrc, 1);
        if self.slot == FULL { Err(Reason::SsrcUnknown) } else { Ok(()) }
    }

    /// Remembers the packet's index in a stream that has been claimed.
    ///
    /// # Errors
    /// [`Reason::SrtpReplay`]: somebody has used it meanwhile.
    #[inline(always)]
    pub fn commit(&self) -> Result<(), Reason> {
        if self.context != 0 && rtpengine_commit(self.context, self.slot, self.index, self.once) != 0 {
            return Err(Reason::SrtpReplay);
        }
        Ok(())
    }
}

/// The row of a context.
#[inline(always)]
fn streams(context: u32) -> Option<&'static SharedStreams> {
    let row = SRTP_STREAMS.get_ptr(context.wrapping_sub(1))?;
    // SAFETY: of the same layout, and changed by atomic instructions alone, here and in userspace.
    Some(unsafe { &*row.cast::<SharedStreams>() })
}

/// The slot of an SSRC, see [`SharedStreams::position`]; with `claim` it becomes its own. [`FULL`]: there is none. An
/// exported function, as is the one below, because the verifier goes through those once, and takes their result for any.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn rtpengine_stream(context: u32, ssrc: u32, claim: u32) -> u32 {
    let Some(streams) = streams(context) else { return FULL };
    if claim != 0 {
        return streams.claim_position(ssrc).map_or(FULL, |slot| slot as u32);
    }
    match streams.position(ssrc) {
        Some((slot, known)) => slot as u32 | if known { KNOWN } else { 0 },
        None => FULL,
    }
}

/// See [`Stream::commit`]; not 0: the index was used before.
#[inline(never)]
#[unsafe(no_mangle)]
pub extern "C" fn rtpengine_commit(context: u32, slot: u32, index: u64, once: u32) -> u32 {
    let Some(streams) = streams(context) else { return 1 };
    let stream = streams.get(slot as usize);
    if once == 0 {
        stream.advance(index);
        return 0;
    }
    u32::from(stream.accept(index).is_err())
}
