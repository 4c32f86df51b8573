//! `loop protect`: bodies that were here before are not worked on again.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::engine::Engine;
use crate::ng::{Dict, Flag, Reply, Request};

/// Name of the attribute that marks a body.
pub(super) const ATTRIBUTE: &str = "rtpengine";

/// What marks the bodies of one engine. The seed cannot be told from it.
pub(super) fn mark(seed: u64) -> String {
    let mut hasher = DefaultHasher::new();
    (ATTRIBUTE, seed).hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl Engine {
    /// Whether a body is one of ours come back.
    pub(super) fn is_looping(&self, request: &Request) -> bool {
        let line = || format!("a={ATTRIBUTE}:{}", self.mark);
        request.has(Flag::LoopProtect)
            && request.sdp.as_deref().is_some_and(|body| {
                let line = line();
                body.split(|byte| *byte == b'\n').any(|own| own.trim_ascii_end() == line.as_bytes())
            })
    }

    /// The reply to it.
    pub(super) fn untouched(&self, request: &Request) -> Reply {
        let body = request.sdp.clone().unwrap_or_default();
        tracing::info!(
            target: "core",
            call = %request.call_id.as_deref().unwrap_or_default(),
            "{} came back through a loop: left as it is", request.command.wire_name()
        );
        Reply::ok_with(Dict::new().with("sdp", body))
    }
}
