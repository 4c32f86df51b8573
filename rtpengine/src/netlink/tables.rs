//! A copy of the kernel's links, neighbours and addresses, kept current by notifications.

use std::{net::IpAddr, sync::Arc};

use ahash::AHashMap;

/// What a network device is, as far as forwarding cares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Ethernet framing: physical NICs, virtio and everything not listed below.
    Ethernet,
    /// The loopback device: Ethernet framing with zero addresses, no native XDP.
    Loopback,
    /// One end of a veth pair: transmits XDP frames only while its peer runs NAPI.
    Veth,
    /// An 802.1Q sub-interface: the program is attached to `parent` and the tag is kept in the flow.
    Vlan {
        /// Index of the device below.
        parent: u32,
        /// VLAN id, 1 to 4094.
        id: u16,
    },
    /// An 802.1ad sub-interface: its outer tag type is not written by the program.
    ServiceVlan,
    /// A bridge: generic mode only, and its ports decide where frames go.
    Bridge,
    /// A bond: native mode where every slave's driver has it.
    Bond,
    /// No Ethernet header at all (tun, WireGuard, tunnels).
    NoEthernet,
}

/// How an XDP program is attached to a device (`IFLA_XDP_ATTACHED`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum XdpAttached {
    /// None.
    #[default]
    None,
    /// By the driver.
    Native,
    /// In the stack, on socket buffers.
    Generic,
    /// In hardware or several at once: not by us.
    Other,
}

/// One network device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Device index.
    pub index: u32,
    /// Device name.
    pub name: Arc<str>,
    /// Kind of device.
    pub kind: LinkKind,
    /// Own hardware address; zero for devices without one.
    pub mac: [u8; 6],
    /// Largest IP packet, bytes.
    pub mtu: u32,
    /// Administratively up and with carrier.
    pub up: bool,
    /// XDP attachment.
    pub xdp: XdpAttached,
}

/// `NUD_*` states, reduced to what forwarding asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NeighbourState {
    /// Confirmed lately, or needs no confirmation (REACHABLE, PERMANENT, NOARP).
    Fresh,
    /// Usable, but will age out unless somebody uses the entry (STALE).
    Stale,
    /// Usable, being confirmed right now (DELAY, PROBE).
    Confirming,
    /// Being resolved (INCOMPLETE, NONE).
    Unresolved,
    /// Does not answer (FAILED).
    Failed,
}

impl NeighbourState {
    /// `true` where the hardware address may be used.
    #[must_use]
    pub fn usable(self) -> bool {
        match self {
            Self::Fresh | Self::Stale | Self::Confirming => true,
            Self::Unresolved | Self::Failed => false,
        }
    }
}

/// A neighbour entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// Its state.
    pub state: NeighbourState,
    /// Hardware address, if one of Ethernet length is known.
    pub mac: Option<[u8; 6]>,
}

/// Identity of a neighbour entry: device index and address.
pub type NeighbourKey = (u32, IpAddr);

/// Links, neighbours and local addresses of one network namespace.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    links: AHashMap<u32, Link>,
    neighbours: AHashMap<NeighbourKey, Neighbour>,
    /// Device index by local address. One address on several devices keeps the last one reported.
    addresses: AHashMap<IpAddr, u32>,
}

impl Tables {
    /// The device with this index.
    #[must_use]
    pub fn link(&self, index: u32) -> Option<&Link> {
        self.links.get(&index)
    }

    /// All devices, in no order.
    pub fn links(&self) -> impl Iterator<Item = &Link> {
        self.links.values()
    }

    /// The neighbour entry of an address on a device.
    #[must_use]
    pub fn neighbour(&self, key: &NeighbourKey) -> Option<&Neighbour> {
        self.neighbours.get(key)
    }

    /// The device that owns a local address. All of 127.0.0.0/8 belongs to loopback.
    #[must_use]
    pub fn owner_of(&self, address: IpAddr) -> Option<u32> {
        self.addresses
            .get(&address)
            .copied()
            .or_else(|| address.is_loopback().then(|| self.loopback().map(|link| link.index)).flatten())
    }

    /// `true` for an address of this host.
    #[must_use]
    pub fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains_key(&address)
    }

    /// The loopback device.
    #[must_use]
    pub fn loopback(&self) -> Option<&Link> {
        self.links.values().find(|link| link.kind == LinkKind::Loopback)
    }

    /// The device the program is attached to for traffic of `index`: below VLAN sub-interfaces, the device itself otherwise.
    #[must_use]
    pub fn attach_point(&self, index: u32) -> Option<&Link> {
        let link = self.links.get(&index)?;
        match link.kind {
            LinkKind::Vlan { parent, .. } => self.links.get(&parent),
            LinkKind::Ethernet
            | LinkKind::Loopback
            | LinkKind::Veth
            | LinkKind::ServiceVlan
            | LinkKind::Bridge
            | LinkKind::Bond
            | LinkKind::NoEthernet => Some(link),
        }
    }

    /// Adds or replaces a device. `true` when anything changed.
    pub fn put_link(&mut self, link: Link) -> bool {
        let index = link.index;
        self.links.insert(index, link) != self.links.get(&index).cloned()
    }

    /// Removes a device.
    pub fn drop_link(&mut self, index: u32) -> bool {
        self.neighbours.retain(|key, _| key.0 != index);
        self.links.remove(&index).is_some()
    }

    /// Adds or replaces a neighbour. `true` when anything changed.
    pub fn put_neighbour(&mut self, key: NeighbourKey, neighbour: Neighbour) -> bool {
        self.neighbours.insert(key, neighbour) != Some(neighbour)
    }

    /// Removes a neighbour.
    pub fn drop_neighbour(&mut self, key: &NeighbourKey) -> bool {
        self.neighbours.remove(key).is_some()
    }

    /// Adds a local address. `true` when anything changed.
    pub fn put_address(&mut self, address: IpAddr, index: u32) -> bool {
        self.addresses.insert(address, index) != Some(index)
    }

    /// Removes a local address from a device.
    pub fn drop_address(&mut self, address: IpAddr, index: u32) -> bool {
        if self.addresses.get(&address) == Some(&index) {
            self.addresses.remove(&address);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(index: u32, kind: LinkKind) -> Link {
        Link {
            index,
            name: format!("dev{index}").into(),
            kind,
            mac: [2, 0, 0, 0, 0, 1],
            mtu: 1500,
            up: true,
            xdp: XdpAttached::None,
        }
    }

    #[test]
    fn a_vlan_is_attached_below() {
        let mut tables = Tables::default();
        tables.put_link(link(2, LinkKind::Ethernet));
        tables.put_link(link(5, LinkKind::Vlan { parent: 2, id: 7 }));
        assert_eq!(tables.attach_point(5).map(|l| l.index), Some(2));
        assert_eq!(tables.attach_point(2).map(|l| l.index), Some(2));
        assert!(tables.attach_point(9).is_none());
    }

    #[test]
    fn changes_are_told_from_repetitions() {
        let mut tables = Tables::default();
        assert!(tables.put_link(link(2, LinkKind::Ethernet)));
        assert!(!tables.put_link(link(2, LinkKind::Ethernet)));
        let key = (2, IpAddr::from([10, 0, 0, 1]));
        let neighbour = Neighbour { state: NeighbourState::Stale, mac: Some([1; 6]) };
        assert!(tables.put_neighbour(key, neighbour));
        assert!(!tables.put_neighbour(key, neighbour));
        assert!(tables.drop_link(2));
        assert!(tables.neighbour(&key).is_none());
    }

    #[test]
    fn an_address_moved_to_another_device_survives_its_removal_from_the_first() {
        let mut tables = Tables::default();
        let address = IpAddr::from([10, 0, 0, 9]);
        tables.put_address(address, 2);
        tables.put_address(address, 3);
        assert!(!tables.drop_address(address, 2));
        assert_eq!(tables.owner_of(address), Some(3));
    }
}
