//! Calls rebuilt from the flows that the kernel went on forwarding while no daemon ran.

use std::net::SocketAddr;

use super::{
    draft::Draft,
    engine::Engine,
    error::CallError,
    media::{Carries, Face, MediaPair, Side},
    model::Call,
    party::PartyId,
};
use crate::{
    io::{FlowIdentity, MediaPlane, Now, SourceMismatch, StreamId},
    sdp::Protocol,
};

/// m-lines believed of a flow: as many as a body may have.
const MAX_MEDIAS: u16 = 64;

/// One flow found in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdoptedFlow {
    /// Who it belongs to.
    pub identity: FlowIdentity,
    /// Our address that the sending party sends to.
    pub local: SocketAddr,
    /// The sending party's address.
    pub endpoint: SocketAddr,
    /// Our address that packets are forwarded from.
    pub peer_local: SocketAddr,
    /// The receiving party's address.
    pub peer_endpoint: SocketAddr,
    /// RTCP arrives on the same port.
    pub rtcp_mux: bool,
    /// The payload types it forwards, one bit each; 0: all.
    pub payload_types: u128,
    /// The source policy.
    pub mismatch: SourceMismatch,
    /// TOS of forwarded packets.
    pub tos: Option<u8>,
    /// The kernel decrypts or encrypts the packets. Nothing else can: what it hands up is discarded, until signalling leads
    /// to new keys.
    pub bridged: bool,
}

impl Engine {
    /// Rebuilds calls from flows: parties, media, sockets with their RTCP siblings. The flows are then announced with
    /// `FlowCommand::Install`, by which the offload manager knows that they have an owner again.
    ///
    /// Returns the flows that could not be adopted (unknown address, port in use, no Call-ID): nobody will ever end
    /// them but the caller.
    pub fn adopt(
        &mut self,
        now: Now,
        flows: Vec<AdoptedFlow>,
        plane: &mut dyn MediaPlane,
    ) -> Vec<AdoptedFlow> {
        self.tally.start(now);
        let mut refused = Vec::new();
        for flow in flows {
            let id = flow.identity.call_id.clone();
            let key = self.by_id.get(id.as_str()).copied();
            let call = match key.and_then(|key| self.calls.get(key)) {
                Some(call) => call.clone(),
                None => {
                    let created_ago = now.unix_us.saturating_sub(flow.identity.created_unix_us);
                    let created = Now {
                        mono_us: now.mono_us.saturating_sub(created_ago),
                        unix_us: flow.identity.created_unix_us.min(now.unix_us),
                    };
                    Call::new(&id, self.next_affinity(), created, None)
                }
            };
            let adopted = self
                .attempt(now, key, call, plane, |draft| adopt_flow(draft, &flow).ok_or(CallError::NotFound));
            match adopted {
                Ok(_) => tracing::info!(target: "core", call = %id, "adopted the flow of {}", flow.local),
                Err(_) => {
                    tracing::warn!(
                        target: "core", call = %id,
                        "flow of {} cannot be adopted: its address is not configured or its port is in use", flow.local,
                    );
                    refused.push(flow);
                }
            }
        }
        refused
    }
}

/// Takes one flow into the call; `None` where its sockets cannot be had.
fn adopt_flow(draft: &mut Draft<'_>, flow: &AdoptedFlow) -> Option<()> {
    let identity = &flow.identity;
    if identity.call_id.is_empty() || identity.media >= MAX_MEDIAS {
        return None;
    }
    let (offerer, answerer) = if identity.offerer {
        (&identity.tag, &identity.peer_tag)
    } else {
        (&identity.peer_tag, &identity.tag)
    };
    let offerer = party(draft, offerer, true);
    let answerer = party(draft, answerer, false);
    let call = &mut draft.call;
    let known = call.dialogues.iter().position(|dialogue| {
        *dialogue.parties.get(Side::Offerer) == offerer && *dialogue.parties.get(Side::Answerer) == answerer
    });
    let index = known.unwrap_or_else(|| call.add_dialogue(offerer, answerer, None, draft.now));
    draft.call.touch(index, draft.now);
    let dialogue = draft.call.dialogues.get_mut(index)?;
    dialogue.answered = true;
    let mut medias = std::mem::take(&mut dialogue.medias);
    while medias.len() <= usize::from(identity.media) {
        medias.push(MediaPair { carries: Carries::Nothing, ..MediaPair::default() });
    }
    let side = if identity.offerer { Side::Offerer } else { Side::Answerer };
    let pair = medias.get_mut(usize::from(identity.media))?;
    pair.carries = Carries::Rtp;
    let sender = Found {
        interface: &identity.interface,
        local: flow.local,
        endpoint: flow.endpoint,
        advertised: identity.advertised,
        kind: &identity.kind,
        protocol: &identity.protocol,
        rtcp_mux: flow.rtcp_mux,
    };
    let receiver = Found {
        interface: &identity.peer_interface,
        local: flow.peer_local,
        endpoint: flow.peer_endpoint,
        advertised: identity.peer_advertised,
        protocol: &identity.peer_protocol,
        ..sender
    };
    for (side, found) in [(side, sender), (side.other(), receiver)] {
        let face_of = pair.faces.get_mut(side);
        face(draft, face_of, &found)?;
        face_of.bundle.adopted.get_or_insert(0);
        face_of.encryption.adopt(flow.bridged);
        let dialogue = draft.call.dialogues.get_mut(index)?;
        *dialogue.interfaces.get_mut(side) = Some(found.interface.to_owned());
    }
    let face = pair.faces.get_mut(side);
    face.bundle.adopted = Some(flow.payload_types);
    face.strict_source = flow.mismatch == SourceMismatch::Drop;
    face.media_handover = flow.mismatch == SourceMismatch::Punt;
    // This flow shows that its sender's address is right; the receiver's shows by its own flow.
    let stream = face.rtp?;
    draft.call.socket_mut(stream)?.settled = true;
    draft.call.tos = flow.tos;
    draft.call.dialogues.get_mut(index)?.medias = medias;
    Some(())
}

fn party(draft: &mut Draft<'_>, tag: &str, offerer: bool) -> PartyId {
    let known = draft.call.parties.iter().find(|party| party.tag() == tag).map(|party| party.id);
    let tag = Some(tag).filter(|tag| !tag.is_empty());
    known.unwrap_or_else(|| draft.call.add_party(tag, offerer, draft.now))
}

/// What a flow tells of one of its parties.
#[derive(Clone, Copy)]
struct Found<'a> {
    interface: &'a str,
    local: SocketAddr,
    endpoint: SocketAddr,
    advertised: Option<SocketAddr>,
    kind: &'a str,
    protocol: &'a str,
    rtcp_mux: bool,
}

fn face(draft: &mut Draft<'_>, face: &mut Face, found: &Found<'_>) -> Option<()> {
    if face.rtp.is_some() {
        return Some(());
    }
    let Found { local, endpoint, .. } = *found;
    let index = draft.interfaces.find(found.interface, local.ip())?;
    // Forks share the sockets of the answering side.
    let shared = draft.call.sockets.iter().find(|socket| socket.local == local).map(|socket| socket.stream);
    let rtp: StreamId = shared.or_else(|| draft.open_exact(index, local.port(), false))?;
    face.local = Some(index);
    face.rtp = Some(rtp);
    face.filled = true;
    face.kind = found.kind.to_owned();
    face.protocol = Some(Protocol::of(found.protocol));
    face.protocol_name = found.protocol.to_owned();
    face.advertised = found.advertised;
    let sibling = |address: SocketAddr| Some(SocketAddr::new(address.ip(), address.port().checked_add(1)?));
    face.mux.active = found.rtcp_mux;
    let socket = draft.call.socket_mut(rtp)?;
    socket.signal(found.advertised);
    socket.endpoint = Some(endpoint);
    if !found.rtcp_mux
        && let Some(above) = sibling(local)
    {
        // Without its RTCP socket the call goes on all the same.
        face.rtcp = draft.open_exact(index, above.port(), true);
        face.advertised_rtcp = found.advertised.and_then(sibling);
        if let Some(socket) = face.rtcp.and_then(|stream| draft.call.socket_mut(stream)) {
            socket.signal(face.advertised_rtcp);
            // Where RTP was learned to come from is the better guess.
            socket.endpoint = sibling(endpoint);
        }
    }
    Some(())
}
