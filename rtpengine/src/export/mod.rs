//! What the daemon tells other systems by itself: figures to Graphite, the contents of RTCP to Homer, figures and calls
//! to an MQTT broker.
//!
//! Every exporter is a task of its own. Calls never wait for it, what cannot be sent is dropped, and a server that is
//! down is asked again after growing pauses and mentioned in the log once.

pub mod graphite;
pub mod homer;
pub mod mqtt;
mod peer;

pub use graphite::GraphiteOptions;
pub use homer::{Capture, HomerOptions};
pub use mqtt::MqttOptions;

/// What the configuration asks for.
#[derive(Clone, Debug, Default)]
pub struct ExportOptions {
    /// `--graphite…`
    pub graphite: Option<GraphiteOptions>,
    /// `--homer…`
    pub homer: Option<HomerOptions>,
    /// `--mqtt-…`
    pub mqtt: Option<MqttOptions>,
}
