//! The clock shared with the XDP program.

/// `CLOCK_MONOTONIC`, nanoseconds.
#[must_use]
pub fn now_ns() -> u64 {
    // CLOCK_MONOTONIC exists on every Linux; a failure would read as the moment of boot.
    nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).map_or(0, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec()).unwrap_or(0))
    })
}
