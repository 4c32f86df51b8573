//! Reads netlink messages into the types of [`super::tables`].

use std::net::IpAddr;

use netlink_packet_route::{
    AddressFamily,
    address::{AddressAttribute, AddressMessage},
    link::{
        InfoData, InfoKind, InfoVlan, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
        LinkXdp, VlanProtocol, XdpAttached as WireXdp,
    },
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState as WireState},
    route::{RouteAddress, RouteAttribute, RouteMessage, RouteMetric, RouteType, RouteVia},
};

use super::{
    nexthop::Lookup,
    tables::{Link, LinkKind, Neighbour, NeighbourKey, NeighbourState, XdpAttached},
};

/// A device; `None` for messages of other families (bridge port reports) and devices without a name.
#[must_use]
pub fn link(message: &LinkMessage) -> Option<Link> {
    if message.header.interface_family != AddressFamily::Unspec {
        return None;
    }
    let mut link = Link {
        index: message.header.index,
        name: "".into(),
        kind: LinkKind::NoEthernet,
        mac: [0; 6],
        mtu: 0,
        up: message.header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp),
        xdp: XdpAttached::None,
    };
    let mut parent = 0;
    let mut info: &[LinkInfo] = &[];
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name.as_str().into(),
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Link(index) => parent = *index,
            LinkAttribute::Address(bytes) => link.mac = bytes.as_slice().try_into().unwrap_or_default(),
            LinkAttribute::LinkInfo(parts) => info = parts,
            LinkAttribute::Xdp(parts) => link.xdp = xdp(parts),
            _ => {}
        }
    }
    link.kind = kind(message.header.link_layer_type, info, parent);
    (!link.name.is_empty()).then_some(link)
}

fn xdp(parts: &[LinkXdp]) -> XdpAttached {
    parts
        .iter()
        .find_map(|part| match part {
            LinkXdp::Attached(WireXdp::None) => Some(XdpAttached::None),
            LinkXdp::Attached(WireXdp::Driver) => Some(XdpAttached::Native),
            LinkXdp::Attached(WireXdp::SocketBuffer) => Some(XdpAttached::Generic),
            LinkXdp::Attached(_) => Some(XdpAttached::Other),
            _ => None,
        })
        .unwrap_or_default()
}

fn kind(layer: LinkLayerType, info: &[LinkInfo], parent: u32) -> LinkKind {
    match layer {
        LinkLayerType::Loopback => return LinkKind::Loopback,
        LinkLayerType::Ether => {}
        _ => return LinkKind::NoEthernet,
    }
    let named = info.iter().find_map(|part| match part {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    match named {
        Some(InfoKind::Veth) => LinkKind::Veth,
        Some(InfoKind::Bridge) => LinkKind::Bridge,
        Some(InfoKind::Bond) => LinkKind::Bond,
        Some(InfoKind::Vlan) => vlan(info, parent),
        _ => LinkKind::Ethernet,
    }
}

fn vlan(info: &[LinkInfo], parent: u32) -> LinkKind {
    let mut id = 0;
    let mut protocol = VlanProtocol::Ieee8021Q;
    for part in info {
        let LinkInfo::Data(InfoData::Vlan(fields)) = part else { continue };
        for field in fields {
            match field {
                InfoVlan::Id(value) => id = *value,
                InfoVlan::Protocol(value) => protocol = *value,
                _ => {}
            }
        }
    }
    match protocol {
        VlanProtocol::Ieee8021Q => LinkKind::Vlan { parent, id },
        _ => LinkKind::ServiceVlan,
    }
}

/// A neighbour entry; `None` for other families than IPv4 and IPv6.
#[must_use]
pub fn neighbour(message: &NeighbourMessage) -> Option<(NeighbourKey, Neighbour)> {
    let mut address = None;
    let mut mac = None;
    for attribute in &message.attributes {
        match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(v4)) => address = Some(IpAddr::V4(*v4)),
            NeighbourAttribute::Destination(NeighbourAddress::Inet6(v6)) => address = Some(IpAddr::V6(*v6)),
            NeighbourAttribute::LinkLayerAddress(bytes) => mac = bytes.as_slice().try_into().ok(),
            _ => {}
        }
    }
    let state = match message.header.state {
        WireState::Reachable | WireState::Permanent | WireState::Noarp => NeighbourState::Fresh,
        WireState::Stale => NeighbourState::Stale,
        WireState::Delay | WireState::Probe => NeighbourState::Confirming,
        WireState::Failed => NeighbourState::Failed,
        _ => NeighbourState::Unresolved,
    };
    Some(((message.header.ifindex, address?), Neighbour { state, mac }))
}

/// A local address and its device.
#[must_use]
pub fn address(message: &AddressMessage) -> Option<(IpAddr, u32)> {
    // On point-to-point links IFA_ADDRESS is the peer and IFA_LOCAL the own address.
    let mut found = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(local) => return Some((*local, message.header.index)),
            AddressAttribute::Address(address) => found = Some(*address),
            _ => {}
        }
    }
    found.map(|address| (address, message.header.index))
}

/// The answer to a route lookup.
#[must_use]
pub fn route(message: &RouteMessage) -> Lookup {
    match message.header.kind {
        RouteType::Local => return Lookup::Local,
        RouteType::Unicast => {}
        _ => return Lookup::Unreachable,
    }
    let mut ifindex = None;
    let mut gateway = None;
    let mut mtu = None;
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Oif(index) => ifindex = Some(*index),
            RouteAttribute::Gateway(RouteAddress::Inet(v4)) | RouteAttribute::Via(RouteVia::Inet(v4)) => {
                gateway = Some(IpAddr::V4(*v4));
            }
            RouteAttribute::Gateway(RouteAddress::Inet6(v6)) | RouteAttribute::Via(RouteVia::Inet6(v6)) => {
                gateway = Some(IpAddr::V6(*v6));
            }
            RouteAttribute::Metrics(metrics) => {
                mtu = metrics.iter().find_map(|metric| match metric {
                    RouteMetric::Mtu(value) if *value > 0 => Some(*value),
                    _ => None,
                });
            }
            _ => {}
        }
    }
    match ifindex {
        Some(ifindex) => Lookup::Via { ifindex, gateway, mtu },
        None => Lookup::Unreachable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vlan_link_names_its_parent_and_tag() {
        let mut message = LinkMessage::default();
        message.header.index = 5;
        message.header.link_layer_type = LinkLayerType::Ether;
        message.header.flags = LinkFlags::Up | LinkFlags::LowerUp;
        message.attributes = vec![
            LinkAttribute::IfName("eth0.42".into()),
            LinkAttribute::Link(2),
            LinkAttribute::Mtu(1500),
            LinkAttribute::Address(vec![2, 0, 0, 0, 0, 5]),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Vlan),
                LinkInfo::Data(InfoData::Vlan(vec![InfoVlan::Id(42)])),
            ]),
        ];
        let link = link(&message).unwrap();
        assert_eq!(link.kind, LinkKind::Vlan { parent: 2, id: 42 });
        assert!(link.up);
        assert_eq!(link.mac, [2, 0, 0, 0, 0, 5]);
    }

    #[test]
    fn a_link_without_carrier_is_down() {
        let mut message = LinkMessage::default();
        message.header.flags = LinkFlags::Up;
        message.attributes = vec![LinkAttribute::IfName("eth0".into())];
        assert!(!link(&message).unwrap().up);
    }

    #[test]
    fn an_ipv6_gateway_of_an_ipv4_route_is_kept() {
        let mut message = RouteMessage::default();
        message.header.kind = RouteType::Unicast;
        let gateway: std::net::Ipv6Addr = "fe80::1".parse().unwrap();
        message.attributes = vec![RouteAttribute::Oif(3), RouteAttribute::Via(RouteVia::Inet6(gateway))];
        assert_eq!(route(&message), Lookup::Via { ifindex: 3, gateway: Some(gateway.into()), mtu: None });
    }

    #[test]
    fn rejecting_routes_are_unreachable_and_own_addresses_local() {
        let mut message = RouteMessage::default();
        for (kind, expected) in [
            (RouteType::BlackHole, Lookup::Unreachable),
            (RouteType::Multicast, Lookup::Unreachable),
            (RouteType::Local, Lookup::Local),
        ] {
            message.header.kind = kind;
            assert_eq!(route(&message), expected);
        }
    }
}
