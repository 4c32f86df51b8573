//! What Prometheus scrapes: names and labels of the original, so that dashboards keep working, and figures of our own.
//!
//! [`collect`] names every metric whether or not there is a figure for it; `docs/metrics.md` is made from that.

mod collect;
pub mod family;

pub use collect::{Source, collect};
pub use family::{Family, Kind, text};

/// Content type of the text format.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4";
