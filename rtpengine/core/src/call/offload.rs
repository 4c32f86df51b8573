//! Which streams the kernel may forward, and as what.

use std::sync::Arc;

use rtpengine_common::srtp::{Cipher, CryptoParams, abi::MAX_KERNEL_MKI};
use smallvec::smallvec;

use super::{
    encryption::Treatment,
    interfaces::Interfaces,
    media::{Face, Side},
    model::Call,
    plan::Wire,
    socket::Socket,
};
use crate::io::{
    Component, FlowIdentity, FlowOutput, FlowSpec, Reason, SourceMismatch, SourcePolicy, StreamId,
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
    let sink = match wire.relay.sinks.as_slice() {
        [] => return Err(Reason::NoSink),
        [sink] => call.socket(*sink).ok_or(Reason::NoSink)?,
        [_, _, ..] => return Err(Reason::ManyOutputs),
    };
    let inherits_keys = wire.treatment == Treatment::Inherited;
    match wire.relay.discard {
        // What the relay cannot read the kernel can.
        Some(Reason::NoKeys) if inherits_keys => {}
        Some(reason) => return Err(reason),
        None => {}
    }
    let socket = call.socket(wire.stream).ok_or(Reason::NoSink)?;
    let to = sink.endpoint.ok_or(Reason::NoEndpoint)?;
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
        outputs: smallvec![FlowOutput {
            stream: sink.stream,
            keyring,
            from: sink.local,
            to,
            tos: call.tos,
            crypto: transmit,
        }],
        crypto: receive.clone(),
        inherits_keys,
        payload_types: smallvec![],
        debug: call.debug,
        identity: Box::new(identity(call, interfaces, wire, socket, sink)),
    })
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
    let tag = |side: Side| {
        let dialogue = call.dialogues.get(wire.dialogue);
        let party = dialogue.and_then(|dialogue| call.party(*dialogue.parties.get(side)));
        party.map_or_else(String::new, |party| party.tag().to_owned())
    };
    let pair = call.dialogues.get(wire.dialogue).and_then(|dialogue| dialogue.medias.get(wire.media));
    let face = |side: Side| pair.map(|pair| pair.faces.get(side));
    let (sender, receiver) = (face(wire.side), face(wire.side.other()));
    let protocol = |face: Option<&Face>| face.map_or_else(String::new, |face| face.protocol_name.clone());
    let interface = |socket: &Socket| {
        interfaces.local(socket.local_idx).map_or_else(String::new, |local| local.interface.clone())
    };
    FlowIdentity {
        call_id: call.id.to_string(),
        tag: tag(wire.side),
        peer_tag: tag(wire.side.other()),
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
