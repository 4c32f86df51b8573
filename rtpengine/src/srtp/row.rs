//! Streams that the XDP program works on as well.

use std::sync::Arc;

use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::shared::SharedStreams;
use rtpengine_common::srtp::{Refused, index, replay};

use super::context::Denied;

/// Memory that the RTP streams of one context are kept in. While anything holds it, it is this context's.
pub trait Row: Send + Sync {
    /// The streams.
    fn streams(&self) -> &SharedStreams;
}

/// A row as it is passed around.
pub type SharedRow = Arc<dyn Row>;

/// How a packet went that a row was asked about.
pub(super) enum Outcome<T> {
    /// The row has a place for its SSRC.
    Done(T),
    /// Others take all the room.
    Elsewhere,
    /// As before, but that was found out only after the packet was processed as the first of its SSRC.
    Homeless(T, StreamState),
}

/// Processes a packet with the state of its SSRC, which then takes note of it. Of those who process packets of one index
/// at the same time, one succeeds. `checked`: not without authentication, when nothing is known about replay. `ahead`: it is
/// not expected close by but ahead, by so many rollovers.
pub(super) fn with<T>(
    streams: &SharedStreams,
    ssrc: u32,
    sequence: u16,
    ahead: Option<u64>,
    checked: bool,
    work: impl FnOnce(&mut StreamState) -> Result<T, Refused>,
) -> Result<Outcome<T>, Denied> {
    // Marks entries that are free.
    if ssrc == 0 {
        return Ok(Outcome::Elsewhere);
    }
    let Some(place) = streams.find(ssrc) else { return Ok(Outcome::Elsewhere) };
    let mut state = place.stream().map(|stream| stream.snapshot().state).unwrap_or_default();
    if let Some(moved) = moved(&state, sequence, ahead) {
        state = moved;
    }
    let index = index::guess(state.next, sequence).ok_or(Refused::NoIndex)?;
    if checked {
        state.check(index).map_err(Refused::from)?;
    }
    let value = work(&mut state)?;
    match streams.claim(ssrc) {
        Some(stream) if checked => stream.accept(index).map_err(Refused::from)?,
        Some(stream) => stream.advance(index),
        None => return Ok(Outcome::Homeless(value, state)),
    }
    Ok(Outcome::Done(value))
}

/// The state of a stream in which a packet is expected that comes `ahead` rollovers after the first one with its sequence
/// number; nothing was accepted there. `None`: the state as it is.
pub(super) fn moved(state: &StreamState, sequence: u16, ahead: Option<u64>) -> Option<StreamState> {
    let first = state.next + u64::from(sequence.wrapping_sub(state.next as u16));
    let index = first + (ahead? << 16);
    Some(StreamState { next: index + 1, ..StreamState::default() })
}

/// Has a row go on from what is known of a stream. `false`: others take all the room.
pub(super) fn move_in(streams: &SharedStreams, ssrc: u32, state: &StreamState) -> bool {
    if ssrc == 0 {
        return false;
    }
    let Some(stream) = streams.claim(ssrc) else { return false };
    for index in replay::accepted(&state.window) {
        // What the row has accepted itself stays so.
        let _ = stream.accept(index);
    }
    if let Some(highest) = state.next.checked_sub(1) {
        stream.advance(highest);
    }
    true
}
