//! The contents of RTCP for Homer: `--homer…`. HEP version 3 over UDP or TCP, payload in JSON.

mod hep;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rtpengine_core::io::HeardRtcp;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::peer::{Peer, connect};

/// Reports that may wait: some seconds of thousands of calls.
const QUEUE: usize = 8192;
/// A connection has to be there, and a report has to be taken, within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// `--homer-protocol`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// One datagram for each report.
    #[default]
    Udp,
    /// One connection for all.
    Tcp,
}

/// What the configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HomerOptions {
    /// `--homer`
    pub server: SocketAddr,
    /// `--homer-protocol`
    pub protocol: Protocol,
    /// `--homer-id`, by which the server tells its sources apart.
    pub id: u32,
}

/// What became of the reports since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Given to the network.
    pub sent: u64,
    /// Not sent: the server was down, or too many waited.
    pub dropped: u64,
}

#[derive(Debug, Default)]
struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
}

impl Counters {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Where the contents of RTCP are given. Without `--homer` nothing comes of it.
#[derive(Clone, Debug, Default)]
pub struct Capture {
    queue: Option<Sender<Box<HeardRtcp>>>,
    counters: Arc<Counters>,
}

impl Capture {
    /// With the other end of its queue, for [`run`].
    #[must_use]
    pub fn new() -> (Self, Receiver<Box<HeardRtcp>>) {
        let (sender, receiver) = channel(QUEUE);
        (Self { queue: Some(sender), counters: Arc::default() }, receiver)
    }

    /// Has a report sent. Never waits.
    pub fn report(&self, heard: Box<HeardRtcp>) {
        let Some(queue) = &self.queue else { return };
        if queue.try_send(heard).is_err() {
            Counters::count(&self.counters.dropped);
        }
    }

    /// The counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            sent: self.counters.sent.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
        }
    }
}

enum Connection {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Connection {
    async fn open(options: &HomerOptions) -> std::io::Result<Self> {
        match options.protocol {
            Protocol::Tcp => connect(options.server, Some(PATIENCE)).await.map(Self::Tcp),
            Protocol::Udp => {
                let any = if options.server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).await?;
                socket.connect(options.server).await?;
                Ok(Self::Udp(socket))
            }
        }
    }

    async fn send(&mut self, packet: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Udp(socket) => socket.send(packet).await.map(drop),
            Self::Tcp(stream) => timeout(PATIENCE, stream.write_all(packet)).await?,
        }
    }
}

/// Sends what the capture is given until the daemon ends.
pub async fn run(options: HomerOptions, capture: Capture, mut queue: Receiver<Box<HeardRtcp>>) {
    let mut peer = Peer::new("Homer");
    let mut connection = None;
    while let Some(heard) = queue.recv().await {
        let sent = match &mut connection {
            None if !peer.is_due() => None,
            None => match Connection::open(&options).await {
                Ok(opened) => Some(connection.insert(opened).send(&hep::packet(&heard, options.id)).await),
                Err(error) => Some(Err(error)),
            },
            Some(connection) => Some(connection.send(&hep::packet(&heard, options.id)).await),
        };
        match sent {
            Some(Ok(())) => {
                peer.works();
                Counters::count(&capture.counters.sent);
                continue;
            }
            Some(Err(error)) => {
                peer.failed(error);
                connection = None;
            }
            None => {}
        }
        Counters::count(&capture.counters.dropped);
    }
}
