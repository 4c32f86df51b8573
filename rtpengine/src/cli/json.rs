//! `json COMMAND`: answers for programs, one JSON document with a line end.

use rtpengine_core::io::Path;
use rtpengine_core::ng::statistics::{Current, InterfaceStatistics, Traffic};
use serde_json::{Value, json};

use super::model::{CallDetail, CallSummary, MediaDetail, StreamDetail, TagDetail, TagType};

/// A document with its line end.
#[must_use]
pub fn document(value: &Value) -> String {
    format!("{value}\n")
}

/// An error; `rtpengine-ctl` turns it into its exit status.
#[must_use]
pub fn error(text: &str) -> String {
    document(&json!({ "error": text.trim() }))
}

/// `list numsessions`.
#[must_use]
pub fn numsessions(current: &Current) -> Value {
    json!({
        "own": current.sessions_own,
        "foreign": current.sessions_foreign,
        "total": current.sessions_own + current.sessions_foreign,
        "transcoded_media": current.transcoded_media,
        "ipv4_only": current.sessions_ipv4,
        "ipv6_only": current.sessions_ipv6,
        "mixed": current.sessions_mixed,
    })
}

/// `list counters`.
#[must_use]
pub fn counters(current: &Current) -> Value {
    json!({ "userspace": traffic(current.rate_user), "kernel": traffic(current.rate_kernel) })
}

/// `list interfaces`.
#[must_use]
pub fn interfaces(interfaces: &[InterfaceStatistics]) -> Value {
    interfaces
        .iter()
        .map(|one| {
            json!({
                "name": one.name,
                "address": one.address.to_string(),
                "port_min": one.port_min,
                "port_max": one.port_max,
                "ports_used": one.ports_used,
                "ports_total": one.ports_total(),
                "ingress": traffic(one.ingress),
                "egress": traffic(one.egress),
            })
        })
        .collect()
}

/// One call of `list sessions`.
#[must_use]
pub fn summary(call: &CallSummary) -> Value {
    json!({
        "call_id": call.call_id,
        "deleting": call.deleting,
        "created": call.created,
        "proxy": call.proxy.to_string(),
        "foreign": call.foreign,
    })
}

/// `call CALLID info`.
#[must_use]
pub fn call(call: &CallDetail) -> Value {
    json!({
        "call_id": call.summary.call_id,
        "deleting": call.summary.deleting,
        "created": call.summary.created,
        "proxy": call.summary.proxy.to_string(),
        "foreign": call.summary.foreign,
        "tos": call.tos,
        "last_signal": call.last_signal,
        "tags": call.tags.iter().map(tag).collect::<Value>(),
    })
}

/// `call CALLID tag TAG info`.
#[must_use]
pub fn tag(tag: &TagDetail) -> Value {
    json!({
        "tag": tag.tag,
        "type": match tag.kind {
            TagType::From => "from",
            TagType::To => "to",
        },
        "label": tag.label,
        "branch": tag.branch,
        "duration": tag.duration,
        "subscribed_to": tag.subscribed_to,
        "subscribers": tag.subscribers,
        "medias": tag.medias.iter().map(media).collect::<Value>(),
    })
}

fn media(media: &MediaDetail) -> Value {
    json!({
        "index": media.index,
        "type": media.kind,
        "protocol": media.protocol,
        "codec": media.codec,
        "streams": media.streams.iter().map(stream).collect::<Value>(),
    })
}

fn stream(stream: &StreamDetail) -> Value {
    let (path, reason) = match stream.path {
        Path::Kernel => ("kernel", None),
        Path::Userspace(reason) => ("userspace", Some(format!("{reason:?}"))),
    };
    json!({
        "local": stream.local.to_string(),
        "endpoint": stream.endpoint.map(|endpoint| endpoint.to_string()),
        "rtcp": stream.rtcp,
        "ssrc": stream.ssrc,
        "received": traffic(stream.received),
        "last_packet": stream.last_packet,
        "path": path,
        "reason": reason,
    })
}

fn traffic(traffic: Traffic) -> Value {
    json!({ "packets": traffic.packets, "bytes": traffic.bytes, "errors": traffic.errors })
}
