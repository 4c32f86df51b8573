//! How busy the relay threads are, and which of them serves a new call.
//!
//! Waking a thread can cost more than relaying the packet it wakes for, and a packet that arrives while a thread is
//! at work costs no wake-up. So calls share a thread as long as it has time to spare, instead of being spread
//! over all threads at once. A call stays where it was placed.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use rtpengine_core::io::Affinity;

/// Calls a thread is given before the next one is used: audio both ways in 256 calls is some 25,600 packets a second,
/// a quarter of what a thread relays. It bounds what comes at once from calls that are set up, or leave the kernel,
/// before their load shows.
const SHARE: usize = 256;

/// Busy time from which a thread gets no further calls while another has time, in thousandths: leaves room for
/// the calls placed last, whose media has not begun.
const BUSY: u32 = 300;

/// Time over which a thread measures how busy it is, µs: several packets of every stream.
const WINDOW: u64 = 100_000;

/// How busy one thread was in the last [`WINDOW`], in thousandths. Written by that thread alone.
pub(super) type Busy = Arc<AtomicU32>;

/// One thread's measurement of itself. Times are monotonic, µs.
pub(super) struct Meter {
    busy: Busy,
    window_start: u64,
    worked: u64,
}

impl Meter {
    pub(super) fn new(busy: Busy) -> Self {
        Self { busy, window_start: 0, worked: 0 }
    }

    /// Notes that the thread was at work from `began` to `ended`.
    pub(super) fn worked(&mut self, began: u64, ended: u64) {
        self.worked += ended.saturating_sub(began);
        let elapsed = ended.saturating_sub(self.window_start);
        if elapsed >= WINDOW {
            let share = (self.worked * 1000 / elapsed).min(1000);
            // At most 1000.
            self.busy.store(share as u32, Ordering::Relaxed);
            self.window_start = ended;
            self.worked = 0;
        }
    }
}

/// Which thread serves which call.
pub(super) struct Placement {
    threads: Vec<Busy>,
    state: Mutex<State>,
}

struct State {
    /// Thread and open sockets of each call.
    calls: AHashMap<Affinity, (usize, usize)>,
    /// Calls of each thread.
    counts: Vec<usize>,
}

impl Placement {
    /// `threads` is not empty.
    pub(super) fn new(threads: Vec<Busy>) -> Self {
        let counts = vec![0; threads.len()];
        Self { threads, state: Mutex::new(State { calls: AHashMap::new(), counts }) }
    }

    /// A socket of the call is opened; returns the thread that serves the call.
    pub(super) fn enter(&self, call: Affinity) -> usize {
        let mut state = self.lock();
        if let Some((thread, sockets)) = state.calls.get_mut(&call) {
            *sockets += 1;
            return *thread;
        }
        let thread = self.choose(&state.counts);
        state.calls.insert(call, (thread, 1));
        if let Some(count) = state.counts.get_mut(thread) {
            *count += 1;
        }
        thread
    }

    /// The call's sockets belong to another one from now on. Yields where they were and where that one is served, if that
    /// is another thread.
    pub(super) fn unite(&self, from: Affinity, to: Affinity) -> Option<(usize, usize)> {
        let mut state = self.lock();
        let (before, moved) = state.calls.remove(&from)?;
        let Some((thread, sockets)) = state.calls.get_mut(&to) else {
            state.calls.insert(to, (before, moved));
            return None;
        };
        *sockets += moved;
        let thread = *thread;
        if let Some(count) = state.counts.get_mut(before) {
            *count -= 1;
        }
        (thread != before).then_some((before, thread))
    }

    /// A socket of the call is closed.
    pub(super) fn leave(&self, call: Affinity) {
        let mut state = self.lock();
        let Some((thread, sockets)) = state.calls.get_mut(&call) else { return };
        *sockets -= 1;
        if *sockets > 0 {
            return;
        }
        let thread = *thread;
        state.calls.remove(&call);
        if let Some(count) = state.counts.get_mut(thread) {
            *count -= 1;
        }
    }

    /// The first thread with time to spare; where there is none, the one with the least to do.
    fn choose(&self, counts: &[usize]) -> usize {
        let threads = || {
            let busy = self.threads.iter().map(|busy| busy.load(Ordering::Relaxed));
            busy.zip(counts).enumerate().map(|(thread, (busy, calls))| (thread, busy, *calls))
        };
        // A thread without calls has nothing to measure itself by: its figure may be old.
        let spare = threads().find(|(_, busy, calls)| *calls == 0 || *calls < SHARE && *busy < BUSY);
        // Steps of a tenth: within one, the number of calls says more.
        let least = || threads().min_by_key(|(_, busy, calls)| (*busy / 100, *calls));
        spare.or_else(least).map_or(0, |(thread, ..)| thread)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Counts that a panic left behind unbalanced only shift later calls to another thread.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placement(threads: usize) -> Placement {
        Placement::new((0..threads).map(|_| Busy::default()).collect())
    }

    fn place(placement: &Placement, calls: std::ops::Range<usize>) -> Vec<usize> {
        let threads = calls.map(|call| placement.enter(Affinity(call as u32)));
        threads.fold(vec![0; placement.threads.len()], |mut counts, thread| {
            counts[thread] += 1;
            counts
        })
    }

    #[test]
    fn threads_fill_one_after_the_other_and_then_evenly() {
        let placement = placement(3);
        assert_eq!(place(&placement, 0..SHARE), [SHARE, 0, 0]);
        assert_eq!(place(&placement, SHARE..2 * SHARE + 1), [0, SHARE, 1]);
        assert_eq!(place(&placement, 2 * SHARE + 1..3 * SHARE), [0, 0, SHARE - 1]);
        assert_eq!(place(&placement, 3 * SHARE..3 * SHARE + 30), [10, 10, 10]);
    }

    #[test]
    fn a_busy_thread_gets_no_more_calls_and_an_idle_one_does_again() {
        let placement = placement(2);
        assert_eq!(place(&placement, 0..10), [10, 0]);
        let mut meter = Meter::new(placement.threads[0].clone());
        meter.worked(0, WINDOW);
        assert_eq!(place(&placement, 10..20), [0, 10]);
        meter.worked(2 * WINDOW, 2 * WINDOW + 1);
        assert_eq!(place(&placement, 20..30), [10, 0]);
    }

    #[test]
    fn the_sockets_of_a_call_stay_together_until_the_last_is_closed() {
        let placement = placement(2);
        assert_eq!(placement.enter(Affinity(1)), 0);
        placement.threads[0].store(1000, Ordering::Relaxed);
        assert_eq!(placement.enter(Affinity(1)), 0);
        placement.leave(Affinity(1));
        assert_eq!(placement.enter(Affinity(1)), 0);
        placement.leave(Affinity(1));
        assert_eq!(placement.enter(Affinity(2)), 1);
        placement.leave(Affinity(1));
        // The thread is empty again, whatever it measured last.
        assert_eq!(placement.enter(Affinity(3)), 0);
    }
}
