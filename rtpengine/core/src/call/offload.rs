//! Which streams the kernel may forward, and as what.

use std::sync::Arc;

use rtpengine_common::abi::MAX_SILENCE;
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
    Component, Filter, FlowIdentity, FlowOutput, FlowSpec, Reason, RelayStream, Restraint, SourceMismatch,
    SourcePolicy, StreamId,
};

/// Key ring of a socket, what is encrypted with towards its party, and whether that one is to be heard first.
pub(super) struct Way {
    pub(super) stream: StreamId,
    pub(super) keyring: StreamId,
    pub(super) transmit: Option<Arc<CryptoParams>>,
    pub(super) waits: bool,
}

/// The flow for a socket, or why there must be none. `ways`: to all sockets of the call.
///
/// Held streams stay in userspace: little arrives on them, and they resume without waiting for the kernel.
pub(super) fn decide(
    call: &Call,
    interfaces: &Interfaces,
    offload: bool,
    wire: &Wire,
    ways: &[Way],
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
    let readable = match wire.treatment {
        Treatment::Clear | Treatment::Bridged | Treatment::Unread => true,
        Treatment::Inherited | Treatment::NoKeys => false,
    };
    let dropped = wire.relay.discard == Some(Reason::Blackhole) && readable;
    match wire.relay.discard {
        // What the relay cannot read the kernel can.
        Some(Reason::NoKeys) if inherits_keys => {}
        Some(Reason::Blackhole) if dropped => {}
        Some(reason) => return Err(reason),
        None => {}
    }
    let payload_types = handed_up(wire.relay.filter.as_deref());
    let socket = call.socket(wire.stream).ok_or(Reason::NoSink)?;
    let mut outputs: SmallVec<[FlowOutput; 1]> = SmallVec::new();
    for (index, sink) in wire.relay.sinks.iter().enumerate().filter(|_| !dropped) {
        let way = ways.iter().find(|way| way.stream == *sink).ok_or(Reason::NoSink)?;
        outputs.push(output(call, &wire.relay, index, way)?);
    }
    let receive = &wire.relay.receive_crypto;
    let transmit = outputs.iter().filter_map(|output| output.crypto.as_ref());
    if receive.iter().chain(transmit).any(|keys| !is_for_kernel(keys)) {
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
        outputs,
        crypto: receive.clone(),
        inherits_keys,
        payload_types,
        debug: call.debug,
        identity: Box::new(identity(call, interfaces, wire, socket, sink)),
    })
}

/// What leaves by one socket.
fn output(call: &Call, relay: &RelayStream, index: usize, way: &Way) -> Result<FlowOutput, Reason> {
    let sink = call.socket(way.stream).ok_or(Reason::NoSink)?;
    let to = sink.endpoint.ok_or(Reason::NoEndpoint)?;
    if way.waits {
        return Err(Reason::NatWait);
    }
    let filter = relay.filter.as_deref();
    let rule = filter.and_then(|filter| Some((filter, *filter.rules.get(index)?)));
    let restraint = rule.map_or_else(Restraint::default, |(filter, rule)| Restraint::of(filter, rule));
    if restraint.patterns().count() > MAX_SILENCE {
        return Err(Reason::Silenced);
    }
    Ok(FlowOutput {
        stream: way.stream,
        keyring: way.keyring,
        from: sink.local,
        to,
        tos: call.tos,
        crypto: way.transmit.clone(),
        restraint,
        turned_ssrc: relay.handling.echo,
    })
}

/// The payload types that the kernel deals with, all where there are none. What it does not deal with it hands up:
/// telephone events that not everybody gets.
fn handed_up(filter: Option<&Filter>) -> SmallVec<[u8; 8]> {
    match filter {
        Some(filter) if filter.rules.iter().any(|rule| !rule.events) => {
            (0..128).filter(|number| filter.events().all(|event| event != *number)).collect()
        }
        Some(_) | None => SmallVec::new(),
    }
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
