//! `delete`.

use super::{
    dialogue::{Dialogue, Kind},
    engine::{CallKey, Engine},
    error::CallError,
    model::Call,
    party::PartyId,
    snapshot,
    statistics::EndedBy,
};
use crate::{
    io::{MediaPlane, Now},
    ng::{Flag, Reply, Request},
};

impl Engine {
    pub(super) fn delete(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        let call_id = request.call_id.as_deref().filter(|id| !id.is_empty()).ok_or(CallError::NoCallId)?;
        let found = self.by_id.get(call_id).copied().and_then(|key| {
            let matching = matching(self.calls.get(key)?, request);
            (!matching.is_empty()).then_some((key, matching))
        });
        let Some((key, matching)) = found else {
            return if request.has(Flag::Fatal) {
                Err(CallError::NotFound)
            } else {
                Ok(Reply::ok().with_warning(CallError::NotFound.to_string()))
            };
        };
        let body = self
            .calls
            .get(key)
            .filter(|_| !request.has(Flag::Fast))
            .map(|call| super::query::body(snapshot::call_info(call, &self.interfaces, plane), None))
            .unwrap_or_default();
        let delay = request.delete_delay.unwrap_or(self.config.delete_delay);
        let at = now.mono_us.saturating_add(delay.saturating_mul(1_000_000));
        if let Some(call) = self.calls.get_mut(key) {
            call.last_signal_unix_us = now.unix_us;
            for index in matching {
                if let Some(dialogue) = call.dialogues.get_mut(index) {
                    dialogue.delete_at = Some(at);
                }
            }
            tracing::info!(target: "core", call = %call_id, "delete in {delay} s");
        }
        if delay == 0 {
            self.remove_due(now, key, plane);
        }
        Ok(Reply::ok_with(body))
    }

    /// Removes the dialogues whose time has come, and the call with the last of them.
    pub(super) fn remove_due(&mut self, now: Now, key: CallKey, plane: &mut dyn MediaPlane) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let due = |dialogue: &Dialogue| dialogue.delete_at.is_some_and(|at| at <= now.mono_us);
        if call.primary().all(due) {
            self.end_call(now, key, EndedBy::Proxy, plane);
        } else if call.dialogues.iter().any(due) {
            call.dialogues.retain(|dialogue| !due(dialogue));
            self.settle(now, key, plane);
        }
    }
}

/// A subscription goes with its subscriber, and by itself with the last of its sources.
fn ends_with(dialogue: &Dialogue, party: PartyId) -> bool {
    if dialogue.kind == Kind::Subscription { dialogue.is_subscription_of(party) } else { dialogue.has(party) }
}

/// The dialogues a delete speaks of: all without tags; those of a tag; those between two tags, in either order, where
/// an open offer matches any second tag (it was refused before its callee sent SDP). A branch narrows that down, unless
/// the call was set up without branches.
///
/// A proxy that leaves it to us to read its flags adds the to-tag to every request; there it counts with the flag `to-tag`
/// only.
fn matching(call: &Call, request: &Request) -> Vec<usize> {
    let given = |tag: &Option<String>| tag.clone().filter(|tag| !tag.is_empty());
    let honoured = !request.is_unread || request.has(Flag::ToTag);
    let (from, to) = (given(&request.from_tag), given(&request.to_tag).filter(|_| honoured));
    let uses_branches = call.dialogues.iter().any(|dialogue| dialogue.branch.is_some());
    let branch = request.via_branch.as_deref().filter(|_| uses_branches);
    let has = |dialogue: &Dialogue, tag: &str| {
        call.party_by_tag(tag).is_some_and(|party| ends_with(dialogue, party))
    };
    let between =
        |dialogue: &Dialogue, one: &str, two: &str| match (call.party_by_tag(one), call.party_by_tag(two)) {
            (Some(one), Some(two)) => dialogue.between(one, two),
            (Some(party), None) | (None, Some(party)) => call.is_open(dialogue) && dialogue.has(party),
            (None, None) => false,
        };
    let matches = |dialogue: &Dialogue| {
        let tags = match (&from, &to) {
            (None, None) => true,
            (Some(tag), None) | (None, Some(tag)) => has(dialogue, tag),
            (Some(from), Some(to)) => between(dialogue, from, to),
        };
        tags && branch.is_none_or(|branch| dialogue.branch.as_deref() == Some(branch))
    };
    let found = call.dialogues.iter().enumerate().filter(|(_, dialogue)| matches(dialogue));
    found.map(|(index, _)| index).collect()
}
