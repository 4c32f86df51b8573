//! How ICE is written for the receiver of a body.

use super::{Leg, LegSocket};
use crate::{
    ice::LocalCandidate,
    ng::IceMode,
    sdp::{SecretLine, security::CandidateKind},
};

/// How ICE is written for the receiver of a body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::call) enum Wording {
    /// None of it.
    #[default]
    Without,
    /// Ours alone.
    Ours,
    /// Ours beside the sender's, with its credentials; `relay`: as a relay, and in place of the sender's relays.
    Beside {
        /// `ICE=force-relay`
        relay: bool,
    },
}

impl Wording {
    pub(super) fn of(mode: IceMode, present: bool) -> Self {
        match (mode, present) {
            (IceMode::Remove, _) | (IceMode::Default | IceMode::ForceRelay, false) => Self::Without,
            (IceMode::Force, _) | (IceMode::Default, true) | (IceMode::Optional, false) => Self::Ours,
            (IceMode::Optional, true) => Self::Beside { relay: false },
            (IceMode::ForceRelay, true) => Self::Beside { relay: true },
        }
    }
}

/// The lines for the receiver of a body, without `a=`.
pub(in crate::call) fn lines(leg: &Leg, wording: Wording, trickle: bool) -> Vec<SecretLine> {
    let mut lines: Vec<String> = Vec::new();
    let relay = match wording {
        Wording::Without => return Vec::new(),
        Wording::Ours => {
            lines.push(format!("ice-ufrag:{}", leg.local.ufrag()));
            lines.push(format!("ice-pwd:{}", leg.local.password()));
            None
        }
        Wording::Beside { relay } => Some(relay),
    };
    if trickle && relay.is_none() {
        lines.push("ice-options:trickle".to_owned());
    }
    for local in candidates(&leg.sockets) {
        let kind = if relay == Some(true) { CandidateKind::Relay } else { CandidateKind::Host };
        let mut candidate = local.sdp(kind);
        // Not one of the sender's.
        let foundation = format!("proxy{}", candidate.foundation);
        if relay.is_some() {
            candidate.priority = local.priority(CandidateKind::Relay);
            candidate.foundation = &foundation;
        }
        lines.push(format!("candidate:{candidate}"));
    }
    if trickle && relay.is_none() {
        lines.push("end-of-candidates".to_owned());
    }
    lines.into_iter().map(SecretLine).collect()
}

/// Candidates as an agent over these sockets has them.
fn candidates(sockets: &[LegSocket]) -> Vec<LocalCandidate> {
    let mut candidates: Vec<LocalCandidate> = Vec::new();
    for socket in sockets {
        candidates.extend(LocalCandidate::next(
            &candidates,
            socket.component,
            socket.base,
            socket.advertised,
        ));
    }
    candidates
}
