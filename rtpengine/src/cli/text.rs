//! The texts of calls, interfaces and sessions, in the layout of the original.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

use rtpengine_core::ng::statistics::{Current, InterfaceStatistics};

use super::model::{CallDetail, CallSummary, MediaDetail, StreamDetail, TagDetail, TagType};

/// `yes` or `no`.
const fn yes_no(flag: bool) -> &'static str {
    if flag { "yes" } else { "no" }
}

/// `list numsessions`.
#[must_use]
pub fn numsessions(current: &Current) -> String {
    format!(
        "Current sessions own: {}\nCurrent sessions foreign: {}\nCurrent sessions total: {}\nCurrent transcoded media: {}\nCurrent sessions ipv4 only media: {}\nCurrent sessions ipv6 only media: {}\nCurrent sessions ip mixed  media: {}\n",
        current.sessions_own,
        current.sessions_foreign,
        current.sessions_own + current.sessions_foreign,
        current.transcoded_media,
        current.sessions_ipv4,
        current.sessions_ipv6,
        current.sessions_mixed,
    )
}

/// One line of `list sessions all`.
#[must_use]
pub fn session_line(call: &CallSummary) -> String {
    format!(
        "callid: {:>60} | deletionmark:{:>4} | created: {:>11} | proxy:{} | redis_keyspace:0 | foreign:{}\n",
        call.call_id,
        yes_no(call.deleting),
        call.created,
        call.proxy,
        yes_no(call.foreign),
    )
}

/// `list sessions CALLID` and `call CALLID info`.
#[must_use]
pub fn call(call: &CallDetail) -> String {
    let mut out = format!(
        "\ncallid: {}\ndeletionmark: {}\ncreated: {}\nproxy: {}\ntos: {}\nlast_signal: {}\nredis_keyspace: 0\nforeign: {}\n\n",
        call.summary.call_id,
        yes_no(call.summary.deleting),
        call.summary.created,
        call.summary.proxy,
        call.tos,
        call.last_signal,
        yes_no(call.summary.foreign),
    );
    for one in &call.tags {
        out.push_str(&tag(one));
    }
    out.push('\n');
    out
}

/// `call CALLID tag TAG info`.
#[must_use]
pub fn tag(tag: &TagDetail) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail; here and below.
    let _ = writeln!(
        out,
        "--- Tag '{}', type: {}, label '{}', branch '{}', callduration {:.6}",
        tag.tag,
        match tag.kind {
            TagType::From => "FROM_TAG",
            TagType::To => "TO_TAG",
        },
        tag.label,
        tag.branch,
        tag.duration,
    );
    for other in &tag.subscribed_to {
        let _ = writeln!(out, "---     subscribed to '{other}'");
    }
    for other in &tag.subscribers {
        let _ = writeln!(out, "---     subscription of '{other}'");
    }
    for one in &tag.medias {
        media(&mut out, one);
    }
    out
}

fn media(out: &mut String, media: &MediaDetail) {
    let codec = media.codec.as_deref().unwrap_or("unknown codec");
    let _ =
        writeln!(out, "------ Media #{} ({} over {}) using {codec}", media.index, media.kind, media.protocol);
    for one in &media.streams {
        stream(out, one);
    }
}

fn stream(out: &mut String, stream: &StreamDetail) {
    let _ = writeln!(
        out,
        "-------- Port {} <> {}{}, SSRC {:x}, {} p, {} b, {} e, {} ts",
        Column(Some(stream.local)),
        Column(stream.endpoint),
        if stream.rtcp { " (RTCP)" } else { "" },
        stream.ssrc,
        stream.received.packets,
        stream.received.bytes,
        stream.received.errors,
        stream.last_packet,
    );
}

/// An address right-aligned in the original's column: `%15s:%-5u`.
struct Column(Option<SocketAddr>);

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(address) => write!(f, "{:>15}:{:<5}", address.ip().to_string(), address.port()),
            None => write!(f, "{:>15}:{:<5}", "", 0),
        }
    }
}

/// `list interfaces`.
#[must_use]
pub fn interfaces(interfaces: &[InterfaceStatistics]) -> String {
    let mut out = String::new();
    for one in interfaces {
        let _ = writeln!(
            out,
            "Interface '{}' address '{}' ({})\n Port range: {:5} - {:5}\n Ports used: {:5} / {:5} ({:5.1}%)",
            one.name,
            one.address,
            if one.address.is_ipv4() { "IPv4" } else { "IPv6" },
            one.port_min,
            one.port_max,
            one.ports_used,
            one.ports_total(),
            one.ports_used_percent(),
        );
    }
    out
}
