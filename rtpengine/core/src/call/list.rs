//! `list`.

use super::engine::Engine;
use crate::ng::{Dict, Reply, Request, Value};

/// As many as the protocol promises without `limit`.
const DEFAULT_LIMIT: u32 = 32;

impl Engine {
    pub(super) fn list(&self, request: &Request) -> Reply {
        let limit = request.limit.filter(|&limit| limit > 0).unwrap_or(DEFAULT_LIMIT);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let calls: Vec<Value> = self.calls.values().take(limit).map(|call| Value::from(&*call.id)).collect();
        Reply::ok_with(Dict::new().with("calls", calls))
    }
}
