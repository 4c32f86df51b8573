//! Tests over whole bodies.

mod corpus;
mod golden;
mod parsing;
mod properties;
mod rewriting;

use std::net::IpAddr;

use super::{MediaPlan, ParseOptions, RewritePlan, SdpError, Session, parse, rewrite};

fn read(body: &str) -> Session<'_> {
    parse(body.as_bytes(), ParseOptions::default()).unwrap()
}

fn refuse(body: &[u8]) -> SdpError {
    parse(body, ParseOptions::default()).unwrap_err()
}

fn ip(address: &str) -> IpAddr {
    address.parse().unwrap()
}

/// The body after `plan`, as text.
fn rewritten(body: &str, plan: &RewritePlan<'_>) -> String {
    String::from_utf8(rewrite(&read(body), plan)).unwrap()
}

/// A plan that changes media sections only.
fn for_medias<'p>(medias: impl IntoIterator<Item = MediaPlan<'p>>) -> RewritePlan<'p> {
    RewritePlan { medias: medias.into_iter().collect(), ..RewritePlan::default() }
}

/// Lines with CRLF endings.
fn crlf(lines: &[&str]) -> String {
    lines.iter().map(|line| format!("{line}\r\n")).collect()
}
