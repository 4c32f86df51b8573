//! Tells the SIP server by XMLRPC of calls that a timeout has ended: `--b2b-url`, `--xmlrpc-format`.
//!
//! Calls never wait for it: what is to be told goes into a bounded queue, and what does not fit is dropped and counted.

mod destination;
mod message;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rtpengine_core::io::TimedOut;
use tokio::sync::mpsc::{Receiver, Sender, channel};

pub use destination::{Destination, DestinationError};
pub use message::Format;
pub use worker::{ClientError, Worker};

/// Ended calls that may wait to be told of.
const QUEUE: usize = 4096;

/// What the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallbackOptions {
    /// `--b2b-url`
    pub destination: Destination,
    /// `--xmlrpc-format`
    pub format: Format,
}

/// What became of the messages since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Taken by the server.
    pub delivered: u64,
    /// Given up: no reply, an HTTP error, or a fault.
    pub failed: u64,
    /// Ended calls of which nobody was told, because too many waited already.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counters {
    delivered: AtomicU64,
    failed: AtomicU64,
    dropped: AtomicU64,
}

/// Where ended calls are reported. Without `--b2b-url` nothing comes of it.
#[derive(Clone, Debug, Default)]
pub struct Callback {
    queue: Option<Sender<TimedOut>>,
    counters: Arc<Counters>,
}

impl Callback {
    /// With the other end of its queue, for a [`Worker`].
    #[must_use]
    pub fn new() -> (Self, Receiver<TimedOut>) {
        let (sender, receiver) = channel(QUEUE);
        (Self { queue: Some(sender), counters: Arc::default() }, receiver)
    }

    /// Has the server told of a call. Never waits.
    pub fn report(&self, call: TimedOut) {
        let Some(queue) = &self.queue else { return };
        if let Err(error) = queue.try_send(call) {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
            let call = error.into_inner().call;
            tracing::warn!(target: "core", call = %call, "nobody is told of its end: too many XMLRPC callbacks wait");
        }
    }

    /// The counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            delivered: self.counters.delivered.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
        }
    }

    fn count(&self, delivered: bool) {
        let counter = if delivered { &self.counters.delivered } else { &self.counters.failed };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
