//! How often sources nobody vouched for may start a handshake, which costs a millisecond of CPU.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use ahash::AHashMap;

/// Sources remembered at once, about 200 KB. Beyond that only the common limit holds.
const MAX_SOURCES: usize = 4096;

/// A token bucket: `rate` a second, twice as many at once.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    filled: Instant,
}

impl Bucket {
    fn full(rate: f64, now: Instant) -> Self {
        Self { tokens: rate * 2.0, filled: now }
    }

    fn refill(&mut self, rate: f64, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = elapsed.mul_add(rate, self.tokens).min(rate * 2.0);
        self.filled = now;
    }
}

/// Limits by source and altogether.
#[derive(Debug)]
pub(super) struct RateLimit {
    per_source: f64,
    altogether: f64,
    sources: AHashMap<IpAddr, Bucket>,
    all: Bucket,
}

impl RateLimit {
    /// Handshakes per second.
    pub fn new(per_source: u32, altogether: u32, now: Instant) -> Self {
        let (per_source, altogether) = (f64::from(per_source), f64::from(altogether));
        Self { per_source, altogether, sources: AHashMap::new(), all: Bucket::full(altogether, now) }
    }

    /// Takes a token for a handshake, if there is one.
    pub fn admit(&mut self, source: IpAddr, now: Instant) -> bool {
        let (rate, key) = (self.per_source, prefix(source));
        self.all.refill(self.altogether, now);
        if self.sources.len() >= MAX_SOURCES && !self.sources.contains_key(&key) {
            self.forget_idle(now);
        }
        let known = self.sources.len() < MAX_SOURCES || self.sources.contains_key(&key);
        if known {
            let bucket = self.sources.entry(key).or_insert_with(|| Bucket::full(rate, now));
            bucket.refill(rate, now);
            if bucket.tokens < 1.0 {
                return false;
            }
        }
        if self.all.tokens < 1.0 {
            return false;
        }
        self.all.tokens -= 1.0;
        if let Some(bucket) = self.sources.get_mut(&key) {
            bucket.tokens -= 1.0;
        }
        true
    }

    /// A bucket that is full again says nothing.
    fn forget_idle(&mut self, now: Instant) {
        let rate = self.per_source;
        self.sources.retain(|_, bucket| {
            bucket.refill(rate, now);
            bucket.tokens < rate * 2.0
        });
    }
}

/// One host has a whole IPv6 /64.
fn prefix(source: IpAddr) -> IpAddr {
    match source {
        IpAddr::V4(_) => source,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_source_and_all_sources_are_limited_and_recover() {
        let now = Instant::now();
        let mut limit = RateLimit::new(2, 5, now);
        let source = |n: u32| IpAddr::V4(Ipv4Addr::from(n));
        assert_eq!((0..10).filter(|_| limit.admit(source(1), now)).count(), 4);
        assert_eq!((0..10).filter(|n| limit.admit(source(100 + n), now)).count(), 6);
        let later = now + Duration::from_secs(1);
        assert_eq!((0..10).filter(|_| limit.admit(source(1), later)).count(), 2);
    }

    #[test]
    fn the_table_is_bounded_and_a_host_is_its_prefix() {
        let now = Instant::now();
        let mut limit = RateLimit::new(1, 1_000_000, now);
        for n in 0..20_000 {
            limit.admit(IpAddr::V4(Ipv4Addr::from(n)), now);
        }
        assert_eq!(limit.sources.len(), MAX_SOURCES);
        let later = now + Duration::from_secs(2);
        let host = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(limit.admit(host("2001:db8::1"), later) && limit.admit(host("2001:db8::2"), later));
        assert!(!limit.admit(host("2001:db8::3"), later));
        assert_eq!(limit.sources.len(), 1);
    }
}
