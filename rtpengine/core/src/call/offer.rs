//! `offer`.

use super::{
    dialogue::Kind,
    direction::placement,
    engine::{CallKey, ControlSource, Engine},
    error::CallError,
    exchange::Exchange,
    media::Side,
    model::Call,
    restraint,
};
use crate::{
    io::{MediaPlane, Now},
    ng::{Dict, Flag, Reply, Request},
    sdp,
};

/// Longest Call-ID, tag or branch: beyond any real one, short enough for logs and replies.
const MAX_ID: usize = 1024;
/// Forks of one call: more are a loop or an attack.
pub(super) const MAX_DIALOGUES: usize = 64;

impl Engine {
    pub(super) fn offer(
        &mut self,
        now: Now,
        source: &ControlSource,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let (call_id, body) = call_id_and_body(request)?;
        let from_tag =
            request.from_tag.as_deref().filter(|tag| !tag.is_empty()).ok_or(CallError::NoFromTag)?;
        let session = sdp::parse(body, self.parse_options())?;
        let (key, call) = match self.call_for(now, source, request, call_id) {
            Ok(found) => found,
            Err(refusal) => return refusal,
        };
        let placement = placement(request, &self.interfaces);
        let (body, warnings, _) = self.attempt(now, key, call, plane, |draft| {
            let (dialogue, from) = locate(&mut draft.call, request, from_tag, now);
            if draft.call.primary().count() > MAX_DIALOGUES {
                return Err(CallError::TooManyDialogues(MAX_DIALOGUES));
            }
            describe(&mut draft.call, dialogue, from, request);
            let body =
                Exchange { request, session: &session, dialogue, from, offer: true, placement, absent: None }
                    .run(draft)?;
            draft.call.heard(dialogue, from, request);
            Ok(body)
        })?;
        tracing::info!(target: "core", call = %call_id, "offer from tag '{from_tag}' ({} media)", session.medias.len());
        Ok(Reply { warnings, ..Reply::ok_with(Dict::new().with("sdp", body)) })
    }

    /// The call of this Call-ID, a new one where there is none, or what the request is refused with.
    pub(super) fn call_for(
        &mut self,
        now: Now,
        source: &ControlSource,
        request: &Request,
        call_id: &str,
    ) -> Result<(Option<CallKey>, Call), Result<Reply, CallError>> {
        let key = self.by_id.get(call_id).copied();
        if let Some(call) = key.and_then(|key| self.calls.get(key)) {
            return Ok((key, call.clone()));
        }
        match self.refuse_new_call(request) {
            Some(refusal) => Err(refusal),
            None => Ok((None, Call::new(call_id, self.next_affinity(), now, Some(source.addr)))),
        }
    }

    pub(super) fn parse_options(&self) -> sdp::ParseOptions {
        sdp::ParseOptions { reject_invalid: self.config.reject_invalid_sdp }
    }
}

/// The Call-ID and the SDP, both required and bounded.
pub(super) fn call_id_and_body(request: &Request) -> Result<(&str, &[u8]), CallError> {
    let body = request.sdp.as_deref().filter(|body| !body.is_empty()).ok_or(CallError::NoSdp)?;
    let call_id = request.call_id.as_deref().filter(|id| !id.is_empty()).ok_or(CallError::NoCallId)?;
    for (name, value) in [
        ("call-id", request.call_id.as_ref()),
        ("from-tag", request.from_tag.as_ref()),
        ("to-tag", request.to_tag.as_ref()),
        ("via-branch", request.via_branch.as_ref()),
        ("label", request.label.as_ref()),
        ("set-label", request.set_label.as_ref()),
        ("metadata", request.metadata.as_ref()),
    ] {
        if value.is_some_and(|value| value.len() > MAX_ID) {
            return Err(CallError::TooLong(name, MAX_ID));
        }
    }
    Ok((call_id, body))
}

/// Finds or creates the dialogue an offer belongs to, and the side it comes from.
///
/// - With a known to-tag: the dialogue of the two. With a new one: the open dialogue of the sender (its callee has
///   signalled a tag but no SDP yet), or that of the receiver, else a new one.
/// - Without to-tag but with a branch: the sender's dialogue for this branch, else a new one (parallel forks).
/// - With neither: the sender's latest dialogue, so that repeated offers keep their ports.
fn locate(call: &mut Call, request: &Request, from_tag: &str, now: Now) -> (usize, Side) {
    let branch = request.via_branch.as_deref();
    let to_tag = request.to_tag.as_deref().filter(|tag| !tag.is_empty());
    let from = call.party_by_tag(from_tag);
    let to = to_tag.and_then(|tag| call.party_by_tag(tag));
    let latest = |call: &Call, matches: &dyn Fn(&super::dialogue::Dialogue) -> bool| {
        let by_offers = |dialogue: &super::dialogue::Dialogue| dialogue.kind == Kind::OfferAnswer;
        let own = call.dialogues.iter().enumerate().filter(|(_, dialogue)| by_offers(dialogue));
        let found = own.filter(|(_, dialogue)| matches(dialogue));
        found.max_by_key(|(_, dialogue)| dialogue.order).map(|(index, _)| index)
    };
    let existing = match (from, to) {
        (Some(from), Some(to)) => latest(call, &|dialogue| dialogue.between(from, to)),
        (Some(from), None) if to_tag.is_some() => latest(call, &|dialogue| {
            dialogue.has(from)
                && call.is_open(dialogue)
                && (branch.is_none() || dialogue.branch.as_deref() == branch)
        })
        .or_else(|| latest(call, &|dialogue| dialogue.has(from) && call.is_open(dialogue))),
        (Some(from), None) if branch.is_some() => {
            latest(call, &|dialogue| dialogue.has(from) && dialogue.branch.as_deref() == branch)
        }
        (Some(from), None) => latest(call, &|dialogue| dialogue.has(from)),
        (None, Some(to)) => latest(call, &|dialogue| dialogue.has(to) && call.is_open(dialogue)),
        (None, None) => None,
    };
    if let Some(index) = existing {
        if let Some(tag) = to_tag.filter(|_| to.is_none()) {
            name_open_party(call, index, tag);
        }
        if from.is_none() {
            name_open_party(call, index, from_tag);
        }
        let from = call.party_by_tag(from_tag);
        let side = from
            .zip(call.dialogues.get(index))
            .and_then(|(from, dialogue)| dialogue.side_of(from, Side::Offerer));
        return (index, side.unwrap_or(Side::Offerer));
    }
    let from = from.unwrap_or_else(|| call.add_party(Some(from_tag), true, now));
    // A call to oneself has one tag at both ends.
    let to = if to_tag == Some(from_tag) { Some(from) } else { to };
    let to = to.unwrap_or_else(|| call.add_party(to_tag, false, now));
    (call.add_dialogue(from, to, branch, now), Side::Offerer)
}

/// Gives the party that has not signalled yet its tag; a party that has it already takes its place. Where both parties
/// have signalled this does nothing.
pub(super) fn name_open_party(call: &mut Call, dialogue: usize, tag: &str) {
    let known = call.party_by_tag(tag);
    let Some(dialogue) = call.dialogues.get_mut(dialogue) else { return };
    let place = dialogue.parties.get_mut(Side::Answerer);
    let Some(open) = call.parties.iter_mut().find(|party| party.id == *place && party.tag.is_none()) else {
        return;
    };
    match known {
        Some(known) => *place = known,
        None => open.tag = Some(tag.to_owned()),
    }
}

/// Labels, metadata and the branch of the message.
pub(super) fn describe(call: &mut Call, dialogue: usize, from: Side, request: &Request) {
    let Some(dialogue) = call.dialogues.get(dialogue) else { return };
    let (sender, receiver, answerer) = (
        *dialogue.parties.get(from),
        *dialogue.parties.get(from.other()),
        *dialogue.parties.get(Side::Answerer),
    );
    if let Some(party) = call.party_mut(sender) {
        if let Some(label) = request.set_label.as_ref().or(request.label.as_ref()) {
            party.label = Some(label.clone());
        }
        if request.has(Flag::BlockDtmf) {
            party.restraint.ingress.set(restraint::Kind::Dtmf, true);
        }
        if request.metadata.is_some() {
            party.metadata.clone_from(&request.metadata);
        }
    }
    if let (Some(label), Some(party)) = (&request.to_label, call.party_mut(receiver)) {
        party.label = Some(label.clone());
    }
    if let (Some(branch), Some(party)) = (&request.via_branch, call.party_mut(answerer)) {
        party.branch = Some(branch.clone());
    }
}
