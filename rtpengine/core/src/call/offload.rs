//! Which streams the kernel may forward, and as what.

use std::sync::Arc;

use rtpengine_common::srtp::{Cipher, CryptoParams, abi::MAX_KERNEL_MKI};
use smallvec::SmallVec;

use super::{
    encryption::Treatment,
    interfaces::Interfaces,
    media::{Face, Side},
    model::Call,
    party::PartyId,
    plan::Wire,
    socket::Socket,
};
use crate::io::{
    Component, Filter, FlowIdentity, FlowOutput, FlowSpec, MediaRule, Reason, SourceMismatch, SourcePolicy,
    StreamId,
};

/// The flow for a socket, or why there must be none. `transmit`: the key ring of its sink, and what is encrypted with
/// towards that party.
///
/// Held streams stay in userspace: little arrives on them, and they resume without waiting for the kernel.
pub(super) fn decide(
    call: &Call,
    interfaces: &Interfaces,
    offload: bool,
    wire: &Wire,
    (keyring, transmit): (StreamId, Option<Arc<CryptoParams>>),
) -> Result<FlowSpec, Reason> {
    if !offload {
        return Err(Reason::TableOff);
    }
    let rtcp_mux = match wire.relay.component {
        Component::Rtp => false,
        Component::Mux => true,
        Component::Rtcp => return Err(Reason::RtcpStream),
        Component::Raw => return Err(Reason::NotRtpStream),
    };
    if wire.treatment == Treatment::NoKeys {
        return Err(Reason::NoKeys);
    }
    let source = wire.relay.endpoint.ok_or(Reason::NoEndpoint)?;
    if !wire.relay.endpoint_settled {
        return Err(Reason::NotEstablished);
    }
    if wire.relay.handling.echo.is_some() {
        return Err(Reason::Echo);
    }
    if wire.relay.handling.block_short {
        return Err(Reason::PacketLength);
    }
    if wire.relay.copies.is_some() {
        return Err(Reason::ManyOutputs);
    }
    let sink = match wire.relay.sinks.as_slice() {
        [] => return Err(Reason::NoSink),
        [sink] => call.socket(*sink).ok_or(Reason::NoSink)?,
        [_, _, ..] => return Err(Reason::ManyOutputs),
    };
    let inherits_keys = wire.treatment == Treatment::Inherited;
    let dropped = wire.relay.discard == Some(Reason::Blackhole) && wire.treatment == Treatment::Clear;
    match wire.relay.discard {
        // What the relay cannot read the kernel can.
        Some(Reason::NoKeys) if inherits_keys => {}
        // What is not encrypted is dropped without a look at it.
        Some(Reason::Blackhole) if dropped => {}
        Some(reason) => return Err(reason),
        None => {}
    }
    let payload_types = forwarded(wire.relay.filter.as_deref())?;
    let socket = call.socket(wire.stream).ok_or(Reason::NoSink)?;
    let output = match sink.endpoint {
        _ if dropped => None,
        Some(to) => {
            let (stream, from, tos) = (sink.stream, sink.local, call.tos);
            Some(FlowOutput { stream, keyring, from, to, tos, crypto: transmit.clone() })
        }
        None => return Err(Reason::NoEndpoint),
    };
    let receive = &wire.relay.receive_crypto;
    if [receive, &transmit].into_iter().flatten().any(|keys| !is_for_kernel(keys)) {
        return Err(Reason::Srtp);
    }
    let mismatch = match wire.relay.source_policy {
        // A way that ICE has not chosen is for the address alone that has shown itself there.
        SourcePolicy::Accept if !wire.relay.ice.is_empty() && !wire.relay.ice_chosen => SourceMismatch::Punt,
        SourcePolicy::Accept => SourceMismatch::Ignore,
        SourcePolicy::Strict => SourceMismatch::Drop,
        SourcePolicy::Handover => SourceMismatch::Punt,
    };
    Ok(FlowSpec {
        stream: wire.stream,
        keyring: wire.relay.keyring,
        local: socket.local,
        rtcp_mux,
        source,
        mismatch,
        outputs: output.into_iter().collect(),
        crypto: receive.clone(),
        inherits_keys,
        payload_types,
        debug: call.debug,
        identity: Box::new(identity(call, interfaces, wire, socket, sink)),
    })
}

/// The payload types the kernel may forward, all where there are none; an error where it may not forward any. What it does
/// not forward it hands up.
fn forwarded(filter: Option<&Filter>) -> Result<SmallVec<[u8; 8]>, Reason> {
    let Some(filter) = filter else { return Ok(SmallVec::new()) };
    for rule in &filter.rules {
        match rule.media {
            MediaRule::Pass => {}
            MediaRule::Silence => return Err(Reason::Silenced),
            MediaRule::Drop => return Err(Reason::Blocked),
        }
    }
    Ok((0..128).filter(|number| filter.events().all(|event| event != *number)).collect())
}

/// Whether the program can encrypt or decrypt with these keys: it has no f8, and little room for an identifier.
fn is_for_kernel(keys: &CryptoParams) -> bool {
    keys.suite().cipher() != Cipher::F8 && keys.mki().as_bytes().len() <= MAX_KERNEL_MKI
}

fn identity(
    call: &Call,
    interfaces: &Interfaces,
    wire: &Wire,
    socket: &Socket,
    sink: &Socket,
) -> FlowIdentity {
    let pair =
        |index: usize, media: usize| call.dialogues.get(index).and_then(|known| known.medias.get(media));
    let sender = pair(wire.dialogue, wire.media).map(|pair| pair.faces.get(wire.side));
    let end = receiving(call, sink.stream);
    let receiver = end.map(|(_, face)| face);
    let tag = |party: Option<PartyId>| {
        party.and_then(|id| call.party(id)).map_or_else(String::new, |party| party.tag().to_owned())
    };
    let protocol = |face: Option<&Face>| face.map_or_else(String::new, |face| face.protocol_name.clone());
    let interface = |socket: &Socket| {
        interfaces.local(socket.local_idx).map_or_else(String::new, |local| local.interface.clone())
    };
    FlowIdentity {
        call_id: call.id.to_string(),
        tag: tag(Some(wire.party)),
        peer_tag: tag(end.map(|(party, _)| party)),
        media: u16::try_from(wire.media).unwrap_or(u16::MAX),
        interface: interface(socket),
        peer_interface: interface(sink),
        kind: sender.map_or_else(String::new, |face| face.kind.clone()),
        protocol: protocol(sender),
        peer_protocol: protocol(receiver),
        advertised: sender.and_then(|face| face.advertised),
        peer_advertised: receiver.and_then(|face| face.advertised),
        created_unix_us: call.created.unix_us,
        offerer: wire.side == Side::Offerer,
    }
}

/// The party behind a socket, and the face it belongs to: by its latest dialogue, where forks share it.
fn receiving(call: &Call, stream: StreamId) -> Option<(PartyId, &Face)> {
    let sides = call.dialogues.iter().flat_map(|dialogue| Side::BOTH.map(|side| (dialogue, side)));
    let own = sides.filter_map(|(dialogue, side)| {
        let faces = dialogue.medias.iter().map(|pair| pair.faces.get(side));
        let face = faces.into_iter().find(|face| face.sockets().any(|own| own == stream))?;
        Some((dialogue.order, *dialogue.parties.get(side), face))
    });
    own.max_by_key(|(order, ..)| *order).map(|(_, party, face)| (party, face))
}
