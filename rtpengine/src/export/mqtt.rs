//! Figures and calls for an MQTT broker, in JSON: `--mqtt-…`.

mod report;
mod tls;

use std::path::PathBuf;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, EventLoop, Packet, QoS, Transport};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, sleep, timeout};

use self::report::Reporter;
use super::peer::Peer;
use crate::engine::backend::Backend;
use crate::relay::system_clock;

pub use tls::TlsError;

/// Messages that may wait for the broker; who publishes waits when there are more.
const QUEUE: usize = 64;
/// Longest message, bytes: the protocol's own limit.
const LONGEST: usize = 268_435_455;
/// Longest message that a broker may send: it is subscribed to nothing.
const LONGEST_INCOMING: usize = 64 * 1024;

/// `--mqtt-publish-scope`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// The figures of the daemon, and every call.
    #[default]
    Global,
    /// The figures of the daemon.
    Summary,
    /// A message for every call.
    Call,
    /// A message for every medium of every call.
    Media,
}

/// Where the files for TLS are; all in PEM form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsFiles {
    /// `--mqtt-cafile`
    pub ca_file: Option<PathBuf>,
    /// `--mqtt-capath`
    pub ca_path: Option<PathBuf>,
    /// `--mqtt-certfile` and `--mqtt-keyfile`
    pub identity: Option<(PathBuf, PathBuf)>,
    /// `--mqtt-tls-alpn`
    pub alpn: Option<String>,
}

/// What the configuration says.
#[derive(Clone)]
pub struct MqttOptions {
    /// `--mqtt-host`
    pub host: String,
    /// `--mqtt-port`
    pub port: u16,
    /// `--mqtt-id`
    pub id: String,
    /// `--mqtt-keepalive`
    pub keepalive: Duration,
    /// `--mqtt-user` and `--mqtt-pass`
    pub credentials: Option<(String, String)>,
    /// `--mqtt-cafile`…; `None`: no TLS.
    pub tls: Option<TlsFiles>,
    /// `--mqtt-publish-qos`
    pub qos: QoS,
    /// `--mqtt-publish-topic`
    pub topic: String,
    /// `--mqtt-publish-interval`
    pub interval: Duration,
    /// `--mqtt-publish-scope`
    pub scope: Scope,
}

/// The password is left out.
impl std::fmt::Debug for MqttOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MqttOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("topic", &self.topic)
            .field("scope", &self.scope)
            .finish_non_exhaustive()
    }
}

/// A client and what it takes to run it.
pub struct Publisher {
    options: MqttOptions,
    client: AsyncClient,
    events: EventLoop,
}

impl Publisher {
    /// Reads the files; connects when it [runs](Publisher::run).
    ///
    /// # Errors
    /// When a file cannot be read or holds no certificate or key.
    pub fn new(options: MqttOptions) -> Result<Self, TlsError> {
        let mut mqtt = rumqttc::MqttOptions::new(&*options.id, &*options.host, options.port);
        mqtt.set_keep_alive(options.keepalive).set_max_packet_size(LONGEST_INCOMING, LONGEST);
        if let Some((user, password)) = &options.credentials {
            mqtt.set_credentials(user, password);
        }
        if let Some(files) = &options.tls {
            mqtt.set_transport(Transport::tls_with_config(tls::configuration(files)?));
        }
        let (client, events) = AsyncClient::new(mqtt, QUEUE);
        Ok(Self { options, client, events })
    }

    /// Publishes until the daemon ends.
    pub async fn run(self, backend: Backend) {
        let (connected, is_connected) = watch::channel(false);
        let publishing = publish(self.options, self.client, backend, is_connected);
        tokio::join!(drive(self.events, connected), publishing);
    }
}

/// Keeps the connection.
async fn drive(mut events: EventLoop, connected: watch::Sender<bool>) {
    let mut peer = Peer::new("MQTT broker");
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Packet::ConnAck(_))) => {
                peer.works();
                connected.send_replace(true);
            }
            Ok(_) => {}
            Err(error) => {
                connected.send_replace(false);
                peer.failed(error);
                sleep(peer.pause()).await;
            }
        }
    }
}

/// Makes messages while there is somebody to take them.
async fn publish(
    options: MqttOptions,
    client: AsyncClient,
    backend: Backend,
    connected: watch::Receiver<bool>,
) {
    let mut reporter = Reporter::default();
    let mut ticks = tokio::time::interval(options.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        reporter.begin(system_clock());
        if !*connected.borrow() {
            continue;
        }
        let round = async {
            match options.scope {
                Scope::Summary | Scope::Global => {
                    let Some(message) = reporter.global(&backend, options.scope == Scope::Global) else {
                        return;
                    };
                    // The event loop lives as long as this.
                    let _ended = client.publish(&*options.topic, options.qos, false, message).await;
                }
                Scope::Call => {
                    for message in backend.call_ids().iter().filter_map(|id| reporter.call(&backend, id)) {
                        let _ended = client.publish(&*options.topic, options.qos, false, message).await;
                    }
                }
                Scope::Media => {
                    for message in backend.call_ids().iter().flat_map(|id| reporter.media(&backend, id)) {
                        let _ended = client.publish(&*options.topic, options.qos, false, message).await;
                    }
                }
            }
        };
        // A broker that takes nothing more does not get the rest of this round.
        if timeout(options.interval.max(Duration::from_secs(5)), round).await.is_err() {
            tracing::debug!(target: "core", "the MQTT broker is too slow for all messages of one interval");
        }
        reporter.end();
    }
}
