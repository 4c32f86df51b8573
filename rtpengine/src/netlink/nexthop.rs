//! From a route lookup and the tables to the next hop of a flow, or to the reason there is none.

use std::{net::IpAddr, sync::Arc};

use rtpengine_common::reason::Reason;

use super::tables::{LinkKind, NeighbourKey, Tables};

/// What the kernel's routing (rules, tables, multipath) says about one source and destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Out of a device, to a gateway or directly.
    Via {
        /// Egress device index.
        ifindex: u32,
        /// The next router; `None`: the destination itself.
        gateway: Option<IpAddr>,
        /// Path MTU the route or an ICMP message set, bytes.
        mtu: Option<u32>,
    },
    /// An address of this host.
    Local,
    /// No route, or one that rejects, or not a unicast destination.
    Unreachable,
}

/// Everything the program needs to send a packet on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHop {
    /// Device the frame leaves by: below the VLAN sub-interface where the route names one.
    pub ifindex: u32,
    /// Its name.
    pub device: Arc<str>,
    /// Own hardware address.
    pub src_mac: [u8; 6],
    /// Hardware address of the neighbour.
    pub dst_mac: [u8; 6],
    /// VLAN id to insert.
    pub vlan: Option<u16>,
    /// Largest IP packet, bytes.
    pub mtu: u16,
    /// The neighbour entry this rests on; `None` on loopback.
    pub neighbour: Option<NeighbourKey>,
    /// Kind of the egress device.
    pub kind: LinkKind,
}

/// Why there is no next hop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// The kernel has no usable route.
    #[error("no route to the destination; check `ip route get`")]
    NoRoute,
    /// The route names a device that is gone.
    #[error("egress device {0} does not exist")]
    NoDevice(u32),
    /// The egress device or the one below it is down.
    #[error("egress device {0} is down")]
    LinkDown(Arc<str>),
    /// No neighbour entry, or one not resolved yet.
    #[error("neighbour {} on device {} is not resolved", .0.1, .0.0)]
    NoNeighbour(NeighbourKey),
    /// The device has no Ethernet framing the program could write.
    #[error("egress device {0} has no plain Ethernet framing")]
    DeviceKind(Arc<str>),
}

impl Unresolved {
    /// The closed reason shown to people.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match self {
            Self::NoRoute | Self::NoDevice(_) | Self::LinkDown(_) | Self::NoNeighbour(_) => Reason::NoNextHop,
            Self::DeviceKind(_) => Reason::EgressDevice,
        }
    }
}

/// Decides the next hop towards `destination`.
///
/// # Errors
/// See [`Unresolved`].
pub fn resolve(tables: &Tables, lookup: Lookup, destination: IpAddr) -> Result<NextHop, Unresolved> {
    let (ifindex, gateway, route_mtu) = match lookup {
        Lookup::Via { ifindex, gateway, mtu } => (ifindex, gateway, mtu),
        Lookup::Local => return local(tables),
        Lookup::Unreachable => return Err(Unresolved::NoRoute),
    };
    let link = tables.link(ifindex).ok_or(Unresolved::NoDevice(ifindex))?;
    let mtu = route_mtu.unwrap_or(link.mtu).min(link.mtu);
    let (below, vlan) = match link.kind {
        LinkKind::Vlan { parent, id } => {
            let parent = tables.link(parent).ok_or(Unresolved::NoDevice(parent))?;
            if matches!(parent.kind, LinkKind::Vlan { .. } | LinkKind::NoEthernet) {
                return Err(Unresolved::DeviceKind(link.name.clone()));
            }
            (parent, Some(id))
        }
        LinkKind::NoEthernet | LinkKind::ServiceVlan => {
            return Err(Unresolved::DeviceKind(link.name.clone()));
        }
        LinkKind::Loopback => return local(tables),
        LinkKind::Ethernet | LinkKind::Veth | LinkKind::Bridge | LinkKind::Bond => (link, None),
    };
    if !link.up {
        return Err(Unresolved::LinkDown(link.name.clone()));
    }
    if !below.up {
        return Err(Unresolved::LinkDown(below.name.clone()));
    }
    let key = (ifindex, gateway.unwrap_or(destination));
    let dst_mac = tables
        .neighbour(&key)
        .filter(|neighbour| neighbour.state.usable())
        .and_then(|neighbour| neighbour.mac)
        .ok_or(Unresolved::NoNeighbour(key))?;
    Ok(NextHop {
        ifindex: below.index,
        device: below.name.clone(),
        src_mac: link.mac,
        dst_mac,
        vlan,
        mtu: clamp(mtu),
        neighbour: Some(key),
        kind: below.kind,
    })
}

fn local(tables: &Tables) -> Result<NextHop, Unresolved> {
    let lo = tables.loopback().ok_or(Unresolved::NoRoute)?;
    if !lo.up {
        return Err(Unresolved::LinkDown(lo.name.clone()));
    }
    Ok(NextHop {
        ifindex: lo.index,
        device: lo.name.clone(),
        src_mac: [0; 6],
        dst_mac: [0; 6],
        vlan: None,
        mtu: clamp(lo.mtu),
        neighbour: None,
        kind: LinkKind::Loopback,
    })
}

fn clamp(mtu: u32) -> u16 {
    u16::try_from(mtu).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::{
        super::tables::{Link, Neighbour, NeighbourState, XdpAttached},
        *,
    };

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
    const ROUTER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn tables() -> Tables {
        let mut tables = Tables::default();
        for (index, kind, mac, mtu) in [
            (1, LinkKind::Loopback, 0, 65536),
            (2, LinkKind::Ethernet, 2, 1500),
            (3, LinkKind::Vlan { parent: 2, id: 42 }, 3, 1496),
            (4, LinkKind::NoEthernet, 0, 1420),
        ] {
            tables.put_link(Link {
                index,
                name: format!("dev{index}").into(),
                kind,
                mac: [mac; 6],
                mtu,
                up: true,
                xdp: XdpAttached::None,
            });
        }
        tables
    }

    fn know(tables: &mut Tables, key: NeighbourKey, state: NeighbourState) {
        tables.put_neighbour(key, Neighbour { state, mac: Some([9; 6]) });
    }

    fn via(ifindex: u32, gateway: Option<IpAddr>) -> Lookup {
        Lookup::Via { ifindex, gateway, mtu: None }
    }

    #[test]
    fn a_gateway_gives_the_mac_and_the_device() {
        let mut tables = tables();
        know(&mut tables, (2, ROUTER), NeighbourState::Stale);
        let hop = resolve(&tables, via(2, Some(ROUTER)), PEER).unwrap();
        assert_eq!(
            (hop.ifindex, hop.src_mac, hop.dst_mac, hop.vlan, hop.mtu),
            (2, [2; 6], [9; 6], None, 1500)
        );
    }

    #[test]
    fn a_vlan_keeps_its_tag_its_mac_and_its_mtu_and_leaves_below() {
        let mut tables = tables();
        know(&mut tables, (3, PEER), NeighbourState::Fresh);
        let hop = resolve(&tables, via(3, None), PEER).unwrap();
        assert_eq!((hop.ifindex, hop.src_mac, hop.vlan, hop.mtu), (2, [3; 6], Some(42), 1496));
        assert_eq!(hop.neighbour, Some((3, PEER)));
    }

    #[test]
    fn an_unusable_neighbour_is_no_next_hop() {
        let mut tables = tables();
        assert_eq!(resolve(&tables, via(2, None), PEER), Err(Unresolved::NoNeighbour((2, PEER))));
        for state in [NeighbourState::Failed, NeighbourState::Unresolved] {
            know(&mut tables, (2, PEER), state);
            assert_eq!(resolve(&tables, via(2, None), PEER).unwrap_err().reason(), Reason::NoNextHop);
        }
        for state in [NeighbourState::Fresh, NeighbourState::Stale, NeighbourState::Confirming] {
            know(&mut tables, (2, PEER), state);
            assert!(resolve(&tables, via(2, None), PEER).is_ok());
        }
    }

    #[test]
    fn a_link_that_is_down_above_or_below_is_no_next_hop() {
        for index in [2, 3] {
            let mut tables = tables();
            know(&mut tables, (3, PEER), NeighbourState::Fresh);
            let mut link = tables.link(index).unwrap().clone();
            link.up = false;
            tables.put_link(link);
            assert!(matches!(resolve(&tables, via(3, None), PEER), Err(Unresolved::LinkDown(_))));
        }
    }

    #[test]
    fn devices_without_ethernet_framing_are_named_as_such() {
        assert_eq!(resolve(&tables(), via(4, None), PEER).unwrap_err().reason(), Reason::EgressDevice);
    }

    #[test]
    fn local_destinations_leave_by_loopback_without_addresses() {
        let hop = resolve(&tables(), Lookup::Local, PEER).unwrap();
        assert_eq!((hop.ifindex, hop.dst_mac, hop.mtu, hop.kind), (1, [0; 6], 65535, LinkKind::Loopback));
    }

    #[test]
    fn the_route_mtu_lowers_but_never_raises_the_limit() {
        let mut tables = tables();
        know(&mut tables, (2, PEER), NeighbourState::Fresh);
        let lookup = |mtu| Lookup::Via { ifindex: 2, gateway: None, mtu: Some(mtu) };
        assert_eq!(resolve(&tables, lookup(1280), PEER).unwrap().mtu, 1280);
        assert_eq!(resolve(&tables, lookup(9000), PEER).unwrap().mtu, 1500);
    }
}
