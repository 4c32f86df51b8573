//! The statistics of the daemon as a model, and their rendering for the ng command `statistics` and the command line's `list jsonstats`.

use std::net::IpAddr;

use super::command::Command;
use super::value::{Dict, Value};

/// Everything `statistics` tells.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// Of running sessions.
    pub current: Current,
    /// Since the start, without running sessions.
    pub total: Total,
    /// MOS and what it is made of.
    pub voip: VoipMetrics,
    /// RTP packets lost.
    pub packets_lost: u64,
    /// Duplicate RTP packets.
    pub rtp_duplicates: u64,
    /// Jumps in RTP sequence numbers.
    pub rtp_skips: u64,
    /// Restarts of RTP sequences.
    pub rtp_seq_resets: u64,
    /// RTP packets out of order.
    pub rtp_reordered: u64,
    /// By control client.
    pub control: Vec<ProxyStatistics>,
    /// By local address.
    pub interfaces: Vec<InterfaceStatistics>,
    /// Of this daemon's own, beyond what the original tells.
    pub own: Vec<Figures>,
}

/// Numbers under a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// The name.
    pub name: &'static str,
    /// The numbers with theirs.
    pub counts: Vec<(&'static str, u64)>,
}

/// A rate or a sum of traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Packets.
    pub packets: u64,
    /// UDP payload bytes.
    pub bytes: u64,
    /// Errors.
    pub errors: u64,
}

impl std::ops::Add for Traffic {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            packets: self.packets.saturating_add(other.packets),
            bytes: self.bytes.saturating_add(other.bytes),
            errors: self.errors.saturating_add(other.errors),
        }
    }
}

/// Figures of the running sessions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Current {
    /// Sessions of this daemon.
    pub sessions_own: u64,
    /// Sessions taken over from another one.
    pub sessions_foreign: u64,
    /// Media being transcoded.
    pub transcoded_media: u64,
    /// Sessions with IPv4 media only.
    pub sessions_ipv4: u64,
    /// Sessions with IPv6 media only.
    pub sessions_ipv6: u64,
    /// Sessions with both.
    pub sessions_mixed: u64,
    /// Per second in userspace.
    pub rate_user: Traffic,
    /// Per second in the kernel.
    pub rate_kernel: Traffic,
    /// RTP sockets whose media is relayed in userspace, in both directions.
    pub media_userspace: u64,
    /// RTP sockets whose media is forwarded by the kernel, in both directions.
    pub media_kernel: u64,
    /// RTP sockets with one direction in the kernel and the other one in userspace.
    pub media_mixed: u64,
}

/// Figures since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Total {
    /// Seconds since the start.
    pub uptime: u64,
    /// Sessions that ended.
    pub managed_sessions: u64,
    /// Sessions refused for limits.
    pub rejected_sessions: u64,
    /// Ended by `timeout`.
    pub timeout_sessions: u64,
    /// Ended by `silent-timeout`.
    pub silent_timeout_sessions: u64,
    /// Ended by `final-timeout`.
    pub final_timeout_sessions: u64,
    /// Ended by `offer-timeout`.
    pub offer_timeout_sessions: u64,
    /// Ended by `delete`.
    pub regular_terminated_sessions: u64,
    /// Ended by the operator.
    pub forced_terminated_sessions: u64,
    /// Relayed in userspace.
    pub relayed_user: Traffic,
    /// Forwarded by the kernel.
    pub relayed_kernel: Traffic,
    /// Streams without packets.
    pub zero_way_streams: u64,
    /// Streams with packets in one direction only.
    pub one_way_streams: u64,
    /// Durations of ended calls, seconds.
    pub call_duration: Sampled,
}

/// A sampled figure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Sum of the samples.
    pub sum: f64,
    /// Sum of their squares.
    pub sum_of_squares: f64,
    /// Their number.
    pub samples: u64,
}

impl Sampled {
    /// Takes a sample in.
    pub fn add(&mut self, sample: f64) {
        self.sum += sample;
        self.sum_of_squares += sample * sample;
        self.samples += 1;
    }

    /// Mean, 0 without samples.
    #[must_use]
    pub fn average(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.sum / self.samples as f64 }
    }

    /// Standard deviation, 0 without samples.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        if self.samples == 0 {
            return 0.0;
        }
        let average = self.average();
        // Rounding can make the difference of equal numbers slightly negative.
        (self.sum_of_squares / self.samples as f64 - average * average).max(0.0).sqrt()
    }
}

/// Quality of RTP, sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VoipMetrics {
    /// Mean opinion score, 1 to 5.
    pub mos: Sampled,
    /// Jitter reported by RTCP, milliseconds.
    pub jitter: Sampled,
    /// End-to-end round-trip time, microseconds.
    pub rtt_e2e: Sampled,
    /// Round-trip time of one leg, microseconds.
    pub rtt_dsct: Sampled,
    /// Packet loss, percent.
    pub packetloss: Sampled,
    /// Jitter measured on received RTP, milliseconds.
    pub jitter_measured: Sampled,
}

impl VoipMetrics {
    /// All but MOS, with the prefix of the keys and the name in the command line's text.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &'static str, Sampled); 5] {
        [
            ("jitter", "jitter (reported)", self.jitter),
            ("rtt_e2e", "end-to-end round-trip time", self.rtt_e2e),
            ("rtt_dsct", "discrete round-trip time", self.rtt_dsct),
            ("packetloss", "packet loss", self.packetloss),
            ("jitter_measured", "jitter (measured)", self.jitter_measured),
        ]
    }
}

/// Commands of one control client.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyStatistics {
    /// Its address.
    pub proxy: IpAddr,
    /// By [`Command::index`].
    pub commands: [CommandStatistics; Command::COUNT],
    /// Requests answered with an error.
    pub errors: u64,
}

impl ProxyStatistics {
    /// Without any commands.
    #[must_use]
    pub fn new(proxy: IpAddr) -> Self {
        Self { proxy, commands: [CommandStatistics::default(); Command::COUNT], errors: 0 }
    }
}

/// Count and time of one command.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CommandStatistics {
    /// Requests handled.
    pub count: u64,
    /// Seconds spent on them.
    pub duration: f64,
}

/// Figures of one local address.
#[derive(Clone, Debug, PartialEq)]
pub struct InterfaceStatistics {
    /// Logical interface.
    pub name: String,
    /// Local address.
    pub address: IpAddr,
    /// First port of the range.
    pub port_min: u16,
    /// Last port of the range.
    pub port_max: u16,
    /// Ports in use.
    pub ports_used: u64,
    /// RTP packets lost.
    pub packets_lost: u64,
    /// Duplicate RTP packets.
    pub duplicates: u64,
    /// Quality.
    pub voip: VoipMetrics,
    /// Received.
    pub ingress: Traffic,
    /// Sent.
    pub egress: Traffic,
}

impl InterfaceStatistics {
    /// Size of the port range.
    #[must_use]
    pub fn ports_total(&self) -> u64 {
        u64::from(self.port_max.saturating_sub(self.port_min)) + 1
    }

    /// Share of ports in use, percent.
    #[must_use]
    pub fn ports_used_percent(&self) -> f64 {
        self.ports_used as f64 * 100.0 / self.ports_total() as f64
    }
}

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
        for (index, command) in Command::ALL.iter().enumerate() {
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
        for (command, one) in Command::ALL.iter().zip(&self.commands) {
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

#[cfg(test)]
mod tests;
