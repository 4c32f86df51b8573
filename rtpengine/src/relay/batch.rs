//! Moving datagrams: `recvmmsg` into a fixed arena, `sendto` or `sendmmsg` out of it. The relay's only I/O on packets.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::{AsRawFd, BorrowedFd};

use socket2::SockAddr;

use crate::srtp::MAX_GROWTH;

/// Datagrams moved by one system call.
pub(super) const BATCH: usize = 32;

/// Largest UDP payload over IPv4 is 65507 bytes; nothing is ever cut off.
const SLOT: usize = 65_536;

/// Distance of two slots. Were it a multiple of the page size, the first lines of all slots would compete
/// for the same cache sets. Pages that no large datagram touches are never backed by memory.
const STRIDE: usize = SLOT + 5 * 64;
// Behind the largest datagram is room for what encryption appends.
const _: () = assert!(STRIDE - SLOT >= MAX_GROWTH);

/// Room for one control message with a `u32` (`SO_RXQ_OVFL`).
// SAFETY: CMSG_SPACE only computes.
const CONTROL: usize = unsafe { libc::CMSG_SPACE(size_of::<u32>() as u32) } as usize;

/// Aligned for `cmsghdr`.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; CONTROL]);

/// What one batch of sends came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub packets: u64,
    pub bytes: u64,
    pub errors: u64,
}

/// Where a datagram to send stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Where it was received.
    Received,
    /// In the copy made of it by [`Batch::copy`].
    Copy,
}

/// A slot for each datagram of a batch.
struct Arena {
    data: Vec<u8>,
    /// One for each slot, cut to the length of the datagram in it.
    parts: Vec<libc::iovec>,
}

impl Arena {
    fn new() -> Self {
        let mut data = vec![0; BATCH * STRIDE];
        let part = |slot: &mut [u8]| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: 0 };
        let parts = data.chunks_exact_mut(STRIDE).map(part).collect();
        Self { data, parts }
    }

    fn payload(&self, index: usize) -> &[u8] {
        let length = self.parts.get(index).map_or(0, |part| part.iov_len);
        self.data.get(index * STRIDE..index * STRIDE + length).unwrap_or_default()
    }

    fn slot(&mut self, index: usize) -> Option<Slot<'_>> {
        let length = &mut self.parts.get_mut(index)?.iov_len;
        let buffer = self.data.get_mut(index * STRIDE..(index + 1) * STRIDE)?;
        Some(Slot { buffer, length })
    }
}

/// A datagram that may be changed, with the room behind it.
pub(super) struct Slot<'a> {
    pub buffer: &'a mut [u8],
    /// Of the datagram. Never set to more than the buffer has.
    pub length: &'a mut usize,
}

/// The datagrams received last and the headers to receive and send with. One per relay thread.
///
/// The headers point into the other vectors, whose buffers neither move nor change size after [`Batch::new`].
pub(super) struct Batch {
    arena: Arena,
    /// What is sent in different forms to several parties; pages that are never used are not backed by memory.
    copies: Arena,
    names: Vec<libc::sockaddr_in6>,
    controls: Vec<Control>,
    received: Vec<libc::mmsghdr>,
    outgoing: Vec<libc::mmsghdr>,
    /// How many headers the last receive may have changed.
    used: usize,
}

// SAFETY: the pointers lead only into the vectors the batch owns, which move with it to another thread.
unsafe impl Send for Batch {}

impl Batch {
    pub(super) fn new() -> Self {
        // SAFETY: both are plain C structures for which zero bytes (and null pointers) are valid.
        let (name, header) =
            unsafe { (std::mem::zeroed::<libc::sockaddr_in6>(), std::mem::zeroed::<libc::mmsghdr>()) };
        let mut batch = Self {
            arena: Arena::new(),
            copies: Arena::new(),
            names: vec![name; BATCH],
            controls: vec![Control([0; CONTROL]); BATCH],
            received: vec![header; BATCH],
            outgoing: vec![header; BATCH],
            used: BATCH,
        };
        let parts = batch.arena.parts.iter_mut().zip(&mut batch.names).zip(&mut batch.controls);
        for (header, ((part, name), control)) in batch.received.iter_mut().zip(parts) {
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut *name).cast();
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
        }
        batch
    }

    /// Receives up to [`BATCH`] datagrams, in place of those received before. 0: there are none.
    ///
    /// # Errors
    /// What the socket reports, for example an ICMP error of an earlier send; the next call goes on.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let used = self.received.iter_mut().zip(&mut self.arena.parts).take(self.used);
        for (header, part) in used {
            part.iov_len = SLOT;
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as libc::socklen_t;
            header.msg_hdr.msg_controllen = CONTROL;
            header.msg_hdr.msg_flags = 0;
        }
        self.used = 0;
        // SAFETY: the headers point to buffers of the stated lengths that live as long as `self` (see the type),
        // and there are BATCH of them.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.received.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT,
                std::ptr::null_mut(),
            )
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            };
        };
        // One more header than was filled may have been looked at.
        self.used = (count + 1).min(BATCH);
        for (header, part) in self.received.iter().zip(&mut self.arena.parts).take(count) {
            part.iov_len = (header.msg_len as usize).min(SLOT);
        }
        Ok(count)
    }

    /// The `index`th datagram received, to be changed.
    pub(super) fn slot(&mut self, index: usize) -> Option<Slot<'_>> {
        self.arena.slot(index)
    }

    /// The `index`th datagram received, as it is now.
    pub(super) fn received(&self, index: u8) -> Option<&[u8]> {
        self.arena.parts.get(usize::from(index)).map(|_| self.arena.payload(usize::from(index)))
    }

    /// Copies the `index`th datagram; the copy, to be changed.
    pub(super) fn copy(&mut self, index: usize) -> Option<Slot<'_>> {
        let payload = self.arena.payload(index);
        let copy = self.copies.slot(index)?;
        copy.buffer.get_mut(..payload.len())?.copy_from_slice(payload);
        *copy.length = payload.len();
        Some(copy)
    }

    /// Where the `index`th datagram came from.
    pub(super) fn source(&self, index: usize) -> Option<SocketAddr> {
        let name = self.names.get(index)?;
        match libc::c_int::from(name.sin6_family) {
            libc::AF_INET => {
                // SAFETY: the kernel wrote a `sockaddr_in`, which is shorter than and no stricter aligned than `sockaddr_in6`.
                let name = unsafe { &*(&raw const *name).cast::<libc::sockaddr_in>() };
                let address = Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr));
                Some(SocketAddrV4::new(address, u16::from_be(name.sin_port)).into())
            }
            libc::AF_INET6 => {
                // The flow label is the packet's, not the party's.
                let address = Ipv6Addr::from(name.sin6_addr.s6_addr);
                Some(SocketAddrV6::new(address, u16::from_be(name.sin6_port), 0, name.sin6_scope_id).into())
            }
            _ => None,
        }
    }

    /// The socket's count of datagrams lost to a full receive queue so far (modulo 2^32), as far as the
    /// last `count` datagrams say.
    pub(super) fn overflow(&self, count: usize) -> Option<u32> {
        let header = &self.received.get(count.checked_sub(1)?)?.msg_hdr;
        if header.msg_controllen == 0 {
            return None;
        }
        // SAFETY: `msg_control` points to `msg_controllen` valid bytes that the kernel has filled with control
        // messages; the walk stays inside them, and the value of this kind of message is a u32.
        unsafe {
            let mut message = libc::CMSG_FIRSTHDR(header);
            while !message.is_null() {
                if (*message).cmsg_level == libc::SOL_SOCKET && (*message).cmsg_type == libc::SO_RXQ_OVFL {
                    return Some(libc::CMSG_DATA(message).cast::<u32>().read_unaligned());
                }
                message = libc::CMSG_NXTHDR(header, message);
            }
        }
        None
    }

    /// Sends the datagrams listed in `which` through a socket to one destination. A datagram that cannot be sent is
    /// counted and left behind: media does not wait.
    pub(super) fn send(
        &mut self,
        socket: BorrowedFd<'_>,
        destination: &SockAddr,
        which: &[u8],
        place: Place,
    ) -> Sent {
        let arena = match place {
            Place::Received => &mut self.arena,
            Place::Copy => &mut self.copies,
        };
        if let [index] = which {
            return send_one(socket, destination, arena.payload(usize::from(*index)));
        }
        let mut sent = Sent::default();
        let mut count = 0;
        for index in which {
            let (Some(part), Some(header)) =
                (arena.parts.get_mut(usize::from(*index)), self.outgoing.get_mut(count))
            else {
                continue;
            };
            header.msg_hdr.msg_name = destination.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = destination.len();
            header.msg_hdr.msg_iov = part;
            header.msg_hdr.msg_iovlen = 1;
            count += 1;
        }
        let mut next = 0;
        while let Some(rest) = self.outgoing.get_mut(next..count).filter(|rest| !rest.is_empty()) {
            // SAFETY: each header names one part of an arena and `destination`, which outlive the call.
            let done = unsafe {
                libc::sendmmsg(
                    socket.as_raw_fd(),
                    rest.as_mut_ptr(),
                    rest.len() as libc::c_uint,
                    libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
                )
            };
            match usize::try_from(done) {
                Ok(done) if done > 0 => {
                    sent.packets += done as u64;
                    sent.bytes += rest.iter().take(done).map(|header| u64::from(header.msg_len)).sum::<u64>();
                    next += done;
                }
                // The first of the rest failed.
                Ok(_) | Err(_) => {
                    sent.errors += 1;
                    next += 1;
                }
            }
        }
        sent
    }
}

/// `sendto` spares the kernel the copy of the message header and its parts.
fn send_one(socket: BorrowedFd<'_>, destination: &SockAddr, payload: &[u8]) -> Sent {
    // SAFETY: payload and destination are valid for the lengths passed with them.
    let done = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            payload.as_ptr().cast(),
            payload.len(),
            libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL,
            destination.as_ptr().cast(),
            destination.len(),
        )
    };
    match u64::try_from(done) {
        Ok(bytes) => Sent { packets: 1, bytes, errors: 0 },
        Err(_) => Sent { errors: 1, ..Sent::default() },
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn moves_datagrams_of_every_size_unchanged() {
        let [from, relay, to] = std::array::from_fn(|_| UdpSocket::bind("127.0.0.1:0").expect("bind"));
        relay.set_nonblocking(true).expect("nonblocking");
        let mut batch = Batch::new();
        assert_eq!(batch.receive(relay.as_fd()).expect("receive"), 0);
        let destination = SockAddr::from(to.local_addr().expect("address"));
        for size in [0, 1, 172, 1500, 9000, 65_507] {
            let payload: Vec<u8> = (0..size).map(|n| n as u8).collect();
            from.send_to(&payload, relay.local_addr().expect("address")).expect("send");
            assert_eq!(batch.receive(relay.as_fd()).expect("receive"), 1);
            assert_eq!(batch.source(0), from.local_addr().ok());
            assert_eq!(batch.arena.payload(0), payload);
            let sent = batch.send(relay.as_fd(), &destination, &[0], Place::Received);
            assert_eq!(sent, Sent { packets: 1, bytes: size as u64, errors: 0 });
            let mut buffer = vec![0; 65_536];
            let (length, source) = to.recv_from(&mut buffer).expect("receive");
            assert_eq!((&buffer[..length], source), (&payload[..], relay.local_addr().expect("address")));
        }
    }

    #[test]
    fn a_datagram_grows_in_place_and_in_its_copy() {
        let [from, relay, to] = std::array::from_fn(|_| UdpSocket::bind("127.0.0.1:0").expect("bind"));
        let destination = SockAddr::from(to.local_addr().expect("address"));
        let mut batch = Batch::new();
        for byte in [1, 2] {
            from.send_to(&[byte; 100], relay.local_addr().expect("address")).expect("send");
        }
        assert_eq!(batch.receive(relay.as_fd()).expect("receive"), 2);
        let copy = batch.copy(1).expect("second");
        copy.buffer[100..110].fill(9);
        *copy.length = 110;
        let slot = batch.slot(0).expect("first");
        slot.buffer[..99].fill(8);
        *slot.length = 99;
        let mut buffer = [0; 200];
        for (index, place, expected) in [
            (1, Place::Copy, [&[2; 100][..], &[9; 10]].concat()),
            (0, Place::Received, vec![8; 99]),
            (1, Place::Received, vec![2; 100]),
        ] {
            assert_eq!(batch.send(relay.as_fd(), &destination, &[index], place).packets, 1);
            let length = to.recv(&mut buffer).expect("receive");
            assert_eq!(buffer[..length], expected);
        }
    }

    #[test]
    fn a_send_that_fails_is_counted_and_the_rest_goes_out() {
        let [from, relay] = std::array::from_fn(|_| UdpSocket::bind("127.0.0.1:0").expect("bind"));
        let mut batch = Batch::new();
        for byte in 0..3 {
            from.send_to(&[byte], relay.local_addr().expect("address")).expect("send");
        }
        assert_eq!(batch.receive(relay.as_fd()).expect("receive"), 3);
        let wrong_family = SockAddr::from(SocketAddr::from(([0u16, 0, 0, 0, 0, 0, 0, 1], 9)));
        assert_eq!(batch.send(relay.as_fd(), &wrong_family, &[0, 1, 2], Place::Received).errors, 3);
    }
}
