//! What a party signals of ICE, as far as it is of use.

use std::net::SocketAddr;

use crate::{
    ice::{Credentials, Remote},
    sdp::security::{Candidate, CandidateAddress, CandidateKind, Ice, Transport},
};

/// Most candidates remembered of a party's m-line, trickled ones included.
const MAX_CANDIDATES: usize = 128;

/// What a party signalled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::call) struct Signal {
    pub(super) credentials: Credentials,
    lite: bool,
    trickle: bool,
    candidates: Vec<Heard>,
}

/// A candidate that checks can be sent to.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Heard {
    foundation: String,
    component: u16,
    priority: u32,
    address: SocketAddr,
    kind: CandidateKind,
    related: Option<SocketAddr>,
}

impl Heard {
    fn of(candidate: &Candidate<'_>) -> Option<Self> {
        Some(Self {
            foundation: candidate.foundation.to_owned(),
            component: candidate.component,
            priority: candidate.priority,
            address: candidate.udp_address()?,
            kind: candidate.kind,
            related: candidate.related,
        })
    }

    fn candidate(&self) -> Candidate<'_> {
        Candidate {
            foundation: &self.foundation,
            component: self.component,
            transport: Transport::Udp,
            priority: self.priority,
            address: CandidateAddress::Ip(self.address.ip()),
            port: self.address.port(),
            kind: self.kind,
            related: self.related,
            ufrag: None,
        }
    }
}

impl Signal {
    /// Reads it off a media section. `None` where the section has no ICE.
    pub(in crate::call) fn of(ice: &Ice<'_>) -> Option<Self> {
        let remote = Remote::of(ice)?;
        let mut signal = Self {
            credentials: remote.credentials,
            lite: remote.lite,
            trickle: remote.trickle,
            candidates: Vec::new(),
        };
        signal.extend(ice);
        Some(signal)
    }

    fn extend(&mut self, ice: &Ice<'_>) {
        for candidate in ice.candidates.iter().filter_map(Heard::of) {
            if self.candidates.len() < MAX_CANDIDATES && !self.candidates.contains(&candidate) {
                self.candidates.push(candidate);
            }
        }
    }

    /// Adds what a fragment brings. `false`: it is about other credentials.
    pub(in crate::call) fn trickle(&mut self, fragment: &Ice<'_>) -> bool {
        if fragment.ufrag.is_some_and(|ufrag| ufrag != self.credentials.ufrag()) {
            return false;
        }
        self.extend(fragment);
        self.trickle &= !fragment.end_of_candidates;
        true
    }

    pub(in crate::call) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Hands the agent's form of it to `take`.
    pub(in crate::call) fn with<T>(&self, take: impl FnOnce(&Remote<'_>) -> T) -> T {
        let candidates: Vec<Candidate<'_>> = self.candidates.iter().map(Heard::candidate).collect();
        take(&Remote {
            credentials: self.credentials.clone(),
            lite: self.lite,
            trickle: self.trickle,
            candidates: &candidates,
        })
    }
}
