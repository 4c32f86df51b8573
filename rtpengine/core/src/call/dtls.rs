//! DTLS-SRTP of the components of a call: which associations the shell is to have, and what it says of them.

use std::sync::Arc;

use rtpengine_common::srtp::Suite;
use smallvec::{SmallVec, smallvec};

use super::{
    encryption::Keys,
    engine::{CallKey, Engine},
    media::{Face, Side},
    model::Call,
    party::PartyId,
    socket::Socket,
};
use crate::{
    io::{
        DtlsAssociation, DtlsCommand, DtlsEvent, DtlsIdentity, DtlsRole, DtlsRoute, Learning, Now, Reason,
        RelayStream, StreamId,
    },
    sdp::security::Fingerprint,
    secure::dtls,
};

/// The association a component is to have: that of its face, and for whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Association {
    /// Forks share sockets, but not their keys.
    party: PartyId,
    role: DtlsRole,
    identity: Arc<DtlsIdentity>,
    generation: u32,
    fingerprints: SmallVec<[Fingerprint; 1]>,
}

/// How a component can be reached, by us and by its party.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reach {
    sockets: SmallVec<[StreamId; 2]>,
    remote: Option<DtlsRoute>,
}

impl Reach {
    /// Of a component of a face, by its number in ICE.
    pub(super) fn of(call: &Call, face: &Face, component: u16) -> Self {
        let way = if component == 1 { face.way_out() } else { face.rtcp_way_out() };
        let remote = way.and_then(|socket| Some(DtlsRoute { socket, peer: call.socket(socket)?.reached()? }));
        Self { sockets: face.component(component).collect(), remote }
    }
}

impl Association {
    pub(super) fn of(party: PartyId, wanted: dtls::Wanted<'_>) -> Self {
        Self {
            party,
            role: wanted.role,
            identity: Arc::clone(wanted.identity),
            generation: wanted.generation,
            fingerprints: wanted.fingerprints.into(),
        }
    }

    /// Whether what was opened as `told` becomes this by the fingerprints alone.
    fn completes(&self, told: &Self) -> bool {
        told.fingerprints.is_empty()
            && *self == Self { fingerprints: self.fingerprints.clone(), ..told.clone() }
    }
}

/// What a component has of DTLS, kept with its first socket.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketDtls {
    /// Counts the openings.
    epoch: u32,
    told: Option<(Association, Reach)>,
    keys: Option<(PartyId, Keys)>,
}

impl SocketDtls {
    /// The keys with this party. Those of an association that is being replaced hold until there are new ones.
    pub(super) fn keys(&self, party: PartyId) -> Option<&Keys> {
        self.keys.as_ref().filter(|(with, _)| *with == party).map(|(_, keys)| keys)
    }

    /// The suite of the keys in use.
    pub(super) fn suite(&self) -> Option<Suite> {
        self.keys.as_ref()?.1.receive.as_ref().map(|params| params.suite())
    }

    /// Whom it is about.
    pub(super) fn parties(&mut self) -> impl Iterator<Item = &mut PartyId> {
        let told = self.told.iter_mut().map(|(association, _)| &mut association.party);
        told.chain(self.keys.iter_mut().map(|(party, _)| party))
    }

    pub(super) fn is_open(&self) -> bool {
        self.told.is_some()
    }
}

impl Socket {
    /// Notes the association that the component of this first socket is to have; what the shell has to do for it.
    pub(super) fn associate(&mut self, wanted: Option<(Association, Reach)>) -> SmallVec<[DtlsCommand; 2]> {
        let stream = self.stream;
        let Some((wanted, reach)) = wanted else {
            self.dtls.keys = None;
            return self.dtls.told.take().map(|_| DtlsCommand::Close { stream }).into_iter().collect();
        };
        let told = self.dtls.told.replace((wanted.clone(), reach.clone()));
        if let Some((before, known)) = told
            && (before == wanted || wanted.completes(&before))
        {
            let Reach { sockets, remote } = reach;
            // A party that signals no address any more is still where it was.
            let still = known.remote.filter(|known| sockets.contains(&known.socket));
            self.dtls.told =
                Some((wanted.clone(), Reach { sockets: sockets.clone(), remote: remote.or(still) }));
            let other = (sockets != known.sockets).then_some(DtlsCommand::Sockets { stream, sockets });
            let moved = remote.filter(|remote| known.remote != Some(*remote));
            let moved = moved.map(|remote| DtlsCommand::Remote { stream, remote });
            let completed = (before != wanted)
                .then_some(DtlsCommand::Fingerprints { stream, fingerprints: wanted.fingerprints });
            return other.into_iter().chain(moved).chain(completed).collect();
        }
        if self.dtls.keys.as_ref().is_some_and(|(party, _)| *party != wanted.party) {
            self.dtls.keys = None;
        }
        self.dtls.epoch = self.dtls.epoch.wrapping_add(1);
        let association = DtlsAssociation {
            epoch: self.dtls.epoch,
            role: wanted.role,
            identity: wanted.identity,
            sockets: reach.sockets,
            remote: reach.remote,
            fingerprints: wanted.fingerprints,
        };
        smallvec![DtlsCommand::Open { stream, association: Box::new(association) }]
    }
}

impl Engine {
    /// Takes in what the shell says of the association of the component whose first socket `stream` is.
    pub(super) fn dtls_event(
        &mut self,
        now: Now,
        key: CallKey,
        stream: StreamId,
        epoch: u32,
        event: DtlsEvent,
    ) {
        let configured = self.config.endpoint_learning;
        let Some(call) = self.calls.get_mut(key) else { return };
        let (id, learning) = (call.id.clone(), call.learning.unwrap_or(configured));
        let fixed = learning == Learning::Off || face_of(call, stream).is_some_and(|face| face.asymmetric);
        let Some(socket) = call.socket_mut(stream) else { return };
        let local = socket.local;
        let Some((told, _)) = socket.dtls.told.as_mut().filter(|_| epoch == socket.dtls.epoch) else {
            return;
        };
        match event {
            DtlsEvent::Keys { peer, receive, transmit } => {
                // Keys are for those alone whose certificate is known; the shell hands out no others.
                if told.fingerprints.is_empty() {
                    return;
                }
                let suite = receive.suite().name();
                let keys = Keys { receive: Some(receive), transmit: Some(transmit) };
                socket.dtls.keys = Some((told.party, keys));
                socket.alive_mono_us = now.mono_us;
                let learns = !fixed && socket.learns() && peer.is_ipv4() == local.is_ipv4();
                if learns && socket.endpoint != Some(peer) {
                    socket.authenticated(peer);
                }
                tracing::debug!(target: "crypto", call = %id, "DTLS-SRTP with {peer} on {local}: {suite}");
            }
            DtlsEvent::Failed { peer, timed_out, reason } => {
                tracing::warn!(target: "crypto", call = %id, "DTLS with {peer} on {local} failed: {reason}");
                // The passive role goes on waiting by itself. After a refusal there is nothing to be gained.
                if !timed_out || told.role == DtlsRole::Passive || socket.dtls.keys.is_some() {
                    return;
                }
                socket.dtls.told = None;
            }
            DtlsEvent::Closed => {
                tracing::debug!(target: "crypto", call = %id, "DTLS on {local} was ended by the peer");
                socket.dtls.keys = None;
            }
            DtlsEvent::RoleConflict => {
                let pairs = call.dialogues.iter_mut().flat_map(|dialogue| &mut dialogue.medias);
                let mut yielded = false;
                for face in pairs.flat_map(|pair| pair.faces.both_mut()) {
                    let own = face.rtp == Some(stream) || face.rtcp == Some(stream);
                    yielded |= own && face.encryption.yield_role();
                }
                if !yielded {
                    return;
                }
                tracing::debug!(target: "crypto", call = %id, "DTLS on {local}: the peer is the client after all");
            }
        }
        self.plan(key);
    }
}

/// The face that a component belongs to, by its first socket.
fn face_of(call: &Call, stream: StreamId) -> Option<&Face> {
    let pairs = call.dialogues.iter().flat_map(|dialogue| &dialogue.medias);
    let mut faces = pairs.flat_map(|pair| Side::BOTH.map(|side| pair.faces.get(side)));
    faces.find(|face| face.rtp == Some(stream) || face.rtcp == Some(stream))
}

/// What a wire does as long as keys are missing: nothing reaches a party in the clear that expects SRTP, and nothing is
/// believed that cannot be checked.
pub(super) fn withhold(relay: &mut RelayStream, has_keys: bool, sink_has: impl Fn(StreamId) -> bool) {
    if has_keys {
        let had = !relay.sinks.is_empty() || !relay.rtcp_sinks.is_empty();
        relay.sinks.retain(|sink| sink_has(*sink));
        relay.rtcp_sinks.retain(|sink| sink_has(*sink));
        if had && relay.sinks.is_empty() && relay.rtcp_sinks.is_empty() {
            relay.discard = Some(Reason::NoKeys);
        }
    } else {
        relay.sinks.clear();
        relay.rtcp_sinks.clear();
        relay.discard = Some(Reason::NoKeys);
    }
}
