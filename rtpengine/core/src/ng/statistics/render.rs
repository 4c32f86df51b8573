//! The statistics as the ng reply and as JSON.

use super::{
    Current, InterfaceStatistics, ProxyStatistics, Sampled, Statistics, Total, Traffic, VoipMetrics,
};
use crate::ng::command::Command;
use crate::ng::value::{Dict, Value};

/// The rendering both formats are made of: ng has no fractions and sends them as text, JSON prints them bare.
enum Node {
    Count(u64),
    Number(String),
    Text(String),
    List(Vec<Node>),
    Dict(Vec<(String, Node)>),
}

impl Node {
    fn into_value(self) -> Value {
        match self {
            Self::Count(number) => Value::from(number),
            Self::Number(text) | Self::Text(text) => Value::from(text),
            Self::List(items) => Value::List(items.into_iter().map(Self::into_value).collect()),
            Self::Dict(entries) => {
                Value::Dict(entries.into_iter().map(|(key, node)| (key, node.into_value())).collect())
            }
        }
    }

    fn write_json(&self, out: &mut String) {
        match self {
            Self::Count(number) => out.push_str(&number.to_string()),
            Self::Number(text) => out.push_str(text),
            Self::Text(text) => out.push_str(&serde_json::Value::from(text.as_str()).to_string()),
            Self::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_json(out);
                }
                out.push(']');
            }
            Self::Dict(entries) => {
                out.push('{');
                for (index, (key, node)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    out.push_str(&serde_json::Value::from(key.as_str()).to_string());
                    out.push(':');
                    node.write_json(out);
                }
                out.push('}');
            }
        }
    }
}

/// Collects the entries of a [`Node::Dict`].
#[derive(Default)]
struct Entries(Vec<(String, Node)>);

impl Entries {
    fn count(&mut self, key: &str, number: u64) {
        self.0.push((key.to_owned(), Node::Count(number)));
    }

    fn float(&mut self, key: &str, number: f64) {
        self.0.push((key.to_owned(), Node::Number(format!("{number:.6}"))));
    }

    fn node(&mut self, key: &str, node: Node) {
        self.0.push((key.to_owned(), node));
    }

    fn sampled(&mut self, prefix: &str, sampled: &Sampled) {
        self.float(&format!("{prefix}_total"), sampled.sum);
        self.float(&format!("{prefix}2_total"), sampled.sum_of_squares);
        self.count(&format!("{prefix}_samples_total"), sampled.samples);
        self.float(&format!("{prefix}_average"), sampled.average());
        self.float(&format!("{prefix}_stddev"), sampled.deviation());
    }

    fn metrics(&mut self, metrics: &VoipMetrics) {
        for (prefix, _, sampled) in metrics.named() {
            self.sampled(prefix, &sampled);
        }
    }

    fn into_node(self) -> Node {
        Node::Dict(self.0)
    }
}

impl Statistics {
    /// The value of the key `statistics` in the reply to the command of that name.
    #[must_use]
    pub fn to_dict(&self) -> Dict {
        match self.node().into_value() {
            Value::Dict(dict) => dict,
            Value::Int(_) | Value::Str(_) | Value::List(_) => Dict::new(),
        }
    }

    /// One line of JSON, as `list jsonstats` prints it.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut out = String::new();
        self.node().write_json(&mut out);
        out
    }

    fn node(&self) -> Node {
        let mut all = Entries::default();
        all.node("currentstatistics", self.current.node());
        all.node("totalstatistics", self.total.node());
        let mut mos = Entries::default();
        mos.sampled("mos", &self.voip.mos);
        all.node("mos", mos.into_node());
        let mut voip = Entries::default();
        voip.metrics(&self.voip);
        voip.count("packets_lost", self.packets_lost);
        voip.count("rtp_duplicates", self.rtp_duplicates);
        voip.count("rtp_skips", self.rtp_skips);
        voip.count("rtp_seq_resets", self.rtp_seq_resets);
        voip.count("rtp_reordered", self.rtp_reordered);
        all.node("voip_metrics", voip.into_node());
        all.node("controlstatistics", self.control_node());
        all.node("interfaces", Node::List(self.interfaces.iter().map(InterfaceStatistics::node).collect()));
        all.node("transcoders", Node::List(Vec::new()));
        for figures in &self.own {
            let mut own = Entries::default();
            figures.counts.iter().for_each(|(name, count)| own.count(name, *count));
            all.node(figures.name, own.into_node());
        }
        all.into_node()
    }

    fn control_node(&self) -> Node {
        let mut control = Entries::default();
        control.node("proxies", Node::List(self.control.iter().map(ProxyStatistics::node).collect()));
        for (index, command) in Command::listed().iter().enumerate() {
            let total =
                self.control.iter().filter_map(|proxy| proxy.commands.get(index)).map(|one| one.count).sum();
            control.count(&format!("total{}count", command.statistics_name()), total);
        }
        control.into_node()
    }
}

impl Current {
    fn node(&self) -> Node {
        let rate = self.rate_user + self.rate_kernel;
        let mut entries = Entries::default();
        for (key, number) in [
            ("sessionsown", self.sessions_own),
            ("sessionsforeign", self.sessions_foreign),
            ("sessionstotal", self.sessions_own + self.sessions_foreign),
            ("transcodedmedia", self.transcoded_media),
            ("packetrate_user", self.rate_user.packets),
            ("byterate_user", self.rate_user.bytes),
            ("errorrate_user", self.rate_user.errors),
            ("packetrate_kernel", self.rate_kernel.packets),
            ("byterate_kernel", self.rate_kernel.bytes),
            ("errorrate_kernel", self.rate_kernel.errors),
            ("packetrate", rate.packets),
            ("byterate", rate.bytes),
            ("errorrate", rate.errors),
            ("media_userspace", self.media_userspace),
            ("media_kernel", self.media_kernel),
            ("media_mixed", self.media_mixed),
        ] {
            entries.count(key, number);
        }
        entries.into_node()
    }
}

impl Total {
    fn node(&self) -> Node {
        let relayed = self.relayed_user + self.relayed_kernel;
        let mut entries = Entries::default();
        // Text in the ng form, where everything else that is whole is an integer.
        entries.node("uptime", Node::Number(self.uptime.to_string()));
        for (key, number) in [
            ("managedsessions", self.managed_sessions),
            ("rejectedsessions", self.rejected_sessions),
            ("timeoutsessions", self.timeout_sessions),
            ("silenttimeoutsessions", self.silent_timeout_sessions),
            ("finaltimeoutsessions", self.final_timeout_sessions),
            ("offertimeoutsessions", self.offer_timeout_sessions),
            ("regularterminatedsessions", self.regular_terminated_sessions),
            ("forcedterminatedsessions", self.forced_terminated_sessions),
            ("relayedpackets_user", self.relayed_user.packets),
            ("relayedpacketerrors_user", self.relayed_user.errors),
            ("relayedbytes_user", self.relayed_user.bytes),
            ("relayedpackets_kernel", self.relayed_kernel.packets),
            ("relayedpacketerrors_kernel", self.relayed_kernel.errors),
            ("relayedbytes_kernel", self.relayed_kernel.bytes),
            ("relayedpackets", relayed.packets),
            ("relayedpacketerrors", relayed.errors),
            ("relayedbytes", relayed.bytes),
            ("zerowaystreams", self.zero_way_streams),
            ("onewaystreams", self.one_way_streams),
        ] {
            entries.count(key, number);
        }
        entries.float("avgcallduration", self.call_duration.average());
        entries.float("totalcallsduration", self.call_duration.sum);
        entries.float("totalcallsduration2", self.call_duration.sum_of_squares);
        entries.float("totalcallsduration_stddev", self.call_duration.deviation());
        entries.into_node()
    }
}

impl ProxyStatistics {
    fn node(&self) -> Node {
        let mut entries = Entries::default();
        entries.node("proxy", Node::Text(self.proxy.to_string()));
        for (command, one) in Command::listed().iter().zip(&self.commands) {
            entries.count(&format!("{}count", command.statistics_name()), one.count);
            entries.float(&format!("{}duration", command.statistics_name()), one.duration);
        }
        entries.count("errorcount", self.errors);
        entries.into_node()
    }
}

impl InterfaceStatistics {
    fn node(&self) -> Node {
        let total = self.ports_total();
        let mut ports = Entries::default();
        ports.count("min", u64::from(self.port_min));
        ports.count("max", u64::from(self.port_max));
        ports.count("used", self.ports_used);
        ports.node("used_pct", Node::Number(format!("{:.2}", self.ports_used_percent())));
        ports.count("free", total.saturating_sub(self.ports_used));
        ports.count("totals", total);
        let mut voip = Entries::default();
        voip.sampled("mos", &self.voip.mos);
        voip.metrics(&self.voip);
        let mut entries = Entries::default();
        entries.node("name", Node::Text(self.name.clone()));
        entries.node("address", Node::Text(self.address.to_string()));
        entries.node("ports", ports.into_node());
        entries.count("packets_lost", self.packets_lost);
        entries.count("duplicates", self.duplicates);
        entries.node("voip_metrics", voip.into_node());
        entries.node("ingress", self.ingress.node());
        entries.node("egress", self.egress.node());
        entries.into_node()
    }
}

impl Traffic {
    fn node(&self) -> Node {
        let mut entries = Entries::default();
        entries.count("packets", self.packets);
        entries.count("bytes", self.bytes);
        entries.count("errors", self.errors);
        entries.into_node()
    }
}
