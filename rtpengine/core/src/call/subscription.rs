//! `subscribe request`, `subscribe answer`, `unsubscribe`: copies of the media of some parties for another one.
//!
//! A subscription is a dialogue whose offerer's side stands in for the sources: it has no sockets, is in the clear, and says
//! with every m-line whose media it is about. Where that media comes in, `fanout` adds the way to the subscriber.

use std::fmt::Write as _;

use smallvec::SmallVec;

use super::{
    composed::{self, Style},
    dialogue::Kind,
    direction::{Placement, placement},
    draft::Draft,
    engine::Engine,
    error::CallError,
    exchange::Exchange,
    fanout::is_copyable,
    hidden,
    media::{Carries, MediaPair, Side, Sides, Source},
    model::Call,
    offer::call_id_and_body,
    party::PartyId,
    publish::{SESSION_NAME, session_id},
    selection::{self, Selected},
    twins,
};
use crate::{
    io::{MediaPlane, Now},
    ng::{AllMode, Dict, Flag, IceMode, Replace, Reply, Request, TransportProtocol, Value},
    sdp::{self, Direction, Media, Protocol},
    secure::KeySource as _,
};

/// Subscriptions of one call: more are a loop or an attack.
pub(super) const MAX_SUBSCRIPTIONS: usize = 256;
/// Bytes of a tag of ours: unique among all there ever are.
const TAG_BYTES: usize = 10;

impl Engine {
    pub(super) fn subscribe_request(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let call_id = request.call_id.as_deref().filter(|id| !id.is_empty()).ok_or(CallError::NoCallId)?;
        let key = self.by_id.get(call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(key).ok_or(CallError::UnknownCall)?.clone();
        let sources = sources(&call, request)?;
        let placement = placement(&towards_subscriber(request), &self.interfaces);
        let options = self.parse_options();
        let ((body, tag), warnings, key) = self.attempt(now, Some(key), call, plane, |draft| {
            let tag = match request.to_tag.as_deref().filter(|tag| !tag.is_empty()) {
                Some(tag) => tag.to_owned(),
                None => new_tag(draft),
            };
            let dialogue = locate(&mut draft.call, &tag, sources.first().copied(), now)?;
            let body = offer(draft, request, placement, &sources, dialogue, options)?;
            Ok((body, tag))
        })?;
        let call = self.calls.get(key).ok_or(CallError::UnknownCall)?;
        let tags: Vec<&str> =
            sources.iter().filter_map(|source| call.party(*source)).map(|party| party.tag()).collect();
        tracing::info!(target: "core", call = %call_id, "subscription '{tag}' to {tags:?} offered");
        let mut reply = Dict::new().with("sdp", body);
        if let [tag] = tags.as_slice() {
            reply.push("from-tag", *tag);
        }
        reply.push("from-tags", tags.into_iter().map(Value::from).collect::<Vec<Value>>());
        reply.push("to-tag", tag);
        Ok(Reply { warnings, ..Reply::ok_with(reply) })
    }

    pub(super) fn subscribe_answer(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let (call_id, body) = call_id_and_body(request)?;
        let session = sdp::parse(body, self.parse_options())?;
        let key = self.by_id.get(call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(key).ok_or(CallError::UnknownCall)?.clone();
        let (dialogue, tag) = subscription(&call, request)?;
        let medias = call.dialogues.get(dialogue).map(|known| known.medias.as_slice()).unwrap_or_default();
        let mut warning = None;
        if let Some(missing) = refused_codec(medias, &session.medias) {
            if !request.has(Flag::AllowTranscoding) {
                return Err(CallError::CodecRefused(missing));
            }
            warning = Some(format!(
                "Nothing is transcoded: media goes to the subscriber as it comes, also with payload type {missing}"
            ));
        }
        let (_, mut warnings, _) = self.attempt(now, Some(key), call, plane, |draft| {
            let placement = Placement::default();
            let (from, absent) = (Side::Answerer, Some(Side::Offerer));
            Exchange { request, session: &session, dialogue, from, offer: false, placement, absent }
                .run(draft)?;
            stand_in(draft, dialogue);
            Ok(())
        })?;
        tracing::info!(target: "core", call = %call_id, "subscription '{tag}' answered");
        warnings.extend(warning);
        Ok(Reply { warnings, ..Reply::ok() })
    }

    pub(super) fn unsubscribe(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let call_id = request.call_id.as_deref().filter(|id| !id.is_empty()).ok_or(CallError::NoCallId)?;
        let key = self.by_id.get(call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get_mut(key).ok_or(CallError::UnknownCall)?;
        let (dialogue, tag) = subscription(call, request)?;
        call.dialogues.remove(dialogue);
        call.last_signal_unix_us = now.unix_us;
        call.last_signal_mono_us = now.mono_us;
        tracing::info!(target: "core", call = %call_id, "subscription '{tag}' ended");
        self.settle(now, key, plane);
        Ok(Reply::ok())
    }
}

/// Whose media a request asks for.
fn sources(call: &Call, request: &Request) -> Result<Vec<PartyId>, CallError> {
    let selected = selection::senders(call, &Request { is_unread: false, ..request.clone() })?;
    let parties = match (selected, request.all) {
        (
            Selected::Everybody,
            mode @ (AllMode::All | AllMode::OfferAnswer | AllMode::ExceptOfferAnswer | AllMode::Flows),
        ) => {
            let talks = |party: PartyId| {
                let wanted = |kind: Kind| match kind {
                    Kind::OfferAnswer => mode != AllMode::ExceptOfferAnswer,
                    Kind::Publication => matches!(mode, AllMode::ExceptOfferAnswer | AllMode::Flows),
                    Kind::Subscription => false,
                };
                call.dialogues.iter().any(|dialogue| wanted(dialogue.kind) && dialogue.has(party))
            };
            call.parties
                .iter()
                .filter(|party| party.tag.is_some() && talks(party.id))
                .map(|party| party.id)
                .collect()
        }
        (Selected::Everybody, AllMode::None) => return Err(CallError::NoFromTag),
        (Selected::Parties(parties), _) => parties,
    };
    if parties.is_empty() || !parties.iter().all(|party| call.source_dialogue(*party).is_some()) {
        return Err(CallError::NoSource);
    }
    Ok(parties)
}

/// The subscription a request speaks of, and its tag.
fn subscription(call: &Call, request: &Request) -> Result<(usize, String), CallError> {
    let tag = request.to_tag.as_deref().filter(|tag| !tag.is_empty()).ok_or(CallError::NoToTag)?;
    let party = call.party_by_tag(tag).ok_or(CallError::NotFound)?;
    let found = call.dialogues.iter().position(|dialogue| dialogue.is_subscription_of(party));
    Ok((found.ok_or(CallError::NotFound)?, tag.to_owned()))
}

/// Finds or creates the dialogue of a subscription.
fn locate(call: &mut Call, tag: &str, source: Option<PartyId>, now: Now) -> Result<usize, CallError> {
    let source = source.ok_or(CallError::NoSource)?;
    if let Some(party) = call.party_by_tag(tag) {
        let known = call.dialogues.iter().position(|dialogue| dialogue.is_subscription_of(party));
        return known.ok_or_else(|| CallError::TagInUse(tag.to_owned()));
    }
    let count = call.dialogues.iter().filter(|dialogue| dialogue.kind == Kind::Subscription).count();
    if count >= MAX_SUBSCRIPTIONS {
        return Err(CallError::TooManySubscriptions(MAX_SUBSCRIPTIONS));
    }
    let party = call.add_party(Some(tag), false, now);
    let index = call.add_dialogue(source, party, None, now);
    if let Some(dialogue) = call.dialogues.get_mut(index) {
        dialogue.kind = Kind::Subscription;
    }
    Ok(index)
}

/// The tag of a subscription that was given none.
pub(super) fn new_tag(draft: &mut Draft<'_>) -> String {
    let mut bytes = [0; TAG_BYTES];
    draft.fill(&mut bytes);
    let mut tag = String::with_capacity(2 * TAG_BYTES);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(tag, "{byte:02x}");
    }
    tag
}

/// Composes what the subscriber is offered from what the sources have said.
fn offer(
    draft: &mut Draft<'_>,
    request: &Request,
    placement: Placement,
    sources: &[PartyId],
    dialogue: usize,
    options: sdp::ParseOptions,
) -> Result<Vec<u8>, CallError> {
    let direction = if request.has(Flag::Inactive) { Direction::Inactive } else { Direction::SendOnly };
    let mut previous =
        draft.call.dialogues.get(dialogue).map(|known| known.medias.clone()).unwrap_or_default();
    let egress = request.has(Flag::Egress);
    let mut parts = Parts { keeps_mid: sources.len() == 1, direction, egress, ..Parts::default() };
    for source in sources {
        parts.add(&draft.call, *source, request.has(Flag::Siprec), options)?;
    }
    if parts.medias.is_empty() {
        return Err(CallError::NoSource);
    }
    let name = parts.name.take().unwrap_or_else(|| SESSION_NAME.to_owned());
    let mut body = composed::head(&name, session_id(draft), parts.connection);
    for section in &parts.sections {
        body.extend(section);
    }
    // An m-line that was offered once stays (RFC 3264 section 8).
    for pair in previous.iter().skip(parts.medias.len()) {
        let face = pair.faces.get(Side::Answerer);
        let (kind, protocol) = if face.kind.is_empty() {
            ("audio", "RTP/AVP")
        } else {
            (face.kind.as_str(), face.protocol_name.as_str())
        };
        body.extend(composed::rejected(kind, protocol, "0"));
    }
    previous.resize_with(previous.len().max(parts.medias.len()), MediaPair::default);
    for (index, pair) in previous.iter_mut().enumerate() {
        let subscriber = std::mem::take(pair.faces.get_mut(Side::Answerer));
        let (carries, source) = match parts.medias.get(index) {
            Some((carries, source)) => (*carries, Some(source.clone())),
            None => (Carries::Nothing, None),
        };
        *pair = MediaPair {
            carries,
            source,
            faces: Sides::new(Default::default(), subscriber),
            ..MediaPair::default()
        };
    }
    let subscriber = draft.call.dialogues.get_mut(dialogue).map(|known| {
        known.medias = previous;
        known.answered = false;
        known.mirrors_rtcp = request.has(Flag::RtcpMirror);
        if let Some(source) = sources.first() {
            *known.parties.get_mut(Side::Offerer) = *source;
        }
        *known.parties.get(Side::Answerer)
    });
    if let Some(party) = subscriber.and_then(|party| draft.call.party_mut(party))
        && let Some(label) = request.set_label.as_ref().or(request.to_label.as_ref())
    {
        party.label = Some(label.clone());
    }
    let mut offered = towards_subscriber(request);
    offered.ice = Some(match (request.ice.unwrap_or_default(), parts.has_ice) {
        (IceMode::Remove, _) | (IceMode::Default, false) => IceMode::Remove,
        (IceMode::Default, true) | (IceMode::Force | IceMode::Optional | IceMode::ForceRelay, _) => {
            IceMode::Force
        }
    });
    if offered.transport_protocol.is_none() {
        offered.transport_protocol = parts.protocol.and_then(as_asked);
    }
    offered.replace.insert(Replace::OriginFull);
    let session = sdp::parse(&body, options)?;
    let (from, absent) = (Side::Offerer, Some(Side::Offerer));
    let exchange =
        Exchange { request: &offered, session: &session, dialogue, from, offer: true, placement, absent };
    let body = exchange.run(draft)?;
    stand_in(draft, dialogue);
    withhold(draft, dialogue);
    Ok(body)
}

/// The answer need not have what the subscriber was not offered after all. It is sent it all the same.
fn withhold(draft: &mut Draft<'_>, dialogue: usize) {
    let Some(dialogue) = draft.call.dialogues.get_mut(dialogue) else { return };
    let mut withheld: Vec<String> = Vec::new();
    for pair in &mut dialogue.medias {
        let (Some(source), face) = (&mut pair.source, pair.faces.get(Side::Answerer)) else { continue };
        if pair.carries != Carries::Rtp {
            continue;
        }
        let offered: SmallVec<[u8; 8]> =
            face.codecs.formats().filter_map(|(format, _)| format.parse().ok()).collect();
        source.formats.retain(|number| {
            let kept = offered.contains(number);
            if !kept {
                withheld.push(number.to_string());
            }
            kept
        });
    }
    if !withheld.is_empty() {
        let numbers = withheld.join(", ");
        draft.warnings.push(format!(
            "Nothing is transcoded: what comes with payload type {numbers} goes to the subscriber as it is"
        ));
    }
}

/// What is gathered from the sources.
struct Parts {
    sections: Vec<Vec<u8>>,
    medias: Vec<(Carries, Source)>,
    name: Option<String>,
    connection: std::net::IpAddr,
    /// Of the first m-line, if that is encrypted.
    protocol: Option<Protocol>,
    has_ice: bool,
    keeps_mid: bool,
    direction: Direction,
    /// What the parties are sent.
    egress: bool,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            sections: Vec::new(),
            medias: Vec::new(),
            name: None,
            connection: std::net::Ipv4Addr::LOCALHOST.into(),
            protocol: None,
            has_ice: false,
            keeps_mid: true,
            direction: Direction::SendOnly,
            egress: false,
        }
    }
}

impl Parts {
    /// Adds the media of one party.
    fn add(
        &mut self,
        call: &Call,
        party: PartyId,
        labels: bool,
        options: sdp::ParseOptions,
    ) -> Result<(), CallError> {
        let dialogue = call.source_dialogue(party).ok_or(CallError::NoSource)?;
        let own = dialogue.side_of(party, Side::Offerer).ok_or(CallError::NoSource)?;
        // What a party is sent is described by the one that sends it.
        let side = if self.egress { own.other() } else { own };
        let speaker = call.party(*dialogue.parties.get(side));
        let nothing = || match call.party(party).filter(|_| self.egress) {
            Some(party) => CallError::NothingSent(party.tag().to_owned()),
            None => CallError::NoSource,
        };
        if self.egress && (dialogue.kind != Kind::OfferAnswer || dialogue.is_left_by(party)) {
            return Err(nothing());
        }
        let said = speaker.and_then(|party| party.said.clone()).ok_or_else(nothing)?;
        let session = sdp::parse(&said, options)?;
        let completed = hidden::completed(&session, &dialogue.medias, side);
        let session = match &completed {
            Some(body) => sdp::parse(body, options)?,
            None => session,
        };
        let folded = twins::fold(&session, &dialogue.medias, side, false);
        let session = folded.map_or(session, |folded| folded.session);
        self.name.get_or_insert_with(|| session.name.unwrap_or(SESSION_NAME).to_owned());
        for (media, pair) in session.medias.iter().zip(&dialogue.medias) {
            if !matches!(pair.carries, Carries::Rtp | Carries::Raw) {
                continue;
            }
            if !is_copyable(pair, side) {
                return Err(CallError::Unreadable);
            }
            let first = self.medias.is_empty();
            let socket = pair.faces.get(side).rtp.and_then(|stream| call.socket(stream));
            if let Some(socket) = socket.filter(|_| first) {
                self.connection = socket.local.ip();
                self.protocol = Some(media.protocol).filter(|protocol| protocol.is_srtp());
            }
            self.has_ice |= media.security.ice;
            let label = labels.then(|| self.medias.len() + 1);
            let style = Style { direction: self.direction, label, keeps_mid: self.keeps_mid };
            self.sections.push(composed::copied(&session, media, &style));
            let codecs = media.codecs.iter().filter(|codec| !codec.is_supplemental());
            let formats: SmallVec<[u8; 8]> = codecs.map(|codec| codec.payload_type).collect();
            self.medias
                .push((pair.carries, Source { party, egress: self.egress, media: media.index, formats }));
        }
        Ok(())
    }
}

/// A payload type that was offered to the subscriber and that its answer does not have.
fn refused_codec(medias: &[MediaPair], answer: &[Media<'_>]) -> Option<u8> {
    medias.iter().zip(answer).filter(|(_, media)| !media.is_disabled()).find_map(|(pair, media)| {
        let offered = pair.source.as_ref().map(|source| source.formats.as_slice()).unwrap_or_default();
        offered.iter().copied().find(|number| media.codec(*number).is_none())
    })
}

/// The request as one about the subscriber alone: there is no sender whose interface or address could be meant.
pub(super) fn towards_subscriber(request: &Request) -> Request {
    let interface = request.to_interface.clone().or_else(|| request.interface.clone());
    Request {
        to_interface: interface.or_else(|| request.from_interface.clone()),
        from_interface: None,
        interface: None,
        received_from: None,
        ..request.clone()
    }
}

/// The value of `transport protocol` for a profile.
fn as_asked(protocol: Protocol) -> Option<TransportProtocol> {
    match protocol {
        Protocol::RtpAvp => Some(TransportProtocol::RtpAvp),
        Protocol::RtpAvpf => Some(TransportProtocol::RtpAvpf),
        Protocol::RtpSavp => Some(TransportProtocol::RtpSavp),
        Protocol::RtpSavpf => Some(TransportProtocol::RtpSavpf),
        Protocol::UdpTlsRtpSavp => Some(TransportProtocol::DtlsSavp),
        Protocol::UdpTlsRtpSavpf => Some(TransportProtocol::DtlsSavpf),
        Protocol::Udptl | Protocol::Udp | Protocol::DtlsSctp | Protocol::UdpBfcp => None,
        Protocol::Tcp | Protocol::Unknown => None,
    }
}

/// The sources have agents and sockets of their own.
fn stand_in(draft: &mut Draft<'_>, dialogue: usize) {
    let Some(dialogue) = draft.call.dialogues.get_mut(dialogue) else { return };
    for pair in &mut dialogue.medias {
        pair.faces.get_mut(Side::Offerer).release_ice();
    }
}
