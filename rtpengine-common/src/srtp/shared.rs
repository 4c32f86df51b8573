//! Streams that several CPUs, and userspace beside the program, work on at once.
//!
//! Nobody waits: each word is changed by compare-and-swap, and only once nothing can fail any more. First the word of the
//! window ([`replay`]), which decides whether the packet is the first of its index, then the number after the highest
//! index ([`index`]). Packets that are sent go the same way as those that are received: under one index only one is ever
//! sent, whoever encrypts it.

use super::{
    abi::{SrtpStream, SrtpStreams, StreamState},
    index,
    replay::{self, Replayed, WORDS},
};
use crate::{abi::MAX_SSRCS, shared_word::Word};

/// Attempts at one word. A failed one means that somebody else got through, and a word takes sixteen indices before it
/// moves on, so only packets that came far too late need more.
const ATTEMPTS: usize = 32;

/// An [`SrtpStream`] in shared memory.
#[repr(C)]
#[derive(Debug)]
pub struct SharedStream {
    ssrc: Word<u32>,
    pad: u32,
    next: Word<u64>,
    window: [Word<u64>; WORDS],
}

/// [`SrtpStreams`] in shared memory.
#[repr(C)]
#[derive(Debug)]
pub struct SharedStreams {
    streams: [SharedStream; MAX_SSRCS],
}

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<SharedStream>() == size_of::<SrtpStream>());
    assert!(offset_of!(SharedStream, ssrc) == offset_of!(SrtpStream, ssrc));
    assert!(offset_of!(SharedStream, next) == offset_of!(SrtpStream, state) + offset_of!(StreamState, next));
    assert!(
        offset_of!(SharedStream, window) == offset_of!(SrtpStream, state) + offset_of!(StreamState, window)
    );
    assert!(size_of::<SharedStreams>() == size_of::<SrtpStreams>());
    assert!(align_of::<SharedStreams>() == align_of::<SrtpStreams>());
};

/// What a row has for an SSRC.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// Its stream.
    Known(&'a SharedStream),
    /// No stream of it, but room for one ([`SharedStreams::claim`]), which begins anew.
    New,
}

impl<'a> Place<'a> {
    /// The stream; `None`: it has not begun.
    #[inline(always)]
    pub const fn stream(self) -> Option<&'a SharedStream> {
        match self {
            Self::Known(stream) => Some(stream),
            Self::New => None,
        }
    }

    /// The index that a packet with this sequence number has; `None`: see [`index::guess`].
    #[inline(always)]
    pub fn guess(self, sequence: u16) -> Option<u64> {
        index::guess(self.stream().map_or(0, SharedStream::next), sequence)
    }

    /// Whether the index would be accepted now.
    ///
    /// # Errors
    /// When it was accepted before, or is too old to tell.
    #[inline(always)]
    pub fn check(self, index: u64) -> Result<(), Replayed> {
        self.stream().map_or(Ok(()), |stream| stream.check(index))
    }
}

impl SharedStreams {
    /// Streams in memory that nobody else sees.
    pub fn new(streams: &SrtpStreams) -> Self {
        Self {
            streams: streams.streams.map(|SrtpStream { ssrc, pad, state }| SharedStream {
                ssrc: Word::new(ssrc),
                pad,
                next: Word::new(state.next),
                window: state.window.map(Word::new),
            }),
        }
    }

    /// What there is for an SSRC (host order, not 0). `None`: others take all the room.
    #[inline(always)]
    pub fn find(&self, ssrc: u32) -> Option<Place<'_>> {
        self.position(ssrc).map(|(slot, known)| if known { Place::Known(self.get(slot)) } else { Place::New })
    }

    /// The slot of an SSRC (host order, not 0) and whether it is its own already; a free one otherwise. `None`: others
    /// take all the room.
    #[inline(always)]
    pub fn position(&self, ssrc: u32) -> Option<(usize, bool)> {
        // Taken one after the other and never given back, so behind a free entry there is nothing.
        for (slot, stream) in self.streams.iter().enumerate() {
            let owner = stream.ssrc.load();
            if owner == ssrc || owner == 0 {
                return Some((slot, owner == ssrc));
            }
        }
        None
    }

    /// The stream of an SSRC (host order, not 0), which begins now where there is none. Only for a packet that is
    /// authentic, or our own. `None`: others take all the room.
    #[inline(always)]
    pub fn claim(&self, ssrc: u32) -> Option<&SharedStream> {
        self.claim_position(ssrc).map(|slot| self.get(slot))
    }

    /// As [`SharedStreams::claim`]; the slot.
    #[inline(always)]
    pub fn claim_position(&self, ssrc: u32) -> Option<usize> {
        for (slot, stream) in self.streams.iter().enumerate() {
            let owner = stream.ssrc.load();
            let owner = if owner == 0 { stream.ssrc.swap_if(0, ssrc).err().unwrap_or(ssrc) } else { owner };
            if owner == ssrc {
                return Some(slot);
            }
        }
        None
    }

    /// The stream in a slot.
    #[inline(always)]
    pub fn get(&self, slot: usize) -> &SharedStream {
        &self.streams[slot % MAX_SSRCS]
    }

    /// The SSRCs that have a stream, with what is known of them at the moment.
    pub fn snapshot(&self) -> SrtpStreams {
        SrtpStreams { streams: self.streams.each_ref().map(SharedStream::snapshot) }
    }

    /// Overwrites all streams. Only while nobody else works on them: before the context's number is in use, and after.
    pub fn reset(&self, streams: &SrtpStreams) {
        for (shared, stream) in self.streams.iter().zip(&streams.streams) {
            shared.reset(stream);
        }
    }
}

impl SharedStream {
    /// One more than the highest index.
    #[inline(always)]
    pub fn next(&self) -> u64 {
        self.next.load()
    }

    /// Whether an index would be accepted now.
    ///
    /// # Errors
    /// When it was accepted before, or is too old to tell.
    #[inline(always)]
    pub fn check(&self, index: u64) -> Result<(), Replayed> {
        replay::accept(self.word(index).load(), index).map(|_| ())
    }

    /// Accepts an index: of all who try, one succeeds.
    ///
    /// # Errors
    /// When it was accepted before, or is too old to tell. Nothing has changed then.
    #[inline(always)]
    pub fn accept(&self, index: u64) -> Result<(), Replayed> {
        let word = self.word(index);
        let mut now = word.load();
        for _ in 0..ATTEMPTS {
            match word.swap_if(now, replay::accept(now, index)?) {
                Ok(()) => {
                    self.advance(index);
                    return Ok(());
                }
                Err(other) => now = other,
            }
        }
        Err(Replayed)
    }

    /// Takes note of an index without a decision on it: of packets that are not authenticated.
    #[inline(always)]
    pub fn advance(&self, index: u64) {
        let mut now = self.next();
        for _ in 0..ATTEMPTS {
            if index < now {
                return;
            }
            match self.next.swap_if(now, index + 1) {
                Ok(()) => return,
                Err(other) => now = other,
            }
        }
    }

    /// What is known of the stream at the moment.
    pub fn snapshot(&self) -> SrtpStream {
        let state = StreamState { next: self.next(), window: self.window.each_ref().map(Word::load) };
        SrtpStream { ssrc: self.ssrc.load(), pad: 0, state }
    }

    /// Overwrites the stream, the SSRC last.
    fn reset(&self, stream: &SrtpStream) {
        self.ssrc.store(0);
        self.next.store(stream.state.next);
        for (word, value) in self.window.iter().zip(stream.state.window) {
            word.store(value);
        }
        self.ssrc.store(stream.ssrc);
    }

    #[inline(always)]
    fn word(&self, index: u64) -> &Word<u64> {
        // `slot` keeps within the window, and masks for the verifier to see.
        &self.window[replay::slot(index)]
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, sync::Mutex, thread};

    use super::*;

    fn streams() -> SharedStreams {
        SharedStreams::new(&SrtpStreams::default())
    }

    #[test]
    fn alone_it_is_what_the_state_does() {
        let (shared, mut state) = (streams(), StreamState::default());
        let stream = shared.claim(7).unwrap();
        for sequence in [65_530_u16, 65_535, 2, 65_534, 65_534, 300, 301, 180, 301, 40_000, 40_001] {
            let place = shared.find(7).unwrap();
            let index = index::guess(state.next, sequence);
            assert_eq!(place.guess(sequence), index);
            let Some(index) = index else { continue };
            assert_eq!(place.check(index), state.check(index));
            assert_eq!(stream.accept(index), state.accept(index));
            assert_eq!(stream.snapshot(), SrtpStream { ssrc: 7, pad: 0, state });
        }
    }

    #[test]
    fn a_row_has_room_for_four_and_gives_none_away() {
        let shared = streams();
        for ssrc in 1..=4 {
            assert!(shared.find(ssrc).unwrap().stream().is_none());
            shared.claim(ssrc).unwrap().accept(u64::from(ssrc)).unwrap();
            assert_eq!(shared.find(ssrc).unwrap().stream().unwrap().next(), u64::from(ssrc) + 1);
        }
        assert!(shared.find(5).is_none() && shared.claim(5).is_none());
        let known = shared.snapshot();
        let other = streams();
        other.reset(&known);
        assert_eq!(other.snapshot(), known);
        shared.reset(&SrtpStreams::default());
        assert_eq!(shared.snapshot(), SrtpStreams::default());
    }

    #[test]
    fn of_all_who_try_an_index_one_succeeds() {
        const THREADS: u64 = 4;
        const INDICES: u64 = if cfg!(miri) { 200 } else { 20_000 };
        let shared = streams();
        let accepted = Mutex::new(HashMap::<u64, u32>::new());
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (shared, accepted) = (&shared, &accepted);
                scope.spawn(move || {
                    let stream = shared.claim(9).unwrap();
                    let mut mine = Vec::new();
                    for at in 0..INDICES {
                        // Everybody tries every index, each in an order of its own within a few.
                        let index = at ^ thread;
                        if stream.accept(index).is_ok() {
                            mine.push(index);
                        }
                    }
                    let mut accepted = accepted.lock().unwrap();
                    for index in mine {
                        *accepted.entry(index).or_default() += 1;
                    }
                });
            }
        });
        let accepted = accepted.into_inner().unwrap();
        assert!(accepted.values().all(|times| *times == 1));
        // Nobody moves on to later indices without having tried the earlier ones.
        assert_eq!(accepted.len() as u64, INDICES);
        assert_eq!(shared.find(9).unwrap().stream().unwrap().next(), INDICES);
        assert!(shared.snapshot().streams[1..].iter().all(|stream| *stream == SrtpStream::default()));
    }

    #[test]
    fn an_ssrc_claimed_by_many_has_one_stream() {
        for _ in 0..if cfg!(miri) { 5 } else { 200 } {
            let shared = streams();
            thread::scope(|scope| {
                for thread in 0..4_u32 {
                    let shared = &shared;
                    scope.spawn(move || (0..4).all(|at| shared.claim(1 + (at + thread) % 4).is_some()));
                }
            });
            let mut ssrcs = shared.snapshot().streams.map(|stream| stream.ssrc);
            ssrcs.sort_unstable();
            assert_eq!(ssrcs, [1, 2, 3, 4]);
        }
    }
}
