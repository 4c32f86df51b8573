//! Exporters against real servers: what a call leaves there, and that servers that are down slow nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod graphite_gets_figures;
mod homer_gets_reports;
mod mqtt_brokers_get_calls;

use std::time::Duration;

/// Longest wait for something that comes by itself, pauses between attempts included.
const WAIT: Duration = Duration::from_secs(40);
