//! Ethernet with up to two VLAN tags.

use super::{Frame, View};
use crate::reason::Reason;

/// IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// IEEE 802.1Q customer tag.
pub const ETHERTYPE_VLAN: u16 = 0x8100;
/// IEEE 802.1ad service tag.
const ETHERTYPE_QINQ: u16 = 0x88a8;

/// Untagged Ethernet header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Destination.
    pub dst: [u8; 6],
    /// Source.
    pub src: [u8; 6],
    /// Ethertype of what follows.
    pub ethertype: [u8; 2],
}

/// What follows an ethertype of [`Ethernet`] that announces a tag.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VlanTag {
    /// Priority, drop eligibility, VLAN number.
    pub tci: [u8; 2],
    /// Ethertype of what follows.
    pub ethertype: [u8; 2],
}

/// Ethernet header with one tag.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaggedEthernet {
    /// Header whose ethertype is the tag's.
    pub ethernet: Ethernet,
    /// The tag.
    pub tag: VlanTag,
}

// SAFETY: only byte arrays.
unsafe impl View for Ethernet {}
// SAFETY: only byte arrays.
unsafe impl View for VlanTag {}
// SAFETY: only byte arrays.
unsafe impl View for TaggedEthernet {}

/// Where the network header starts and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// Bytes before the network header: 14, 18 or 22.
    pub len: usize,
    /// Ethertype of the network header, host order.
    pub ethertype: u16,
}

impl Link {
    /// Reads the link header.
    ///
    /// # Errors
    /// [`Reason::Malformed`] for a frame that ends in it, [`Reason::VlanDepth`] for a third tag.
    #[inline(always)]
    pub fn parse<F: Frame + ?Sized>(frame: &F) -> Result<Self, Reason> {
        let ethernet = frame.view::<Ethernet>(0).ok_or(Reason::Malformed)?;
        let mut link = Self { len: size_of::<Ethernet>(), ethertype: u16::from_be_bytes(ethernet.ethertype) };
        if !link.is_tagged() {
            return Ok(link);
        }
        link = link.inner(frame)?;
        if link.is_tagged() {
            link = link.inner(frame)?;
        }
        if link.is_tagged() { Err(Reason::VlanDepth) } else { Ok(link) }
    }

    #[inline(always)]
    fn is_tagged(self) -> bool {
        matches!(self.ethertype, ETHERTYPE_VLAN | ETHERTYPE_QINQ)
    }

    #[inline(always)]
    fn inner<F: Frame + ?Sized>(self, frame: &F) -> Result<Self, Reason> {
        let tag = frame.view::<VlanTag>(self.len).ok_or(Reason::Malformed)?;
        Ok(Self { len: self.len + size_of::<VlanTag>(), ethertype: u16::from_be_bytes(tag.ethertype) })
    }
}
