//! UDP.

use super::View;

/// UDP header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub src_port: [u8; 2],
    /// Destination port.
    pub dst_port: [u8; 2],
    /// Header and payload, bytes.
    pub len: [u8; 2],
    /// Checksum; zero: none (IPv4 only).
    pub checksum: [u8; 2],
}

// SAFETY: only byte arrays.
unsafe impl View for Udp {}

impl Udp {
    /// Protocol number.
    pub const PROTOCOL: u8 = 17;

    /// Bytes of the payload, given the bytes that the network header announces for UDP. `None`: they contradict each
    /// other. Data behind the UDP length, which RFC 768 does not forbid, counts as a contradiction.
    #[inline(always)]
    pub fn payload_len(&self, announced: usize) -> Option<usize> {
        let len = usize::from(u16::from_be_bytes(self.len));
        if len < size_of::<Self>() || len != announced { None } else { Some(len - size_of::<Self>()) }
    }
}
