//! A party with an ICE agent of its own, on the simulated network of a [`Pair`].

use std::{
    net::{IpAddr, SocketAddr},
    time::Instant,
};

use rtpengine_core::{
    ice::{Agent, Credentials, IceClock, Output, Remote, Settings},
    io::{MediaEvent, Now},
    sdp::{
        self,
        security::{CandidateKind, Ice, MediaSecurity, media_security},
    },
    secure::KeySource,
};

use crate::pair::{Pair, Seen, audio_with};

/// Numbers that differ from phone to phone.
pub struct Numbers(u64);

impl KeySource for Numbers {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// The party.
pub struct Phone {
    pub agent: Agent,
    pub address: SocketAddr,
    pub selected: Vec<(u16, SocketAddr, SocketAddr)>,
    pub lite: bool,
    /// Nothing is sent or received.
    pub silent: bool,
    numbers: Numbers,
}

impl Phone {
    /// With sockets for these components from `address` upwards.
    pub fn new(seed: u64, address: &str, offerer: bool, lite: bool, components: &[u16]) -> Self {
        let mut numbers = Numbers(seed);
        let address: SocketAddr = address.parse().unwrap();
        let settings = Settings {
            credentials: Credentials::generate(&mut numbers),
            lite,
            offerer,
            software: "phone".into(),
            tie_breaker: seed,
            clock: IceClock::new(Instant::now(), Now { mono_us: 5_000_000, unix_us: 0 }),
        };
        let mut agent = Agent::new(settings, components);
        for component in components {
            let base = SocketAddr::new(address.ip(), address.port() + component - 1);
            agent.add_local(*component, base, base.ip());
        }
        Self { agent, address, selected: Vec::new(), lite, silent: false, numbers }
    }

    /// Its ICE lines.
    pub fn lines(&self) -> String {
        let mut lines = self.credentials();
        for local in self.agent.local_candidates() {
            lines += &format!("a=candidate:{}\r\n", local.sdp(CandidateKind::Host));
        }
        lines
    }

    /// Those without candidates.
    pub fn credentials(&self) -> String {
        let credentials = self.agent.credentials();
        format!("a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", credentials.ufrag(), credentials.password())
    }

    /// Its body, with further lines.
    pub fn body(&self, lines: &str) -> String {
        let body = audio_with(&self.address.ip().to_string(), self.address.port(), &(self.lines() + lines));
        if self.lite { body.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n") } else { body }
    }

    /// Starts anew with other credentials.
    pub fn restart(&mut self) {
        self.agent.restart(Credentials::generate(&mut self.numbers));
        self.selected.clear();
    }

    /// Takes over what it is told.
    pub fn hear(&mut self, now: Now, seen: &Seen) {
        with_ice(seen, |ice| {
            let remote = Remote::of(ice).expect("a body with ICE");
            self.agent.set_remote(now, &remote);
        });
    }

    fn owns(&self, address: SocketAddr) -> bool {
        self.agent.local_candidates().iter().any(|local| local.base == address)
    }

    pub fn way(&self) -> Option<SocketAddr> {
        self.agent.selected(1).map(|(_, remote)| remote)
    }
}

/// The security attributes of the first m-line.
pub fn security<T>(seen: &Seen, look: impl FnOnce(&MediaSecurity<'_>) -> T) -> T {
    let session = sdp::parse(seen.text.as_bytes(), sdp::ParseOptions::default()).unwrap();
    look(&media_security(&session, &session.medias[0]))
}

/// The ICE attributes of the first m-line.
pub fn with_ice<T>(seen: &Seen, look: impl FnOnce(&Ice<'_>) -> T) -> T {
    security(seen, |security| look(&security.ice))
}

/// Lets the time pass in which checks are made, until `until` or for as many seconds.
pub fn run(
    pair: &mut Pair,
    phones: &mut [&mut Phone],
    seconds: u64,
    until: impl Fn(&Pair, &[&mut Phone]) -> bool,
) -> bool {
    let end = pair.now.mono_us + seconds * 1_000_000;
    loop {
        while exchange(pair, phones) {}
        if until(pair, phones) {
            return true;
        }
        let timers = phones.iter_mut().filter_map(|phone| phone.agent.next_timeout());
        let next = timers.chain(pair.engine.next_timeout()).min().unwrap_or(end).max(pair.now.mono_us + 100);
        if next >= end {
            return false;
        }
        pair.now.unix_us += next - pair.now.mono_us;
        pair.now.mono_us = next;
        pair.engine.handle_timers(pair.now);
        pair.flush();
        for phone in phones.iter_mut() {
            phone.agent.handle_timeout(pair.now);
        }
    }
}

/// Delivers what is under way. `false`: nothing was.
fn exchange(pair: &mut Pair, phones: &mut [&mut Phone]) -> bool {
    let mut moved = false;
    for (from, to, bytes) in std::mem::take(&mut pair.plane.sent) {
        for phone in phones.iter_mut().filter(|phone| phone.owns(to) && !phone.silent) {
            moved = true;
            phone.agent.handle_datagram(pair.now, to, advertised(from), &bytes);
        }
    }
    for phone in phones {
        while let Some(output) = phone.agent.poll() {
            match output {
                Output::Transmit { from, to, bytes } if !phone.silent => {
                    let found = pair.plane.open.values().find(|open| advertised(open.local) == to);
                    if let Some(stream) = found.map(|open| open.stream) {
                        moved = true;
                        pair.engine.event(pair.now, MediaEvent::Stun { stream, source: from, bytes });
                        pair.flush();
                    }
                }
                Output::Transmit { .. } | Output::Failed { .. } => {}
                Output::Selected { component, local, remote } => {
                    phone.selected.push((component, local, remote))
                }
            }
        }
    }
    moved
}

/// What the address translation in front of `bar` makes of its addresses.
fn advertised(address: SocketAddr) -> SocketAddr {
    if address.ip() == IpAddr::from([10, 9, 0, 2]) {
        SocketAddr::new([10, 9, 8, 7].into(), address.port())
    } else {
        address
    }
}

/// Lets them find their ways; fails where they do not.
pub fn connect(pair: &mut Pair, phones: &mut [&mut Phone]) {
    let done = run(pair, phones, 30, |_, phones| {
        phones.iter().all(|phone| phone.agent.is_connected() && phone.way().is_some())
    });
    assert!(done, "no connection within half a minute");
    // The other side may hear of the nomination with a later check.
    let chosen = run(pair, phones, 10, |pair, phones| {
        phones.iter().all(|phone| {
            pair.plane.relay.values().any(|relay| relay.ice_chosen && relay.endpoint == Some(phone.address))
        })
    });
    assert!(chosen, "no way was chosen");
    run(pair, phones, 1, |_, _| false);
}
