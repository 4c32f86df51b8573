//! Our own candidates and their priorities.

use std::net::{IpAddr, SocketAddr};

use crate::sdp::security::{Candidate, CandidateAddress, CandidateKind, Transport};

/// Most local candidates of one component: more addresses on one interface are not advertised.
pub const MAX_LOCAL_CANDIDATES: usize = 16;

/// One address of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalCandidate {
    /// 1 = RTP, 2 = RTCP.
    pub component: u16,
    /// Where the socket is bound.
    pub base: SocketAddr,
    /// What the peer is told: differs from `base` behind a NAT.
    pub advertised: SocketAddr,
    /// Position among the addresses of the interface, from 0: later ones have less priority.
    pub rank: u16,
    pub(super) foundation: String,
}

impl LocalCandidate {
    /// The candidate for one more socket after `known`, best address first. `None`: there are enough, or it is known.
    #[must_use]
    pub fn next(known: &[Self], component: u16, base: SocketAddr, advertised: IpAddr) -> Option<Self> {
        let of_component = || known.iter().filter(|local| local.component == component);
        let rank = of_component().count();
        if rank >= MAX_LOCAL_CANDIDATES || of_component().any(|local| local.base == base) {
            return None;
        }
        // One foundation per address of ours (RFC 8445 §5.1.1.3).
        let same = known.iter().find(|local| local.base.ip() == base.ip());
        Some(Self {
            component,
            base,
            advertised: SocketAddr::new(advertised, base.port()),
            rank: u16::try_from(rank).unwrap_or(u16::MAX),
            foundation: same.map_or_else(|| (rank + 1).to_string(), |local| local.foundation.clone()),
        })
    }

    /// The local preference (RFC 8445 §5.1.2.2): the first address has the highest.
    pub(super) fn preference(&self) -> u32 {
        u32::from(u16::MAX - self.rank)
    }

    /// The priority when advertised as `kind` (RFC 8445 §5.1.2.1).
    #[must_use]
    pub fn priority(&self, kind: CandidateKind) -> u32 {
        let of_type: u32 = match kind {
            CandidateKind::Host => 126,
            CandidateKind::PeerReflexive => 110,
            CandidateKind::ServerReflexive => 100,
            CandidateKind::Relay => 0,
        };
        (of_type << 24) | (self.preference() << 8) | (256 - u32::from(self.component.min(256)))
    }

    /// The candidate as SDP shows it: `host`, or `relay` for `ICE=force-relay`.
    #[must_use]
    pub fn sdp(&self, kind: CandidateKind) -> Candidate<'_> {
        Candidate {
            foundation: &self.foundation,
            component: self.component,
            transport: Transport::Udp,
            priority: self.priority(kind),
            address: CandidateAddress::Ip(self.advertised.ip()),
            port: self.advertised.port(),
            kind,
            related: (kind != CandidateKind::Host).then_some(self.base),
            ufrag: None,
        }
    }
}
