//! Figures for Graphite, in lines over one TCP connection: `--graphite…`.

mod lines;

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, timeout};

use self::lines::Lines;
use super::peer::{Peer, connect};
use crate::engine::backend::Backend;
use crate::relay::system_clock;

/// A server that takes nothing for so long is gone.
const WRITE: Duration = Duration::from_secs(10);

/// What the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphiteOptions {
    /// `--graphite`
    pub server: SocketAddr,
    /// `--graphite-interval`
    pub interval: Duration,
    /// `--graphite-prefix`
    pub prefix: String,
    /// `--graphite-timeout`; `None` leaves it to the system.
    pub timeout: Option<Duration>,
}

/// Sends figures until the daemon ends. What could not be sent is part of what is sent next.
pub async fn run(options: GraphiteOptions, backend: Backend) {
    let mut peer = Peer::new("Graphite");
    let mut lines = Lines::new(options.prefix.clone());
    let mut connection: Option<TcpStream> = None;
    let mut ticks = tokio::time::interval(options.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None if !peer.is_due() => continue,
            None => match connect(options.server, options.timeout).await {
                Ok(stream) => stream,
                Err(error) => {
                    peer.failed(error);
                    continue;
                }
            },
        };
        if is_closed(&stream) {
            peer.failed("the server closed the connection");
            continue;
        }
        let Some(figures) = backend.interval() else { return };
        let text = lines.text(&figures, system_clock().unix_us / 1_000_000);
        match timeout(WRITE, stream.write_all(text.as_bytes())).await {
            Ok(Ok(())) => {
                lines.sent(&figures.0);
                peer.works();
                connection = Some(stream);
            }
            Ok(Err(error)) => peer.failed(error),
            Err(_elapsed) => peer.failed("the server takes nothing"),
        }
    }
}

/// Whether the other end is closed: it never sends anything else.
fn is_closed(stream: &TcpStream) -> bool {
    let mut nothing = [0; 64];
    loop {
        match stream.try_read(&mut nothing) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) => return error.kind() != std::io::ErrorKind::WouldBlock,
        }
    }
}
