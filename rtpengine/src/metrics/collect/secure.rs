//! ICE and DTLS: figures of our own, under the names they have in `statistics`.

use rtpengine_core::ng::statistics::Statistics;

use super::Families;
use crate::dtls::Statistics as DtlsStatistics;
use crate::metrics::family::Kind;

/// What is in `icestatistics`.
const ICE: [(&str, Kind, &str); 5] = [
    ("agents", Kind::Gauge, "ICE agents now: one for each party of an m-line that does ICE"),
    ("accepted", Kind::Counter, "Authentic STUN messages of parties that do ICE"),
    ("malformed", Kind::Counter, "STUN messages that are truncated or lack what a check needs"),
    (
        "refused",
        Kind::Counter,
        "STUN messages with the credentials of somebody else, and responses to nothing we asked",
    ),
    ("limited", Kind::Counter, "Addresses of parties that were ignored, because so many are known already"),
];

impl Families {
    pub(super) fn ice(&mut self, statistics: &Statistics) {
        let figures = statistics.own.iter().find(|figures| figures.name == "icestatistics");
        for (name, kind, help) in ICE {
            let counts = figures.into_iter().flat_map(|figures| &figures.counts);
            let samples = counts.filter(|(own, _)| *own == name).map(|(_, count)| (vec![], *count as f64));
            self.add(kind, metric("ice", name, kind), &[], help, samples.collect());
        }
    }

    pub(super) fn dtls(&mut self, statistics: &DtlsStatistics) {
        for (name, help, count) in statistics.explained() {
            // These two go down again.
            let kind = if matches!(name, "streams" | "half_open") { Kind::Gauge } else { Kind::Counter };
            let help = format!("DTLS: {}", help.trim_end_matches('.'));
            self.add(kind, metric("dtls", name, kind), &[], help, vec![(vec![], count as f64)]);
        }
    }
}

fn metric(group: &str, name: &str, kind: Kind) -> String {
    match kind {
        Kind::Gauge => format!("{group}_{name}"),
        Kind::Counter => format!("{group}_{name}_total"),
    }
}
