//! What the pipeline needs of a packet's headers, whichever IP version they are of.

use rtpengine_common::{
    abi::{FLOW_OUT_V6, FlowValue, KeyWords},
    checksum::Difference,
    packet::{Ipv4Udp, Ipv6Udp, Udp, View},
    reason::Reason,
    rewrite::{self, Checksum},
};

use crate::packet::Packet;

/// IP and UDP headers of an incoming packet.
pub trait Ingress: View {
    /// Checks them; returns the length of the UDP payload.
    fn check(&self, available: usize) -> Result<usize, Reason>;
    /// What the flow is found by.
    fn key(&self) -> KeyWords;
    /// Source address, IPv4 as mapped.
    fn src_addr(&self) -> [u8; 16];
    /// What the removal of the addresses does to a checksum.
    fn without_addresses(&self) -> Difference;
    /// UDP header.
    fn udp(&self) -> &Udp;
    /// The same headers before a UDP payload of another length. Their checksums are kept right, that of UDP apart.
    fn resized(&self, payload_len: usize) -> Self;
    /// Stores the flow's headers for this packet at `offset`.
    fn store(&self, flow: &FlowValue, checksum: Checksum, packet: &mut Packet, offset: usize) -> Option<()>;
}

impl Ingress for Ipv4Udp {
    #[inline(always)]
    fn check(&self, available: usize) -> Result<usize, Reason> {
        Self::check(self, available)
    }

    #[inline(always)]
    fn key(&self) -> KeyWords {
        Self::key(self)
    }

    #[inline(always)]
    fn src_addr(&self) -> [u8; 16] {
        self.src_mapped()
    }

    #[inline(always)]
    fn without_addresses(&self) -> Difference {
        Difference::NONE.remove4(self.ip.src).remove4(self.ip.dst)
    }

    #[inline(always)]
    fn udp(&self) -> &Udp {
        &self.udp
    }

    #[inline(always)]
    fn resized(&self, payload_len: usize) -> Self {
        let mut new = *self;
        new.ip.total_len = ((size_of::<Self>() + payload_len) as u16).to_be_bytes();
        new.ip.checksum =
            Difference::NONE.replace2(self.ip.total_len, new.ip.total_len).apply(self.ip.checksum);
        new.udp.len = ((size_of::<Udp>() + payload_len) as u16).to_be_bytes();
        new
    }

    #[inline(always)]
    fn store(&self, flow: &FlowValue, checksum: Checksum, packet: &mut Packet, offset: usize) -> Option<()> {
        if flow.flags & FLOW_OUT_V6 == 0 {
            packet.put(offset, rewrite::v4_to_v4(self, flow, checksum))
        } else {
            packet.put(offset, rewrite::v4_to_v6(self, flow, checksum))
        }
    }
}

impl Ingress for Ipv6Udp {
    #[inline(always)]
    fn check(&self, available: usize) -> Result<usize, Reason> {
        Self::check(self, available)
    }

    #[inline(always)]
    fn key(&self) -> KeyWords {
        Self::key(self)
    }

    #[inline(always)]
    fn src_addr(&self) -> [u8; 16] {
        self.ip.src
    }

    #[inline(always)]
    fn without_addresses(&self) -> Difference {
        Difference::NONE.remove16(self.ip.src).remove16(self.ip.dst)
    }

    #[inline(always)]
    fn udp(&self) -> &Udp {
        &self.udp
    }

    #[inline(always)]
    fn resized(&self, payload_len: usize) -> Self {
        let mut new = *self;
        new.udp.len = ((size_of::<Udp>() + payload_len) as u16).to_be_bytes();
        new.ip.payload_len = new.udp.len;
        new
    }

    #[inline(always)]
    fn store(&self, flow: &FlowValue, checksum: Checksum, packet: &mut Packet, offset: usize) -> Option<()> {
        if flow.flags & FLOW_OUT_V6 == 0 {
            packet.put(offset, rewrite::v6_to_v4(self, flow, checksum))
        } else {
            packet.put(offset, rewrite::v6_to_v6(self, flow, checksum))
        }
    }
}
