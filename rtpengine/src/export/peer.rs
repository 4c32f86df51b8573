//! A server that may be down: when to try again, and what to say about it.

use std::fmt::Display;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

/// First pause after a failure; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is known of a server.
#[derive(Debug)]
pub(super) struct Peer {
    /// As it is called in logs.
    name: &'static str,
    failed: bool,
    pause: Duration,
    not_before: Instant,
}

impl Peer {
    pub(super) fn new(name: &'static str) -> Self {
        Self { name, failed: false, pause: FIRST_PAUSE, not_before: Instant::now() }
    }

    /// Whether it may be tried now.
    pub(super) fn is_due(&self) -> bool {
        Instant::now() >= self.not_before
    }

    /// The pause before the next try.
    pub(super) fn pause(&self) -> Duration {
        self.not_before.saturating_duration_since(Instant::now())
    }

    /// It does not work: said once.
    pub(super) fn failed(&mut self, why: impl Display) {
        if !self.failed {
            tracing::warn!(target: "core", "{}: {why}; trying again until it works", self.name);
        }
        self.failed = true;
        self.not_before = Instant::now() + self.pause;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// It works.
    pub(super) fn works(&mut self) {
        if self.failed {
            tracing::info!(target: "core", "{}: works again", self.name);
        }
        self.failed = false;
        self.pause = FIRST_PAUSE;
    }
}

/// A connection within that time; without one within what the system allows.
pub(super) async fn connect(address: SocketAddr, within: Option<Duration>) -> std::io::Result<TcpStream> {
    let connecting = TcpStream::connect(address);
    match within {
        None => connecting.await,
        Some(within) => timeout(within, connecting).await?,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn pauses_grow_until_it_works() {
        let mut peer = Peer::new("peer");
        assert!(peer.is_due());
        for _ in 0..10 {
            peer.failed("down");
            assert!(!peer.is_due() && peer.pause() <= LONGEST_PAUSE);
        }
        assert_eq!(peer.pause, LONGEST_PAUSE);
        peer.works();
        assert_eq!(peer.pause, FIRST_PAUSE);
    }
}
