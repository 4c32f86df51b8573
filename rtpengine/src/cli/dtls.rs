//! `list dtls`: what became of DTLS handshakes.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::dtls::Statistics;

/// Every counter with its name for people and for programs.
pub(crate) fn rows(statistics: &Statistics) -> [(&'static str, &'static str, u64); 18] {
    [
        ("Streams with DTLS", "streams", statistics.streams),
        ("Handshakes in progress", "half_open", statistics.half_open),
        ("Handshakes started", "started", statistics.started),
        ("Handshakes completed", "completed", statistics.completed),
        ("Handshakes failed", "failed", statistics.failed),
        ("Handshakes timed out", "timed_out", statistics.timed_out),
        ("Certificates not as signalled", "mismatched", statistics.mismatched),
        ("Handshakes given up for newer ones", "replaced", statistics.replaced),
        ("Handshakes refused, too many at once", "over_limit", statistics.over_limit),
        ("Handshakes refused, too frequent", "over_rate", statistics.over_rate),
        ("Cookies sent to unknown sources", "cookies_sent", statistics.cookies_sent),
        ("Cookies returned", "cookies_accepted", statistics.cookies_accepted),
        ("Role conflicts", "role_conflicts", statistics.role_conflicts),
        ("Associations ended by the peer", "closed", statistics.closed),
        ("Datagrams", "datagrams", statistics.datagrams),
        ("Datagrams malformed", "malformed", statistics.malformed),
        ("Datagrams of nobody's association", "strangers", statistics.strangers + statistics.unexpected),
        ("Datagrams dropped, too many waiting", "shed", statistics.shed),
    ]
}

/// The text, in the layout of `list totals`.
#[must_use]
pub fn text(statistics: &Statistics) -> String {
    rows(statistics).iter().fold(String::new(), |mut out, (title, _, count)| {
        // Writing to a String cannot fail.
        let _ = writeln!(out, " {title:<48}:{count}");
        out
    })
}

/// The JSON form.
#[must_use]
pub fn json(statistics: &Statistics) -> Value {
    rows(statistics).iter().map(|(_, name, count)| ((*name).to_owned(), json!(count))).collect()
}
