//! The TCP server.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Cli, CliBackend};
use crate::control::accept::accept;
use crate::control::socket::{self, ControlError, SocketOptions};

/// Connections at a time; further ones are closed at once.
const MAX_CLIENTS: usize = 64;
/// Longest command line in bytes.
const MAX_LINE: usize = 4096;
/// A command has to come, and its answer to be taken, within this time.
const PATIENCE: Duration = Duration::from_secs(10);

/// Binds the listeners of `--listen-cli`.
///
/// # Errors
/// [`ControlError`] names the address.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<std::net::TcpListener>, ControlError> {
    let mut listeners = Vec::new();
    for address in addresses {
        let opened = socket::tcp(*address, SocketOptions::default());
        listeners.extend(socket::unless_no_ipv6(*address, addresses, opened)?);
    }
    Ok(listeners)
}

/// Runs the command line on all `listeners` until the set is dropped.
///
/// # Errors
/// When a socket cannot be registered with the runtime.
pub fn serve<B: CliBackend>(
    listeners: Vec<std::net::TcpListener>,
    cli: &Arc<Cli<B>>,
) -> io::Result<JoinSet<()>> {
    let mut tasks = JoinSet::new();
    for listener in listeners {
        tasks.spawn(answer(TcpListener::from_std(listener)?, Arc::clone(cli)));
    }
    Ok(tasks)
}

async fn answer<B: CliBackend>(listener: TcpListener, cli: Arc<Cli<B>>) {
    let converse = |stream, peer| {
        let cli = Arc::clone(&cli);
        async move {
            if let Err(error) = converse(stream, peer, &cli).await {
                tracing::info!(target: "control", %peer, "command line connection ended: {error}");
            }
        }
    };
    accept(listener, MAX_CLIENTS, "command line", converse).await;
}

async fn converse<B: CliBackend>(mut stream: TcpStream, peer: SocketAddr, cli: &Cli<B>) -> io::Result<()> {
    let Some(line) = within(read_line(&mut stream)).await? else { return Ok(()) };
    tracing::debug!(target: "control", %peer, "command line: {}", line.escape_debug());
    let answer = cli.run(&line).await;
    within(async {
        stream.write_all(answer.as_bytes()).await?;
        stream.shutdown().await
    })
    .await
}

/// The first line, or what came before the end of the stream; `None` when nothing came.
async fn read_line(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut buffer = Vec::with_capacity(256);
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            buffer.truncate(end);
            break;
        }
        if buffer.len() > MAX_LINE {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("line longer than {MAX_LINE} bytes"),
            ));
        }
        if stream.read_buf(&mut buffer).await? == 0 {
            if buffer.is_empty() {
                return Ok(None);
            }
            break;
        }
    }
    Ok(Some(String::from_utf8_lossy(&buffer).into_owned()))
}

async fn within<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
