//! The demo's transcript.

use anyhow::Result;
use rtpengine_tests::programs::RunTime;
use rtpengine_tests::rtp::Tally;
use rtpengine_tests::sdp::first_media;
use rtpengine_tests::talk::Call;
use serde_json::Value;

/// Prints text under the current step.
pub fn indent(text: &str) {
    for line in text.lines().filter(|line| !line.is_empty()) {
        println!("     {line}");
    }
}

/// Who was told to send where.
pub fn signalling(call: &Call) -> Result<String> {
    let offered = first_media(&call.offered)?;
    let answered = first_media(&call.answered)?;
    Ok(format!(
        "caller {} sends to {}:{}\ncallee {} sends to {}:{}",
        call.caller.local()?,
        answered.address,
        answered.port,
        call.callee.local()?,
        offered.address,
        offered.port
    ))
}

/// What arrived.
pub fn audio(sent: u64, at_caller: &Tally, at_callee: &Tally) {
    println!(
        "     {:<18}{:>8}{:>10}{:>8}{:>12}{:>11}{:>9}",
        "", "sent", "received", "lost", "duplicated", "reordered", "altered"
    );
    for (name, tally) in [("caller → callee", at_callee), ("callee → caller", at_caller)] {
        println!(
            "     {name:<18}{sent:>8}{:>10}{:>8}{:>12}{:>11}{:>9}",
            tally.received,
            sent.saturating_sub(tally.received),
            tally.duplicates,
            tally.reordered,
            tally.wrong.len()
        );
    }
}

/// Local port, endpoint, counters and flags of each stream.
pub fn streams(query: &Value) {
    let Some(tags) = query["tags"].as_object() else { return };
    for tag in tags.values() {
        for media in tag["medias"].as_array().into_iter().flatten() {
            for stream in media["streams"].as_array().into_iter().flatten() {
                println!("     {}", stream_line(media, stream));
            }
        }
    }
}

fn stream_line(media: &Value, stream: &Value) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let flags: Vec<&str> =
        stream["flags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    format!(
        "{} {}:{} <> {}:{}  {} packets, {} bytes, {} errors  [{}]",
        text(&media["type"]),
        text(&stream["local address"]),
        stream["local port"],
        text(&stream["endpoint"]["address"]),
        stream["endpoint"]["port"],
        stream["stats"]["packets"],
        stream["stats"]["bytes"],
        stream["stats"]["errors"],
        flags.join(", ")
    )
}

/// What the program took per packet.
pub fn cost(run_time: RunTime, native: bool) {
    if let Some(mean) = run_time.mean() {
        let mode = if native { "native" } else { "generic" };
        println!(
            "     the XDP program ({mode}) ran {} times, {mean:.0} ns each on average, counting included",
            run_time.runs
        );
    }
}

/// Totals of the reply to `delete`.
pub fn totals(reply: &Value) -> String {
    let rtp = &reply["totals"]["RTP"];
    format!("{} packets and {} bytes in all, {} errors", rtp["packets"], rtp["bytes"], rtp["errors"])
}
