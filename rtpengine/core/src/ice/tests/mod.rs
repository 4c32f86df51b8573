//! Two agents and a network between them, in virtual time.

mod attacks;
mod connects;
mod roles;

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use super::*;
use crate::{
    io::Now,
    sdp::security::{Candidate, CandidateKind, IceOptions},
    secure::KeySource,
};

/// A fixed sequence of pseudo-random numbers (SplitMix64).
#[derive(Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

impl KeySource for Random {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            *byte = self.next() as u8;
        }
    }
}

pub(super) fn at(mono_us: u64) -> Now {
    Now { mono_us, unix_us: mono_us }
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

pub(super) fn settings(random: &mut Random, offerer: bool) -> Settings {
    Settings {
        credentials: Credentials::generate(random),
        lite: false,
        offerer,
        software: "rtpengine test".into(),
        tie_breaker: random.next(),
        clock: IceClock::new(Instant::now(), at(1_000_000)),
    }
}

/// One agent and what it has said.
pub(super) struct Peer {
    pub(super) agent: Agent,
    pub(super) selected: Vec<(u16, SocketAddr, SocketAddr)>,
    pub(super) failed: Vec<u16>,
    pub(super) sent: usize,
}

impl Peer {
    pub(super) fn new(settings: Settings, components: &[u16], addresses: &[&str]) -> Self {
        let mut agent = Agent::new(settings, components);
        for text in addresses {
            let base = address(text);
            for component in components {
                let base = SocketAddr::new(base.ip(), base.port() + component - 1);
                assert!(agent.add_local(*component, base, base.ip()));
            }
        }
        Self { agent, selected: Vec::new(), failed: Vec::new(), sent: 0 }
    }

    pub(super) fn candidates(&self) -> Vec<String> {
        self.agent.local_candidates().iter().map(|local| local.sdp(CandidateKind::Host).to_string()).collect()
    }
}

/// What one side tells the other.
pub(super) struct Signal {
    pub(super) lite: bool,
    pub(super) trickle: bool,
    pub(super) candidates: bool,
}

impl Default for Signal {
    fn default() -> Self {
        Self { lite: false, trickle: false, candidates: true }
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    due: u64,
    order: u64,
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

/// Two peers and the datagrams between them.
pub(super) struct Net {
    pub(super) peers: [Peer; 2],
    pub(super) now: u64,
    pub(super) random: Random,
    /// Percent of datagrams lost.
    pub(super) loss: u64,
    /// Delay of a datagram, microseconds, drawn evenly: reordering where it is wide.
    pub(super) delay: (u64, u64),
    /// Addresses that can be reached from nowhere.
    pub(super) dead: Vec<IpAddr>,
    flying: BinaryHeap<Reverse<Datagram>>,
    order: u64,
}

impl Net {
    pub(super) fn new(one: Peer, two: Peer) -> Self {
        Self {
            peers: [one, two],
            now: 1_000_000,
            random: Random(1),
            loss: 0,
            delay: (10_000, 10_000),
            dead: Vec::new(),
            flying: BinaryHeap::new(),
            order: 0,
        }
    }

    /// `from` tells the other side its credentials and candidates.
    pub(super) fn signal(&mut self, from: usize, signal: &Signal) {
        let credentials = self.peers[from].agent.credentials().clone();
        let texts = if signal.candidates { self.peers[from].candidates() } else { Vec::new() };
        let candidates: Vec<_> = texts.iter().map(|text| Candidate::parse(text).unwrap()).collect();
        let remote =
            Remote { credentials, lite: signal.lite, trickle: signal.trickle, candidates: &candidates };
        let now = at(self.now);
        self.peers[1 - from].agent.set_remote(now, &remote);
        self.collect();
    }

    pub(super) fn signal_both(&mut self) {
        self.signal(0, &Signal::default());
        self.signal(1, &Signal::default());
    }

    fn collect(&mut self) {
        for peer in 0..2 {
            while let Some(output) = self.peers[peer].agent.poll() {
                match output {
                    Output::Transmit { from, to, bytes } => self.send(peer, from, to, bytes),
                    Output::Selected { component, local, remote } => {
                        self.peers[peer].selected.push((component, local, remote));
                    }
                    Output::Failed { component } => self.peers[peer].failed.push(component),
                }
            }
        }
    }

    fn send(&mut self, peer: usize, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        self.peers[peer].sent += 1;
        let (least, most) = self.delay;
        let due = self.now + least + self.random.below(most - least + 1);
        if self.random.below(100) >= self.loss
            && !self.dead.contains(&from.ip())
            && !self.dead.contains(&to.ip())
        {
            self.order += 1;
            self.flying.push(Reverse(Datagram { due, order: self.order, from, to, bytes }));
        }
    }

    /// Handles whatever comes next, at most until `until`. `false`: nothing does.
    fn step(&mut self, until: u64) -> bool {
        let datagram = self.flying.peek().map(|Reverse(datagram)| datagram.due);
        let timers = [0, 1].map(|peer: usize| self.peers[peer].agent.next_timeout());
        let next = datagram.into_iter().chain(timers.into_iter().flatten()).min();
        let Some(next) = next.filter(|next| *next <= until) else {
            self.now = until;
            return false;
        };
        self.now = self.now.max(next);
        let now = at(self.now);
        if datagram == Some(next) {
            let Some(Reverse(found)) = self.flying.pop() else { return false };
            for peer in &mut self.peers {
                let is_mine = peer.agent.local_candidates().iter().any(|local| local.base == found.to);
                if is_mine {
                    peer.agent.handle_datagram(now, found.to, found.from, &found.bytes);
                }
            }
        }
        for (peer, timer) in self.peers.iter_mut().zip(timers) {
            if timer.is_some_and(|timer| timer <= self.now) {
                peer.agent.handle_timeout(now);
            }
        }
        self.collect();
        true
    }

    /// Lets `seconds` pass.
    pub(super) fn run(&mut self, seconds: u64) {
        let until = self.now + seconds * 1_000_000;
        while self.step(until) {}
    }

    /// Lets time pass until both are connected; fails after a virtual minute.
    pub(super) fn connect(&mut self) {
        let until = self.now + 60_000_000;
        while !self.peers.iter().all(|peer| peer.agent.is_connected()) {
            assert!(self.step(until), "no connection within a minute");
        }
    }
}

pub(super) fn two_hosts(components: &[u16]) -> Net {
    let mut random = Random(7);
    let one = Peer::new(settings(&mut random, true), components, &["192.0.2.1:4000"]);
    let two = Peer::new(settings(&mut random, false), components, &["198.51.100.1:6000"]);
    Net::new(one, two)
}
