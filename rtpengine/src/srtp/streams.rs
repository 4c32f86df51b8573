//! What is known of the SSRCs under one set of keys: bounded, whoever chooses them.
//!
//! The state of an SSRC must never be lost while its keys are in use: its rollover counter would start again, packets
//! of its past would be accepted again, and outgoing packets would be encrypted by a key stream that was used before
//! (with AES-GCM that gives the authentication key away). So the least recently used of [`LIVE`] streams does not end
//! but retires: its highest index stays, 16 bytes of it, and from there it goes on when it returns. When [`RETIRED`]
//! have retired, new SSRCs are refused, and those known go on.

use ahash::AHashMap;
use rtpengine_common::srtp::abi::StreamState;

/// Streams with a replay window.
const LIVE: usize = 16;
/// Streams of which only the highest index is known. A party that changes its SSRC with every announcement it plays
/// stays below.
const RETIRED: usize = 4096;

struct Live {
    ssrc: u32,
    /// [`Streams::clock`] when it was last used.
    used: u64,
    state: StreamState,
}

/// No more SSRCs are taken under these keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

/// The streams of one direction, of SRTP or of SRTCP.
#[derive(Default)]
pub(super) struct Streams {
    live: Vec<Live>,
    /// Which of them was used last.
    last: usize,
    /// Counts packets.
    clock: u64,
    /// One more than the highest index, by SSRC.
    retired: AHashMap<u32, u64>,
}

impl Streams {
    /// Has the state of an SSRC used. When that fails, nothing has changed: an SSRC takes its place by success only, that
    /// is with an authentic packet.
    pub(super) fn with<T, E: From<Full>>(
        &mut self,
        ssrc: u32,
        work: impl FnOnce(&mut StreamState) -> Result<T, E>,
    ) -> Result<T, E> {
        self.clock += 1;
        let at = match self.live.get(self.last) {
            Some(live) if live.ssrc == ssrc => Some(self.last),
            _ => self.live.iter().position(|live| live.ssrc == ssrc),
        };
        if let Some((at, live)) = at.and_then(|at| Some((at, self.live.get_mut(at)?))) {
            let result = work(&mut live.state)?;
            live.used = self.clock;
            self.last = at;
            return Ok(result);
        }
        let known = self.retired.get(&ssrc).and_then(|next| next.checked_sub(1));
        if known.is_none() && self.live.len() == LIVE && self.retired.len() == RETIRED {
            return Err(Full.into());
        }
        let mut state = known.map(StreamState::resume).unwrap_or_default();
        let result = work(&mut state)?;
        self.retired.remove(&ssrc);
        self.insert(Live { ssrc, used: self.clock, state });
        Ok(result)
    }

    /// Takes over what is known of an SSRC elsewhere.
    pub(super) fn put(&mut self, ssrc: u32, state: StreamState) {
        self.clock += 1;
        if let Some(live) = self.live.iter_mut().find(|live| live.ssrc == ssrc) {
            if live.state.next < state.next {
                live.state = state;
            }
            return;
        }
        self.insert(Live { ssrc, used: self.clock, state });
    }

    /// Offers all live streams, those used last first, and forgets those that are taken.
    pub(super) fn take_out(&mut self, mut take: impl FnMut(u32, &StreamState) -> bool) {
        self.live.sort_unstable_by_key(|live| std::cmp::Reverse(live.used));
        self.live.retain(|live| !take(live.ssrc, &live.state));
        self.last = 0;
    }

    fn insert(&mut self, new: Live) {
        self.last = self.live.len();
        if self.live.len() < LIVE {
            self.live.push(new);
            return;
        }
        let oldest = self.live.iter_mut().enumerate().min_by_key(|(_, live)| live.used);
        if let Some((at, live)) = oldest {
            self.retired.insert(live.ssrc, live.state.next);
            *live = new;
            self.last = at;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    enum Error {
        Full,
        Replayed,
    }

    impl From<Full> for Error {
        fn from(_: Full) -> Self {
            Self::Full
        }
    }

    fn accept(streams: &mut Streams, ssrc: u32, index: u64) -> Result<(), Error> {
        streams.with(ssrc, |state| state.accept(index).map_err(|_| Error::Replayed))
    }

    #[test]
    fn a_stream_is_remembered_over_any_number_of_others() {
        let mut streams = Streams::default();
        assert_eq!(accept(&mut streams, 7, 100_000), Ok(()));
        for other in 1000..2000 {
            assert_eq!(accept(&mut streams, other, 1), Ok(()));
        }
        assert_eq!(streams.live.len(), LIVE);
        for index in [1, 99_999, 100_000] {
            assert_eq!(accept(&mut streams, 7, index), Err(Error::Replayed));
        }
        assert_eq!(accept(&mut streams, 7, 100_001), Ok(()));
        assert_eq!(accept(&mut streams, 7, 100_001), Err(Error::Replayed));
        assert_eq!(accept(&mut streams, 1000, 1), Err(Error::Replayed));
    }

    #[test]
    fn the_stream_in_use_stays_live() {
        let mut streams = Streams::default();
        for index in 1..1000 {
            assert_eq!(accept(&mut streams, 7, 2 * index), Ok(()));
            assert_eq!(accept(&mut streams, 1000 + index as u32, 1), Ok(()));
            // Late, but in the window, which only a live stream has.
            assert_eq!(accept(&mut streams, 7, 2 * index - 1), Ok(()));
        }
    }

    #[test]
    fn a_flood_of_new_ones_is_refused_and_the_known_go_on() {
        let mut streams = Streams::default();
        let most = (LIVE + RETIRED) as u32;
        for ssrc in 0..most {
            assert_eq!(accept(&mut streams, ssrc, 1), Ok(()));
        }
        for ssrc in most..most + 100 {
            assert_eq!(accept(&mut streams, ssrc, 1), Err(Error::Full));
        }
        for ssrc in 0..most {
            assert_eq!(accept(&mut streams, ssrc, 1), Err(Error::Replayed));
            assert_eq!(accept(&mut streams, ssrc, 2), Ok(()));
        }
        assert_eq!((streams.live.len(), streams.retired.len()), (LIVE, RETIRED));
    }

    #[test]
    fn what_fails_takes_no_place() {
        let mut streams = Streams::default();
        for ssrc in 0..1000 {
            assert_eq!(streams.with(ssrc, |_| Err::<(), _>(Error::Replayed)), Err(Error::Replayed));
        }
        assert!(streams.live.is_empty() && streams.retired.is_empty());
    }
}
