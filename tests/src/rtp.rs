//! RTP senders and receivers which know every byte they expect.
//!
//! Payload: an 8-byte index, then bytes derived from SSRC and index. A receiver so knows what a
//! packet must contain whatever sequence number, SSRC or time it was given on the way.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::ice::Ice;
use crate::netns::Netns;

/// Fixed RTP header (RFC 3550 section 5.1).
pub const HEADER: usize = 12;
/// Payload of 20 ms of G.711.
pub const PAYLOAD: usize = 160;
const INDEX: usize = 8;
/// Longest wait for room in the send buffer before the next attempt.
const SEND_WAIT: Duration = Duration::from_millis(100);
/// How often timers and further sockets of ICE are looked after while nothing arrives at the first one.
const ICE_STEP: Duration = Duration::from_millis(1);
/// Large enough for a burst of some thousand packets.
const RECEIVE_BUFFER: usize = 4 << 20;

/// A parsed packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Marker bit.
    pub marker: bool,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// SSRC.
    pub ssrc: u32,
    /// What follows header, CSRC list and extension.
    pub payload: Vec<u8>,
}

impl Packet {
    /// Parses a packet, RFC 3550 section 5.1.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let head = bytes.first_chunk::<HEADER>().context("shorter than an RTP header")?;
        ensure!(head[0] >> 6 == 2, "not RTP version 2");
        let mut at = HEADER + 4 * usize::from(head[0] & 0x0f);
        if head[0] & 0x10 != 0 {
            let length = bytes.get(at + 2..at + 4).context("truncated extension")?;
            at += 4 + 4 * (usize::from(length[0]) << 8 | usize::from(length[1]));
        }
        Ok(Self {
            marker: head[1] & 0x80 != 0,
            payload_type: head[1] & 0x7f,
            sequence: u16::from_be_bytes([head[2], head[3]]),
            timestamp: u32::from_be_bytes([head[4], head[5], head[6], head[7]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload: bytes.get(at..).context("truncated")?.to_vec(),
        })
    }

    /// Serialises without CSRC and extension.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + self.payload.len());
        bytes.extend([0x80, u8::from(self.marker) << 7 | self.payload_type]);
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }
}

/// The payload of packet `index` of stream `ssrc`.
#[must_use]
pub fn pattern(ssrc: u32, index: u64, length: usize) -> Vec<u8> {
    let mut payload = index.to_be_bytes().to_vec();
    let mut state = (u64::from(ssrc) << 32 | (index & 0xffff_ffff)) ^ 0x9e37_79b9_7f4a_7c15;
    payload.resize_with(length.max(INDEX), || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    });
    payload
}

/// A stream of packets, not bound to a socket.
#[derive(Clone, Debug)]
pub struct Stream {
    /// SSRC.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Sequence number of packet 0.
    pub first_sequence: u16,
    /// Timestamp of packet 0.
    pub first_timestamp: u32,
    /// Payload bytes.
    pub payload_length: usize,
    /// Index of the next packet.
    pub next: u64,
}

impl Stream {
    /// G.711 a-law, 20 ms packets.
    #[must_use]
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            payload_type: 8,
            first_sequence: 65_500, // wraps soon
            first_timestamp: 0xffff_f000,
            payload_length: PAYLOAD,
            next: 0,
        }
    }

    /// Packet `index`.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "sequence and timestamp wrap")]
    pub fn packet(&self, index: u64) -> Packet {
        Packet {
            marker: index == 0,
            payload_type: self.payload_type,
            sequence: self.first_sequence.wrapping_add(index as u16),
            timestamp: self.first_timestamp.wrapping_add((index as u32).wrapping_mul(160)),
            ssrc: self.ssrc,
            payload: pattern(self.ssrc, index, self.payload_length),
        }
    }
}

/// What arrived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Packets as they were sent, each counted once.
    pub received: u64,
    /// Packets seen before.
    pub duplicates: u64,
    /// Packets that came after a later one.
    pub reordered: u64,
    /// Packets that differ from what was sent: the first few, described.
    pub wrong: Vec<String>,
    /// Datagrams from another address than expected.
    pub strangers: u64,
}

impl Tally {
    /// Everything arrived once, in order and intact.
    #[must_use]
    pub fn is_perfect(&self, sent: u64) -> bool {
        *self == Self { received: sent, ..Self::default() }
    }
}

/// A party's RTP socket: sends one stream, checks the peer's.
#[derive(Debug)]
pub struct Endpoint {
    socket: UdpSocket,
    /// What it sends.
    pub stream: Stream,
    /// Where it sends to and, unless `None`, must receive from.
    pub remote: Option<SocketAddr>,
    /// Its ICE: STUN among what arrives is handled by that, and media goes by the pair it selects.
    pub ice: Option<Box<Ice>>,
    expect: Option<Expect>,
}

#[derive(Debug)]
struct Expect {
    stream: Stream,
    seen: Vec<bool>,
    highest: Option<u64>,
    tally: Tally,
}

impl Endpoint {
    /// Binds in the calling thread's namespace; port 0 takes a free even one.
    pub fn bind(address: IpAddr, port: u16, ssrc: u32) -> Result<Self> {
        let socket = loop {
            let socket =
                UdpSocket::bind((address, port)).with_context(|| format!("bind {address}:{port}"))?;
            if port != 0 || socket.local_addr()?.port() % 2 == 0 {
                break socket;
            }
        };
        socket.set_nonblocking(true)?;
        socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER)?;
        Ok(Self { socket, stream: Stream::new(ssrc), remote: None, ice: None, expect: None })
    }

    /// Binds inside a namespace.
    pub fn bind_in(netns: &Netns, address: IpAddr, port: u16, ssrc: u32) -> Result<Self> {
        netns.run(|| Self::bind(address, port, ssrc))?
    }

    /// The same socket for another part of a test: what one receives the other does not.
    pub fn duplicate(&self) -> Result<Self> {
        let socket = self.socket.try_clone()?;
        Ok(Self { socket, stream: self.stream.clone(), remote: self.remote, expect: None, ice: None })
    }

    /// Own address.
    pub fn local(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }

    /// The socket, for what this type does not do.
    #[must_use]
    pub fn socket(&self) -> &UdpSocket {
        &self.socket
    }

    /// From now on, received packets are compared with those of `stream`. Starts a new tally.
    pub fn expect(&mut self, stream: &Stream) {
        self.expect =
            Some(Expect { stream: stream.clone(), seen: vec![], highest: None, tally: Tally::default() });
    }

    /// What arrived since [`Endpoint::expect`].
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.expect.as_ref().map(|expect| expect.tally.clone()).unwrap_or_default()
    }

    /// Sends the next packet of the stream.
    pub fn send(&mut self) -> Result<()> {
        let remote = self.remote.context("the endpoint has no remote address")?;
        let packet = self.stream.packet(self.stream.next).to_bytes();
        self.stream.next += 1;
        self.send_to(&packet, remote)
    }

    /// Sends bytes as they are.
    pub fn send_raw(&self, bytes: &[u8]) -> Result<()> {
        let remote = self.remote.context("the endpoint has no remote address")?;
        self.send_to(bytes, remote)
    }

    fn send_to(&self, bytes: &[u8], remote: SocketAddr) -> Result<()> {
        let selected = self.ice.as_ref().and_then(|ice| Some((ice, ice.selected?)));
        let (socket, remote) =
            selected.map_or((&self.socket, remote), |(ice, (from, to))| (ice.socket(&self.socket, from), to));
        loop {
            match socket.send_to(bytes, remote) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.wait_for(PollFlags::POLLOUT, SEND_WAIT)?;
                }
                // Reports an earlier packet; this one was not sent.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error).with_context(|| format!("send to {remote}")),
            }
        }
    }

    /// The next datagram and its source, `None` if none comes within `wait`.
    pub fn receive_raw(&self, wait: Duration) -> Result<Option<(Vec<u8>, SocketAddr)>> {
        let deadline = Instant::now() + wait;
        let mut buffer = [0; 2048];
        loop {
            match self.socket.recv_from(&mut buffer) {
                Ok((length, source)) => return Ok(Some((buffer[..length].to_vec(), source))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() || !self.wait_for(PollFlags::POLLIN, left)? {
                        return Ok(None);
                    }
                }
                // ICMP errors for packets sent earlier are none of the receiver's business.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The next datagram that is no STUN of ICE, and its source.
    pub(crate) fn next(&mut self, wait: Duration) -> Result<Option<(Vec<u8>, SocketAddr)>> {
        let Some(mut ice) = self.ice.take() else { return self.receive_raw(wait) };
        let found = self.next_beside(&mut ice, wait);
        self.ice = Some(ice);
        found
    }

    fn next_beside(&self, ice: &mut Ice, wait: Duration) -> Result<Option<(Vec<u8>, SocketAddr)>> {
        let deadline = Instant::now() + wait;
        let mut buffer = [0; 2048];
        loop {
            ice.advance(&self.socket);
            let mut found = None;
            for socket in std::iter::once(&self.socket).chain(&ice.others) {
                match socket.recv_from(&mut buffer) {
                    Ok((length, source)) => found = Some((length, source, socket.local_addr()?)),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => continue,
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                    Err(error) => return Err(error.into()),
                }
                break;
            }
            match found {
                Some((length, source, local)) if buffer[0] < 4 => {
                    ice.datagram(local, source, &buffer[..length])
                }
                Some((length, source, _)) => return Ok(Some((buffer[..length].to_vec(), source))),
                None if Instant::now() >= deadline => return Ok(None),
                None => {
                    self.wait_for(PollFlags::POLLIN, ICE_STEP)?;
                }
            }
        }
    }

    fn wait_for(&self, what: PollFlags, wait: Duration) -> Result<bool> {
        let whole = u16::try_from(wait.as_micros().div_ceil(1000)).unwrap_or(u16::MAX);
        Ok(poll(&mut [PollFd::new(self.socket.as_fd(), what)], PollTimeout::from(whole))? > 0)
    }

    /// Looks after ICE for as long; media that arrives meanwhile is thrown away.
    pub fn receive_ice(&mut self, wait: Duration) -> Result<()> {
        while self.next(wait)?.is_some() {}
        Ok(())
    }

    /// Receives and checks one packet; `false` if none comes within `wait`.
    pub fn receive(&mut self, wait: Duration) -> Result<bool> {
        let Some((bytes, source)) = self.next(wait)? else { return Ok(false) };
        let selected = self.ice.as_ref().and_then(|ice| ice.selected).map(|(_, remote)| remote);
        let remote = selected.or(self.remote);
        let expect = self.expect.as_mut().context("the endpoint expects no stream")?;
        if remote.is_some_and(|remote| remote != source) {
            expect.tally.strangers += 1;
            return Ok(true);
        }
        expect.check(&bytes);
        Ok(true)
    }
}

impl Expect {
    fn check(&mut self, bytes: &[u8]) {
        let index = Packet::parse(bytes)
            .ok()
            .and_then(|packet| packet.payload.first_chunk::<INDEX>().map(|index| u64::from_be_bytes(*index)));
        let Some(index) = index.filter(|index| *index < 1 << 32) else {
            return self.note_wrong(format!("not a packet of this stream: {bytes:02x?}"));
        };
        let wanted = self.stream.packet(index).to_bytes();
        if bytes != wanted {
            return self.note_wrong(format!("packet {index}: wanted {wanted:02x?}, got {bytes:02x?}"));
        }
        let Ok(position) = usize::try_from(index) else { return };
        if self.seen.len() <= position {
            self.seen.resize(position + 1, false);
        }
        if std::mem::replace(&mut self.seen[position], true) {
            self.tally.duplicates += 1;
            return;
        }
        if self.highest.is_some_and(|highest| index < highest) {
            self.tally.reordered += 1;
        }
        self.highest = self.highest.max(Some(index));
        self.tally.received += 1;
    }

    fn note_wrong(&mut self, what: String) {
        if self.tally.wrong.len() < 5 {
            self.tally.wrong.push(what);
        }
    }
}

/// A STUN binding request without attributes (RFC 8489 section 5).
#[must_use]
pub fn stun_binding_request(transaction: [u8; 12]) -> Vec<u8> {
    let mut bytes = vec![0x00, 0x01, 0x00, 0x00, 0x21, 0x12, 0xa4, 0x42];
    bytes.extend(transaction);
    bytes
}

/// A ClientHello of DTLS 1.2 (RFC 6347 section 4.2) with one cipher suite and no cookie.
#[must_use]
pub fn dtls_client_hello(random: u8) -> Vec<u8> {
    let mut body = vec![254, 253];
    body.extend([random; 32]);
    body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let length = (body.len() as u32).to_be_bytes();
    let mut message =
        vec![1, length[1], length[2], length[3], 0, 0, 0, 0, 0, length[1], length[2], length[3]];
    message.extend(body);
    let mut record = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, random];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

/// An RTCP receiver report without blocks (RFC 3550 section 6.4.2).
#[must_use]
pub fn rtcp_receiver_report(ssrc: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 201, 0x00, 0x01];
    bytes.extend(ssrc.to_be_bytes());
    bytes
}

/// An RTCP sender report without blocks (RFC 3550 section 6.4.1).
#[must_use]
pub fn rtcp_sender_report(ssrc: u32, packets: u32, octets: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 200, 0x00, 0x06];
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([0; 12]);
    bytes.extend(packets.to_be_bytes());
    bytes.extend(octets.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Endpoint, Tally};

    #[test]
    fn a_receiver_tells_loss_duplicates_reordering_and_corruption_apart() {
        let localhost = [127, 0, 0, 1].into();
        let mut sender = Endpoint::bind(localhost, 0, 0x1234).unwrap();
        let mut receiver = Endpoint::bind(localhost, 0, 0x5678).unwrap();
        sender.remote = Some(receiver.local().unwrap());
        receiver.expect(&sender.stream);
        let mut bad = sender.stream.packet(5).to_bytes();
        bad[40] ^= 1;
        for index in [0, 1, 1, 3, 2] {
            sender.send_raw(&sender.stream.packet(index).to_bytes()).unwrap();
        }
        sender.send_raw(&bad).unwrap();
        for _ in 0..6 {
            assert!(receiver.receive(Duration::from_secs(5)).unwrap());
        }
        let tally = receiver.tally();
        assert_eq!(tally.wrong.len(), 1);
        assert_eq!(
            Tally { wrong: vec![], ..tally },
            Tally { received: 4, duplicates: 1, reordered: 1, ..Tally::default() }
        );
    }
}
