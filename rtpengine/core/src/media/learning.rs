//! Where a party really is: the endpoint learning algorithms of `--endpoint-learning`, `strict source` and `media handover`.
//!
//! A tracker starts from the signalled address. Until it settles, packets to the party already go to the
//! best source seen so far, so that a party behind NAT hears something during the learning delay; only the
//! settled address is reported and only then do the source policies bite.

use std::net::SocketAddr;

use crate::io::{Learning, Reason, RelayStream, SourcePolicy};

/// How long `delayed` and `heuristic` wait before they commit, counted from the stream's first packet, microseconds.
pub const LEARNING_DELAY_US: u64 = 3_000_000;

/// Least time between two moves of a settled endpoint by `media handover`, microseconds: late packets of the
/// old source do not bounce the endpoint back, and a flood from many sources costs ten events a second at most.
pub const HANDOVER_INTERVAL_US: u64 = 100_000;

/// What happens to a packet, judged by its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Forward it.
    Accept,
    /// Drop and count it.
    Drop(Reason),
    /// Forward it; the endpoint is this from now on, and core is to hear about it.
    Settle(SocketAddr),
}

/// How well a source fits the signalled address, best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Other,
    SamePort,
    SameAddress,
    Exact,
}

/// The endpoint of one socket's party.
#[derive(Clone, Debug)]
pub struct EndpointTracker {
    epoch: u32,
    learning: Learning,
    policy: SourcePolicy,
    signalled: Option<SocketAddr>,
    current: Option<SocketAddr>,
    settled: bool,
    first_packet_us: Option<u64>,
    best: Option<Rank>,
    last_handover_us: Option<u64>,
}

impl EndpointTracker {
    /// A tracker for a freshly configured stream.
    #[must_use]
    pub fn new(config: &RelayStream) -> Self {
        Self {
            epoch: config.epoch,
            learning: config.learning,
            policy: config.source_policy,
            signalled: config.endpoint,
            current: config.endpoint,
            settled: config.endpoint_settled && config.endpoint.is_some(),
            first_packet_us: None,
            best: None,
            last_handover_us: None,
        }
    }

    /// Takes over new settings. What was learned stays, unless a new epoch begins or learning is switched off.
    pub fn reconfigure(&mut self, config: &RelayStream) {
        let learning_ended = config.learning == Learning::Off && self.learning != Learning::Off;
        if config.epoch != self.epoch || (learning_ended && config.endpoint != self.current) {
            *self = Self::new(config);
            return;
        }
        self.learning = config.learning;
        self.policy = config.source_policy;
        self.signalled = config.endpoint;
        if config.endpoint_settled && !self.settled && config.endpoint.is_some() {
            self.current = config.endpoint;
            self.settled = true;
        }
    }

    /// Where packets to the party go now; `None` as long as nobody knows.
    #[must_use]
    pub fn endpoint(&self) -> Option<SocketAddr> {
        self.current
    }

    /// Whether `source` is the party's address as far as it is known.
    #[must_use]
    pub fn is_endpoint(&self, source: SocketAddr) -> bool {
        self.current.is_some_and(|endpoint| same(endpoint, source))
    }

    /// The epoch of the settings in force.
    #[must_use]
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Whether learning is over.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.settled
    }

    /// Judges a packet by its source. `now_us` is monotonic.
    pub fn packet(&mut self, now_us: u64, source: SocketAddr) -> Verdict {
        let matches = self.is_endpoint(source);
        if self.settled {
            return if matches { Verdict::Accept } else { self.foreign(now_us, source) };
        }
        match self.learning {
            Learning::Off => self.confirm(matches),
            Learning::Immediate => self.settle(source),
            Learning::Delayed => {
                if self.delay_over(now_us) {
                    return self.settle(source);
                }
                self.current = Some(source);
                Verdict::Accept
            }
            Learning::Heuristic => {
                let over = self.delay_over(now_us);
                let rank = self.rank(source);
                // Among equals the latest source wins, as with `delayed`.
                if self.best.is_none_or(|best| rank >= best) {
                    self.best = Some(rank);
                    self.current = Some(source);
                }
                match (over, self.current) {
                    (true, Some(best)) => self.settle(best),
                    (true, None) | (false, _) => Verdict::Accept,
                }
            }
        }
    }

    /// A packet from elsewhere on a settled stream.
    fn foreign(&mut self, now_us: u64, source: SocketAddr) -> Verdict {
        match self.policy {
            SourcePolicy::Accept => Verdict::Accept,
            SourcePolicy::Strict => Verdict::Drop(Reason::SourceDrop),
            SourcePolicy::Handover => {
                let recent = self
                    .last_handover_us
                    .is_some_and(|last| now_us.saturating_sub(last) < HANDOVER_INTERVAL_US);
                // Without learning (`asymmetric`) the party may send from anywhere and still wants its media where it said.
                if recent || self.learning == Learning::Off {
                    return Verdict::Accept;
                }
                self.last_handover_us = Some(now_us);
                self.settle(source)
            }
        }
    }

    /// Without learning the signalled endpoint is final; the first packet that may pass confirms the stream is alive.
    fn confirm(&mut self, matches: bool) -> Verdict {
        if self.policy == SourcePolicy::Strict && !matches {
            return Verdict::Drop(Reason::SourceDrop);
        }
        match self.current {
            Some(endpoint) => self.settle(endpoint),
            None => Verdict::Accept,
        }
    }

    fn settle(&mut self, endpoint: SocketAddr) -> Verdict {
        self.current = Some(endpoint);
        self.settled = true;
        Verdict::Settle(endpoint)
    }

    fn delay_over(&mut self, now_us: u64) -> bool {
        let first = *self.first_packet_us.get_or_insert(now_us);
        now_us.saturating_sub(first) >= LEARNING_DELAY_US
    }

    fn rank(&self, source: SocketAddr) -> Rank {
        let Some(signalled) = self.signalled else { return Rank::Other };
        match (signalled.ip() == source.ip(), signalled.port() == source.port()) {
            (true, true) => Rank::Exact,
            (true, false) => Rank::SameAddress,
            (false, true) => Rank::SamePort,
            (false, false) => Rank::Other,
        }
    }
}

/// Flow label and scope of an IPv6 source are not part of the party's identity.
fn same(a: SocketAddr, b: SocketAddr) -> bool {
    a.ip() == b.ip() && a.port() == b.port()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::Component;

    fn address(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    fn config(learning: Learning, policy: SourcePolicy) -> RelayStream {
        RelayStream {
            component: Component::Rtp,
            endpoint: Some(address(1, 1000)),
            endpoint_settled: false,
            epoch: 0,
            learning,
            source_policy: policy,
            sinks: Default::default(),
            rtcp_sinks: Default::default(),
            bundle: None,
            discard: None,
            keyring: crate::io::StreamId(1),
            handling: Default::default(),
            filter: None,
            copies: None,
            receive_crypto: None,
            transmit_crypto: None,
            ice: Default::default(),
            ice_chosen: false,
            vouched: Default::default(),
            awaits_keys: false,
            passes_dtls: false,
            rtcp: Default::default(),
            tos: None,
            clock_rates: Default::default(),
            call: "test".into(),
        }
    }

    #[test]
    fn delayed_follows_and_then_commits_to_the_first_source_after_three_seconds() {
        let mut tracker = EndpointTracker::new(&config(Learning::Delayed, SourcePolicy::Strict));
        assert_eq!(tracker.packet(10, address(2, 2000)), Verdict::Accept);
        assert_eq!(tracker.endpoint(), Some(address(2, 2000)));
        assert_eq!(tracker.packet(10 + LEARNING_DELAY_US - 1, address(3, 3000)), Verdict::Accept);
        assert_eq!(
            tracker.packet(10 + LEARNING_DELAY_US, address(4, 4000)),
            Verdict::Settle(address(4, 4000))
        );
        assert_eq!(tracker.packet(4_000_000, address(2, 2000)), Verdict::Drop(Reason::SourceDrop));
        assert_eq!(tracker.packet(4_000_000, address(4, 4000)), Verdict::Accept);
    }

    #[test]
    fn immediate_commits_to_the_first_source() {
        let mut tracker = EndpointTracker::new(&config(Learning::Immediate, SourcePolicy::Accept));
        assert_eq!(tracker.packet(0, address(2, 2000)), Verdict::Settle(address(2, 2000)));
        assert_eq!(tracker.packet(1, address(3, 3000)), Verdict::Accept);
        assert_eq!(tracker.endpoint(), Some(address(2, 2000)));
    }

    #[test]
    fn off_keeps_the_signalled_address_and_confirms_it_once() {
        let mut tracker = EndpointTracker::new(&config(Learning::Off, SourcePolicy::Handover));
        assert_eq!(tracker.packet(0, address(2, 2000)), Verdict::Settle(address(1, 1000)));
        assert_eq!(tracker.packet(9_000_000, address(2, 2000)), Verdict::Accept);
        assert_eq!(tracker.endpoint(), Some(address(1, 1000)));
    }

    #[test]
    fn off_with_strict_source_refuses_strangers_from_the_first_packet() {
        let mut tracker = EndpointTracker::new(&config(Learning::Off, SourcePolicy::Strict));
        assert_eq!(tracker.packet(0, address(2, 2000)), Verdict::Drop(Reason::SourceDrop));
        assert_eq!(tracker.packet(1, address(1, 1000)), Verdict::Settle(address(1, 1000)));
    }

    #[test]
    fn heuristic_prefers_exact_then_address_then_port_then_any() {
        let ranked = [address(9, 9000), address(9, 1000), address(1, 9000), address(1, 1000)];
        for best in 0..ranked.len() {
            let mut tracker = EndpointTracker::new(&config(Learning::Heuristic, SourcePolicy::Accept));
            for source in ranked[..=best].iter().rev() {
                assert_eq!(tracker.packet(0, *source), Verdict::Accept);
                assert_eq!(tracker.endpoint(), Some(ranked[best]));
            }
            assert_eq!(tracker.packet(LEARNING_DELAY_US, ranked[0]), Verdict::Settle(ranked[best]));
        }
    }

    #[test]
    fn handover_moves_a_settled_endpoint_but_not_back_and_forth() {
        let mut tracker = EndpointTracker::new(&config(Learning::Immediate, SourcePolicy::Handover));
        tracker.packet(0, address(2, 2000));
        assert_eq!(tracker.packet(1, address(3, 3000)), Verdict::Settle(address(3, 3000)));
        assert_eq!(tracker.packet(2, address(2, 2000)), Verdict::Accept);
        assert_eq!(tracker.endpoint(), Some(address(3, 3000)));
        assert_eq!(
            tracker.packet(1 + HANDOVER_INTERVAL_US, address(2, 2000)),
            Verdict::Settle(address(2, 2000))
        );
    }

    #[test]
    fn repeated_settings_keep_what_was_learned_and_a_new_epoch_restarts() {
        let mut settings = config(Learning::Delayed, SourcePolicy::Accept);
        let mut tracker = EndpointTracker::new(&settings);
        tracker.packet(0, address(2, 2000));
        tracker.packet(LEARNING_DELAY_US, address(2, 2000));
        tracker.reconfigure(&settings);
        assert!(tracker.settled());
        settings.endpoint = Some(address(2, 2000));
        settings.endpoint_settled = true;
        tracker.reconfigure(&settings);
        assert_eq!((tracker.settled(), tracker.endpoint()), (true, Some(address(2, 2000))));
        settings.endpoint = Some(address(5, 5000));
        settings.endpoint_settled = false;
        settings.epoch = 1;
        tracker.reconfigure(&settings);
        assert_eq!((tracker.epoch(), tracker.settled()), (1, false));
        assert_eq!(tracker.endpoint(), Some(address(5, 5000)));
        assert_eq!(tracker.packet(9_000_000, address(6, 6000)), Verdict::Accept);
    }

    #[test]
    fn a_new_epoch_with_the_address_in_use_is_reported_again() {
        let mut settings = config(Learning::Immediate, SourcePolicy::Accept);
        let mut tracker = EndpointTracker::new(&settings);
        assert_eq!(tracker.packet(0, address(2, 2000)), Verdict::Settle(address(2, 2000)));
        settings.endpoint = Some(address(2, 2000));
        settings.epoch = 1;
        tracker.reconfigure(&settings);
        assert_eq!(tracker.packet(1, address(2, 2000)), Verdict::Settle(address(2, 2000)));
    }

    #[test]
    fn settled_by_signalling_needs_no_learning_and_no_report() {
        let mut settings = config(Learning::Delayed, SourcePolicy::Strict);
        settings.endpoint_settled = true;
        let mut tracker = EndpointTracker::new(&settings);
        assert_eq!(tracker.packet(0, address(1, 1000)), Verdict::Accept);
        assert_eq!(tracker.packet(0, address(2, 1000)), Verdict::Drop(Reason::SourceDrop));
    }

    #[test]
    fn a_late_offer_is_learned_from_packets() {
        let mut settings = config(Learning::Immediate, SourcePolicy::Accept);
        settings.endpoint = None;
        let mut tracker = EndpointTracker::new(&settings);
        assert_eq!(tracker.endpoint(), None);
        assert_eq!(tracker.packet(0, address(2, 2000)), Verdict::Settle(address(2, 2000)));
    }

    proptest! {
        #[test]
        fn settles_once_and_strict_source_forwards_only_the_endpoint(
            algorithm in prop::sample::select(vec![Learning::Delayed, Learning::Immediate, Learning::Off, Learning::Heuristic]),
            packets in prop::collection::vec((0u64..2_000_000, 1u8..4, 1000u16..1003), 1..60),
        ) {
            let mut tracker = EndpointTracker::new(&config(algorithm, SourcePolicy::Strict));
            let mut now = 0;
            let mut settled = None;
            for (gap, host, port) in packets {
                now += gap;
                let source = address(host, port);
                match tracker.packet(now, source) {
                    Verdict::Settle(endpoint) => {
                        prop_assert!(settled.is_none());
                        settled = Some(endpoint);
                    }
                    Verdict::Accept => prop_assert!(settled.is_none_or(|endpoint| endpoint == source)),
                    Verdict::Drop(reason) => {
                        prop_assert_eq!(reason, Reason::SourceDrop);
                        prop_assert!(settled.is_none_or(|endpoint| endpoint != source));
                    }
                }
                prop_assert_eq!(tracker.settled(), settled.is_some());
                if let Some(endpoint) = settled {
                    prop_assert_eq!(tracker.endpoint(), Some(endpoint));
                }
            }
        }
    }
}
