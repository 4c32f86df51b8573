//! Trickled candidates (RFC 8840): an offer or answer with the flag `fragment`, whose body is no SDP but a part of one.

use std::collections::VecDeque;

use super::{
    engine::{CallKey, Engine},
    error::CallError,
    media::{Face, Side},
    offer::call_id_and_body,
};
use crate::{
    io::{MediaPlane, Now},
    ng::{Command, Reply, Request},
    sdp::{self, security::media_security},
};

/// How long a fragment is kept that is ahead of its offer or answer, microseconds: a SIP retransmission or two.
const PATIENCE_US: u64 = 5_000_000;
/// Most fragments kept of one call, and of all.
const MAX_OF_CALL: usize = 16;
const MAX_FRAGMENTS: usize = 1024;
/// Most bytes of one fragment kept, and of all.
const MAX_BODY: usize = 8 * 1024;
const MAX_BYTES: usize = 1024 * 1024;

/// A fragment by the names in its request.
#[derive(Clone, Debug)]
struct Fragment {
    call_id: String,
    sender: String,
    other: Option<String>,
    body: Vec<u8>,
    since_us: u64,
}

/// Fragments that have overtaken what they belong to, oldest first.
#[derive(Debug, Default)]
pub(super) struct Early {
    kept: VecDeque<Fragment>,
    bytes: usize,
}

impl Early {
    /// `false`: there is no room for it.
    fn keep(&mut self, fragment: Fragment) -> bool {
        self.expire(fragment.since_us);
        let of_call = self.kept.iter().filter(|kept| kept.call_id == fragment.call_id).count();
        let length = fragment.body.len();
        let room = length <= MAX_BODY
            && of_call < MAX_OF_CALL
            && self.kept.len() < MAX_FRAGMENTS
            && self.bytes + length <= MAX_BYTES;
        if room {
            self.bytes += length;
            self.kept.push_back(fragment);
        }
        room
    }

    /// Puts one back that was taken out; it keeps its place in time.
    fn keep_again(&mut self, fragment: Fragment) {
        let at = self.kept.partition_point(|kept| kept.since_us <= fragment.since_us);
        self.bytes += fragment.body.len();
        self.kept.insert(at, fragment);
    }

    /// Drops those that are too old.
    pub(super) fn expire(&mut self, now_us: u64) {
        while let Some(oldest) = self.kept.front()
            && now_us.saturating_sub(oldest.since_us) >= PATIENCE_US
        {
            self.bytes -= oldest.body.len();
            self.kept.pop_front();
        }
    }

    /// Takes out those of a call.
    fn of_call(&mut self, call_id: &str) -> VecDeque<Fragment> {
        let (of_call, rest) = self.kept.drain(..).partition(|kept: &Fragment| kept.call_id == call_id);
        self.kept = rest;
        self.bytes = self.kept.iter().map(|kept| kept.body.len()).sum();
        of_call
    }
}

impl Engine {
    /// Adds a party's further candidates. The reply has no body: we have candidates of our own, which the other party
    /// has been told. A fragment that belongs to nothing yet is kept for a while, since it may have overtaken its offer or
    /// answer.
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
        let (call_id, body) = (call_id.to_owned(), body.to_vec());
        let fragment = Fragment { call_id, sender, other, body, since_us: now.mono_us };
        // What cannot be read now can never be.
        sdp::parse_fragment(&fragment.body, self.parse_options())?;
        if self.take_fragment(now, &fragment, plane) {
            return Ok(Reply::ok());
        }
        let kept = self.early.keep(fragment);
        let what = if kept { "is kept until its offer or answer comes" } else { "is ignored" };
        Ok(Reply::ok().with_warning(format!("The fragment belongs to no ICE that is known: it {what}")))
    }

    /// An offer or answer of a call has been taken over: fragments may have waited for it.
    pub(super) fn take_early_fragments(&mut self, now: Now, call_id: &str, plane: &mut dyn MediaPlane) {
        self.early.expire(now.mono_us);
        if self.early.kept.is_empty() {
            return;
        }
        for fragment in self.early.of_call(call_id) {
            if !self.take_fragment(now, &fragment, plane) {
                self.early.keep_again(fragment);
            }
        }
    }

    /// `false`: it belongs to nothing that was signalled.
    fn take_fragment(&mut self, now: Now, fragment: &Fragment, plane: &mut dyn MediaPlane) -> bool {
        let Some(key) = self.by_id.get(fragment.call_id.as_str()).copied() else { return false };
        let taken = self.candidates_of(key, fragment).unwrap_or(0);
        if taken == 0 {
            return false;
        }
        self.settle(now, key, plane);
        tracing::debug!(
            target: "ice", call = %fragment.call_id,
            "fragment from tag '{}' ({taken} media)", fragment.sender,
        );
        true
    }

    /// Puts the candidates of a fragment into the model; how many m-lines they were for.
    fn candidates_of(&mut self, key: CallKey, fragment: &Fragment) -> Option<usize> {
        let parsed = sdp::parse_fragment(&fragment.body, self.parse_options()).ok()?;
        let call = self.calls.get_mut(key)?;
        let party = call.party_by_tag(&fragment.sender)?;
        let other = fragment.other.as_ref().and_then(|tag| call.party_by_tag(tag));
        let mut taken = 0;
        for section in &parsed.medias {
            let ice = media_security(&parsed, section).ice;
            let of_party = call.dialogues.iter_mut().filter(|dialogue| dialogue.has(party));
            for dialogue in of_party.filter(|dialogue| other.is_none_or(|other| dialogue.has(other))) {
                let Some(side) = dialogue.side_of(party, Side::Offerer) else { continue };
                let by_mid = |face: &Face| section.mid.is_some() && face.mid.as_deref() == section.mid;
                let named = dialogue.medias.iter().position(|pair| by_mid(pair.faces.get(side)));
                let index = named.or_else(|| section.mid.is_none().then_some(section.index));
                let Some(index) = index.filter(|index| dialogue.medias.get(*index).is_some()) else {
                    continue;
                };
                // What is said of one m-line holds for all that share its transport.
                let stream = dialogue.medias.get(index).and_then(|pair| pair.faces.get(side).rtp);
                let mut any = false;
                for (at, pair) in dialogue.medias.iter_mut().enumerate() {
                    let face = pair.faces.get_mut(side);
                    if at == index || (face.rtp.is_some() && face.rtp == stream) {
                        any |= face.ice.trickle(&ice);
                    }
                }
                taken += usize::from(any);
            }
        }
        Some(taken)
    }
}
