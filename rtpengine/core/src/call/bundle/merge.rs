//! The m-lines that share a socket, from their settings to those of the socket.

use std::sync::Arc;

use rtpengine_common::srtp::CryptoParams;
use smallvec::SmallVec;

use crate::{
    call::{encryption::Treatment, media::Face, model::Call, plan::Wire},
    io::{Bundle, BundleLine, FlowSpec, Reason, RelayStream, StreamId},
};

/// What the m-line of a face tells of its packets, where it may be one of several.
pub(in crate::call) fn line(face: &Face, relay: &RelayStream) -> Option<Box<BundleLine>> {
    if !face.bundle.is_any() {
        return None;
    }
    let bits = |bits: u128, (number, _): &(u8, u32)| bits | (1 << (number & 0x7f));
    Some(Box::new(BundleLine {
        mid: face.mid.as_deref().map(Arc::from),
        mid_extension: face.bundle.mid_extension,
        ssrcs: face.bundle.ssrcs.clone(),
        payload_types: face.bundle.adopted.unwrap_or_else(|| relay.clock_rates.iter().fold(0, bits)),
        sinks: SmallVec::new(),
        rtcp_sinks: SmallVec::new(),
        discard: None,
        filter: None,
        copies: None,
    }))
}

/// Makes one of the settings that several m-lines have for a socket.
pub(in crate::call) fn merge(mut wires: Vec<Wire>) -> Vec<Wire> {
    let is_shared = |wire: &Wire| wires.iter().filter(|other| other.stream == wire.stream).count() > 1;
    if !wires.iter().any(is_shared) {
        return wires;
    }
    withhold(&mut wires);
    let mut merged: Vec<(Wire, Vec<Wire>)> = Vec::with_capacity(wires.len());
    for wire in wires {
        match merged.iter_mut().find(|(known, _)| known.stream == wire.stream) {
            Some((_, others)) => others.push(wire),
            None => merged.push((wire, Vec::new())),
        }
    }
    merged
        .into_iter()
        .map(|(first, others)| if others.is_empty() { first } else { unite(first, others) })
        .collect()
}

type Keys = (Option<Arc<CryptoParams>>, Option<Arc<CryptoParams>>);

fn keys(relay: &RelayStream) -> Keys {
    (relay.receive_crypto.clone(), relay.transmit_crypto.clone())
}

/// A socket has one set of keys: m-lines that need another one, as they may between an offer and its answer, wait.
fn withhold(wires: &mut [Wire]) {
    let mut in_force: Vec<(StreamId, Keys)> = Vec::new();
    let mut refused: Vec<(usize, usize, StreamId)> = Vec::new();
    for wire in wires.iter_mut().filter(|wire| !wire.is_withheld()) {
        let own = keys(&wire.relay);
        match in_force.iter().find(|(stream, _)| *stream == wire.stream) {
            None => in_force.push((wire.stream, own)),
            Some((_, known)) if *known == own => {}
            Some(_) => {
                refused.push((wire.dialogue, wire.media, wire.stream));
                close(&mut wire.relay, |_| false);
            }
        }
    }
    for (dialogue, media, stream) in refused {
        for wire in wires.iter_mut().filter(|wire| (wire.dialogue, wire.media) == (dialogue, media)) {
            close(&mut wire.relay, |sink| sink != stream);
        }
    }
}

/// Takes all ways but those to keep.
fn close(relay: &mut RelayStream, keeps: impl Fn(StreamId) -> bool) {
    let had = !relay.sinks.is_empty() || !relay.rtcp_sinks.is_empty();
    if relay.filter.is_some() && !relay.sinks.iter().all(|sink| keeps(*sink)) {
        relay.filter = None;
        relay.sinks.clear();
    }
    relay.sinks.retain(|sink| keeps(*sink));
    relay.rtcp_sinks.retain(|sink| keeps(*sink));
    if had && relay.sinks.is_empty() && relay.rtcp_sinks.is_empty() {
        relay.discard = Some(Reason::NoKeys);
        relay.filter = None;
        relay.copies = None;
    }
}

/// The settings of a socket of these m-lines: those of the first that is not withheld, and what differs line by line.
fn unite(first: Wire, others: Vec<Wire>) -> Wire {
    let mut all: Vec<Wire> = std::iter::once(first).chain(others).take(Bundle::MAX_LINES).collect();
    let lead = all.iter().position(|wire| !wire.is_withheld()).unwrap_or(0);
    let mut lines: SmallVec<[BundleLine; 2]> = SmallVec::new();
    for wire in &mut all {
        let Some(line) = wire.line.take() else { continue };
        lines.push(BundleLine {
            sinks: wire.relay.sinks.clone(),
            // Without keys it is the kernel alone that forwards, and no RTCP.
            rtcp_sinks: Some(&wire.relay)
                .filter(|relay| relay.discard != Some(Reason::NoKeys))
                .map_or_else(SmallVec::new, |relay| relay.rtcp_sinks.clone()),
            discard: wire.relay.discard,
            filter: wire.relay.filter.clone(),
            copies: wire.relay.copies.clone(),
            ..*line
        });
    }
    let ways = |wire: &Wire| {
        let relay = &wire.relay;
        (
            relay.sinks.clone(),
            relay.rtcp_sinks.clone(),
            relay.discard,
            relay.filter.clone(),
            relay.copies.clone(),
        )
    };
    let alike = all.windows(2).all(|pair| matches!(pair, [one, two] if ways(one) == ways(two)));
    let told_apart = !alike && lines.len() == all.len();
    let treatments = all.iter().map(|wire| (wire.media, wire.treatment)).collect();
    let awaits_keys = all.iter().any(|wire| wire.relay.awaits_keys);
    let passes_dtls = all.iter().any(|wire| wire.relay.passes_dtls);
    let mut clock_rates: SmallVec<[(u8, u32); 8]> = SmallVec::new();
    for (number, rate) in all.iter().flat_map(|wire| &wire.relay.clock_rates).copied() {
        if clock_rates.iter().all(|(known, _)| *known != number) {
            clock_rates.push((number, rate));
        }
    }
    let mut wire = all.swap_remove(lead);
    let relay = &mut wire.relay;
    (relay.awaits_keys, relay.passes_dtls, relay.clock_rates) = (awaits_keys, passes_dtls, clock_rates);
    if told_apart {
        relay.sinks.clear();
        relay.rtcp_sinks.clear();
        for sink in lines.iter().flat_map(|line| &line.rtcp_sinks) {
            if !relay.rtcp_sinks.contains(sink) {
                relay.rtcp_sinks.push(*sink);
            }
        }
        (relay.discard, relay.filter, relay.copies) = (None, None, None);
        relay.bundle = Some(Box::new(Bundle { lines }));
        wire.lines = treatments;
    }
    wire
}

/// The m-line that the kernel may forward of a socket on which several are told apart: the first with video, which is most of
/// the traffic, else the first that goes anywhere.
pub(in crate::call) fn leading(call: &Call, wire: &Wire) -> Option<Wire> {
    let bundle = wire.relay.bundle.as_deref()?;
    let pairs = |media: usize| call.dialogues.get(wire.dialogue)?.medias.get(media);
    let is_video = |index: usize| {
        let media = wire.lines.get(index).map(|(media, _)| *media);
        media.and_then(pairs).is_some_and(|pair| pair.faces.get(wire.side).kind == "video")
    };
    let goes = |index: usize| {
        let how = wire.lines.get(index).map(|(_, treatment)| *treatment);
        let line = bundle.lines.get(index).filter(|line| !line.sinks.is_empty() && bundle.unique(index) != 0);
        line.is_some_and(|line| line.discard.is_none() || how == Some(Treatment::Inherited))
    };
    let order = || (0..bundle.lines.len()).filter(|index| goes(*index));
    let index = order().find(|index| is_video(*index)).or_else(|| order().next()).unwrap_or(0);
    let (line, (media, treatment)) = (bundle.lines.get(index)?, *wire.lines.get(index)?);
    Some(Wire {
        stream: wire.stream,
        relay: RelayStream {
            sinks: line.sinks.clone(),
            rtcp_sinks: line.rtcp_sinks.clone(),
            discard: line.discard,
            filter: line.filter.clone(),
            copies: line.copies.clone(),
            ..wire.relay.clone()
        },
        dialogue: wire.dialogue,
        media,
        side: wire.side,
        party: wire.party,
        treatment,
        association: None,
        line: None,
        lines: SmallVec::new(),
    })
}

/// The flow of the [`leading`] m-line, for the packets that are certainly its own; all others come up.
pub(in crate::call) fn limited(wire: &Wire, line: &Wire, mut flow: FlowSpec) -> Result<FlowSpec, Reason> {
    let bundle = wire.relay.bundle.as_deref();
    let index = wire.lines.iter().position(|(media, _)| *media == line.media);
    let unique = bundle.zip(index).map_or(0, |(bundle, index)| bundle.unique(index));
    let before = flow.payload_types;
    flow.payload_types = (0..128u8)
        .filter(|number| unique >> number & 1 == 1 && (before.is_empty() || before.contains(number)))
        .collect();
    if flow.payload_types.is_empty() { Err(Reason::Bundle) } else { Ok(flow) }
}
