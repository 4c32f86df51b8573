//! The accept loop of all TCP listeners: a bounded number of connections, a task for each.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Pause after a failed accept: what it lacks (descriptors, memory) does not come back at once.
const RETRY: Duration = Duration::from_millis(100);

/// Accepts connections until the task is dropped, which ends them all. At most `limit` are open at a time; further ones
/// are closed at once. `what` names them in logs.
pub async fn accept<F>(
    listener: TcpListener,
    limit: usize,
    what: &'static str,
    converse: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let clients = Arc::new(Semaphore::new(limit));
    let mut connections = JoinSet::new();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::error!(target: "control", "cannot accept a {what} connection: {error}");
                tokio::time::sleep(RETRY).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&clients).try_acquire_owned() else {
            tracing::warn!(target: "control", %peer, "refused: {limit} {what} connections are open already");
            continue;
        };
        let conversation = converse(stream, peer);
        connections.spawn(async move {
            conversation.await;
            drop(permit);
        });
    }
}
