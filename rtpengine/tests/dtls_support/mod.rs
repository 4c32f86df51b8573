//! Two engines and a network between them that can lose, repeat and reorder.
#![allow(dead_code, reason = "each test file uses a part of the helpers")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests: a failed expectation is a failed test"
)]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rtpengine::dtls::{
    Association, CertCipher, CertificateOptions, DtlsOptions, Engine, Event, Fingerprint, HashFunction,
    Identity, Limits, PROFILES, Role, SrtpKeys, Transmit,
};
use rtpengine_core::io::{DtlsRoute, StreamId};

/// The stream all tests use unless they say otherwise.
pub const STREAM: StreamId = StreamId(7);
/// OpenSSL's timers take real time; nothing takes longer than this.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// By the socket that has the name of its stream.
pub fn route(socket: StreamId, peer: SocketAddr) -> DtlsRoute {
    DtlsRoute { socket, peer }
}

pub fn unix_seconds() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

pub fn identity() -> Arc<Identity> {
    Arc::new(Identity::generate(&DtlsOptions::default(), unix_seconds()).unwrap())
}

/// A certificate that needs many datagrams.
pub fn large_identity(mtu: u16) -> Arc<Identity> {
    let certificate =
        CertificateOptions { cipher: CertCipher::Rsa, rsa_bits: 4096, ..CertificateOptions::default() };
    let options = DtlsOptions { certificate, mtu, ..DtlsOptions::default() };
    Arc::new(Identity::generate(&options, unix_seconds()).unwrap())
}

pub fn sha256(identity: &Identity) -> Fingerprint {
    identity.fingerprint(HashFunction::Sha256).unwrap()
}

/// One party: an engine at an address.
pub struct Party {
    pub engine: Engine,
    pub identity: Arc<Identity>,
    pub address: SocketAddr,
    pub events: VecDeque<Event>,
}

impl Party {
    pub fn new(address: &str, identity: Arc<Identity>) -> Self {
        Self::with_limits(address, identity, Limits::default())
    }

    pub fn with_limits(address: &str, identity: Arc<Identity>, limits: Limits) -> Self {
        let engine = Engine::new(limits, Instant::now()).unwrap();
        Self { engine, identity, address: address.parse().unwrap(), events: VecDeque::new() }
    }

    pub fn association(&self, role: Role, peer: &Self) -> Association {
        Association {
            epoch: 1,
            role,
            identity: Arc::clone(&self.identity),
            remote: Some(route(STREAM, peer.address)),
            fingerprints: vec![sha256(&peer.identity)],
            profiles: PROFILES.to_vec(),
        }
    }

    pub fn open(&mut self, role: Role, peer: &Self) {
        let association = self.association(role, peer);
        self.engine.open(Instant::now(), STREAM, association);
    }

    pub fn receive(&mut self, source: SocketAddr, datagram: &[u8]) {
        self.engine.receive(Instant::now(), STREAM, route(STREAM, source), false, datagram);
    }

    /// What it wants sent, in order.
    pub fn outgoing(&mut self) -> Vec<Transmit> {
        let sent = std::iter::from_fn(|| self.engine.poll_transmit()).collect();
        self.events.extend(std::iter::from_fn(|| self.engine.poll_event()).map(|(_, _, event)| event));
        sent
    }

    /// The next event, which must bring keys.
    pub fn keys(&mut self) -> SrtpKeys {
        match self.events.pop_front() {
            Some(Event::KeysReady { keys, profile, .. }) => {
                assert_eq!((profile, profile), (keys.send.suite(), keys.receive.suite()));
                *keys
            }
            other => panic!("expected keys, not {other:?}"),
        }
    }
}

/// What the network does with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Deliver,
    Lose,
    Repeat,
    /// Behind all that are on their way.
    Delay,
}

/// An active and a passive party.
pub struct Pair {
    pub active: Party,
    pub passive: Party,
    wire: VecDeque<(SocketAddr, Transmit, bool)>,
    /// All datagrams in the order in which they were sent.
    pub sent: Vec<Transmit>,
}

impl Pair {
    /// Both sides know each other's SDP.
    pub fn new() -> Self {
        Self::with(identity(), identity())
    }

    pub fn with(active: Arc<Identity>, passive: Arc<Identity>) -> Self {
        let active = Party::new("192.0.2.1:4000", active);
        let passive = Party::new("192.0.2.2:5000", passive);
        Self { active, passive, wire: VecDeque::new(), sent: Vec::new() }
    }

    pub fn open(&mut self) {
        self.passive.open(Role::Passive, &self.active);
        self.active.open(Role::Active, &self.passive);
    }

    fn collect(&mut self, fate: &mut impl FnMut(usize, &Transmit) -> Fate) {
        for party in [&mut self.active, &mut self.passive] {
            for transmit in party.outgoing() {
                let what = fate(self.sent.len(), &transmit);
                self.sent.push(transmit.clone());
                match what {
                    Fate::Deliver => self.wire.push_back((party.address, transmit, false)),
                    Fate::Lose => {}
                    Fate::Repeat => {
                        self.wire.push_back((party.address, transmit.clone(), false));
                        self.wire.push_back((party.address, transmit, false));
                    }
                    Fate::Delay => self.wire.push_back((party.address, transmit, true)),
                }
            }
        }
    }

    fn deliver_next(&mut self) -> bool {
        let Some((source, transmit, delayed)) = self.wire.pop_front() else { return false };
        if delayed && !self.wire.is_empty() {
            self.wire.push_back((source, transmit, !self.wire.iter().all(|(_, _, delayed)| *delayed)));
            return true;
        }
        for party in [&mut self.active, &mut self.passive] {
            if party.address == transmit.destination {
                party.receive(source, &transmit.payload);
            }
        }
        true
    }

    /// Runs until nothing is on its way, without timers.
    pub fn settle(&mut self) {
        self.collect(&mut |_, _| Fate::Deliver);
        while self.deliver_next() {
            self.collect(&mut |_, _| Fate::Deliver);
        }
    }

    /// Runs with timers over a network until both sides have an event.
    pub fn run(&mut self, mut fate: impl FnMut(usize, &Transmit) -> Fate) {
        let start = Instant::now();
        loop {
            self.collect(&mut fate);
            if !self.active.events.is_empty() && !self.passive.events.is_empty() && self.wire.is_empty() {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "no event: {:?}", self.passive.engine.counters().snapshot());
            if !self.deliver_next() {
                let timeouts = [self.active.engine.next_timeout(), self.passive.engine.next_timeout()];
                let next = timeouts.into_iter().flatten().min().expect("somebody has something to repeat");
                thread::sleep(next.saturating_duration_since(Instant::now()));
                self.active.engine.handle_timeout(Instant::now());
                self.passive.engine.handle_timeout(Instant::now());
            }
        }
    }

    /// Both sides have keys, and what one sends with the other receives with.
    pub fn agreed(&mut self) -> SrtpKeys {
        let (active, passive) = (self.active.keys(), self.passive.keys());
        assert!(active.send == passive.receive && active.receive == passive.send);
        assert!(active.send != active.receive);
        active
    }
}

/// The next of a reproducible sequence of numbers (SplitMix64).
pub fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
