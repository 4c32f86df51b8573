//! `create`, `create answer`: the daemon offers media to a new party by itself, and takes its answer.
//!
//! What comes of it is a publication turned round: a dialogue with nobody at the other end, whose party was offered our body
//! instead of offering its own. Others are joined to it by `connect`, `mesh`, `inject start` or a subscription.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    composed::{self, Offered},
    dialogue::Kind,
    direction::{Placement, placement},
    draft::Draft,
    engine::{ControlSource, Engine},
    error::CallError,
    exchange::Exchange,
    interfaces::Family,
    media::Side,
    model::Call,
    offer::{MAX_DIALOGUES, call_id, call_id_and_body, describe},
    publish::{SESSION_NAME, session_id},
    subscription::{new_tag, towards_subscriber},
};
use crate::{
    codecs::{CodecList, CodecOptions, CodecSpec, Pattern},
    io::{MediaPlane, Now},
    ng::{Dict, Flag, IceMode, Replace, Reply, Request},
    sdp::{self, Direction},
};

/// What is offered where the request names no codecs: what every telephone has.
const DEFAULT_CODECS: [&str; 3] = ["PCMU", "PCMA", "telephone-event"];
/// More codecs than payload types are left for.
const MAX_CODECS: usize = 24;
/// The first dynamic payload type (RFC 3551 section 6).
const FIRST_DYNAMIC: u8 = 96;
/// The number that telephone events have by custom.
const TELEPHONE_EVENT: u8 = 101;

impl Engine {
    pub(super) fn create(
        &mut self,
        now: Now,
        source: &ControlSource,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let call_id = call_id(request)?;
        let codecs = codecs(request)?;
        let placement = placement(&towards_subscriber(request), &self.interfaces);
        let options = self.parse_options();
        let (key, call) = self.call_for(now, source, call_id)?;
        let ((body, tag), warnings, _) = self.attempt(now, key, call, plane, |draft| {
            let tag = named(request).map_or_else(|| new_tag(draft), str::to_owned);
            let dialogue = locate(&mut draft.call, &tag, now)?;
            describe(&mut draft.call, dialogue, Side::Offerer, request);
            let body = offer(draft, request, placement, &codecs, dialogue, options)?;
            Ok((body, tag))
        })?;
        tracing::info!(target: "core", call = %call_id, "offer of our own to tag '{tag}'");
        let reply = Dict::new().with("sdp", body).with("from-tag", tag);
        Ok(Reply { warnings, ..Reply::ok_with(reply) })
    }

    pub(super) fn create_answer(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let (call_id, body) = call_id_and_body(request)?;
        let tag = named(request).ok_or(CallError::NoFromTag)?;
        let session = sdp::parse(body, self.parse_options())?;
        let key = self.by_id.get(call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(key).ok_or(CallError::UnknownCall)?.clone();
        let dialogue = created(&call, tag).ok_or_else(|| CallError::NotCreated(tag.to_owned()))?;
        let (_, warnings, _) = self.attempt(now, Some(key), call, plane, |draft| {
            let (from, placement) = (Side::Offerer, Placement::default());
            let absent = Some(Side::Answerer);
            Exchange { request, session: &session, dialogue, from, offer: false, placement, absent }
                .run(draft)?;
            draft.call.heard(dialogue, from, request);
            stand_in(&mut draft.call, dialogue);
            Ok(())
        })?;
        tracing::info!(target: "core", call = %call_id, "answer from tag '{tag}' to our offer");
        Ok(Reply { warnings, ..Reply::ok() })
    }
}

/// The tag of the new party.
fn named(request: &Request) -> Option<&str> {
    let tags = [&request.from_tag, &request.to_tag];
    tags.into_iter().find_map(|tag| tag.as_deref().filter(|tag| !tag.is_empty()))
}

fn created(call: &Call, tag: &str) -> Option<usize> {
    let party = call.party_by_tag(tag)?;
    call.dialogues.iter().position(|dialogue| {
        dialogue.kind == Kind::Publication && *dialogue.parties.get(Side::Offerer) == party
    })
}

/// Finds or creates the dialogue of a party that is offered something by us.
fn locate(call: &mut Call, tag: &str, now: Now) -> Result<usize, CallError> {
    if let Some(known) = created(call, tag) {
        return Ok(known);
    }
    if call.party_by_tag(tag).is_some() {
        return Err(CallError::TagTaken(tag.to_owned()));
    }
    if call.primary().count() >= MAX_DIALOGUES {
        return Err(CallError::TooManyDialogues(MAX_DIALOGUES));
    }
    let party = call.add_party(Some(tag), false, now);
    let index = call.add_dialogue(party, party, None, now);
    if let Some(dialogue) = call.dialogues.get_mut(index) {
        dialogue.kind = Kind::Publication;
    }
    Ok(index)
}

/// Composes the offer and has it written for the party.
fn offer(
    draft: &mut Draft<'_>,
    request: &Request,
    placement: Placement,
    codecs: &[Offered],
    dialogue: usize,
    options: sdp::ParseOptions,
) -> Result<Vec<u8>, CallError> {
    let direction = if request.has(Flag::Inactive) { Direction::Inactive } else { Direction::SendRecv };
    let placeholder = match placement.to_family {
        Some(Family::V6) => IpAddr::V6(Ipv6Addr::LOCALHOST),
        Some(Family::V4) | None => IpAddr::V4(Ipv4Addr::LOCALHOST),
    };
    let mut body = composed::head(SESSION_NAME, session_id(draft), placeholder);
    body.extend(composed::offering(codecs, direction));
    // An m-line that was offered once stays (RFC 3264 section 8).
    let known = draft.call.dialogues.get(dialogue).map(|known| known.medias.as_slice()).unwrap_or_default();
    for pair in known.iter().skip(1) {
        let face = pair.faces.get(Side::Offerer);
        let kind = if face.kind.is_empty() { "audio" } else { face.kind.as_str() };
        body.extend(composed::rejected(kind, "RTP/AVP", "0"));
    }
    let ice = match request.ice.unwrap_or_default() {
        IceMode::Remove | IceMode::Default => IceMode::Remove,
        IceMode::Force | IceMode::Optional | IceMode::ForceRelay => IceMode::Force,
    };
    let mut offered =
        Request { ice: Some(ice), codecs: CodecOptions::default(), ..towards_subscriber(request) };
    offered.replace.insert(Replace::OriginFull);
    let session = sdp::parse(&body, options)?;
    let (from, absent) = (Side::Answerer, Some(Side::Answerer));
    let exchange =
        Exchange { request: &offered, session: &session, dialogue, from, offer: true, placement, absent };
    let body = exchange.run(draft)?;
    stand_in(&mut draft.call, dialogue);
    Ok(body)
}

/// Nobody is at the other end.
fn stand_in(call: &mut Call, dialogue: usize) {
    let Some(dialogue) = call.dialogues.get_mut(dialogue) else { return };
    for pair in &mut dialogue.medias {
        pair.faces.get_mut(Side::Answerer).release_ice();
    }
}

/// The codecs that a request wants offered, with payload types.
fn codecs(request: &Request) -> Result<Vec<Offered>, CallError> {
    let lists = [CodecList::Offer, CodecList::Transcode];
    let mut asked: Vec<_> = lists.into_iter().flat_map(|list| request.codecs.of(list)).cloned().collect();
    if asked.is_empty() {
        asked.extend(DEFAULT_CODECS.iter().filter_map(|name| CodecSpec::parse(name)));
    }
    if asked.len() > MAX_CODECS {
        return Err(CallError::TooManyCodecs(MAX_CODECS));
    }
    let mut offered: Vec<Offered> = Vec::new();
    for spec in &asked {
        let unknown = || CallError::UnknownCodec(spec.text.clone());
        let (number, name, clock_rate, channels, fmtp) = match &spec.pattern {
            Pattern::All | Pattern::Full => return Err(unknown()),
            Pattern::Number(number) => {
                let (name, rate, channels) = sdp::static_encoding(*number).ok_or_else(unknown)?;
                (Some(*number), name.to_owned(), rate, channels, None)
            }
            Pattern::Named { name, clock_rate, channels, fmtp } => {
                let known = usual(name);
                let rate = clock_rate.or(known.map(|(rate, _)| rate)).ok_or_else(unknown)?;
                // Opus has two always (RFC 7587 section 7).
                let channels = channels.filter(|_| !name.eq_ignore_ascii_case("opus"));
                let channels = channels.or(known.map(|(_, channels)| channels)).unwrap_or(1);
                (sdp::static_number(name, rate, channels), name.clone(), rate, channels, fmtp.clone())
            }
        };
        let is_event = name.eq_ignore_ascii_case("telephone-event");
        let is_free = |number: u8| offered.iter().all(|codec| codec.number != number);
        let customary = Some(TELEPHONE_EVENT).filter(|number| is_event && is_free(*number));
        let mut dynamic =
            (FIRST_DYNAMIC..128).filter(|number| *number != TELEPHONE_EVENT && is_free(*number));
        let number = number.or(customary).or_else(|| dynamic.next()).ok_or_else(unknown)?;
        let fmtp = fmtp.or_else(|| is_event.then(|| "0-15".to_owned()));
        if is_free(number) {
            offered.push(Offered { number, name, clock_rate, channels, fmtp });
        }
    }
    Ok(offered)
}

/// Clock rate and channels of a codec that needs no more than its name.
fn usual(name: &str) -> Option<(u32, u16)> {
    if let Some(known) =
        (0..FIRST_DYNAMIC).filter_map(sdp::static_encoding).find(|known| known.0.eq_ignore_ascii_case(name))
    {
        return Some((known.1, known.2));
    }
    let others = [
        ("telephone-event", 8000, 1),
        ("opus", 48000, 2),
        ("AMR", 8000, 1),
        ("AMR-WB", 16000, 1),
        ("iLBC", 8000, 1),
        ("speex", 8000, 1),
        ("G729a", 8000, 1),
    ];
    others.into_iter().find(|known| known.0.eq_ignore_ascii_case(name)).map(|known| (known.1, known.2))
}
