//! Metric families: what one scrape is made of, in the text format of Prometheus.

use prometheus::proto::{Counter, Gauge, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder as _, TextEncoder};

/// What a figure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows while the daemon lives.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl Kind {
    /// As in the text format.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// One metric with all its label values.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// With the prefix `rtpengine_`.
    pub name: String,
    /// Counter or gauge.
    pub kind: Kind,
    /// What it counts, and in which unit.
    pub help: String,
    /// Names of its labels.
    pub labels: &'static [&'static str],
    /// Label values, in the order of `labels`, with the figure.
    pub samples: Vec<(Vec<String>, f64)>,
}

impl From<Family> for MetricFamily {
    fn from(family: Family) -> Self {
        let metric = |(values, figure): (Vec<String>, f64)| {
            let labels = family.labels.iter().zip(values).map(|(name, value)| {
                let mut pair = LabelPair::default();
                pair.set_name((*name).to_owned());
                pair.set_value(value);
                pair
            });
            let mut metric = Metric::from_label(labels.collect());
            match family.kind {
                Kind::Counter => {
                    let mut counter = Counter::default();
                    counter.set_value(figure);
                    metric.set_counter(counter);
                }
                Kind::Gauge => {
                    let mut gauge = Gauge::default();
                    gauge.set_value(figure);
                    metric.set_gauge(gauge);
                }
            }
            metric
        };
        let metrics = family.samples.into_iter().map(metric).collect();
        let mut out = Self::default();
        out.set_name(family.name);
        out.set_help(family.help);
        out.set_field_type(match family.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
        });
        out.set_metric(metrics);
        out
    }
}

/// The text of one scrape. A family without samples is left out.
///
/// # Errors
/// None with valid names, which tests see to.
pub fn text(families: Vec<Family>) -> prometheus::Result<String> {
    let families: Vec<MetricFamily> =
        families.into_iter().filter(|family| !family.samples.is_empty()).map(Into::into).collect();
    let mut out = Vec::new();
    TextEncoder::new().encode(&families, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}
