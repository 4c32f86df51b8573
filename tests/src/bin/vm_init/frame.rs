//! Frames for the checks, and what must hold for a frame that was forwarded.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};

/// Ethernet header.
pub const ETHERNET: usize = 14;
const UDP: usize = 8;
const UDP_PROTOCOL: u8 = 17;
/// TTL of the frames made here, and of packets as this host would send them.
const TTL_IN: u8 = 40;
const TTL_OUT: u8 = 64;

/// An Ethernet frame with UDP over IPv4 or IPv6, checksums filled in.
pub fn build(
    macs: ([u8; 6], [u8; 6]),
    vlan: Option<u16>,
    from: SocketAddr,
    to: SocketAddr,
    payload: &[u8],
) -> Result<Vec<u8>> {
    let (destination, source) = macs;
    let mut frame = [destination, source].concat();
    if let Some(vlan) = vlan {
        frame.extend(0x8100_u16.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    let length = u16::try_from(UDP + payload.len())?;
    let mut udp = [from.port(), to.port(), length, 0].map(u16::to_be_bytes).concat();
    udp.extend(payload);
    let checksum = udp_checksum(from.ip(), to.ip(), &udp);
    udp[6..8].copy_from_slice(&checksum.to_be_bytes());
    match (from.ip(), to.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            let mut header = vec![0x45, 0xb8];
            header.extend((20 + length).to_be_bytes());
            header.extend([0x12, 0x34, 0x40, 0, TTL_IN, UDP_PROTOCOL, 0, 0]);
            header.extend(from.octets());
            header.extend(to.octets());
            let checksum = !sum(0, &header);
            header[10..12].copy_from_slice(&checksum.to_be_bytes());
            frame.extend(0x0800_u16.to_be_bytes());
            frame.extend(header);
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            frame.extend(0x86dd_u16.to_be_bytes());
            frame.extend([0x6b, 0x80, 0, 0]);
            frame.extend(length.to_be_bytes());
            frame.extend([UDP_PROTOCOL, TTL_IN]);
            frame.extend(from.octets());
            frame.extend(to.octets());
        }
        _ => anyhow::bail!("both addresses must be of one family"),
    }
    frame.extend(udp);
    Ok(frame)
}

/// What a forwarded frame must show.
pub struct Wanted<'a> {
    pub macs: ([u8; 6], [u8; 6]),
    pub from: SocketAddr,
    pub to: SocketAddr,
    pub payload: &'a [u8],
}

/// Checks an untagged frame: addresses, ports, a fresh TTL, lengths, checksums, payload.
pub fn check(frame: &[u8], wanted: &Wanted<'_>) -> Result<()> {
    let macs = [wanted.macs.0, wanted.macs.1].concat();
    ensure!(frame.get(..12) == Some(&macs[..]), "MAC addresses: {:02x?}", frame.get(..12));
    let ip = frame.get(ETHERNET..).context("too short")?;
    let header = if wanted.from.is_ipv4() { 20 } else { 40 };
    ensure!(ip.len() >= header + UDP, "{} bytes of IP", ip.len());
    let (from, to, ttl): (IpAddr, IpAddr, u8) = if wanted.from.is_ipv4() {
        ensure!(frame[12..14] == [0x08, 0x00], "EtherType {:02x?}", &frame[12..14]);
        ensure!(sum(0, &ip[..20]) == 0xffff, "IPv4 header checksum");
        (<[u8; 4]>::try_from(&ip[12..16])?.into(), <[u8; 4]>::try_from(&ip[16..20])?.into(), ip[8])
    } else {
        ensure!(frame[12..14] == [0x86, 0xdd], "EtherType {:02x?}", &frame[12..14]);
        (<[u8; 16]>::try_from(&ip[8..24])?.into(), <[u8; 16]>::try_from(&ip[24..40])?.into(), ip[7])
    };
    ensure!(ttl == TTL_OUT, "TTL {ttl}");
    let udp = &ip[header..];
    let ports = (u16::from_be_bytes([udp[0], udp[1]]), u16::from_be_bytes([udp[2], udp[3]]));
    ensure!(from == wanted.from.ip() && ports.0 == wanted.from.port(), "source {from}:{}", ports.0);
    ensure!(to == wanted.to.ip() && ports.1 == wanted.to.port(), "destination {to}:{}", ports.1);
    ensure!(usize::from(u16::from_be_bytes([udp[4], udp[5]])) == udp.len(), "UDP length");
    let checksum = (udp[6], udp[7]);
    // Zero means none, which only IPv4 allows (RFC 8200 section 8.1).
    let absent = checksum == (0, 0) && wanted.from.is_ipv4();
    ensure!(absent || udp_checksum(from, to, udp) == 0xffff, "UDP checksum {checksum:02x?}");
    ensure!(&udp[UDP..] == wanted.payload, "payload");
    Ok(())
}

/// Checksum over pseudo header and datagram; over a datagram with a right checksum it gives 0xffff.
fn udp_checksum(from: IpAddr, to: IpAddr, udp: &[u8]) -> u16 {
    let mut pseudo = Vec::new();
    for address in [from, to] {
        match address {
            IpAddr::V4(address) => pseudo.extend(address.octets()),
            IpAddr::V6(address) => pseudo.extend(address.octets()),
        }
    }
    let length = u32::try_from(udp.len()).unwrap_or(u32::MAX);
    pseudo.extend(length.to_be_bytes());
    pseudo.extend([0, 0, 0, UDP_PROTOCOL]);
    match !sum(u32::from(sum(0, &pseudo)), udp) {
        0 => 0xffff,
        checksum => checksum,
    }
}

/// Ones' complement sum (RFC 1071), not inverted.
fn sum(start: u32, bytes: &[u8]) -> u16 {
    let mut sum = start;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}
