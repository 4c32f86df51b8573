//! Which participants a command speaks of: by tag, label or media address.

use super::{
    error::CallError,
    media::Side,
    model::Call,
    party::{Party, PartyId},
};
use crate::ng::{Flag, Request};

/// Whom a command is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Selected {
    /// Nobody in particular: the whole call.
    Everybody,
    /// These, at least one.
    Parties(Vec<PartyId>),
}

/// The participants that a request selects as senders of media.
///
/// A proxy that leaves it to us to read its flags adds the from-tag to every request; there it counts with the flag
/// `directional` only.
pub(super) fn senders(call: &Call, request: &Request) -> Result<Selected, CallError> {
    let from_tag = request.from_tag.as_deref().filter(|tag| !tag.is_empty());
    let from_tag = from_tag.filter(|_| !request.is_unread || request.has(Flag::Directional));
    let (what, parties) = if let Some(label) = &request.label {
        ("label", matching(call, |party| party.label.as_ref() == Some(label)))
    } else if let Some(address) = request.address {
        let advertises = |party: &Party| {
            call.faces_of(party.id).any(|face| face.advertised.is_some_and(|own| own.ip() == address))
        };
        ("address", matching(call, advertises))
    } else if !request.from_tags.is_empty() {
        let mut parties = Vec::new();
        for tag in &request.from_tags {
            let party = call.party_by_tag(tag).ok_or(CallError::NoParticipant("from-tags"))?;
            if !parties.contains(&party) {
                parties.push(party);
            }
        }
        ("from-tags", parties)
    } else if let Some(tag) = from_tag {
        ("from-tag", call.party_by_tag(tag).into_iter().collect())
    } else {
        return Ok(Selected::Everybody);
    };
    if parties.is_empty() { Err(CallError::NoParticipant(what)) } else { Ok(Selected::Parties(parties)) }
}

/// The participant that a request selects as the receiver, if it does.
pub(super) fn receiver(call: &Call, request: &Request) -> Result<Option<PartyId>, CallError> {
    if let Some(tag) = request.to_tag.as_deref().filter(|tag| !tag.is_empty()) {
        return call.party_by_tag(tag).map(Some).ok_or(CallError::NoParticipant("to-tag"));
    }
    let Some(label) = &request.to_label else { return Ok(None) };
    let found = matching(call, |party| party.label.as_ref() == Some(label));
    found.first().copied().map(Some).ok_or(CallError::NoParticipant("to-label"))
}

fn matching(call: &Call, matches: impl Fn(&Party) -> bool) -> Vec<PartyId> {
    call.parties.iter().filter(|party| matches(party)).map(|party| party.id).collect()
}

impl Call {
    /// The faces towards a party, in all its dialogues.
    pub(super) fn faces_of(&self, party: PartyId) -> impl Iterator<Item = &super::media::Face> {
        self.dialogues.iter().flat_map(move |dialogue| {
            let sides = Side::BOTH.into_iter().filter(move |side| *dialogue.parties.get(*side) == party);
            sides.flat_map(move |side| dialogue.medias.iter().map(move |pair| pair.faces.get(side)))
        })
    }
}
