//! ng over TCP: a task per connection, requests of a connection one after the other.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rtpengine_core::ng::message::{self, FrameError, Framed, Framer, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use rtpengine_core::call::ControlSource;

use super::accept::accept;
use super::{ControlEngine, Dispatcher};

/// Connections of one listener at a time; further ones are closed at once.
const MAX_CLIENTS: usize = 512;
/// A connection without a request for this long is closed.
const IDLE: Duration = Duration::from_secs(3600);
/// A message has to be complete, and a reply taken, within this time.
const PROGRESS: Duration = Duration::from_secs(30);
/// Bytes read at a time.
const READ_SIZE: usize = 16 * 1024;

/// Answers the requests of all connections until the task is dropped, which ends them.
pub async fn serve<E: ControlEngine>(listener: TcpListener, dispatcher: Arc<Dispatcher<E>>) {
    let converse = |stream, peer| {
        let dispatcher = Arc::clone(&dispatcher);
        async move {
            if let Err(error) = converse(stream, peer, &dispatcher).await {
                tracing::warn!(target: "control", %peer, "control connection closed: {error}");
            }
        }
    };
    accept(listener, MAX_CLIENTS, "control", converse).await;
}

async fn converse<E: ControlEngine>(
    mut stream: TcpStream,
    peer: SocketAddr,
    dispatcher: &Dispatcher<E>,
) -> io::Result<()> {
    let source = ControlSource { addr: peer, transport: "tcp" };
    stream.set_nodelay(true)?;
    let mut framer = Framer::default();
    let mut buffer = Vec::new();
    loop {
        match framer.next(&buffer) {
            Ok(Framed::Message { start, end }) => {
                let message = buffer.get(start..end).unwrap_or_default();
                if let Some(reply) = dispatcher.handle(source, message).await {
                    within(PROGRESS, stream.write_all(&reply)).await?;
                }
                buffer.drain(..end);
            }
            Ok(Framed::Incomplete) => {
                let patience = if buffer.is_empty() { IDLE } else { PROGRESS };
                buffer.reserve(READ_SIZE);
                match timeout(patience, stream.read_buf(&mut buffer)).await {
                    Ok(Ok(0)) | Err(_) if buffer.is_empty() => return Ok(()),
                    Ok(Ok(0)) => {
                        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "ended within a message"));
                    }
                    Ok(read) => _ = read?,
                    Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                }
            }
            Err(error) => {
                // Where the next message begins is unknown: one error reply, then the end.
                if let FrameError::Body { start, .. } = error
                    && let Some(Message { cookie, body }) =
                        Message::split(buffer.get(start..).unwrap_or_default())
                {
                    let reply =
                        message::encode_reply(cookie, message::encoding_of(body), message::invalid(body));
                    within(PROGRESS, stream.write_all(&reply)).await?;
                }
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
    }
}

async fn within<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(time, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
