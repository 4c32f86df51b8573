//! The way into a relay thread: an unbounded first-in first-out queue and the event descriptor that wakes its reader.
//!
//! Unbounded on purpose: the engine must neither block on the media threads nor lose a command, and what can be
//! queued is limited by the port pool (a handful of commands per socket and request). [`Queue::backlog`] shows it.
//!
//! A command alone does not wake the reader. It matters to packets only, and a packet wakes the reader, which executes
//! what is queued before it looks at the packet. Without packets commands wait until there are [`PATIENCE`] of them or
//! somebody calls [`Queue::wake`]: a wake-up costs more than the commands of a whole call.

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::sys::eventfd::{EfdFlags, EventFd};

/// Commands that may wait for a packet.
pub(super) const PATIENCE: usize = 64;

/// Why a command was not queued.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Nobody reads the queue any more.
    Closed,
    /// What had to be done first failed.
    Unprepared(nix::Error),
}

/// One relay thread's queue.
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    /// Commands pushed and not yet executed.
    backlog: AtomicUsize,
    wake: EventFd,
}

struct State<T> {
    commands: VecDeque<T>,
    /// The reader was woken and has not come yet.
    woken: bool,
    open: bool,
}

impl<T> Queue<T> {
    pub(super) fn new() -> nix::Result<Self> {
        let wake = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let state = Mutex::new(State { commands: VecDeque::new(), woken: false, open: true });
        Ok(Self { state, backlog: AtomicUsize::new(0), wake })
    }

    /// Appends a command.
    ///
    /// # Errors
    /// When the queue is closed.
    pub(super) fn push(&self, command: T) -> Result<(), Refused> {
        self.push_with(command, |_| Ok(()))
    }

    /// Appends a command after `prepare`, whose effects the reader cannot see without seeing the command.
    ///
    /// # Errors
    /// When the queue is closed, or `prepare` fails.
    pub(super) fn push_with(
        &self,
        command: T,
        prepare: impl FnOnce(&T) -> nix::Result<()>,
    ) -> Result<(), Refused> {
        let mut state = self.lock();
        if !state.open {
            return Err(Refused::Closed);
        }
        prepare(&command).map_err(Refused::Unprepared)?;
        state.commands.push_back(command);
        self.backlog.fetch_add(1, Ordering::Relaxed);
        let many = state.commands.len() >= PATIENCE;
        drop(state);
        if many {
            self.wake();
        }
        Ok(())
    }

    /// Wakes the reader, if anything waits for it.
    pub(super) fn wake(&self) {
        let mut state = self.lock();
        if !state.commands.is_empty() && !std::mem::replace(&mut state.woken, true) {
            drop(state);
            self.signal();
        }
    }

    /// Accepts nothing from now on and wakes the reader, which finds out through [`Queue::take`].
    pub(super) fn close(&self) {
        self.lock().open = false;
        self.signal();
    }

    /// Moves everything queued behind what `into` holds. `false` once the queue is closed.
    pub(super) fn take(&self, into: &mut VecDeque<T>) -> bool {
        let mut state = self.lock();
        state.woken = false;
        if into.is_empty() {
            std::mem::swap(&mut state.commands, into);
        } else {
            into.append(&mut state.commands);
        }
        state.open
    }

    /// Records that commands were executed.
    pub(super) fn executed(&self, count: usize) {
        self.backlog.fetch_sub(count, Ordering::Relaxed);
    }

    /// Commands pushed and not yet executed.
    pub(super) fn backlog(&self) -> usize {
        self.backlog.load(Ordering::Relaxed)
    }

    /// The reader waits for edges, so the counter is never read. It has room for centuries of wake-ups.
    fn signal(&self) {
        let _ = self.wake.write(1);
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        // The queue is consistent between any two statements above, so a poisoned lock is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> AsFd for Queue<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
