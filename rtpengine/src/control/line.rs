//! The protocol of OpenSER's mediaproxy over TCP: a connection brings one line, gets its reply and ends.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rtpengine_core::call::ControlSource;
use rtpengine_core::legacy::tcp::MAX_LINE;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::accept::accept;
use super::{ControlEngine, Dispatcher};

/// Connections of one listener at a time; further ones are closed at once.
const MAX_CLIENTS: usize = 512;
/// A line has to come, and its reply to be taken, within this time.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is connected.
#[derive(Clone, Default)]
struct Clients(Arc<Mutex<BTreeSet<SocketAddr>>>);

/// Takes a client off the list when its connection ends.
struct Client(Clients, SocketAddr);

impl Clients {
    fn enter(&self, peer: SocketAddr) -> Client {
        self.lock().insert(peer);
        Client(self.clone(), peer)
    }

    fn list(&self) -> Vec<SocketAddr> {
        self.lock().iter().copied().collect()
    }

    /// The set is consistent between calls, so a panic elsewhere does not spoil it.
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<SocketAddr>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

/// Answers the line of every connection until the task is dropped, which ends them.
pub async fn serve<E: ControlEngine>(listener: TcpListener, dispatcher: Arc<Dispatcher<E>>) {
    let clients = Clients::default();
    let converse = |stream, peer| {
        let (dispatcher, clients) = (Arc::clone(&dispatcher), clients.clone());
        async move {
            let client = clients.enter(peer);
            let conversation = converse(stream, &client, &dispatcher);
            let ended = timeout(PATIENCE, conversation).await;
            if let Err(error) = ended.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
                tracing::warn!(target: "control", %peer, "control connection closed: {error}");
            }
        }
    };
    accept(listener, MAX_CLIENTS, "legacy control", converse).await;
}

async fn converse<E: ControlEngine>(
    mut stream: TcpStream,
    client: &Client,
    dispatcher: &Dispatcher<E>,
) -> io::Result<()> {
    let Client(clients, peer) = client;
    let Some(line) = read_line(&mut stream).await? else { return Ok(()) };
    let source = ControlSource { addr: *peer, transport: "tcp" };
    if let Some(reply) = dispatcher.handle_line(source, &line, || clients.list()).await {
        stream.write_all(reply.as_bytes()).await?;
    }
    stream.shutdown().await
}

/// The first line without its end, or more than may be in one; `None` where the client closes before one is complete.
async fn read_line(stream: &mut TcpStream) -> io::Result<Option<Vec<u8>>> {
    let mut buffer = Vec::with_capacity(512);
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            buffer.truncate(end);
            return Ok(Some(buffer));
        }
        if buffer.len() > MAX_LINE {
            return Ok(Some(buffer));
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            return Ok(None);
        }
    }
}
