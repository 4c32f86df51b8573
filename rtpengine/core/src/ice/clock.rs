//! From the core's microseconds to the opaque instants of the standard library.

use std::time::{Duration, Instant};

use crate::io::Now;

/// Ties an [`Instant`] to a moment of [`Now`], both read once by the shell: later instants follow without asking a clock.
#[derive(Clone, Copy, Debug)]
pub struct IceClock {
    anchor: Instant,
    anchor_mono_us: u64,
}

impl IceClock {
    /// `anchor` is the instant at `now`.
    #[must_use]
    pub const fn new(anchor: Instant, now: Now) -> Self {
        Self { anchor, anchor_mono_us: now.mono_us }
    }

    /// The instant of a moment; moments before the anchor are taken for the anchor.
    pub(super) fn instant(&self, now: Now) -> Instant {
        self.anchor + Duration::from_micros(now.mono_us.saturating_sub(self.anchor_mono_us))
    }

    /// The microseconds of the monotonic clock at an instant, rounded up, so that a timer never fires early.
    pub(super) fn mono_us(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.anchor);
        let us = since.as_micros() + u128::from(!since.subsec_nanos().is_multiple_of(1000));
        self.anchor_mono_us.saturating_add(u64::try_from(us).unwrap_or(u64::MAX))
    }
}
