//! One component of an m-line: a set of sockets and the checks on them.

use std::{collections::VecDeque, fmt, net::SocketAddr, time::Instant};

use is::{
    Candidate, CandidateKind, IceAgent, IceAgentEvent, IceConnectionState, Protocol,
    stun::{StunMessage, StunPacket},
};
use smallvec::SmallVec;

use super::{
    agent::{Output, Settings},
    candidate::LocalCandidate,
    credentials::Credentials,
    software,
};
use crate::sdp::security;

/// Most addresses of a peer that are remembered per component, signalled and learned from its checks. A peer behind a
/// NAT shows a few besides the 64 candidates that are read from SDP.
pub const MAX_REMOTE_ADDRESSES: usize = 96;
/// Most mapped addresses a peer may report for ours: one per local address and NAT on the way.
const MAX_MAPPED: usize = 16;
/// Most ways remembered by which a peer has been heard.
const MAX_HEARD: usize = 8;
/// Longest datagram looked at, bytes. Checks stay far below; STUN over UDP keeps to the MTU (RFC 8489 §6.1).
const MAX_DATAGRAM: usize = 1500;

/// What became of the datagrams handed in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Authentic messages that belong to this session.
    pub accepted: u64,
    /// Not STUN, truncated, or without what a check needs.
    pub malformed: u64,
    /// With credentials of somebody else, or a response to nothing we asked.
    pub refused: u64,
    /// Beyond a limit on what is remembered of a peer.
    pub limited: u64,
}

/// The checks of one component.
pub(super) struct Component {
    pub(super) id: u16,
    agent: IceAgent,
    /// Peer addresses: signalled or learned.
    remotes: Vec<SocketAddr>,
    mapped: SmallVec<[SocketAddr; 2]>,
    pub(super) selected: Option<(SocketAddr, SocketAddr)>,
    /// Failure was reported and nothing has succeeded since.
    pub(super) failed: bool,
    pub(super) counters: Counters,
    /// Ways by which the peer's requests have come: our address, the peer's; those heard of last at the end.
    pub(super) heard: SmallVec<[(SocketAddr, SocketAddr); 2]>,
    tie_breaker: u64,
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("id", &self.id)
            .field("remotes", &self.remotes)
            .field("selected", &self.selected)
            .field("failed", &self.failed)
            .field("counters", &self.counters)
            .finish_non_exhaustive()
    }
}

impl Component {
    pub(super) fn new(id: u16, settings: &Settings) -> Self {
        let mut agent = IceAgent::new(settings.credentials.to_is());
        agent.set_ice_lite(settings.lite);
        agent.set_control_tie_breaker(settings.tie_breaker);
        // Our candidates come with their priority: the preference is read out of it.
        agent.set_local_preference(|candidate: &Candidate, _: usize| (candidate.prio() >> 8) & 0xffff);
        Self {
            id,
            agent,
            remotes: Vec::new(),
            mapped: SmallVec::new(),
            selected: None,
            failed: false,
            counters: Counters::default(),
            heard: SmallVec::new(),
            tie_breaker: settings.tie_breaker,
        }
    }

    pub(super) fn set_controlling(&mut self, controlling: bool) {
        self.agent.set_controlling(controlling);
    }

    pub(super) fn controlling(&self) -> bool {
        self.agent.controlling()
    }

    pub(super) fn connected(&self) -> bool {
        self.agent.state().is_connected()
    }

    pub(super) fn disconnected(&self) -> bool {
        self.agent.state() == IceConnectionState::Disconnected
    }

    pub(super) fn has_remotes(&self) -> bool {
        !self.remotes.is_empty()
    }

    pub(super) fn add_local(&mut self, local: &LocalCandidate) {
        // The library knows component 1 alone; each component has an agent of its own.
        let candidate = Candidate::from_parts(
            local.foundation.clone(),
            1,
            Protocol::Udp,
            local.priority(security::CandidateKind::Host),
            local.base,
            CandidateKind::Host,
            None,
            None,
            None,
        );
        quietly(|| _ = self.agent.add_local_candidate(candidate));
    }

    pub(super) fn set_remote_credentials(&mut self, credentials: &Credentials) {
        quietly(|| self.agent.set_remote_credentials(credentials.to_is()));
    }

    /// Takes a candidate of this component over. `false`: it cannot be checked.
    pub(super) fn add_remote(&mut self, candidate: &security::Candidate<'_>) -> bool {
        let Some(address) = candidate.udp_address().filter(|address| can_be_checked(*address)) else {
            return false;
        };
        if !self.remotes.contains(&address) {
            if self.remotes.len() >= MAX_REMOTE_ADDRESSES {
                self.counters.limited += 1;
                return false;
            }
            self.remotes.push(address);
        }
        let kind = match candidate.kind {
            security::CandidateKind::Host => CandidateKind::Host,
            security::CandidateKind::ServerReflexive => CandidateKind::ServerReflexive,
            security::CandidateKind::PeerReflexive => CandidateKind::PeerReflexive,
            security::CandidateKind::Relay => CandidateKind::Relayed,
        };
        let candidate = Candidate::from_parts(
            candidate.foundation.to_owned(),
            1,
            Protocol::Udp,
            candidate.priority,
            address,
            kind,
            candidate.related,
            None,
            candidate.ufrag.map(str::to_owned),
        );
        quietly(|| self.agent.add_remote_candidate(candidate));
        true
    }

    pub(super) fn restart(&mut self, credentials: &Credentials) {
        quietly(|| self.agent.ice_restart(credentials.to_is(), true));
        self.remotes.clear();
        self.mapped.clear();
        self.heard.clear();
        self.failed = false;
    }

    /// A datagram that looks like STUN. `false`: it is not part of this session, and nothing is sent back.
    pub(super) fn datagram(
        &mut self,
        now: Instant,
        local: SocketAddr,
        source: SocketAddr,
        bytes: &[u8],
    ) -> bool {
        let accepted = quietly(|| {
            let Some(message) =
                bytes.get(..bytes.len().min(MAX_DATAGRAM + 1)).filter(|b| b.len() <= MAX_DATAGRAM)
            else {
                return Err(Refusal::Malformed);
            };
            let message = StunMessage::parse(message).map_err(|_| Refusal::Malformed)?;
            self.admit(source, &message)?;
            let is_request = message.is_binding_request();
            let packet = StunPacket { proto: Protocol::Udp, source, destination: local, message };
            self.agent.set_control_tie_breaker(self.weight(&packet.message));
            let handled = self.agent.handle_packet(now, packet);
            self.agent.set_control_tie_breaker(self.tie_breaker);
            if handled { Ok(is_request) } else { Err(Refusal::Foreign) }
        });
        match accepted {
            Ok(is_request) => {
                self.counters.accepted += 1;
                if is_request && !self.heard.contains(&(local, source)) {
                    if self.heard.len() >= MAX_HEARD {
                        self.heard.remove(0);
                    }
                    self.heard.push((local, source));
                }
            }
            Err(Refusal::Malformed) => self.counters.malformed += 1,
            Err(Refusal::Foreign) => self.counters.refused += 1,
            Err(Refusal::Limit) => self.counters.limited += 1,
        }
        accepted.is_ok()
    }

    /// What the library is to hold against the peer's tie-breaker. Its rule is that the greater one keeps its role. Of two
    /// controlled sides the greater one has to take the other role (RFC 8445 §7.3.1.1).
    fn weight(&self, message: &StunMessage<'_>) -> u64 {
        match message.ice_controlled().filter(|_| !self.controlling()) {
            Some(theirs) if self.tie_breaker >= theirs => 0,
            Some(_) => u64::MAX,
            None => self.tie_breaker,
        }
    }

    /// Lets only so many addresses into the session's memory, and none before its message is known to be authentic.
    fn admit(&mut self, source: SocketAddr, message: &StunMessage<'_>) -> Result<(), Refusal> {
        if !message.is_binding_request() {
            // A response comes from where its request went (RFC 8445 §7.2.5.2.1).
            if !self.remotes.contains(&source) {
                return Err(Refusal::Foreign);
            }
            let Some(mapped) = message.mapped_address().filter(|mapped| !self.mapped.contains(mapped)) else {
                return Ok(());
            };
            if !self.agent.accepts_message(message) {
                return Err(Refusal::Foreign);
            }
            if self.mapped.len() >= MAX_MAPPED {
                return Err(Refusal::Limit);
            }
            self.mapped.push(mapped);
            return Ok(());
        }
        if self.remotes.contains(&source) {
            return Ok(());
        }
        if !can_be_checked(source) || !self.agent.accepts_message(message) {
            return Err(Refusal::Foreign);
        }
        if self.remotes.len() >= MAX_REMOTE_ADDRESSES {
            return Err(Refusal::Limit);
        }
        self.remotes.push(source);
        Ok(())
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        /// Checks the library keeps while the peer is unknown, and one call for what is due now.
        const MAX_CALLS: usize = 101;
        // Each call answers one of those checks; until the last is answered no timer is set.
        for _ in 0..MAX_CALLS {
            quietly(|| self.agent.handle_timeout(now));
            if self.next_timeout().is_some() {
                break;
            }
        }
    }

    pub(super) fn next_timeout(&mut self) -> Option<Instant> {
        quietly(|| self.agent.poll_timeout())
    }

    /// Chooses without checks, where both sides are lite (RFC 8445 §6.1.2.1 leaves the choice to the candidates).
    pub(super) fn select_unchecked(&mut self, pair: (SocketAddr, SocketAddr), out: &mut VecDeque<Output>) {
        self.select(pair, out);
    }

    fn select(&mut self, (local, remote): (SocketAddr, SocketAddr), out: &mut VecDeque<Output>) {
        self.failed = false;
        if self.selected.replace((local, remote)) != Some((local, remote)) {
            out.push_back(Output::Selected { component: self.id, local, remote });
        }
    }

    /// Moves what the checks produced to `out`.
    pub(super) fn drain(
        &mut self,
        settings: &Settings,
        remote: Option<&Credentials>,
        out: &mut VecDeque<Output>,
    ) {
        while let Some(transmit) = quietly(|| self.agent.poll_transmit()) {
            let bytes = Vec::from(transmit.contents);
            // Requests are protected with the peer's password, responses with ours (RFC 8445 §7.2.2).
            let is_request = bytes.first().is_some_and(|first| first & 1 == 0);
            let password = if is_request { remote } else { Some(&settings.credentials) };
            let with_software = password.filter(|_| !settings.software.is_empty()).and_then(|password| {
                software::add(&bytes, software::clip(&settings.software), password.password())
            });
            out.push_back(Output::Transmit {
                from: transmit.source,
                to: transmit.destination,
                bytes: with_software.unwrap_or(bytes),
            });
        }
        while let Some(event) = quietly(|| self.agent.poll_event()) {
            match event {
                IceAgentEvent::NominatedSend { source, destination, .. } => {
                    self.select((source, destination), out)
                }
                IceAgentEvent::IceRestart(_)
                | IceAgentEvent::IceConnectionStateChange(_)
                | IceAgentEvent::DiscoveredRecv { .. } => {}
            }
        }
        if self.connected() {
            self.failed = false;
        }
    }
}

enum Refusal {
    Malformed,
    Foreign,
    Limit,
}

/// Not an address that checks must never be sent to.
fn can_be_checked(address: SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(address, SocketAddr::V4(v4) if v4.ip().is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

/// The library's own logging shows passwords, and lets peers write warnings.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    tracing::dispatcher::with_default(&tracing::Dispatch::none(), work)
}
