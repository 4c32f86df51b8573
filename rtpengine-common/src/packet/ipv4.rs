//! IPv4 (RFC 791) without options, carrying UDP.

use super::{Udp, View};
use crate::{abi::KeyWords, reason::Reason, words};

/// IPv4 header without options.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    /// Version and header length in words.
    pub version_ihl: u8,
    /// Type of service.
    pub tos: u8,
    /// Header and payload, bytes.
    pub total_len: [u8; 2],
    /// Identification.
    pub id: [u8; 2],
    /// Flags and fragment offset.
    pub fragment: [u8; 2],
    /// Time to live.
    pub ttl: u8,
    /// Payload protocol.
    pub protocol: u8,
    /// Header checksum.
    pub checksum: [u8; 2],
    /// Source.
    pub src: [u8; 4],
    /// Destination.
    pub dst: [u8; 4],
}

/// IPv4 and UDP headers in a row.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Udp {
    /// Network header.
    pub ip: Ipv4,
    /// Transport header.
    pub udp: Udp,
}

// SAFETY: only bytes and byte arrays.
unsafe impl View for Ipv4 {}
// SAFETY: only bytes and byte arrays.
unsafe impl View for Ipv4Udp {}

impl Ipv4 {
    /// Version 4, five words.
    pub const VERSION_IHL: u8 = 0x45;
    /// "Don't fragment".
    pub const DF: [u8; 2] = [0x40, 0];
    /// "More fragments" and the fragment offset.
    const FRAGMENT_MASK: u16 = 0x3fff;
}

impl Ipv4Udp {
    /// Checks everything up to the UDP payload and returns its length. `available`: bytes of the frame from the IP
    /// header on; more than announced is link padding.
    ///
    /// # Errors
    /// The reason for which the program does not look further.
    #[inline(always)]
    pub fn check(&self, available: usize) -> Result<usize, Reason> {
        if self.ip.version_ihl != Ipv4::VERSION_IHL {
            return Err(self.why_not_plain());
        }
        if self.ip.protocol != Udp::PROTOCOL {
            return Err(Reason::NotUdp);
        }
        if u16::from_be_bytes(self.ip.fragment) & Ipv4::FRAGMENT_MASK != 0 {
            return Err(Reason::Fragment);
        }
        if self.ip.ttl == 0 {
            return Err(Reason::TtlExpired);
        }
        let total = usize::from(u16::from_be_bytes(self.ip.total_len));
        if total > available || total < size_of::<Self>() {
            return Err(Reason::Malformed);
        }
        self.udp.payload_len(total - size_of::<Ipv4>()).ok_or(Reason::Malformed)
    }

    #[inline(always)]
    fn why_not_plain(&self) -> Reason {
        if self.ip.version_ihl < Ipv4::VERSION_IHL || self.ip.version_ihl > 0x4f {
            Reason::Malformed
        } else if self.ip.protocol == Udp::PROTOCOL {
            Reason::IpOptions
        } else {
            Reason::NotUdp
        }
    }

    /// What the flow of this packet is found by.
    #[inline(always)]
    pub fn key(&self) -> KeyWords {
        KeyWords::v4(self.ip.dst, self.udp.dst_port)
    }

    /// Source address, IPv4-mapped.
    #[inline(always)]
    pub fn src_mapped(&self) -> [u8; 16] {
        words::mapped(self.ip.src)
    }
}
