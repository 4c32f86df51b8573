//! Frames, written out byte by byte, independently of what the program shares with the daemon.

use std::net::{IpAddr, SocketAddr};

use rtpengine_common::abi::{FLOW_ACTIVE, FLOW_OUT_V6, FlowKey, FlowValue};

/// IP header fields that tests vary.
#[derive(Clone, Copy, Debug)]
pub struct Transport {
    /// TOS or traffic class.
    pub tos: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// IPv4 identification.
    pub id: u16,
    /// IPv4 flags and fragment offset.
    pub fragment: u16,
    /// IPv6 flow label.
    pub label: u32,
    /// Whether UDP carries a checksum.
    pub checksum: bool,
}

impl Default for Transport {
    fn default() -> Self {
        Self { tos: 0, ttl: 57, id: 0x1234, fragment: 0x4000, label: 0xb_cdef, checksum: true }
    }
}

/// A UDP datagram in an Ethernet frame.
#[derive(Clone, Debug)]
pub struct UdpFrame {
    /// Destination MAC address.
    pub dst_mac: [u8; 6],
    /// Source MAC address.
    pub src_mac: [u8; 6],
    /// VLAN tags, outermost first: ethertype and TCI.
    pub tags: Vec<(u16, u16)>,
    /// Source.
    pub src: SocketAddr,
    /// Destination, of the same family.
    pub dst: SocketAddr,
    /// IP header fields.
    pub transport: Transport,
    /// UDP payload.
    pub payload: Vec<u8>,
}

impl UdpFrame {
    /// Untagged frame with usual header fields.
    pub fn new(src: SocketAddr, dst: SocketAddr, payload: Vec<u8>) -> Self {
        Self {
            dst_mac: [2, 0, 0, 0, 0, 1],
            src_mac: [2, 0, 0, 0, 0, 2],
            tags: Vec::new(),
            src,
            dst,
            transport: Transport::default(),
            payload,
        }
    }

    /// The bytes on the wire.
    pub fn bytes(&self) -> Vec<u8> {
        let mut frame = Vec::new();
        frame.extend(self.dst_mac);
        frame.extend(self.src_mac);
        for (ethertype, tci) in &self.tags {
            frame.extend(ethertype.to_be_bytes());
            frame.extend(tci.to_be_bytes());
        }
        let udp = self.udp();
        match (self.src.ip(), self.dst.ip()) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                frame.extend([0x08, 0x00]);
                let mut ip = vec![0x45, self.transport.tos];
                ip.extend((20 + udp.len() as u16).to_be_bytes());
                ip.extend(self.transport.id.to_be_bytes());
                ip.extend(self.transport.fragment.to_be_bytes());
                ip.extend([self.transport.ttl, 17, 0, 0]);
                ip.extend(src.octets());
                ip.extend(dst.octets());
                let checksum = checksum(&ip).to_be_bytes();
                ip[10..12].copy_from_slice(&checksum);
                frame.extend(ip);
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                frame.extend([0x86, 0xdd]);
                let word = 6 << 28 | u32::from(self.transport.tos) << 20 | self.transport.label;
                frame.extend(word.to_be_bytes());
                frame.extend((udp.len() as u16).to_be_bytes());
                frame.extend([17, self.transport.ttl]);
                frame.extend(src.octets());
                frame.extend(dst.octets());
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => {
                unreachable!("source and destination of a test frame are of one family")
            }
        }
        frame.extend(udp);
        frame
    }

    /// Offset of the network header.
    pub fn network_offset(&self) -> usize {
        14 + 4 * self.tags.len()
    }

    fn udp(&self) -> Vec<u8> {
        let len = 8 + self.payload.len() as u16;
        let mut udp = Vec::new();
        udp.extend(self.src.port().to_be_bytes());
        udp.extend(self.dst.port().to_be_bytes());
        udp.extend(len.to_be_bytes());
        udp.extend([0, 0]);
        udp.extend(&self.payload);
        if self.transport.checksum {
            let mut covered = Vec::new();
            match (self.src.ip(), self.dst.ip()) {
                (IpAddr::V4(src), IpAddr::V4(dst)) => {
                    covered.extend(src.octets());
                    covered.extend(dst.octets());
                }
                (src, dst) => {
                    covered.extend(mapped(src));
                    covered.extend(mapped(dst));
                }
            }
            covered.extend([0, 17]);
            covered.extend(len.to_be_bytes());
            covered.extend(&udp);
            let checksum = match checksum(&covered) {
                0 => 0xffff,
                checksum => checksum,
            };
            udp[6..8].copy_from_slice(&checksum.to_be_bytes());
        }
        udp
    }
}

/// Internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from)).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// IPv6 address, or IPv4 as `::ffff:a.b.c.d`.
pub fn mapped(addr: IpAddr) -> [u8; 16] {
    match addr {
        IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
        IpAddr::V6(addr) => addr.octets(),
    }
}

/// What the flow for packets to `local` is found by.
pub fn key(local: SocketAddr) -> FlowKey {
    FlowKey { addr: mapped(local.ip()), port: local.port().to_be_bytes(), pad: [0; 6] }
}

/// A plain active flow that sends from `src` to `dst` and expects packets of `expect`.
pub fn flow(slot: u32, expect: SocketAddr, src: SocketAddr, dst: SocketAddr) -> FlowValue {
    FlowValue {
        flags: FLOW_ACTIVE | if dst.is_ipv6() { FLOW_OUT_V6 } else { 0 },
        slot,
        mtu: 1500,
        expect_addr: mapped(expect.ip()),
        expect_port: expect.port().to_be_bytes(),
        src_addr: mapped(src.ip()),
        src_port: src.port().to_be_bytes(),
        dst_addr: mapped(dst.ip()),
        dst_port: dst.port().to_be_bytes(),
        dst_mac: [4, 0, 0, 0, 0, 1],
        src_mac: [4, 0, 0, 0, 0, 2],
        ..FlowValue::default()
    }
}

/// An RTP packet with `len` bytes of payload.
pub fn rtp(payload_type: u8, sequence: u16, ssrc: u32, len: usize) -> Vec<u8> {
    let mut packet = vec![0x80, payload_type];
    packet.extend(sequence.to_be_bytes());
    packet.extend((u32::from(sequence) * 160).to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    packet.extend((0..len).map(|index| index as u8));
    packet
}
