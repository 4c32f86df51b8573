//! From the model to the relay: what every socket is to do, told only where it changed.

use smallvec::SmallVec;

use super::{
    agents::standings,
    bundle, codecs,
    dialogue::Dialogue,
    dtls::{Association, Reach, withhold},
    encryption::{self, Treatment},
    engine::{CallKey, Engine},
    fanout,
    ice::Standing,
    joins,
    media::{Carries, Face, MediaPair, Side},
    media_flags,
    model::Call,
    offload::{self, Way},
    party::PartyId,
    restraint,
};
use crate::{
    config::CoreConfig,
    io::{
        BundleLine, Component, FlowCommand, Handling, Learning, Output, Reason, RelayCommand, RelayStream,
        RtcpUse, SourcePolicy, StreamId,
    },
};

/// One socket with its settings and its place in the call.
pub(super) struct Wire {
    pub(super) stream: StreamId,
    pub(super) relay: RelayStream,
    pub(super) dialogue: usize,
    pub(super) media: usize,
    /// The side whose party sends to this socket.
    pub(super) side: Side,
    /// That party.
    pub(super) party: PartyId,
    pub(super) treatment: Treatment,
    /// The DTLS association of the component whose first socket this is.
    pub(super) association: Option<(Association, Reach)>,
    /// What the m-line tells of its packets, where it may share the socket.
    pub(super) line: Option<Box<BundleLine>>,
    /// Where they are told apart: the m-line, rank by rank, and how it is treated.
    pub(super) lines: SmallVec<[(usize, Treatment); 0]>,
}

impl Wire {
    /// Nothing may be forwarded from this socket or to it: keys are missing.
    pub(super) fn is_withheld(&self) -> bool {
        self.relay.awaits_keys || self.relay.discard == Some(Reason::NoKeys)
    }
}

impl Engine {
    /// Brings relay and kernel up to date with the model of one call. Flows go first where they end and last where
    /// they begin, so that a socket is always ready for what the kernel hands up.
    pub(super) fn plan(&mut self, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if !call.agents.is_empty() || call.sockets.iter().any(|socket| !socket.learns()) {
            for (stream, standing) in standings(call) {
                let heard = self.agents.heard(stream);
                if let Some(socket) = call.socket_mut(stream) {
                    socket.follow(standing, &heard);
                }
            }
        }
        let mut wires = wires(call, &self.config);
        for wire in &mut wires {
            wire.relay.ice = self.agents.ufrags(wire.stream);
            wire.relay.vouched = self.agents.heard(wire.stream);
        }
        let mut removes = Vec::new();
        let mut configures = Vec::new();
        let mut installs = Vec::new();
        let mut handshakes = Vec::new();
        let waits = |wire: &Wire| {
            wire.relay.handling.awaits_packets && !media_flags::has_heard(call, wire.stream, &wire.relay)
        };
        let way = |wire: &Wire| Way {
            stream: wire.stream,
            keyring: wire.relay.keyring,
            transmit: wire.relay.transmit_crypto.clone(),
            waits: waits(wire),
        };
        let ways: SmallVec<[Way; 4]> = wires.iter().map(way).collect();
        for wire in wires {
            let stream = wire.stream;
            if let Some(socket) = call.socket_mut(stream) {
                socket.settled = wire.relay.endpoint_settled;
            }
            let offloaded = bundle::leading(call, &wire);
            let offload = self.config.offload;
            let decision = match &offloaded {
                None => offload::decide(call, &self.interfaces, offload, &wire, &ways),
                Some(line) => offload::decide(call, &self.interfaces, offload, line, &ways)
                    .and_then(|flow| bundle::limited(&wire, line, flow)),
            };
            let Some(socket) = call.socket_mut(stream) else { continue };
            if socket.configured.as_deref() != Some(&wire.relay) {
                let config = Box::new(wire.relay);
                socket.configured = Some(config.clone());
                configures.push(Output::Relay(RelayCommand::Configure { stream, config }));
            }
            handshakes.extend(socket.associate(wire.association).into_iter().map(Output::Dtls));
            match decision {
                Ok(flow) => {
                    socket.kept_up = None;
                    if socket.flow.as_deref() != Some(&flow) {
                        let flow = Box::new(flow);
                        socket.flow = Some(flow.clone());
                        installs.push(Output::Flow(FlowCommand::Install(flow)));
                    }
                }
                Err(reason) => {
                    socket.kept_up = Some(reason);
                    if socket.flow.take().is_some() {
                        removes.push(Output::Flow(FlowCommand::Remove { stream }));
                    }
                }
            }
        }
        self.outputs.extend(removes.into_iter().chain(configures).chain(handshakes).chain(installs));
    }
}

/// The settings of all sockets that a dialogue refers to. Where forks share one, the latest answer has it; what the others
/// would send there comes from a party that did not agree on keys with it.
fn wires(call: &Call, config: &CoreConfig) -> Vec<Wire> {
    let mut order: SmallVec<[usize; 2]> = (0..call.dialogues.len()).collect();
    order.sort_by_key(|&index| call.dialogues.get(index).map(|dialogue| dialogue.order));
    let mut wires: Vec<Wire> = Vec::with_capacity(call.sockets.len());
    for index in order {
        let Some(dialogue) = call.dialogues.get(index) else { continue };
        wires.retain(|wire| !dialogue.uses(wire.stream));
        for (media, pair) in dialogue.medias.iter().enumerate() {
            for side in Side::BOTH {
                let rtp = pair.carries == Carries::Rtp;
                let wanted = pair.faces.get(side).encryption.association().filter(|_| rtp);
                let (party, face) = (*dialogue.parties.get(side), pair.faces.get(side));
                for (stream, relay) in face_wires(call, config, dialogue, pair, side) {
                    let treatment = encryption::treatment(pair);
                    let mut components = [(1, face.rtp), (2, face.rtcp)].into_iter();
                    let component = components.find(|(_, first)| *first == Some(stream));
                    let association = wanted.zip(component).map(|(wanted, (component, _))| {
                        (Association::of(party, wanted), Reach::of(call, face, component))
                    });
                    let line = bundle::line(face, &relay);
                    wires.push(Wire {
                        stream,
                        relay,
                        dialogue: index,
                        media,
                        side,
                        party,
                        treatment,
                        association,
                        line,
                        lines: SmallVec::new(),
                    });
                }
            }
        }
    }
    let shared: Vec<_> = wires.iter().map(|wire| (wire.stream, wire.dialogue, wire.treatment)).collect();
    for wire in &mut wires {
        let (dialogue, treatment) = (wire.dialogue, wire.treatment);
        let fits = |sink: &mut StreamId| {
            let owner = shared.iter().find(|(stream, ..)| stream == sink);
            owner.is_none_or(|(_, other, how)| {
                *other == dialogue || (treatment, *how) == (Treatment::Clear, Treatment::Clear)
            })
        };
        wire.relay.sinks.retain(fits);
        wire.relay.rtcp_sinks.retain(fits);
    }
    fanout::fan_out(call, &mut wires);
    joins::fan_out(call, &mut wires);
    fanout::follow_egress(call, &mut wires);
    restraint::restrain(call, &mut wires);
    bundle::merge(wires)
}

fn face_wires(
    call: &Call,
    config: &CoreConfig,
    dialogue: &Dialogue,
    pair: &MediaPair,
    side: Side,
) -> impl Iterator<Item = (StreamId, RelayStream)> {
    let (face, sink) = (pair.faces.get(side), pair.faces.get(side.other()));
    let raw = pair.carries == Carries::Raw;
    let to_rtp: SmallVec<[StreamId; 1]> = sink.way_out().into_iter().collect();
    let to_rtcp: SmallVec<[StreamId; 1]> =
        if raw { SmallVec::new() } else { sink.rtcp_way_out().or(sink.way_out()).into_iter().collect() };
    let treatment = encryption::treatment(pair);
    let spares = || face.spares.iter();
    let rtp = face.rtp.into_iter().chain(spares().map(|spare| spare.rtp)).map(|stream| {
        let component = match (raw, face.mux.active || face.mux.proposed) {
            (true, _) => Component::Raw,
            (false, true) => Component::Mux,
            (false, false) => Component::Rtp,
        };
        let settings = settings(call, config, face, stream, component);
        let rtcp_sinks = to_rtcp.clone();
        let sinks = to_rtp.clone();
        let clock_rates = codecs::clock_rates(face, sink);
        (
            stream,
            RelayStream { sinks, rtcp_sinks, discard: discard(call, sink, raw), clock_rates, ..settings },
        )
    });
    let rtcp = face.rtcp.into_iter().chain(spares().filter_map(|spare| spare.rtcp)).map(|stream| {
        // RTCP goes on during hold (RFC 3264 section 8.4).
        let settings = settings(call, config, face, stream, Component::Rtcp);
        (stream, RelayStream { sinks: to_rtcp.clone(), rtcp_sinks: to_rtcp.clone(), ..settings })
    });
    let mut wires: SmallVec<[_; 2]> = rtp.chain(rtcp).collect();
    let keys = |side: Side, stream: StreamId| {
        let party = *dialogue.parties.get(side);
        let face = pair.faces.get(side);
        let first = face.first_of(stream).and_then(|first| call.socket(first));
        face.encryption.keys(first.and_then(|socket| socket.dtls.keys(party)))
    };
    for (stream, relay) in &mut wires {
        let own = keys(side, *stream);
        let associated = face.encryption.association().is_some();
        relay.awaits_keys =
            associated && own.is_none() && matches!(treatment, Treatment::Bridged | Treatment::NoKeys);
        relay.rtcp = match treatment {
            // Without keys neither can reports be read nor may any be sent.
            Treatment::Clear | Treatment::Bridged if own.is_none() => RtcpUse::Unread,
            Treatment::Clear | Treatment::Bridged if call.generate_rtcp => RtcpUse::Consume,
            Treatment::Clear | Treatment::Bridged => RtcpUse::Read,
            Treatment::Unread | Treatment::Inherited | Treatment::NoKeys => RtcpUse::Unread,
        };
        match treatment {
            Treatment::Clear => {}
            Treatment::Unread => relay.passes_dtls = !associated,
            Treatment::Bridged => {
                withhold(relay, own.is_some(), |sink| keys(side.other(), sink).is_some());
                let own = own.unwrap_or_default();
                (relay.receive_crypto, relay.transmit_crypto) = (own.receive, own.transmit);
            }
            Treatment::Inherited => {
                relay.discard = Some(Reason::NoKeys);
                // Nobody here can tell whether a packet from elsewhere is authentic.
                relay.source_policy = SourcePolicy::Strict;
            }
            Treatment::NoKeys => withhold(relay, false, |_| false),
        }
        media_flags::apply(call, face, treatment, *stream, relay);
    }
    wires.into_iter()
}

/// Why media for this sink is discarded, if it is.
fn discard(call: &Call, sink: &Face, raw: bool) -> Option<Reason> {
    if call.drop_traffic {
        return Some(Reason::Blackhole);
    }
    (!raw && sink.filled && !sink.direction.receives()).then_some(Reason::Hold)
}

/// What a socket is told about its party, without any sinks.
fn settings(
    call: &Call,
    config: &CoreConfig,
    face: &Face,
    stream: StreamId,
    component: Component,
) -> RelayStream {
    let (endpoint, settled, epoch, standing) =
        call.socket(stream).map_or((None, false, 0, Standing::Free), |socket| {
            (socket.endpoint, socket.settled, socket.epoch, socket.standing)
        });
    let free = standing == Standing::Free;
    let learning = if face.asymmetric || !free {
        Learning::Off
    } else {
        call.learning.unwrap_or(config.endpoint_learning)
    };
    let chosen = matches!(standing, Standing::Chosen(_));
    let source_policy = if !free && !chosen {
        // Media may come from any address of the party before its checks are over.
        SourcePolicy::Accept
    } else if face.media_handover {
        SourcePolicy::Handover
    } else if face.strict_source {
        SourcePolicy::Strict
    } else {
        SourcePolicy::Accept
    };
    RelayStream {
        component,
        endpoint,
        endpoint_settled: settled || (free && learning == Learning::Off && endpoint.is_some()),
        epoch,
        learning,
        source_policy,
        sinks: SmallVec::new(),
        rtcp_sinks: SmallVec::new(),
        discard: None,
        keyring: face.rtp.unwrap_or(stream),
        handling: Handling::default(),
        filter: None,
        copies: None,
        bundle: None,
        receive_crypto: None,
        transmit_crypto: None,
        ice: SmallVec::new(),
        ice_chosen: chosen,
        vouched: SmallVec::new(),
        awaits_keys: false,
        passes_dtls: false,
        rtcp: RtcpUse::Unread,
        tos: call.tos,
        clock_rates: face.clock_rates.clone(),
        call: call.id.clone(),
    }
}
