//! Opens listening sockets with the options of `--control-tos` and `--control-pmtu`.

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::config::ControlPmtu;

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 128;
/// Receive buffer of a control socket in bytes: bursts of offers wait here. The system may grant less.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Why a listener could not be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {protocol} {address}: {source}; {}", remedy(source))]
pub struct ControlError {
    /// `UDP` or `TCP`.
    pub protocol: &'static str,
    /// The address.
    pub address: SocketAddr,
    /// The cause.
    pub source: io::Error,
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            "stop the program that uses the port (see `ss -lnp`) or choose another one"
        }
        io::ErrorKind::AddrNotAvailable => "the address has to be configured on this host first",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "choose another address or port",
    }
}

/// Options of all control sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketOptions {
    /// TOS / traffic class byte of replies.
    pub tos: Option<u8>,
    /// Path MTU discovery on IPv4 UDP sockets.
    pub pmtu: Option<ControlPmtu>,
}

/// A bound, non-blocking UDP socket; a wildcard one tells the address a datagram was sent to.
///
/// # Errors
/// [`ControlError`].
pub fn udp(address: SocketAddr, options: SocketOptions) -> Result<UdpSocket, ControlError> {
    open_udp(address, options).map(Into::into).map_err(|source| ControlError {
        protocol: "UDP",
        address,
        source,
    })
}

/// A listening, non-blocking TCP socket.
///
/// # Errors
/// [`ControlError`].
pub fn tcp(address: SocketAddr, options: SocketOptions) -> Result<TcpListener, ControlError> {
    open_tcp(address, options).map(Into::into).map_err(|source| ControlError {
        protocol: "TCP",
        address,
        source,
    })
}

/// Passes over `[::]` on a host without IPv6 when its IPv4 sibling was asked for too, as by a bare port.
///
/// # Errors
/// Every other error, unchanged.
pub fn unless_no_ipv6<T>(
    address: SocketAddr,
    all: &[SocketAddr],
    opened: Result<T, ControlError>,
) -> Result<Option<T>, ControlError> {
    let sibling = SocketAddr::from(([0, 0, 0, 0], address.port()));
    match opened {
        Ok(socket) => Ok(Some(socket)),
        Err(error)
            if address.is_ipv6()
                && address.ip().is_unspecified()
                && all.contains(&sibling)
                && matches!(error.source.raw_os_error(), Some(libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL)) =>
        {
            tracing::warn!(target: "control", "no IPv6 on this host, listening on {sibling} only: {error}");
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

fn open(address: SocketAddr, kind: Type, protocol: Protocol, options: SocketOptions) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), kind, Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if let Some(tos) = options.tos {
        match address {
            SocketAddr::V4(_) => socket.set_tos_v4(tos.into())?,
            SocketAddr::V6(_) => socket.set_tclass_v6(tos.into())?,
        }
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn open_udp(address: SocketAddr, options: SocketOptions) -> io::Result<Socket> {
    let socket = open(address, Type::DGRAM, Protocol::UDP, options)?;
    // A smaller buffer than asked for is no reason not to start.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if let (Some(pmtu), SocketAddr::V4(_)) = (options.pmtu, address) {
        let value = match pmtu {
            ControlPmtu::Want => libc::IP_PMTUDISC_WANT,
            ControlPmtu::Dont => libc::IP_PMTUDISC_DONT,
        };
        set_option(&socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value)?;
    }
    if address.ip().is_unspecified() {
        match address {
            SocketAddr::V4(_) => set_option(&socket, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?,
            SocketAddr::V6(_) => set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?,
        }
    }
    socket.bind(&SockAddr::from(address))?;
    Ok(socket)
}

fn open_tcp(address: SocketAddr, options: SocketOptions) -> io::Result<Socket> {
    let socket = open(address, Type::STREAM, Protocol::TCP, options)?;
    // A restarted daemon must not wait for old connections to fade.
    socket.set_reuse_address(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    Ok(socket)
}

fn set_option(socket: &Socket, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    // SAFETY: the descriptor is open, the pointer and the length describe `value`, which outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_ref(&value).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
