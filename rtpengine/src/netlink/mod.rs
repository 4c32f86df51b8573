//! Next hops: which device, which MAC addresses and which VLAN tag a forwarded packet needs.
//!
//! The XDP program never looks a route up: the answer is kept in each flow and renewed here whenever
//! the kernel reports that a neighbour, route, address or link changed. [`tables`] and [`nexthop`] hold
//! the pure decision, [`convert`] reads netlink messages, [`client`] owns the sockets,
//! [`features`] asks which devices can transmit XDP frames.

pub mod client;
pub mod convert;
pub mod features;

pub mod nexthop;
pub mod tables;

pub use client::{Change, NetlinkError, RouteClient};
pub use features::{DeviceFeatures, FeatureClient};
pub use nexthop::{Lookup, NextHop, Unresolved, resolve};
pub use tables::{Link, LinkKind, NeighbourState, Tables, XdpAttached};
