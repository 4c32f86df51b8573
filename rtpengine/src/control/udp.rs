//! ng over UDP: one task receives, every request has its own task.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use rtpengine_core::ng::Reply;
use rtpengine_core::ng::message::{self, Message};
use tokio::io::Interest;
use tokio::net::UdpSocket;
use tokio::sync::Semaphore;

use super::packet_info::{self, Received};
use rtpengine_core::call::ControlSource;

use super::{ControlEngine, Dispatcher};

/// Requests of one socket being handled at a time. Further ones wait in the socket's buffer.
const MAX_IN_FLIGHT: usize = 4096;
/// Largest UDP payload over IPv4; over IPv6 it is 20 bytes more.
const MAX_DATAGRAM: usize = 65_507;

/// A control socket of the runtime.
pub struct Socket(UdpSocket);

impl Socket {
    /// Takes a bound, non-blocking socket over.
    ///
    /// # Errors
    /// When the runtime cannot register it.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        UdpSocket::from_std(socket).map(Self)
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<Received> {
        self.0.async_io(Interest::READABLE, || packet_info::receive(self.0.as_raw_fd(), buffer)).await
    }

    async fn send(&self, bytes: &[u8], peer: std::net::SocketAddr, local: Option<IpAddr>) -> io::Result<()> {
        self.0
            .async_io(Interest::WRITABLE, || packet_info::send(self.0.as_raw_fd(), bytes, peer, local))
            .await
    }
}

/// Answers requests until the task is dropped.
pub async fn serve<E: ControlEngine>(socket: Socket, dispatcher: Arc<Dispatcher<E>>) {
    let socket = Arc::new(socket);
    let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let mut buffer = vec![0; usize::from(u16::MAX)];
    loop {
        // The semaphore is never closed.
        let Ok(permit) = Arc::clone(&in_flight).acquire_owned().await else { return };
        let received = match socket.receive(&mut buffer).await {
            Ok(received) => received,
            Err(error) => {
                // ICMP errors of earlier replies surface here; anything lasting must not spin.
                tracing::debug!(target: "control", "receive on control socket: {error}");
                tokio::time::sleep(Duration::from_millis(1)).await;
                continue;
            }
        };
        let datagram = buffer.get(..received.length).unwrap_or_default().to_vec();
        let (socket, dispatcher) = (Arc::clone(&socket), Arc::clone(&dispatcher));
        tokio::spawn(async move {
            let source = ControlSource { addr: received.peer, transport: "udp" };
            if let Some(reply) = dispatcher.handle(source, &datagram).await {
                answer(&socket, &received, &datagram, &reply).await;
            }
            drop(permit);
        });
    }
}

async fn answer(socket: &Socket, received: &Received, datagram: &[u8], reply: &[u8]) {
    let sent = if reply.len() > MAX_DATAGRAM {
        let reason = format!("Reply of {} bytes is too large for UDP; use TCP", reply.len());
        tracing::warn!(target: "control", peer = %received.peer, "{reason}");
        // The reply exists, so the datagram has a cookie.
        let Some(Message { cookie, body }) = Message::split(datagram) else { return };
        let error = message::encode_reply(cookie, message::encoding_of(body), Reply::error(reason));
        socket.send(&error, received.peer, received.local).await
    } else {
        socket.send(reply, received.peer, received.local).await
    };
    if let Err(error) = sent {
        tracing::warn!(target: "control", peer = %received.peer, "cannot send reply: {error}");
    }
}
