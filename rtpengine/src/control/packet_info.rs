//! Receives a datagram with the address it was sent to, and sends the reply from there.
//!
//! Without this a reply from a wildcard socket on a host with several addresses leaves with the one routing prefers,
//! and a SIP proxy whose socket is connected to another one never sees it.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::RawFd;

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg};

/// A received datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes of the buffer used.
    pub length: usize,
    /// Who sent it.
    pub peer: SocketAddr,
    /// The local address it was sent to, where the socket tells.
    pub local: Option<IpAddr>,
}

/// Receives one datagram, without blocking when the socket does not.
///
/// # Errors
/// Those of `recvmsg`, and a sender that is not an IP address.
pub fn receive(socket: RawFd, buffer: &mut [u8]) -> io::Result<Received> {
    let mut slices = [IoSliceMut::new(buffer)];
    let mut control = nix::cmsg_space!(libc::in6_pktinfo, libc::in_pktinfo);
    let message = recvmsg::<SockaddrStorage>(socket, &mut slices, Some(&mut control), MsgFlags::empty())?;
    let peer = message.address.and_then(|address| {
        address
            .as_sockaddr_in()
            .map(|v4| SocketAddr::V4((*v4).into()))
            .or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::V6((*v6).into())))
    });
    let mut local = None;
    for control in message.cmsgs()? {
        if let ControlMessageOwned::Ipv4PacketInfo(info) = control {
            local = Some(IpAddr::from(info.ipi_spec_dst.s_addr.to_ne_bytes()));
        } else if let ControlMessageOwned::Ipv6PacketInfo(info) = control {
            local = Some(IpAddr::from(info.ipi6_addr.s6_addr));
        }
    }
    let peer = peer.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "sender without IP address"))?;
    Ok(Received { length: message.bytes, peer, local })
}

/// Sends one datagram to `peer`, from `local` if given.
///
/// # Errors
/// Those of `sendmsg`.
pub fn send(socket: RawFd, bytes: &[u8], peer: SocketAddr, local: Option<IpAddr>) -> io::Result<()> {
    let slices = [IoSlice::new(bytes)];
    let to = SockaddrStorage::from(peer);
    let sent = match local {
        Some(IpAddr::V4(address)) => {
            let info = libc::in_pktinfo {
                ipi_ifindex: 0,
                ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(address.octets()) },
                ipi_addr: libc::in_addr { s_addr: 0 },
            };
            sendmsg(socket, &slices, &[ControlMessage::Ipv4PacketInfo(&info)], MsgFlags::empty(), Some(&to))
        }
        Some(IpAddr::V6(address)) => {
            let info = libc::in6_pktinfo {
                ipi6_addr: libc::in6_addr { s6_addr: address.octets() },
                ipi6_ifindex: 0,
            };
            sendmsg(socket, &slices, &[ControlMessage::Ipv6PacketInfo(&info)], MsgFlags::empty(), Some(&to))
        }
        None => sendmsg(socket, &slices, &[], MsgFlags::empty(), Some(&to)),
    };
    sent.map(|_| ()).map_err(io::Error::from)
}
