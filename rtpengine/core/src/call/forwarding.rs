//! `start forwarding` and `stop forwarding`, which concern a recording daemon that takes media as PCM.

use super::{engine::Engine, error::CallError, selection};
use crate::ng::{Reply, Request};

impl Engine {
    /// There is no recording daemon, so there is nothing to do but to check whom the request means.
    pub(super) fn forwarding(&self, request: &Request) -> Result<Reply, CallError> {
        let call_id = request.call_id.as_deref().filter(|id| !id.is_empty()).ok_or(CallError::NoCallId)?;
        let key = self.by_id.get(call_id).ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(*key).ok_or(CallError::UnknownCall)?;
        selection::senders(call, request)?;
        let name = request.command.wire_name();
        Ok(Reply::ok().with_warning(format!("'{name}' has no effect: there is no recording daemon")))
    }
}
