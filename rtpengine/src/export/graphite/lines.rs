//! `PREFIX+NAME VALUE TIMESTAMP` for each figure, in the names of the original.

use std::fmt::{Display, Write as _};

use rtpengine_core::ng::Command;
use rtpengine_core::ng::statistics::{Interval, Spread, Statistics};

/// Makes the lines of one interval after the other.
pub(super) struct Lines {
    prefix: String,
    /// At the end of the interval that was sent last.
    before: Statistics,
}

/// The lines of one interval in the making.
struct Text<'a> {
    out: String,
    prefix: &'a str,
    now: u64,
}

impl Text<'_> {
    fn line(&mut self, name: impl Display, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "{}{name} {value} {}", self.prefix, self.now);
    }

    fn spread(&mut self, name: &str, spread: &Spread) {
        self.line(format_args!("{name}_min"), format_args!("{:.6}", spread.least));
        self.line(format_args!("{name}_max"), format_args!("{:.6}", spread.most));
        self.line(format_args!("{name}_avg"), format_args!("{:.6}", spread.average()));
    }
}

impl Lines {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix, before: Statistics::default() }
    }

    /// Those figures have arrived: the next lines begin behind them.
    pub(super) fn sent(&mut self, statistics: &Statistics) {
        self.before = statistics.clone();
    }

    pub(super) fn text(&self, (statistics, interval): &(Statistics, Interval), now: u64) -> String {
        let mut text = Text { out: String::new(), prefix: &self.prefix, now };
        commands(&mut text, interval);
        self.sessions(&mut text, statistics, interval);
        self.traffic(&mut text, statistics);
        for one in &statistics.interfaces {
            // Dots and colons of an address would be levels of the hierarchy, or refused.
            let address = one.address.to_string().replace(['.', ':'], "_");
            let name = name(&one.name);
            let free = one.ports_total().saturating_sub(one.ports_used);
            text.line(format_args!("ports_free_{name}_{address}"), free);
            text.line(format_args!("ports_used_{name}_{address}"), one.ports_used);
        }
        text.out
    }

    fn sessions(&self, text: &mut Text<'_>, statistics: &Statistics, interval: &Interval) {
        let (current, total, before) = (&statistics.current, &statistics.total, &self.before.total);
        let duration = total.call_duration.sum - before.call_duration.sum;
        let ended = total.call_duration.samples.saturating_sub(before.call_duration.samples);
        let average = if ended == 0 { 0.0 } else { duration / ended as f64 };
        text.line("call_dur", format_args!("{duration:.6}"));
        text.line("average_call_dur", format_args!("{average:.6}"));
        for (name, count, before) in [
            ("managed_sess", total.managed_sessions, before.managed_sessions),
            ("forced_term_sess", total.forced_terminated_sessions, before.forced_terminated_sessions),
            ("regular_term_sess", total.regular_terminated_sessions, before.regular_terminated_sessions),
            ("timeout_sess", total.timeout_sessions, before.timeout_sessions),
            ("silent_timeout_sess", total.silent_timeout_sessions, before.silent_timeout_sessions),
            ("final_timeout_sess", total.final_timeout_sessions, before.final_timeout_sessions),
            ("offer_timeout_sess", total.offer_timeout_sessions, before.offer_timeout_sessions),
            ("reject_sess", total.rejected_sessions, before.rejected_sessions),
            ("nopacket_relayed_sess", total.zero_way_streams, before.zero_way_streams),
            ("oneway_stream_sess", total.one_way_streams, before.one_way_streams),
        ] {
            text.line(name, count.saturating_sub(before));
        }
        text.line("managed_sess_min", interval.sessions.least);
        text.line("managed_sess_max", interval.sessions.most);
        let all = current.sessions_own + current.sessions_foreign;
        for (name, count) in [
            ("current_sessions_total", all),
            ("current_sessions_own", current.sessions_own),
            ("current_sessions_foreign", current.sessions_foreign),
            ("current_transcoded_media", current.transcoded_media),
            ("current_sessions_ipv4", current.sessions_ipv4),
            ("current_sessions_ipv6", current.sessions_ipv6),
            ("current_sessions_mixed", current.sessions_mixed),
        ] {
            text.line(name, count);
        }
    }

    fn traffic(&self, text: &mut Text<'_>, statistics: &Statistics) {
        let (total, before) = (&statistics.total, &self.before.total);
        for (suffix, now, before) in [
            ("_user", total.relayed_user, before.relayed_user),
            ("_kernel", total.relayed_kernel, before.relayed_kernel),
            ("", total.relayed_user + total.relayed_kernel, before.relayed_user + before.relayed_kernel),
        ] {
            text.line(format_args!("relayed_packets{suffix}"), now.packets.saturating_sub(before.packets));
            text.line(format_args!("relayed_bytes{suffix}"), now.bytes.saturating_sub(before.bytes));
            text.line(format_args!("relayed_errors{suffix}"), now.errors.saturating_sub(before.errors));
        }
    }
}

fn commands(text: &mut Text<'_>, interval: &Interval) {
    for (command, one) in Command::ALL.iter().zip(&interval.commands) {
        let name = name(command.wire_name());
        text.spread(&format!("{name}_time"), &one.duration);
        text.spread(&format!("{name}s_ps"), &one.rate);
        text.line(format_args!("{name}_count"), one.count);
    }
}

/// As a part of a name: spaces would end it, dots begin another level.
fn name(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use rtpengine_core::ng::statistics::{InterfaceStatistics, VoipMetrics};

    use super::*;

    #[test]
    fn sums_are_of_the_interval_and_the_rest_is_as_it_is() {
        let mut lines = Lines::new("edge.".to_owned());
        let mut statistics = Statistics::default();
        statistics.total.managed_sessions = 5;
        statistics.total.relayed_kernel.packets = 70;
        statistics.current.sessions_own = 2;
        statistics.total.call_duration.add(3.0);
        statistics.interfaces.push(InterfaceStatistics {
            name: "pub.a".to_owned(),
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port_min: 1,
            port_max: 10,
            ports_used: 4,
            packets_lost: 0,
            duplicates: 0,
            voip: VoipMetrics::default(),
            ingress: Default::default(),
            egress: Default::default(),
        });
        let mut interval = Interval::default();
        interval.count(Command::StartRecording);
        interval.took(Command::StartRecording, 0.5);
        interval.tick(2);
        let text = lines.text(&(statistics.clone(), interval), 99);
        for line in [
            "edge.start_recording_time_max 0.500000 99",
            "edge.start_recordings_ps_max 1.000000 99",
            "edge.start_recording_count 1 99",
            "edge.managed_sess 5 99",
            "edge.managed_sess_max 2 99",
            "edge.call_dur 3.000000 99",
            "edge.average_call_dur 3.000000 99",
            "edge.current_sessions_total 2 99",
            "edge.relayed_packets 70 99",
            "edge.relayed_packets_kernel 70 99",
            "edge.ports_free_pub_a_127_0_0_1 6 99",
            "edge.ports_used_pub_a_127_0_0_1 4 99",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
        lines.sent(&statistics);
        let text = lines.text(&(statistics, Interval::default()), 100);
        for line in
            ["edge.managed_sess 0 100", "edge.current_sessions_total 2 100", "edge.relayed_packets 0 100"]
        {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
}
