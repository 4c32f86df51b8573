//! ICE towards the parties of an m-line, as far as signalling settles it. The agents that carry it out are in `agents`.

mod signal;
mod wording;

use std::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use super::media::Face;
use crate::{
    ice::Credentials,
    io::StreamId,
    ng::{Flag, IceLite, Request},
    sdp::security::Ice,
    secure::KeySource,
};

pub(super) use signal::Signal;
pub(super) use wording::{Wording, lines};

/// Names an agent within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct AgentId(pub(super) u32);

/// ICE towards one party of an m-line.
#[derive(Clone, Debug, Default)]
pub(super) struct FaceIce {
    /// The party's last offer. It may be answered more than once.
    offered: Option<Signal>,
    /// The party was offered ICE last.
    proposed: bool,
    /// The party answered an offer of ICE without ICE.
    refused: bool,
    /// What the party was offered lists the other party's candidates too, with its credentials.
    shared: bool,
    /// We are lite towards the party.
    pub(super) lite: bool,
    pub(super) leg: Option<Leg>,
}

/// One agent of ours and what it is to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) id: AgentId,
    /// Our credentials.
    pub(super) local: Credentials,
    pub(super) lite: bool,
    /// We made the offer.
    pub(super) offerer: bool,
    pub(super) sockets: SmallVec<[LegSocket; 2]>,
    /// What the party signalled; `None`: not known to do ICE.
    pub(super) remote: Option<Signal>,
    /// What the checks have found, by component; those left out are being checked.
    pub(super) found: SmallVec<[(u16, Found); 2]>,
}

/// A socket and what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LegSocket {
    /// 1 = RTP, 2 = RTCP.
    pub(super) component: u16,
    pub(super) stream: StreamId,
    pub(super) base: SocketAddr,
    pub(super) advertised: IpAddr,
}

/// What the checks of a component have led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Media goes from this socket to this address.
    Way(StreamId, SocketAddr),
    /// No way was ever found: the component is served as if there were no ICE.
    Nothing,
    /// The party stopped answering: nothing may be sent (RFC 7675 §5.1).
    Lost,
}

/// What ICE says of a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing: there is none, or the party is not known to do it.
    #[default]
    Free,
    /// No way has been chosen yet.
    Checking,
    /// Media goes to this address.
    Chosen(SocketAddr),
    /// Media goes by another socket.
    Spare,
    /// Nothing may be sent.
    Lost,
}

/// `ICE-lite` of an offer.
pub(super) fn apply_lite(request: &Request, sender: &mut FaceIce, receiver: &mut FaceIce) {
    match request.ice_lite {
        None => {}
        Some(IceLite::Off) => (sender.lite, receiver.lite) = (false, false),
        Some(IceLite::Forward) => receiver.lite = true,
        Some(IceLite::Backward) => sender.lite = true,
        Some(IceLite::Both) => (sender.lite, receiver.lite) = (true, true),
    }
}

/// Takes an offer over; how its receiver is offered ICE.
pub(super) fn on_offer(
    request: &Request,
    signal: Option<Signal>,
    sender: &mut FaceIce,
    receiver: &mut FaceIce,
) -> Wording {
    apply_lite(request, sender, receiver);
    let signal = signal.filter(|_| !request.has(Flag::RejectIce));
    receiver.refused &= !request.has(Flag::Reset);
    // A party that offers ICE has it, whatever it answered earlier.
    sender.refused &= signal.is_none();
    let mut wording = Wording::of(request.ice.unwrap_or_default(), signal.is_some());
    if receiver.refused {
        wording = Wording::Without;
    }
    receiver.proposed = wording != Wording::Without;
    receiver.shared = matches!(wording, Wording::Beside { .. });
    receiver.offered = None;
    sender.offered = signal;
    wording
}

/// Takes an answer over; how the party that made the offer is answered.
pub(super) fn on_answer(
    request: &Request,
    signal: Option<Signal>,
    sender: &mut FaceIce,
    receiver: &FaceIce,
) -> Wording {
    let present = signal.is_some();
    if sender.proposed {
        sender.refused = !present;
    }
    match (&mut sender.leg, signal.filter(|_| sender.proposed)) {
        (Some(leg), Some(signal)) => leg.remote = Some(signal),
        (leg, _) => *leg = None,
    }
    if receiver.offered.is_none() {
        return Wording::Without;
    }
    match Wording::of(request.ice.unwrap_or_default(), present) {
        // Candidates of a party that knows our credentials alone are of no use to anybody else.
        Wording::Beside { .. } if !sender.shared => Wording::Ours,
        wording => wording,
    }
}

impl FaceIce {
    /// A copy for a further answer to the party's offer, or for a further party that answers.
    /// The former has sockets of its own; the latter was offered what the first that answered was, and needs an agent.
    pub(super) fn fork(&mut self, answerer: Option<AgentId>) {
        match (&mut self.leg, answerer) {
            (Some(leg), Some(id)) => {
                leg.id = id;
                leg.remote = None;
                leg.found.clear();
                self.proposed = true;
            }
            (leg, _) => *leg = None,
        }
    }

    /// The party's m-line is gone.
    pub(super) fn release(&mut self) {
        *self = Self { lite: self.lite, ..Self::default() };
    }

    /// The credentials to use towards the receiver of a body, in which `theirs` are the sender's. Ours stay as long as
    /// the sockets, the kind of agent and the party's own credentials do.
    pub(super) fn credentials(
        &self,
        wording: Wording,
        offer: bool,
        sockets: &[LegSocket],
        theirs: Option<&Credentials>,
        keys: &mut dyn KeySource,
    ) -> Credentials {
        if let (Wording::Beside { .. }, Some(theirs)) = (wording, theirs) {
            return theirs.clone();
        }
        let restarted = |leg: &Leg| {
            let known = leg.remote.as_ref().map(|remote| &remote.credentials);
            let now = self.offered.as_ref().map(|signal| &signal.credentials);
            !offer && known.is_some() && known != now
        };
        let kept = self.leg.as_ref().filter(|leg| {
            leg.lite == self.lite
                && sockets.iter().all(|socket| leg.sockets.contains(socket))
                && !restarted(leg)
                && Some(&leg.local) != theirs
        });
        kept.map_or_else(|| Credentials::generate(keys), |leg| leg.local.clone())
    }

    /// Sees to it that there is an agent with these credentials and sockets. `next` names a new one, where the one there
    /// is will not do.
    pub(super) fn engage(
        &mut self,
        offer: bool,
        local: Credentials,
        sockets: SmallVec<[LegSocket; 2]>,
        next: impl FnOnce() -> AgentId,
    ) {
        let kept = self
            .leg
            .take()
            .filter(|leg| leg.lite == self.lite && sockets.iter().all(|socket| leg.sockets.contains(socket)));
        let mut leg = kept.unwrap_or_else(|| Leg {
            id: next(),
            local: local.clone(),
            lite: self.lite,
            offerer: offer,
            sockets: SmallVec::new(),
            remote: None,
            found: SmallVec::new(),
        });
        leg.local = local;
        leg.sockets = sockets;
        if !offer {
            leg.remote.clone_from(&self.offered);
        }
        self.leg = Some(leg);
    }

    /// Gives sockets up that are gone, as they are for RTCP once rtcp-mux is agreed on.
    pub(super) fn shrink(&mut self, sockets: &[LegSocket]) {
        if let Some(leg) = &mut self.leg {
            leg.sockets.retain(|socket| sockets.contains(socket));
            leg.found
                .retain(|(component, _)| leg.sockets.iter().any(|socket| socket.component == *component));
            if leg.sockets.is_empty() {
                self.leg = None;
            }
        }
    }

    /// The party is not written any ICE. An offer changes nothing before its answer, unless the sockets have changed.
    pub(super) fn disengage(&mut self, offer: bool, sockets: &[LegSocket]) {
        self.leg =
            self.leg.take().filter(|leg| offer && sockets.iter().all(|socket| leg.sockets.contains(socket)));
    }

    /// Takes a fragment over. `false`: it belongs to nothing that was signalled.
    pub(super) fn trickle(&mut self, fragment: &Ice<'_>) -> bool {
        let pending = self.offered.as_mut().is_some_and(|signal| signal.trickle(fragment));
        let agreed = self.leg.as_mut().and_then(|leg| leg.remote.as_mut());
        let agreed = agreed.is_some_and(|signal| signal.trickle(fragment));
        pending || agreed
    }

    /// Whether the party is known to do ICE with us.
    pub(super) fn is_active(&self) -> bool {
        self.leg.as_ref().is_some_and(|leg| leg.remote.is_some())
    }

    /// Whether there is an agent.
    pub(super) fn is_engaged(&self) -> bool {
        self.leg.is_some()
    }

    fn active(&self) -> Option<&Leg> {
        self.leg.as_ref().filter(|leg| leg.remote.is_some())
    }

    /// The socket that media of a component leaves by, where ICE has chosen one.
    fn way(&self, component: u16) -> Option<StreamId> {
        self.active()?.found.iter().find_map(|(id, found)| match found {
            Found::Way(stream, _) if *id == component => Some(*stream),
            Found::Way(..) | Found::Nothing | Found::Lost => None,
        })
    }

    /// What is said of a socket.
    pub(super) fn standing(&self, stream: StreamId) -> Standing {
        let Some(leg) = self.active() else { return Standing::Free };
        let Some(socket) = leg.sockets.iter().find(|socket| socket.stream == stream) else {
            return Standing::Free;
        };
        let found = leg.found.iter().find(|(component, _)| *component == socket.component);
        match found.map(|(_, found)| *found) {
            None => Standing::Checking,
            Some(Found::Way(by, remote)) if by == stream => Standing::Chosen(remote),
            Some(Found::Way(..)) => Standing::Spare,
            Some(Found::Nothing) => Standing::Free,
            Some(Found::Lost) => Standing::Lost,
        }
    }
}

impl Face {
    /// The socket that RTP to the party leaves by.
    pub(super) fn way_out(&self) -> Option<StreamId> {
        self.ice.way(1).filter(|_| self.rtp.is_some()).or(self.rtp)
    }

    /// The same for RTCP, where it has a socket of its own.
    pub(super) fn rtcp_way_out(&self) -> Option<StreamId> {
        self.ice.way(2).filter(|_| self.rtcp.is_some()).or(self.rtcp)
    }
}
