//! `inject start`, `inject stop`: a party hears the media of another one besides what it hears already.

use super::{engine::Engine, error::CallError, joins::Join, model::Call, party::PartyId};
use crate::{
    io::{MediaPlane, Now},
    ng::{Reply, Request},
};

impl Engine {
    pub(super) fn inject_start(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        self.change(now, request, plane, |call| {
            let to = destination(call, request)?;
            let from = source(call, request)?.ok_or(CallError::NoSourceTag)?;
            call.join(Join { from, to })
        })
    }

    pub(super) fn inject_stop(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Reply, CallError> {
        self.change(now, request, plane, |call| {
            let to = destination(call, request)?;
            let from = source(call, request)?;
            let before = call.joins.len();
            call.joins.retain(|join| join.to != to || from.is_some_and(|from| join.from != from));
            if call.joins.len() == before { Err(CallError::NotInjected) } else { Ok(()) }
        })
    }

    /// Changes a call that there is, without opening anything.
    pub(super) fn change(
        &mut self,
        now: Now,
        request: &Request,
        plane: &mut dyn MediaPlane,
        work: impl FnOnce(&mut Call) -> Result<(), CallError>,
    ) -> Result<Reply, CallError> {
        let call_id = request.call_id.as_deref().filter(|id| !id.is_empty()).ok_or(CallError::NoCallId)?;
        let key = self.by_id.get(call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(key).ok_or(CallError::UnknownCall)?.clone();
        self.attempt(now, Some(key), call, plane, |draft| {
            work(&mut draft.call)?;
            draft.call.last_signal_unix_us = now.unix_us;
            draft.call.last_signal_mono_us = now.mono_us;
            Ok(())
        })?;
        tracing::info!(target: "core", call = %call_id, "'{}' done", request.command.wire_name());
        Ok(Reply::ok())
    }
}

fn destination(call: &Call, request: &Request) -> Result<PartyId, CallError> {
    let tag = request.to_tag.as_deref().filter(|tag| !tag.is_empty()).ok_or(CallError::NoToTag)?;
    call.party_by_tag(tag).ok_or(CallError::NoParticipant("to-tag"))
}

fn source(call: &Call, request: &Request) -> Result<Option<PartyId>, CallError> {
    let Some(tag) = request.source_tag.as_deref().filter(|tag| !tag.is_empty()) else { return Ok(None) };
    call.party_by_tag(tag).map(Some).ok_or(CallError::NoParticipant("source-tag"))
}
