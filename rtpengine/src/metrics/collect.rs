//! From the daemon's statistics to metric families.

use rtpengine_core::ng::Command;
use rtpengine_core::ng::statistics::{InterfaceStatistics, Sampled, Statistics, VoipMetrics};

use super::family::{Family, Kind};
use crate::callback::Statistics as CallbackStatistics;
use crate::dtls::Statistics as DtlsStatistics;
use crate::export::homer::Statistics as HomerStatistics;
use crate::xdp::Status;

/// Everything a scrape is made of.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Calls, media, commands, interfaces.
    pub statistics: Statistics,
    /// DTLS handshakes.
    pub dtls: DtlsStatistics,
    /// The kernel path.
    pub kernel: Status,
    /// XMLRPC callbacks.
    pub callbacks: CallbackStatistics,
    /// Reports for Homer.
    pub homer: HomerStatistics,
}

const INTERFACE: &[&str] = &["name", "address"];

/// All families, also those without samples.
#[must_use]
pub fn collect(source: &Source) -> Vec<Family> {
    let mut families = Families(Vec::new());
    let statistics = &source.statistics;
    families.sessions(statistics);
    families.media(statistics);
    families.voip("", &[], "", &[(vec![], statistics.voip)]);
    families.rtp(statistics);
    families.control(statistics);
    families.interfaces(&statistics.interfaces);
    families.transcoding();
    families.kernel(&source.kernel);
    families.ice(statistics);
    families.dtls(&source.dtls);
    families.callbacks(source.callbacks);
    families.homer(source.homer);
    families.0
}

/// Label values of one sample.
fn labels<const N: usize>(values: [&str; N]) -> Vec<String> {
    values.into_iter().map(str::to_owned).collect()
}

struct Families(Vec<Family>);

impl Families {
    fn add(
        &mut self,
        kind: Kind,
        name: impl Into<String>,
        labels: &'static [&'static str],
        help: impl Into<String>,
        samples: Vec<(Vec<String>, f64)>,
    ) {
        let name = format!("rtpengine_{}", name.into());
        self.0.push(Family { name, kind, help: help.into(), labels, samples });
    }

    fn counter(&mut self, name: &str, help: &str, figure: f64) {
        self.add(Kind::Counter, name, &[], help, vec![(vec![], figure)]);
    }

    fn gauge(&mut self, name: &str, help: &str, figure: f64) {
        self.add(Kind::Gauge, name, &[], help, vec![(vec![], figure)]);
    }

    fn by_type<const N: usize>(&mut self, kind: Kind, name: &str, help: &str, samples: [(&str, f64); N]) {
        let samples = samples.into_iter().map(|(value, figure)| (labels([value]), figure)).collect();
        self.add(kind, name, &["type"], help, samples);
    }

    fn callbacks(&mut self, callbacks: CallbackStatistics) {
        let samples = [
            ("delivered", callbacks.delivered as f64),
            ("failed", callbacks.failed as f64),
            ("dropped", callbacks.dropped as f64),
        ];
        let help = "XMLRPC callbacks about calls that timed out";
        self.by_type(Kind::Counter, "xmlrpc_callbacks_total", help, samples);
    }

    fn homer(&mut self, homer: HomerStatistics) {
        let samples = [("sent", homer.sent as f64), ("dropped", homer.dropped as f64)];
        self.by_type(Kind::Counter, "homer_reports_total", "Contents of RTCP packets for Homer", samples);
    }

    fn sessions(&mut self, statistics: &Statistics) {
        let (current, total) = (&statistics.current, &statistics.total);
        let sessions = [("own", current.sessions_own as f64), ("foreign", current.sessions_foreign as f64)];
        self.by_type(Kind::Gauge, "sessions", "Calls now, by the daemon they belong to", sessions);
        self.gauge("uptime_seconds", "Seconds since the start", total.uptime as f64);
        self.counter("sessions_total", "Calls ended", total.managed_sessions as f64);
        let closed = [
            ("rejected", total.rejected_sessions),
            ("timeout", total.timeout_sessions),
            ("silent_timeout", total.silent_timeout_sessions),
            ("final_timeout", total.final_timeout_sessions),
            ("offer_timeout", total.offer_timeout_sessions),
            ("terminated", total.regular_terminated_sessions),
            ("force_terminated", total.forced_terminated_sessions),
        ];
        let closed = closed.into_iter().map(|(reason, count)| (labels([reason]), count as f64)).collect();
        self.add(
            Kind::Counter,
            "closed_sessions_total",
            &["reason"],
            "Calls ended or refused, by the cause",
            closed,
        );
        self.counter(
            "zero_packet_streams_total",
            "Streams of ended calls that carried nothing in either direction",
            total.zero_way_streams as f64,
        );
        self.counter(
            "one_way_sessions_total",
            "Streams of ended calls that carried packets in one direction only",
            total.one_way_streams as f64,
        );
        let duration = &total.call_duration;
        self.gauge("call_duration_avg", "Mean duration of ended calls, seconds", duration.average());
        self.counter("call_duration_total", "Durations of ended calls added up, seconds", duration.sum);
        self.counter(
            "call_duration2_total",
            "Squares of the durations of ended calls added up",
            duration.sum_of_squares,
        );
    }

    fn media(&mut self, statistics: &Statistics) {
        let (current, total) = (&statistics.current, &statistics.total);
        self.gauge("transcoded_media", "Media being transcoded now", current.transcoded_media as f64);
        let streams = [
            ("userspace", current.media_userspace as f64),
            ("kernel", current.media_kernel as f64),
            ("mixed", current.media_mixed as f64),
        ];
        self.by_type(
            Kind::Gauge,
            "mediastreams",
            "RTP sockets now, by where both directions are forwarded; mixed: one of them in the kernel",
            streams,
        );
        let (user, kernel) = (total.relayed_user, total.relayed_kernel);
        for (name, help, user, kernel) in [
            ("packets_total", "Packets received and relayed", user.packets, kernel.packets),
            ("packet_errors_total", "Packets that could not be relayed", user.errors, kernel.errors),
            ("bytes_total", "UDP payload received and relayed, bytes", user.bytes, kernel.bytes),
        ] {
            let samples = [("userspace", user as f64), ("kernel", kernel as f64)];
            self.by_type(Kind::Counter, name, help, samples);
        }
    }

    /// Sum, sum of squares and number of the samples of each measure of quality.
    fn voip(
        &mut self,
        prefix: &str,
        labels: &'static [&'static str],
        of: &str,
        all: &[(Vec<String>, VoipMetrics)],
    ) {
        let measures = [
            ("mos", "MOS", (|voip| voip.mos) as fn(&VoipMetrics) -> Sampled),
            ("jitter", "jitter that RTCP reported, milliseconds", |voip| voip.jitter),
            ("rtt_e2e", "end-to-end round-trip time, microseconds", |voip| voip.rtt_e2e),
            ("rtt_dsct", "round-trip time of one leg, microseconds", |voip| voip.rtt_dsct),
            ("packetloss", "packet loss, percent", |voip| voip.packetloss),
            ("jitter_measured", "jitter measured on received RTP, milliseconds", |voip| voip.jitter_measured),
        ];
        for (measure, what, get) in measures {
            for (suffix, is, figure) in [
                ("_total", "Sum of all samples of", (|one| one.sum) as fn(&Sampled) -> f64),
                ("2_total", "Sum of the squares of all samples of", |one| one.sum_of_squares),
                ("_samples_total", "Number of samples of", |one| one.samples as f64),
            ] {
                let samples = all.iter().map(|(values, voip)| (values.clone(), figure(&get(voip)))).collect();
                let (name, help) = (format!("{prefix}{measure}{suffix}"), format!("{is} {what}{of}"));
                self.add(Kind::Counter, name, labels, help, samples);
            }
        }
    }

    fn rtp(&mut self, statistics: &Statistics) {
        for (name, help, count) in [
            ("packets_lost", "RTP packets missing in what was received", statistics.packets_lost),
            ("rtp_duplicates", "RTP packets received twice", statistics.rtp_duplicates),
            ("rtp_skips", "Gaps in received RTP sequence numbers", statistics.rtp_skips),
            ("rtp_seq_resets", "Restarts of received RTP sequences", statistics.rtp_seq_resets),
            ("rtp_reordered", "RTP packets received out of order", statistics.rtp_reordered),
        ] {
            self.counter(name, help, count as f64);
        }
    }

    fn control(&mut self, statistics: &Statistics) {
        let mut counts = Vec::new();
        let mut seconds = Vec::new();
        let mut errors = Vec::new();
        for proxy in &statistics.control {
            let address = proxy.proxy.to_string();
            for (command, one) in Command::ALL.iter().zip(&proxy.commands) {
                let values = labels([address.as_str(), command.wire_name()]);
                counts.push((values.clone(), one.count as f64));
                seconds.push((values, one.duration));
            }
            errors.push((labels([address.as_str()]), proxy.errors as f64));
        }
        let names = &["proxy", "request"];
        self.add(
            Kind::Counter,
            "requests_total",
            names,
            "Control requests, by who asked and for what",
            counts,
        );
        self.add(
            Kind::Counter,
            "request_seconds_total",
            names,
            "Time spent on control requests, seconds",
            seconds,
        );
        self.add(
            Kind::Counter,
            "errors_total",
            &["proxy"],
            "Control requests answered with an error",
            errors,
        );
    }

    fn interfaces(&mut self, interfaces: &[InterfaceStatistics]) {
        let name = |one: &InterfaceStatistics| vec![one.name.clone(), one.address.to_string()];
        let all = |figure: fn(&InterfaceStatistics) -> u64| {
            interfaces.iter().map(|one| (name(one), figure(one) as f64)).collect::<Vec<_>>()
        };
        self.add(
            Kind::Gauge,
            "ports_used",
            INTERFACE,
            "Media ports in use on a local address",
            all(|one| one.ports_used),
        );
        self.add(
            Kind::Gauge,
            "ports_free",
            INTERFACE,
            "Media ports left on a local address",
            all(|one| one.ports_total().saturating_sub(one.ports_used)),
        );
        self.add(
            Kind::Gauge,
            "ports",
            INTERFACE,
            "Media ports of a local address",
            all(InterfaceStatistics::ports_total),
        );
        self.add(
            Kind::Counter,
            "interface_packets_lost",
            INTERFACE,
            "RTP packets missing in what a local address received",
            all(|one| one.packets_lost),
        );
        self.add(
            Kind::Counter,
            "interface_duplicates",
            INTERFACE,
            "RTP packets a local address received twice",
            all(|one| one.duplicates),
        );
        let voip: Vec<_> = interfaces.iter().map(|one| (name(one), one.voip)).collect();
        self.voip("interface_", INTERFACE, ", of a local address", &voip);
        for (what, help, ingress, egress) in [
            (
                "packets",
                "Packets through a local address",
                (|one| one.ingress.packets) as fn(&InterfaceStatistics) -> u64,
                (|one| one.egress.packets) as fn(&InterfaceStatistics) -> u64,
            ),
            (
                "bytes",
                "UDP payload through a local address, bytes",
                |one| one.ingress.bytes,
                |one| one.egress.bytes,
            ),
            (
                "errors",
                "Errors on packets of a local address",
                |one| one.ingress.errors,
                |one| one.egress.errors,
            ),
        ] {
            let mut samples = Vec::new();
            for one in interfaces {
                for (direction, figure) in [("ingress", ingress(one)), ("egress", egress(one))] {
                    let mut values = name(one);
                    values.push(direction.to_owned());
                    samples.push((values, figure as f64));
                }
            }
            self.add(
                Kind::Gauge,
                format!("interface_{what}"),
                &["name", "address", "direction"],
                help,
                samples,
            );
        }
    }

    /// Nothing is transcoded yet; the families are named so that dashboards find them.
    fn transcoding(&mut self) {
        for (kind, name, help) in [
            (Kind::Gauge, "transcoders", "Transcoders at work, by codecs"),
            (Kind::Counter, "transcode_packets_total", "Packets transcoded, by codecs"),
            (Kind::Counter, "transcode_bytes_total", "Bytes transcoded, by codecs"),
            (Kind::Counter, "transcode_samples_total", "Audio samples transcoded, by codecs"),
        ] {
            self.add(kind, name, &["chain"], help, vec![]);
        }
    }

    fn kernel(&mut self, kernel: &Status) {
        let table = kernel.table.map(|table| (vec![], f64::from(table)));
        self.add(
            Kind::Gauge,
            "kernel_table",
            &[],
            "Kernel table in use; absent where media is relayed in userspace only",
            table.into_iter().collect(),
        );
        self.gauge("kernel_flows", "Streams forwarded by the kernel", kernel.kernel_flows as f64);
        self.gauge(
            "kernel_flows_waiting",
            "Streams that are to be forwarded by the kernel but wait, for example for a next hop",
            kernel.waiting_flows as f64,
        );
        let devices = kernel.devices.iter().map(|device| {
            (labels([&*device.name, format!("{:?}", device.mode).to_lowercase().as_str()]), 1.0)
        });
        self.add(
            Kind::Gauge,
            "kernel_device_info",
            &["device", "mode"],
            "1 for each network device with the mode its XDP program is attached in",
            devices.collect(),
        );
    }
}

mod secure;
#[cfg(test)]
mod tests;
