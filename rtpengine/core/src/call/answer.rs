//! `answer`.

use super::{
    dialogue::{Dialogue, Kind},
    direction::Placement,
    engine::Engine,
    error::CallError,
    exchange::Exchange,
    media::Side,
    model::Call,
    offer::{call_id_and_body, describe, name_open_party},
    party::PartyId,
};
use crate::{
    io::{MediaPlane, Now},
    ng::{Dict, Reply, Request},
    sdp,
};

/// Answering tags of one call: more are a loop or an attack.
const MAX_FORKS: usize = 64;

impl Engine {
    pub(super) fn answer(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let (call_id, body) = call_id_and_body(request)?;
        let from_tag =
            request.from_tag.as_deref().filter(|tag| !tag.is_empty()).ok_or(CallError::NoFromTag)?;
        let to_tag = request.to_tag.as_deref().filter(|tag| !tag.is_empty()).ok_or(CallError::NoToTag)?;
        let session = sdp::parse(body, self.parse_options())?;
        let key = self.by_id.get(call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(key).ok_or(CallError::UnknownCall)?.clone();
        let (body, warnings, _) = self.attempt(now, Some(key), call, plane, |draft| {
            let (dialogue, from) = locate(&mut draft.call, request, from_tag, to_tag, now)?;
            describe(&mut draft.call, dialogue, from, request);
            let placement = Placement::default();
            let body = Exchange {
                request,
                session: &session,
                dialogue,
                from,
                offer: false,
                placement,
                absent: None,
            }
            .run(draft)?;
            draft.call.heard(dialogue, from, request);
            Ok(body)
        })?;
        tracing::info!(target: "core", call = %call_id, "answer from tag '{to_tag}' to '{from_tag}'");
        Ok(Reply { warnings, ..Reply::ok_with(Dict::new().with("sdp", body)) })
    }
}

/// Finds the dialogue an answer belongs to, and the side it comes from (the to-tag's).
///
/// The dialogue of the two tags comes first, then the sender's open offer; where there is neither, another tag answers
/// an offer that was answered before, and the fork gets a dialogue of its own. A branch narrows each step where it can.
fn locate(
    call: &mut Call,
    request: &Request,
    from_tag: &str,
    to_tag: &str,
    now: Now,
) -> Result<(usize, Side), CallError> {
    let offerer = call.party_by_tag(from_tag).ok_or_else(|| CallError::NoOffer(from_tag.to_owned()))?;
    let answerer = call.party_by_tag(to_tag);
    let branch = request.via_branch.as_deref();
    let exact = |dialogue: &Dialogue| answerer.is_some_and(|answerer| dialogue.between(offerer, answerer));
    let open = |dialogue: &Dialogue| dialogue.has(offerer) && call.is_open(dialogue);
    let any = |dialogue: &Dialogue| dialogue.has(offerer);
    let on_branch = |dialogue: &Dialogue| branch.is_some() && dialogue.branch.as_deref() == branch;
    let find = |matches: &dyn Fn(&Dialogue) -> bool| {
        let by_offers = |dialogue: &Dialogue| dialogue.kind == Kind::OfferAnswer;
        let own = call.dialogues.iter().enumerate().filter(|(_, dialogue)| by_offers(dialogue));
        let found = own.filter(|(_, dialogue)| matches(dialogue));
        found.max_by_key(|(_, dialogue)| dialogue.order).map(|(index, _)| index)
    };
    let found = find(&|dialogue| on_branch(dialogue) && exact(dialogue))
        .or_else(|| find(&|dialogue| on_branch(dialogue) && open(dialogue)))
        .or_else(|| find(&exact))
        .or_else(|| find(&|dialogue| open(dialogue) && (branch.is_none() || dialogue.branch.is_none())))
        .or_else(|| find(&open));
    let index = match found {
        Some(index) => index,
        None => {
            let source = find(&|dialogue| on_branch(dialogue) && any(dialogue)).or_else(|| find(&any));
            let source = source.ok_or_else(|| CallError::NoOffer(from_tag.to_owned()))?;
            fork(call, source, offerer, now)?
        }
    };
    name_open_party(call, index, to_tag);
    let side = call
        .party_by_tag(to_tag)
        .zip(call.dialogues.get(index))
        .and_then(|(party, dialogue)| dialogue.side_of(party, Side::Answerer));
    Ok((index, side.unwrap_or(Side::Answerer)))
}

/// A further answer to one offer. The answering sides share the sockets the offer advertised, the last one to answer
/// having them; the offerer's side gets sockets of its own for every answer, which keeps the dialogues apart.
fn fork(call: &mut Call, source: usize, offerer: PartyId, now: Now) -> Result<usize, CallError> {
    if call.primary().count() >= MAX_FORKS {
        return Err(CallError::TooManyDialogues(MAX_FORKS));
    }
    let party = call.add_party(None, false, now);
    let mut fork = call.dialogues.get(source).cloned().ok_or(CallError::NotFound)?;
    let offering = fork.side_of(offerer, Side::Offerer).unwrap_or(Side::Offerer);
    if offering == Side::Answerer {
        // The offer came from the one that was called: in the fork it is the offerer.
        fork.swap_sides();
    }
    *fork.parties.get_mut(Side::Answerer) = party;
    fork.created_mono_us = now.mono_us;
    fork.answered = false;
    fork.delete_at = None;
    for pair in &mut fork.medias {
        let face = pair.faces.get_mut(Side::Offerer);
        (face.rtp, face.rtcp) = (None, None);
        face.spares.clear();
        face.encryption.fork();
        face.ice.fork(None);
        pair.faces.get_mut(Side::Answerer).ice.fork(Some(call.next_agent()));
    }
    call.dialogues.push(fork);
    Ok(call.dialogues.len() - 1)
}
