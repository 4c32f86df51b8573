//! IPv6 (RFC 8200) without extension headers, carrying UDP.

use super::{Udp, View};
use crate::{abi::KeyWords, reason::Reason};

/// Fragment header.
const NEXT_FRAGMENT: u8 = 44;

/// IPv6 header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    /// Version, traffic class, flow label.
    pub version_class_label: [u8; 4],
    /// Bytes after this header.
    pub payload_len: [u8; 2],
    /// What follows.
    pub next_header: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Source.
    pub src: [u8; 16],
    /// Destination.
    pub dst: [u8; 16],
}

/// IPv6 and UDP headers in a row.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6Udp {
    /// Network header.
    pub ip: Ipv6,
    /// Transport header.
    pub udp: Udp,
}

// SAFETY: only bytes and byte arrays.
unsafe impl View for Ipv6 {}
// SAFETY: only bytes and byte arrays.
unsafe impl View for Ipv6Udp {}

impl Ipv6 {
    /// Traffic class byte.
    #[inline(always)]
    pub const fn traffic_class(&self) -> u8 {
        (self.version_class_label[0] << 4) | (self.version_class_label[1] >> 4)
    }

    /// First four bytes of a header with the given traffic class and the flow label of `label` (its lower 20 bits).
    #[inline(always)]
    pub const fn with_traffic_class(label: [u8; 4], class: u8) -> [u8; 4] {
        [0x60 | (class >> 4), (class << 4) | (label[1] & 0x0f), label[2], label[3]]
    }
}

impl Ipv6Udp {
    /// Checks everything up to the UDP payload and returns its length. `available`: bytes of the frame from the IP
    /// header on; more than announced is link padding.
    ///
    /// # Errors
    /// The reason for which the program does not look further.
    #[inline(always)]
    pub fn check(&self, available: usize) -> Result<usize, Reason> {
        if self.ip.version_class_label[0] & 0xf0 != 0x60 {
            return Err(Reason::Malformed);
        }
        if self.ip.next_header != Udp::PROTOCOL {
            return Err(why_not_udp(self.ip.next_header));
        }
        if self.ip.hop_limit == 0 {
            return Err(Reason::TtlExpired);
        }
        let announced = usize::from(u16::from_be_bytes(self.ip.payload_len));
        if announced + size_of::<Ipv6>() > available {
            return Err(Reason::Malformed);
        }
        if self.udp.checksum == [0; 2] {
            // RFC 8200 section 8.1: not optional over IPv6.
            return Err(Reason::NoChecksum);
        }
        self.udp.payload_len(announced).ok_or(Reason::Malformed)
    }

    /// What the flow of this packet is found by.
    #[inline(always)]
    pub fn key(&self) -> KeyWords {
        KeyWords::v6(self.ip.dst, self.udp.dst_port)
    }
}

/// Extension headers of the IANA registry; everything else is another transport protocol.
#[inline(always)]
fn why_not_udp(next_header: u8) -> Reason {
    match next_header {
        NEXT_FRAGMENT => Reason::Fragment,
        0 | 43 | 50 | 51 | 60 | 135 | 139 | 140 | 253 | 254 => Reason::IpOptions,
        _ => Reason::NotUdp,
    }
}
