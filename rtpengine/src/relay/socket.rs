//! Opening media sockets.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};
use rtpengine_core::io::{OpenError, StreamId};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use super::registry::Registry;
use crate::config::interfaces::bind_address;

/// A media socket. It is closed, and its address free again, when the last of those who hold it lets go: the relay
/// thread that reads it and, for as long as an association of its stream lasts, the DTLS thread.
pub struct MediaSocket {
    socket: Socket,
    /// Dropped after the socket.
    _entry: Entered,
}

/// A stream's entry in the registry.
struct Entered {
    registry: Arc<Registry>,
    stream: StreamId,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.registry.remove(self.stream);
    }
}

impl MediaSocket {
    pub(super) fn new(socket: Socket, registry: Arc<Registry>, stream: StreamId) -> Self {
        Self { socket, _entry: Entered { registry, stream } }
    }

    pub(super) const fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Sends a datagram, from any thread; never waits. One that cannot be sent is lost, as on any network.
    pub fn send_to(&self, payload: &[u8], destination: SocketAddr) {
        if let Err(error) = self.socket.send_to(payload, &destination.into()) {
            tracing::trace!(target: "core", "datagram to {destination} not sent: {error}");
        }
    }
}

impl AsFd for MediaSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Opens a socket bound to exactly `local`: no address or port sharing, IPv6 sockets are IPv6 only.
pub(super) fn open(local: SocketAddr, receive_buffer: usize) -> Result<Socket, OpenError> {
    let resources = |error: io::Error| {
        OpenError::Resources(format!("socket for {local}: {error}; raise the limit of open files"))
    };
    let kind = Type::DGRAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(local), kind, Some(Protocol::UDP)).map_err(resources)?;
    if local.is_ipv6() {
        socket.set_only_v6(true).map_err(resources)?;
    }
    socket.bind(&SockAddr::from(bind_address(local))).map_err(|error| bind_error(local, &error))?;
    // Without these two the socket still relays: only bursts and the count of overflows suffer.
    if let Err(error) = socket.set_recv_buffer_size(receive_buffer) {
        tracing::debug!(target: "core", "{local}: receive buffer of {receive_buffer} bytes refused: {error}");
    }
    if let Err(error) = setsockopt(&socket.as_fd(), sockopt::RxqOvfl, &1) {
        tracing::debug!(target: "core", "{local}: queue overflows are not counted: {error}");
    }
    Ok(socket)
}

/// Has the system prefer this CPU for what the socket receives. A wish: without it the socket works as well.
pub(super) fn ask_for_cpu(socket: &Socket, cpu: u32) {
    if let Err(error) = socket.set_cpu_affinity(cpu as usize) {
        tracing::debug!(target: "core", "no CPU of its own for a media socket: {error}");
    }
}

fn bind_error(local: SocketAddr, error: &io::Error) -> OpenError {
    match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::EADDRINUSE) => OpenError::InUse,
        Some(Errno::ENOMEM | Errno::ENOBUFS) => OpenError::Resources(error.to_string()),
        _ => OpenError::Address(local.ip(), error.to_string()),
    }
}

/// Sets the TOS / traffic class byte of everything the socket sends.
pub(super) fn set_tos(socket: &Socket, ipv6: bool, tos: u8) -> io::Result<()> {
    if ipv6 { socket.set_tclass_v6(tos.into()) } else { socket.set_tos_v4(tos.into()) }
}
