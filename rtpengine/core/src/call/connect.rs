//! `connect`: two parties of a call exchange media with each other from now on, without any SDP.

use super::{
    dialogue::Kind,
    encryption::treatment,
    engine::Engine,
    error::CallError,
    fanout::is_readable,
    media::{Carries, Face, MediaPair, Side, Sides},
    model::Call,
    party::PartyId,
};
use crate::{
    io::{MediaPlane, Now},
    ng::{Reply, Request},
};

impl Engine {
    pub(super) fn connect(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let given = |value: &Option<String>| value.clone().filter(|value| !value.is_empty());
        let call_id = given(&request.call_id).ok_or(CallError::NoCallId)?;
        let from = given(&request.from_tag).ok_or(CallError::NoFromTag)?;
        let to = given(&request.to_tag).ok_or(CallError::NoToTag)?;
        let key = self.by_id.get(&*call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(key).ok_or(CallError::UnknownCall)?;
        let second = given(&request.to_call_id).unwrap_or_else(|| call_id.clone());
        let other = self.by_id.get(&*second).copied().ok_or(CallError::NoSecondCall)?;
        let theirs = self.calls.get(other).ok_or(CallError::NoSecondCall)?;
        let one = call.party_by_tag(&from).ok_or(CallError::NoParticipant("from-tag"))?;
        theirs.party_by_tag(&to).ok_or(CallError::NoParticipant("to-tag"))?;
        if key == other {
            let call = call.clone();
            self.attempt(now, Some(key), call, plane, |draft| join(&mut draft.call, one, &to, now))?;
        } else {
            let mut merged = call.with(theirs)?;
            join(&mut merged, one, &to, now)?;
            self.unite(now, (key, other), merged, plane);
            tracing::info!(target: "core", call = %call_id, "call '{second}' is a part of it from now on");
        }
        tracing::info!(target: "core", call = %call_id, "tags '{from}' and '{to}' connected");
        Ok(Reply::ok())
    }
}

fn join(call: &mut Call, one: PartyId, to: &str, now: Now) -> Result<(), CallError> {
    let two = call.party_by_tag(to).ok_or(CallError::NoParticipant("to-tag"))?;
    connect(call, one, two, now)
}

fn connect(call: &mut Call, one: PartyId, two: PartyId, now: Now) -> Result<(), CallError> {
    if one == two {
        return Err(CallError::NoSource);
    }
    if call.source_dialogue(one).is_some_and(|dialogue| dialogue.between(one, two)) {
        return Ok(());
    }
    let [ours, theirs] = [one, two].map(|party| faces(call, party));
    let (ours, theirs) = (ours?, theirs?);
    let common = ours.iter().zip(&theirs).any(|((how, one), (other, two))| {
        how == other
            && (*how != Carries::Rtp || one.clock_rates.iter().any(|codec| two.clock_rates.contains(codec)))
    });
    if !common {
        return Err(CallError::NoCommonCodec);
    }
    for party in [one, two] {
        leave(call, party);
    }
    let index = call.add_dialogue(one, two, None, now);
    if let Some(dialogue) = call.dialogues.get_mut(index) {
        let count = ours.len().max(theirs.len());
        let (mut ours, mut theirs) = (ours.into_iter(), theirs.into_iter());
        let nothing = || (Carries::Nothing, Face::default());
        dialogue.medias = (0..count)
            .map(|_| {
                let ((how, one), (other, two)) =
                    (ours.next().unwrap_or_else(nothing), theirs.next().unwrap_or_else(nothing));
                let carries = if how == Carries::Nothing { other } else { how };
                MediaPair { carries, faces: Sides::new(one, two), ..MediaPair::default() }
            })
            .collect();
        dialogue.answered = true;
    }
    call.touch(index, now);
    Ok(())
}

/// The faces towards a party, as they will go on.
fn faces(call: &Call, party: PartyId) -> Result<Vec<(Carries, Face)>, CallError> {
    let dialogue = call.source_dialogue(party).ok_or(CallError::NoSource)?;
    let side = dialogue.side_of(party, Side::Offerer).ok_or(CallError::NoSource)?;
    let carried = dialogue.medias.iter().filter(|pair| matches!(pair.carries, Carries::Rtp | Carries::Raw));
    if carried.clone().any(|pair| !is_readable(treatment(pair))) {
        return Err(CallError::Unreadable);
    }
    if carried.count() == 0 {
        return Err(CallError::NoSource);
    }
    Ok(dialogue.medias.iter().map(|pair| (pair.carries, pair.faces.get(side).clone())).collect())
}

/// Takes a party out of its dialogues. Those it talked to keep their sockets, for whoever they are connected to next, and
/// what was agreed on with them.
fn leave(call: &mut Call, party: PartyId) {
    for dialogue in call.dialogues.iter_mut().filter(|dialogue| dialogue.kind != Kind::Subscription) {
        for side in Side::BOTH.into_iter().filter(|side| *dialogue.parties.get(*side) == party) {
            for pair in &mut dialogue.medias {
                let face = pair.faces.get_mut(side);
                *face = Face { encryption: face.encryption.clone(), ..Face::default() };
            }
        }
    }
    call.dialogues.retain(|dialogue| {
        let has_party = dialogue.kind != Kind::Subscription && dialogue.has(party);
        let is_used = |pair: &MediaPair| Side::BOTH.iter().any(|side| pair.faces.get(*side).rtp.is_some());
        !has_party || dialogue.medias.iter().any(is_used)
    });
}
