//! `publish`: media of one party, for others to subscribe to.
//!
//! A publication is a dialogue with nobody at the other end. What would be the other party's answer is composed here, so
//! that keys, ICE and ports are settled as in any dialogue.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    composed,
    dialogue::Kind,
    direction::{Placement, placement},
    draft::Draft,
    encryption::treatment,
    engine::{ControlSource, Engine},
    error::CallError,
    exchange::Exchange,
    fanout::is_readable,
    media::{Carries, Side},
    offer::{MAX_DIALOGUES, call_id_and_body, describe},
};
use crate::{
    codecs::{CodecList, CodecOptions, Selection},
    io::{MediaPlane, Now},
    ng::{Dict, IceMode, NameSet, Replace, Reply, Request, TransportProtocol},
    sdp::{self, Direction, Media, Session},
    secure::KeySource as _,
};

/// `s=` of bodies of our own.
pub(super) const SESSION_NAME: &str = "rtpengine";

impl Engine {
    pub(super) fn publish(
        &mut self,
        now: Now,
        source: &ControlSource,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let (call_id, body) = call_id_and_body(request)?;
        let tag = request.from_tag.as_deref().filter(|tag| !tag.is_empty()).ok_or(CallError::NoFromTag)?;
        let session = sdp::parse(body, self.parse_options())?;
        let (key, call) = self.call_for(now, source, call_id)?;
        let mut placement = placement(request, &self.interfaces);
        // The publisher is the receiver of the body as well.
        placement.from_family = placement.to_family.take().or(placement.from_family);
        let options = self.parse_options();
        let (answer, warnings, _) = self.attempt(now, key, call, plane, |draft| {
            let party = draft.call.party_by_tag(tag);
            let party = party.unwrap_or_else(|| draft.call.add_party(Some(tag), true, now));
            let known = draft.call.dialogues.iter().position(|dialogue| {
                dialogue.kind == Kind::Publication && *dialogue.parties.get(Side::Offerer) == party
            });
            let dialogue = known.unwrap_or_else(|| draft.call.add_dialogue(party, party, None, now));
            if draft.call.primary().count() > MAX_DIALOGUES {
                return Err(CallError::TooManyDialogues(MAX_DIALOGUES));
            }
            if let Some(dialogue) = draft.call.dialogues.get_mut(dialogue) {
                dialogue.kind = Kind::Publication;
            }
            describe(&mut draft.call, dialogue, Side::Offerer, request);
            publish(draft, request, placement, &session, dialogue, options)
        })?;
        tracing::info!(target: "core", call = %call_id, "published by tag '{tag}' ({} media)", session.medias.len());
        Ok(Reply { warnings, ..Reply::ok_with(Dict::new().with("sdp", answer)) })
    }
}

/// Takes the offer in and answers it in the place of a party that only receives, in the clear.
fn publish(
    draft: &mut Draft<'_>,
    request: &Request,
    placement: Placement,
    session: &Session<'_>,
    dialogue: usize,
    options: sdp::ParseOptions,
) -> Result<Vec<u8>, CallError> {
    let sent = |draft: &Draft<'_>| {
        let party = draft.call.dialogues.get(dialogue).map(|known| *known.parties.get(Side::Offerer));
        party.and_then(|party| draft.call.party(party)).map(|party| party.sent.clone())
    };
    let before = sent(draft);
    let taking = Request {
        ice: Some(IceMode::Remove),
        transport_protocol: Some(plain(session)),
        replace: NameSet::default(),
        codecs: request.codecs.without(CodecList::Accept),
        ..request.clone()
    };
    let absent = Some(Side::Answerer);
    let from = Side::Offerer;
    Exchange { request: &taking, session, dialogue, from, offer: true, placement, absent }.run(draft)?;
    draft.call.heard(dialogue, from, request);
    // Nobody was sent that body.
    let party = draft.call.dialogues.get(dialogue).map(|known| *known.parties.get(from));
    if let (Some(party), Some(before)) = (party.and_then(|party| draft.call.party_mut(party)), before) {
        party.sent = before;
    }
    let medias = draft.call.dialogues.get(dialogue).map(|known| known.medias.clone()).unwrap_or_default();
    let local = medias.iter().find_map(|pair| pair.faces.get(from).local);
    let ours = local.and_then(|local| draft.interfaces.local(local)).map(|local| local.advertised);
    let mut body =
        composed::head(SESSION_NAME, session_id(draft), ours.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST)));
    let mut accepted = 0;
    for (media, pair) in session.medias.iter().zip(&medias) {
        let codec = (pair.carries == Carries::Rtp)
            .then(|| chosen(media, &request.codecs, &mut draft.warnings))
            .flatten();
        let section = match codec {
            Some(codec) => {
                accepted += 1;
                let receives = media.effective_direction().sends();
                composed::accepting(media, codec, Direction::from_parts(false, receives))
            }
            None => composed::rejected(media.kind.as_str(), media.protocol_name, &media.formats.join(" ")),
        };
        body.extend(section);
    }
    if accepted == 0 {
        return Err(CallError::NothingToPublish);
    }
    let answer = sdp::parse(&body, options)?;
    let ice = match request.ice.unwrap_or_default() {
        IceMode::Remove => IceMode::Remove,
        IceMode::Force | IceMode::Default | IceMode::Optional | IceMode::ForceRelay => IceMode::Force,
    };
    let mut answering = Request {
        ice: Some(ice),
        transport_protocol: None,
        codecs: CodecOptions::default(),
        ..request.clone()
    };
    answering.replace.insert(Replace::OriginFull);
    let placement = Placement::default();
    let exchange = Exchange {
        request: &answering,
        session: &answer,
        dialogue,
        from: Side::Answerer,
        offer: false,
        placement,
        absent,
    };
    let answer = exchange.run(draft)?;
    let medias = draft.call.dialogues.get(dialogue).map(|known| known.medias.as_slice()).unwrap_or_default();
    if medias.iter().any(|pair| pair.carries == Carries::Rtp && !is_readable(treatment(pair))) {
        return Err(CallError::Unreadable);
    }
    Ok(answer)
}

/// The codec that is accepted: of those left by the other lists the one that `codec-accept` likes best, else the first that
/// is media by itself, since nothing is transcoded.
fn chosen<'m, 's>(
    media: &'m Media<'s>,
    options: &CodecOptions,
    warnings: &mut Vec<String>,
) -> Option<&'m sdp::Codec<'s>> {
    let mut left = Selection::of(media);
    left.attempt(|left| left.apply(options, true));
    let accepted = left.accepted(options);
    let first = left.first_media();
    if let (None, Some(first)) = (accepted, first)
        && options.of(CodecList::Accept).next().is_some()
    {
        warnings.push(format!("The offer has no codec of codec-accept: {first} is accepted"));
    }
    accepted.or(first)
}

/// The profile in which nothing is encrypted.
fn plain(session: &Session<'_>) -> TransportProtocol {
    let feedback = session.medias.iter().any(|media| media.protocol.is_feedback());
    if feedback { TransportProtocol::RtpAvpf } else { TransportProtocol::RtpAvp }
}

/// A new session id (RFC 8866 section 5.2); it fits the signed numbers of peers.
pub(super) fn session_id(draft: &mut Draft<'_>) -> u64 {
    let mut bytes = [0; 8];
    draft.fill(&mut bytes);
    u64::from_be_bytes(bytes) >> 1
}
