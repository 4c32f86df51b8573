//! What people and exporters may know of calls and interfaces, copied out of the engine.

use std::net::{IpAddr, SocketAddr};

use rtpengine_common::srtp::Suite;

use super::{
    dialogue::{Dialogue, Kind},
    encryption::{Treatment, treatment},
    engine::Engine,
    interfaces::{Family, Interfaces},
    media::{Carries, MediaPair, Side},
    model::Call,
    party::{Party, PartyId},
    quality::SsrcQuality,
};
use crate::io::{MediaPlane, Path, StreamCounters, StreamId};

/// One call in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSummary {
    /// SIP Call-ID.
    pub id: String,
    /// It is waiting for its deletion.
    pub deleting: bool,
    /// Creation, Unix microseconds.
    pub created_unix_us: u64,
    /// The proxy that created it; `None` for adopted calls.
    pub proxy: Option<SocketAddr>,
}

/// One call in full.
#[derive(Clone, Debug, PartialEq)]
pub struct CallInfo {
    /// What lists show.
    pub summary: CallSummary,
    /// TOS of its packets.
    pub tos: Option<u8>,
    /// Last command that named it, Unix microseconds.
    pub last_signal_unix_us: u64,
    /// Its parties in order of appearance.
    pub parties: Vec<PartyInfo>,
    /// Sum over all RTP sockets: packets, bytes, errors received.
    pub rtp: [u64; 3],
    /// Sum over all RTCP sockets.
    pub rtcp: [u64; 3],
    /// By SSRC, as far as anything is known.
    pub quality: Vec<SsrcQuality>,
}

/// One party of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct PartyInfo {
    /// SIP tag; empty until the party has signalled.
    pub tag: String,
    /// Label or empty.
    pub label: String,
    /// Via branch or empty.
    pub branch: String,
    /// Metadata or empty.
    pub metadata: String,
    /// First seen, Unix microseconds.
    pub created_unix_us: u64,
    /// Entered the call with an offer.
    pub offerer: bool,
    /// Tags of the parties it exchanges media with.
    pub peers: Vec<String>,
    /// Tags of the parties whose media it has subscribed to.
    pub subscriptions: Vec<String>,
    /// Tags of the parties that have subscribed to its media.
    pub subscribers: Vec<String>,
    /// The m-lines of its latest dialogue.
    pub medias: Vec<MediaInfo>,
}

/// One m-line of a party.
#[derive(Clone, Debug, PartialEq)]
pub struct MediaInfo {
    /// From 1.
    pub index: usize,
    /// `audio`, `video`...
    pub kind: String,
    /// Transport protocol.
    pub protocol: String,
    /// First codec; may be empty.
    pub codec: String,
    /// RTP, then RTCP.
    pub streams: Vec<StreamInfo>,
    /// State words as `query` lists them.
    pub flags: Vec<&'static str>,
}

/// One socket.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamInfo {
    /// Identity towards the media plane.
    pub stream: StreamId,
    /// Our address.
    pub local: SocketAddr,
    /// Name of its interface.
    pub interface: String,
    /// The party's address in force.
    pub endpoint: Option<SocketAddr>,
    /// The party's address as signalled.
    pub advertised: Option<SocketAddr>,
    /// RTCP alone.
    pub rtcp: bool,
    /// State words as `query` lists them.
    pub flags: Vec<&'static str>,
    /// Name of the crypto suite in use, where SDES chose one.
    pub crypto_suite: Option<&'static str>,
    /// Last packet, or creation where none came, Unix microseconds.
    pub last_packet_unix_us: u64,
    /// Where its packets are forwarded, and why not in the kernel.
    pub path: Path,
    /// SSRC of whoever reported on it last by RTCP.
    pub reporter: Option<u32>,
    /// Its counters.
    pub counters: StreamCounters,
}

/// One address of a logical interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceInfo {
    /// Name of the logical interface.
    pub name: String,
    /// The address.
    pub address: IpAddr,
    /// The address shown to peers.
    pub advertised: IpAddr,
    /// First and last port.
    pub ports: (u16, u16),
    /// Ports in use.
    pub used: u32,
    /// All ports.
    pub total: u32,
}

/// Calls by the address families of their media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounts {
    /// All calls.
    pub total: usize,
    /// IPv4 on both sides.
    pub ipv4: usize,
    /// IPv6 on both sides.
    pub ipv6: usize,
    /// Both families.
    pub mixed: usize,
}

impl Engine {
    /// All calls, in no particular order.
    pub fn calls(&self) -> impl ExactSizeIterator<Item = CallSummary> {
        self.calls.values().map(summary)
    }

    /// One call in full.
    #[must_use]
    pub fn call(&self, call_id: &str, plane: &dyn MediaPlane) -> Option<CallInfo> {
        let call = self.calls.get(*self.by_id.get(call_id)?)?;
        Some(call_info(call, &self.interfaces, plane))
    }

    /// All local addresses with their port usage.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceInfo> {
        self.interfaces.all().map(|(_, local, pool)| InterfaceInfo {
            name: local.interface.clone(),
            address: local.address,
            advertised: local.advertised,
            ports: pool.range(),
            used: pool.used(),
            total: pool.total(),
        })
    }

    /// Numbers of calls.
    #[must_use]
    pub fn session_counts(&self) -> SessionCounts {
        let mut counts = SessionCounts { total: self.calls.len(), ..SessionCounts::default() };
        for call in self.calls.values() {
            let has =
                |family: Family| call.sockets.iter().any(|socket| Family::of(socket.local.ip()) == family);
            match (has(Family::V4), has(Family::V6)) {
                (true, true) => counts.mixed += 1,
                (false, true) => counts.ipv6 += 1,
                (true, false) => counts.ipv4 += 1,
                (false, false) => {}
            }
        }
        counts
    }
}

fn summary(call: &Call) -> CallSummary {
    CallSummary {
        id: call.id.to_string(),
        deleting: call.is_deleting(),
        created_unix_us: call.created.unix_us,
        proxy: call.proxy,
    }
}

pub(super) fn call_info(call: &Call, interfaces: &Interfaces, plane: &dyn MediaPlane) -> CallInfo {
    let (mut rtp, mut rtcp) = ([0; 3], [0; 3]);
    for socket in &call.sockets {
        let counters = plane.counters(socket.stream);
        let sum: &mut [u64; 3] = if socket.rtcp { &mut rtcp } else { &mut rtp };
        for (sum, value) in sum.iter_mut().zip([counters.packets, counters.bytes, counters.errors]) {
            *sum += value;
        }
    }
    CallInfo {
        summary: summary(call),
        tos: call.tos,
        last_signal_unix_us: call.last_signal_unix_us,
        parties: call.parties.iter().map(|party| party_info(call, party, interfaces, plane)).collect(),
        rtp,
        rtcp,
        quality: call.quality.snapshot(),
    }
}

fn party_info(call: &Call, party: &Party, interfaces: &Interfaces, plane: &dyn MediaPlane) -> PartyInfo {
    let tag = |id: PartyId| call.party(id).map_or_else(String::new, |party| party.tag().to_owned());
    let (subscribers, peers): (Vec<_>, Vec<_>) =
        call.peers_of(party.id).into_iter().partition(|(_, subscribed)| *subscribed);
    let tags = |parties: Vec<(PartyId, bool)>| parties.into_iter().map(|(id, _)| tag(id)).collect();
    let mut subscriptions: Vec<String> = Vec::new();
    let subscribed = call.dialogues.iter().find(|dialogue| dialogue.is_subscription_of(party.id));
    for source in subscribed.into_iter().flat_map(Dialogue::sources).map(tag) {
        if !subscriptions.contains(&source) {
            subscriptions.push(source);
        }
    }
    let latest = call.source_dialogue(party.id).or(subscribed);
    let medias = latest.and_then(|dialogue| {
        let side = match dialogue.kind {
            Kind::Subscription => Side::Answerer,
            Kind::OfferAnswer | Kind::Publication => dialogue.side_of(party.id, Side::Offerer)?,
        };
        let medias = dialogue.medias.iter().enumerate();
        Some(medias.map(|(index, pair)| media_info(call, index, pair, side, interfaces, plane)).collect())
    });
    PartyInfo {
        tag: party.tag().to_owned(),
        label: party.label.clone().unwrap_or_default(),
        branch: party.branch.clone().unwrap_or_default(),
        metadata: party.metadata.clone().unwrap_or_default(),
        created_unix_us: party.created_unix_us,
        offerer: party.offerer,
        peers: tags(peers),
        subscriptions,
        subscribers: tags(subscribers),
        medias: medias.unwrap_or_default(),
    }
}

fn media_info(
    call: &Call,
    index: usize,
    pair: &MediaPair,
    side: Side,
    interfaces: &Interfaces,
    plane: &dyn MediaPlane,
) -> MediaInfo {
    let (face, other) = (pair.faces.get(side), pair.faces.get(side.other()));
    // A party that has not signalled is shown what it was offered.
    let described = if face.filled { face } else { other };
    let mut flags = Vec::new();
    if pair.carries != Carries::Nothing {
        flags.push("initialized");
    }
    if face.direction.receives() {
        flags.push("send");
    }
    if face.direction.sends() {
        flags.push("recv");
    }
    if face.mux.active {
        flags.push("rtcp-mux");
    }
    if face.asymmetric {
        flags.push("asymmetric");
    }
    if face.ice.is_active() {
        flags.push("ICE");
    }
    let suite = face.encryption.suite();
    if suite.is_some() {
        flags.push("SDES");
    }
    if face.encryption.is_dtls() {
        flags.push("DTLS");
    }
    if treatment(pair) == Treatment::Unread {
        flags.push("passthrough");
    }
    let streams = face.streams().filter_map(|stream| {
        let socket = call.socket(stream)?;
        let counters = plane.counters(stream);
        let path = socket.shown_path();
        let first = face.first_of(stream).and_then(|first| call.socket(first));
        let from_dtls = || first.filter(|_| face.encryption.is_dtls())?.dtls.suite();
        let suite = suite.or_else(from_dtls);
        let mut flags = vec![if socket.rtcp { "RTCP" } else { "RTP" }];
        if socket.endpoint.is_some() {
            flags.push("filled");
        }
        if socket.settled {
            flags.push("confirmed");
        }
        if path == Path::Kernel {
            flags.push("kernelized");
        }
        Some(StreamInfo {
            stream,
            local: socket.local,
            interface: interfaces
                .local(socket.local_idx)
                .map(|local| local.interface.clone())
                .unwrap_or_default(),
            endpoint: socket.endpoint,
            advertised: socket.signalled,
            rtcp: socket.rtcp,
            flags,
            crypto_suite: suite.map(Suite::name),
            last_packet_unix_us: if counters.last_packet_unix_us > 0 {
                counters.last_packet_unix_us
            } else {
                socket.since_unix_us
            },
            path,
            reporter: call.quality.reporter(stream),
            counters,
        })
    });
    MediaInfo {
        index: index + 1,
        kind: described.kind.clone(),
        protocol: described.protocol_name.clone(),
        codec: described.codec.clone(),
        streams: streams.collect(),
        flags,
    }
}
