//! ICE for one m-line.

use std::{
    collections::VecDeque,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use smallvec::SmallVec;

use super::{
    candidate::LocalCandidate,
    clock::IceClock,
    component::{Component, Counters},
    credentials::Credentials,
};
use crate::{
    io::Now,
    sdp::security::{Candidate, Ice},
};

/// How long a peer without any candidate may stay silent after it said that none will follow, microseconds. Twice the
/// time in which a check is given up.
const SILENCE_US: u64 = 40_000_000;

/// What an agent is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Our side's credentials.
    pub credentials: Credentials,
    /// We are a lite agent towards this peer (`ICE-lite`): checks are answered, not made.
    pub lite: bool,
    /// We made the offer.
    pub offerer: bool,
    /// `--software-id`; empty: checks carry no SOFTWARE.
    pub software: Arc<str>,
    /// Random, the same for all components (RFC 8445 §7.1.3).
    pub tie_breaker: u64,
    /// Time.
    pub clock: IceClock,
}

/// What a peer signalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote<'a> {
    /// Its credentials.
    pub credentials: Credentials,
    /// It is a lite agent.
    pub lite: bool,
    /// It may send more candidates later (RFC 8840).
    pub trickle: bool,
    /// Its candidates so far.
    pub candidates: &'a [Candidate<'a>],
}

impl<'a> Remote<'a> {
    /// Reads it off a media section. `None` where the section has no ICE.
    #[must_use]
    pub fn of<'s: 'a>(ice: &'a Ice<'s>) -> Option<Self> {
        let (ufrag, password) = ice.credentials()?;
        Some(Self {
            credentials: Credentials::new(ufrag, password)?,
            lite: ice.lite,
            trickle: ice.options.trickle && !ice.end_of_candidates,
            candidates: &ice.candidates,
        })
    }
}

/// Whether our side has the controlling role at first (RFC 8445 §6.1.1): the offerer, and whoever faces a lite agent.
#[must_use]
pub const fn we_control(offerer: bool, we_are_lite: bool, peer_is_lite: bool) -> bool {
    if we_are_lite == peer_is_lite { offerer } else { peer_is_lite }
}

/// What comes out of an agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this from the socket bound to `from`.
    Transmit {
        /// Our address.
        from: SocketAddr,
        /// The peer's.
        to: SocketAddr,
        /// A STUN message.
        bytes: Vec<u8>,
    },
    /// Media of the component goes this way from now on.
    Selected {
        /// 1 = RTP, 2 = RTCP.
        component: u16,
        /// The socket.
        local: SocketAddr,
        /// The peer's address.
        remote: SocketAddr,
    },
    /// Every pair failed, or the peer stopped answering: nothing may be sent any more (RFC 7675 §5.1). A later
    /// [`Output::Selected`] revives the component.
    Failed {
        /// 1 = RTP, 2 = RTCP.
        component: u16,
    },
}

/// The ICE agent of one m-line towards one peer.
#[derive(Debug)]
pub struct Agent {
    settings: Settings,
    components: SmallVec<[Component; 2]>,
    locals: Vec<LocalCandidate>,
    remote: Option<Credentials>,
    remote_lite: bool,
    /// When the peer's list of candidates was complete, microseconds of the monotonic clock.
    complete_since: Option<u64>,
    out: VecDeque<Output>,
}

impl Agent {
    /// An agent for these components: `[1]` with rtcp-mux, else `[1, 2]`.
    #[must_use]
    pub fn new(settings: Settings, components: &[u16]) -> Self {
        let components = components.iter().map(|id| Component::new(*id, &settings)).collect();
        Self {
            settings,
            components,
            locals: Vec::new(),
            remote: None,
            remote_lite: false,
            complete_since: None,
            out: VecDeque::new(),
        }
    }

    /// Our credentials, for the SDP.
    #[must_use]
    pub const fn credentials(&self) -> &Credentials {
        &self.settings.credentials
    }

    /// Adds a socket, best address first. `false`: there are enough.
    pub fn add_local(&mut self, component: u16, base: SocketAddr, advertised: IpAddr) -> bool {
        let Some(found) = self.components.iter_mut().find(|found| found.id == component) else {
            return false;
        };
        let Some(local) = LocalCandidate::next(&self.locals, component, base, advertised) else {
            return false;
        };
        found.add_local(&local);
        self.locals.push(local);
        true
    }

    /// Gives components up, once rtcp-mux is agreed on: those not named.
    pub fn keep_components(&mut self, kept: &[u16]) {
        self.components.retain(|component| kept.contains(&component.id));
        self.locals.retain(|local| kept.contains(&local.component));
    }

    /// Our candidates, for the SDP.
    #[must_use]
    pub fn local_candidates(&self) -> &[LocalCandidate] {
        &self.locals
    }

    /// Whether these credentials start ICE anew (RFC 8839 §4.4.1.1.1): call [`Agent::restart`] before
    /// [`Agent::set_remote`] then.
    #[must_use]
    pub fn is_restart(&self, credentials: &Credentials) -> bool {
        self.remote.as_ref().is_some_and(|known| known != credentials)
    }

    /// Takes over what the peer signalled.
    pub fn set_remote(&mut self, now: Now, remote: &Remote<'_>) {
        let first = self.remote.is_none();
        self.remote = Some(remote.credentials.clone());
        self.remote_lite = remote.lite;
        let controls = we_control(self.settings.offerer, self.settings.lite, remote.lite);
        for component in &mut self.components {
            if first {
                component.set_controlling(controls);
            }
            component.set_remote_credentials(&remote.credentials);
        }
        for candidate in remote.candidates {
            self.add_remote(now, candidate);
        }
        if !remote.trickle {
            self.end_of_candidates(now);
        }
        self.handle_timeout(now);
    }

    /// Takes one more candidate of the peer over. `false`: it cannot be checked, or has other credentials.
    pub fn add_remote(&mut self, now: Now, candidate: &Candidate<'_>) -> bool {
        let current = self.remote.as_ref().map(Credentials::ufrag);
        if candidate.ufrag.is_some_and(|ufrag| current.is_some_and(|current| current != ufrag)) {
            return false;
        }
        let lite = self.settings.lite && self.remote_lite;
        let Some(component) = self.components.iter_mut().find(|found| found.id == candidate.component) else {
            return false;
        };
        let added = component.add_remote(candidate);
        if added && lite {
            self.choose_unchecked(candidate);
        }
        self.collect(now);
        added
    }

    /// Two lite agents check nothing: the first candidate of the family that our best address has is used.
    fn choose_unchecked(&mut self, candidate: &Candidate<'_>) {
        let Some(remote) = candidate.udp_address() else { return };
        let fits = |local: &&LocalCandidate| {
            local.component == candidate.component && local.base.is_ipv4() == remote.is_ipv4()
        };
        let Some(local) = self.locals.iter().find(fits) else { return };
        let component = self.components.iter_mut().find(|found| found.id == candidate.component);
        if let Some(component) = component.filter(|component| component.selected.is_none()) {
            component.select_unchecked((local.base, remote), &mut self.out);
        }
    }

    /// The peer has no more candidates (`a=end-of-candidates`, or it does not trickle).
    pub fn end_of_candidates(&mut self, now: Now) {
        self.complete_since.get_or_insert(now.mono_us);
        self.collect(now);
    }

    /// Starts anew with other credentials of ours. Media goes on the old way until a new one is found.
    pub fn restart(&mut self, credentials: Credentials) {
        for component in &mut self.components {
            component.restart(&credentials);
        }
        self.settings.credentials = credentials;
        self.remote = None;
        self.complete_since = None;
    }

    /// A datagram that arrived on one of our sockets. `false`: no authentic STUN message of this session.
    pub fn handle_datagram(&mut self, now: Now, local: SocketAddr, source: SocketAddr, bytes: &[u8]) -> bool {
        let Some(id) = self.locals.iter().find(|own| own.base == local).map(|own| own.component) else {
            return false;
        };
        let instant = self.settings.clock.instant(now);
        let Some(component) = self.components.iter_mut().find(|found| found.id == id) else { return false };
        let accepted = component.datagram(instant, local, source, bytes);
        if accepted {
            self.collect(now);
        }
        accepted
    }

    /// The time of [`Agent::next_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Now) {
        let instant = self.settings.clock.instant(now);
        for component in &mut self.components {
            component.timeout(instant);
        }
        self.collect(now);
    }

    /// When to call [`Agent::handle_timeout`] next, microseconds of the monotonic clock. `None`: not before the peer has
    /// signalled.
    pub fn next_timeout(&mut self) -> Option<u64> {
        self.remote.as_ref()?;
        let clock = self.settings.clock;
        let checks = self.components.iter_mut().filter_map(Component::next_timeout).min();
        let silence = self.complete_since.map(|since| since + SILENCE_US).filter(|_| {
            self.components.iter().any(|component| !component.has_remotes() && !component.failed)
        });
        checks.map(|instant| clock.mono_us(instant)).into_iter().chain(silence).min()
    }

    /// The next thing to do; call until it yields nothing.
    pub fn poll(&mut self) -> Option<Output> {
        self.out.pop_front()
    }

    /// The way a component's media goes: our address and the peer's.
    #[must_use]
    pub fn selected(&self, component: u16) -> Option<(SocketAddr, SocketAddr)> {
        self.components.iter().find(|found| found.id == component)?.selected
    }

    /// Where authentic requests have come from to this address of ours, those heard of last at the end.
    pub fn heard(&self, local: SocketAddr) -> impl Iterator<Item = SocketAddr> {
        let ways = self.components.iter().flat_map(|component| &component.heard);
        ways.filter(move |(own, _)| *own == local).map(|(_, peer)| *peer)
    }

    /// Whether every component has a working pair.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.components.iter().all(|component| {
            if self.settings.lite && self.remote_lite {
                component.selected.is_some()
            } else {
                component.connected()
            }
        })
    }

    /// Whether our side has the controlling role.
    #[must_use]
    pub fn controls(&self) -> bool {
        self.components.iter().any(Component::controlling)
    }

    /// What became of the datagrams, all components together.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.components.iter().fold(Counters::default(), |sum, component| Counters {
            accepted: sum.accepted + component.counters.accepted,
            malformed: sum.malformed + component.counters.malformed,
            refused: sum.refused + component.counters.refused,
            limited: sum.limited + component.counters.limited,
        })
    }

    fn collect(&mut self, now: Now) {
        let unchecked = self.settings.lite && self.remote_lite;
        for component in &mut self.components {
            component.drain(&self.settings, self.remote.as_ref(), &mut self.out);
            if unchecked || component.failed || component.connected() || self.remote.is_none() {
                continue;
            }
            // While candidates may follow, having no pair left is no failure (RFC 8838 §8.2).
            let lost =
                component.disconnected() && (self.complete_since.is_some() || component.selected.is_some());
            let silent = !component.has_remotes()
                && self.complete_since.is_some_and(|since| now.mono_us >= since + SILENCE_US);
            if lost || silent {
                component.failed = true;
                component.selected = None;
                self.out.push_back(Output::Failed { component: component.id });
            }
        }
    }
}
