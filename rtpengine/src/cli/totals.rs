//! The texts of `list totals` and `list counters`, in the layout of the original.

use std::fmt::{Display, Write as _};

use rtpengine_core::ng::Command;
use rtpengine_core::ng::statistics::{Current, Sampled, Statistics, Total, VoipMetrics};

/// One line: the name padded to 48 columns, a colon, the value.
fn line(out: &mut String, name: &str, value: impl Display) {
    // Writing to a String cannot fail; here and below.
    let _ = writeln!(out, " {name:<48}:{value}");
}

/// The title of a command's column.
const fn title(command: Command) -> &'static str {
    match command {
        Command::Ping => "Ping",
        Command::Offer => "Offer",
        Command::Answer => "Answer",
        Command::Delete => "Delete",
        Command::Query => "Query",
        Command::List => "List",
        Command::StartRecording => "StartRec",
        Command::StopRecording => "StopRec",
        Command::PauseRecording => "PauseRec",
        Command::StartForwarding => "StartFwd",
        Command::StopForwarding => "StopFwd",
        Command::BlockDtmf => "BlkDTMF",
        Command::UnblockDtmf => "UnblkDTMF",
        Command::BlockMedia => "BlkMedia",
        Command::UnblockMedia => "UnblkMedia",
        Command::PlayMedia => "PlayMedia",
        Command::StopMedia => "StopMedia",
        Command::PlayDtmf => "PlayDTMF",
        Command::Statistics => "Stats",
        Command::SilenceMedia => "SlnMedia",
        Command::UnsilenceMedia => "UnslnMedia",
        Command::Publish => "Pub",
        Command::SubscribeRequest => "SubReq",
        Command::SubscribeAnswer => "SubAns",
        Command::Unsubscribe => "Unsub",
        Command::Connect => "Connect",
        Command::Create => "Create",
        Command::CreateAnswer => "CreateAns",
        Command::Mesh => "Mesh",
        Command::Transform => "Transform",
        Command::InjectStart => "InjStart",
        Command::InjectStop => "InjStop",
    }
}

/// `list counters`.
#[must_use]
pub fn counters(current: &Current) -> String {
    let mut out = String::from("\nCurrent per-second counters:\n\n");
    rates(&mut out, current);
    out
}

fn rates(out: &mut String, current: &Current) {
    let total = current.rate_user + current.rate_kernel;
    for (name, rate) in [("userspace", current.rate_user), ("kernel", current.rate_kernel), ("total", total)]
    {
        line(out, &format!("Packets per second ({name})"), rate.packets);
        line(out, &format!("Bytes per second ({name})"), rate.bytes);
        line(out, &format!("Errors per second ({name})"), rate.errors);
    }
}

/// `list totals`.
#[must_use]
pub fn totals(statistics: &Statistics) -> String {
    let mut out = String::from("\nStatistics over currently running sessions:\n\n");
    running(&mut out, &statistics.current);
    out.push_str("\nTotal statistics (does not include current running sessions):\n\n");
    ended(&mut out, &statistics.total);
    out.push_str("\n\nMOS statistics:\n\n");
    mos(&mut out, &statistics.voip);
    out.push_str("\n\nVoIP metrics:\n\n");
    metrics(&mut out, &statistics.voip);
    line(&mut out, "Packets lost", statistics.packets_lost);
    line(&mut out, "Duplicate RTP packets", statistics.rtp_duplicates);
    line(&mut out, "RTP sequence skips", statistics.rtp_skips);
    line(&mut out, "RTP sequence resets", statistics.rtp_seq_resets);
    line(&mut out, "Out-of-order RTP packets", statistics.rtp_reordered);
    out.push_str("\n\nControl statistics:\n\n");
    control(&mut out, statistics);
    out.push_str("\n\n");
    for interface in &statistics.interfaces {
        mos(&mut out, &interface.voip);
        metrics(&mut out, &interface.voip);
    }
    out.push_str("\n\n");
    out
}

fn running(out: &mut String, current: &Current) {
    line(out, "Owned sessions", current.sessions_own);
    line(out, "Foreign sessions", current.sessions_foreign);
    line(out, "Total sessions", current.sessions_own + current.sessions_foreign);
    line(out, "Transcoded media", current.transcoded_media);
    rates(out, current);
    line(out, "Userspace-only media streams", current.media_userspace);
    line(out, "Kernel-only media streams", current.media_kernel);
    line(out, "Mixed kernel/userspace media streams", current.media_mixed);
}

fn ended(out: &mut String, total: &Total) {
    line(out, "Uptime of rtpengine", format_args!("{} seconds", total.uptime));
    line(out, "Total managed sessions", total.managed_sessions);
    line(out, "Total rejected sessions", total.rejected_sessions);
    line(out, "Total timed-out sessions via TIMEOUT", total.timeout_sessions);
    line(out, "Total timed-out sessions via SILENT_TIMEOUT", total.silent_timeout_sessions);
    line(out, "Total timed-out sessions via FINAL_TIMEOUT", total.final_timeout_sessions);
    line(out, "Total timed-out sessions via OFFER_TIMEOUT", total.offer_timeout_sessions);
    line(out, "Total regular terminated sessions", total.regular_terminated_sessions);
    line(out, "Total forced terminated sessions", total.forced_terminated_sessions);
    let relayed = total.relayed_user + total.relayed_kernel;
    for (name, traffic) in
        [(" (userspace)", total.relayed_user), (" (kernel)", total.relayed_kernel), ("", relayed)]
    {
        line(out, &format!("Total relayed packets{name}"), traffic.packets);
        line(out, &format!("Total relayed packet errors{name}"), traffic.errors);
        line(out, &format!("Total relayed bytes{name}"), traffic.bytes);
    }
    line(out, "Total number of streams with no relayed packets", total.zero_way_streams);
    line(out, "Total number of 1-way streams", total.one_way_streams);
    let duration = &total.call_duration;
    line(out, "Average call duration", format_args!("{:.6} seconds", duration.average()));
    line(out, "Total calls duration", format_args!("{:.6} seconds", duration.sum));
    line(out, "Total calls duration squared", format_args!("{:.6} seconds squared", duration.sum_of_squares));
    line(out, "Total calls duration standard deviation", format_args!("{:.6} seconds", duration.deviation()));
}

fn mos(out: &mut String, voip: &VoipMetrics) {
    sampled(out, "MOS", &voip.mos);
}

fn metrics(out: &mut String, voip: &VoipMetrics) {
    for (_, name, one) in voip.named() {
        sampled(out, name, &one);
    }
}

fn sampled(out: &mut String, name: &str, one: &Sampled) {
    line(out, &format!("Sum of all {name} values sampled"), format_args!("{:.6}", one.sum));
    line(out, &format!("Sum of all {name} square values sampled"), format_args!("{:.6}", one.sum_of_squares));
    line(out, &format!("Total number of {name} samples"), one.samples);
    line(out, &format!("Average {name}"), format_args!("{:.6}", one.average()));
    line(out, &format!("{name} standard deviation"), format_args!("{:.6}", one.deviation()));
}

fn control(out: &mut String, statistics: &Statistics) {
    let _ = write!(out, " {:>20} |", "Proxy");
    columns(out, Command::listed().iter().map(|command| title(*command)));
    for proxy in &statistics.control {
        let _ = write!(out, " {:>20} |", proxy.proxy.to_string());
        columns(out, proxy.commands.iter().take(Command::listed().len()).map(|one| one.count));
    }
}

/// Cells of ten columns with bars between them, and a line end.
fn columns(out: &mut String, cells: impl Iterator<Item = impl Display>) {
    for (index, cell) in cells.enumerate() {
        let bar = if index == 0 { "" } else { "|" };
        let _ = write!(out, "{bar} {cell:>10} ");
    }
    out.push('\n');
}
