//! Trickled candidates (RFC 8840): an offer or answer with the flag `fragment`, whose body is no SDP but a part of one.

use super::{
    engine::Engine,
    error::CallError,
    media::{Face, Side},
    offer::call_id_and_body,
};
use crate::{
    io::{MediaPlane, Now},
    ng::{Command, Reply, Request},
    sdp::{self, security::media_security},
};

impl Engine {
    /// Adds a party's further candidates. The reply has no body: we have candidates of our own, which the other party
    /// has been told. A fragment that belongs to nothing is ignored with a warning, since it may have been overtaken.
    pub(super) fn fragment(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let (call_id, body) = call_id_and_body(request)?;
        let given = |tag: &Option<String>| tag.clone().filter(|tag| !tag.is_empty());
        let (from_tag, to_tag) = (given(&request.from_tag), given(&request.to_tag));
        let (sender, other) = match request.command {
            Command::Answer => (to_tag.ok_or(CallError::NoToTag)?, from_tag),
            _ => (from_tag.ok_or(CallError::NoFromTag)?, to_tag),
        };
        let fragment = sdp::parse_fragment(body, self.parse_options())?;
        let key = self.by_id.get(call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get_mut(key).ok_or(CallError::UnknownCall)?;
        let party = call.party_by_tag(&sender).ok_or(CallError::NotFound)?;
        let other = other.and_then(|tag| call.party_by_tag(&tag));
        let mut taken = 0;
        for section in &fragment.medias {
            let ice = media_security(&fragment, section).ice;
            let of_party = call.dialogues.iter_mut().filter(|dialogue| dialogue.has(party));
            for dialogue in of_party.filter(|dialogue| other.is_none_or(|other| dialogue.has(other))) {
                let Some(side) = dialogue.side_of(party, Side::Offerer) else { continue };
                let by_mid = |face: &Face| section.mid.is_some() && face.mid.as_deref() == section.mid;
                let named = dialogue.medias.iter().position(|pair| by_mid(pair.faces.get(side)));
                let index = named.or_else(|| section.mid.is_none().then_some(section.index));
                let pair = index.and_then(|index| dialogue.medias.get_mut(index));
                taken += pair.map_or(0, |pair| usize::from(pair.faces.get_mut(side).ice.trickle(&ice)));
            }
        }
        self.settle(now, key, plane);
        tracing::debug!(target: "ice", call = %call_id, "fragment from tag '{sender}' ({taken} media)");
        let reply = Reply::ok();
        Ok(if taken > 0 {
            reply
        } else {
            reply.with_warning("The fragment belongs to no ICE of this call".to_owned())
        })
    }
}
