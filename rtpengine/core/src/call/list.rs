//! `list`.

use super::engine::Engine;
use crate::ng::{Dict, Reply, Request, Value};

/// As many as the protocol promises without `limit`.
const DEFAULT_LIMIT: u32 = 32;

impl Engine {
    pub(super) fn list(&self, request: &Request) -> Reply {
        let limit = request.limit.filter(|&limit| limit > 0).unwrap_or(DEFAULT_LIMIT);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let names = self
            .calls
            .values()
            .flat_map(|call| std::iter::once(&call.id).chain(call.aliases.iter().map(|alias| &alias.id)));
        let calls: Vec<Value> = names.take(limit).map(|id| Value::from(&**id)).collect();
        Reply::ok_with(Dict::new().with("calls", calls))
    }
}
