//! Wire formats as the program sees them: fixed-size views of byte arrays in network order, checked before use.

mod classify;
mod ethernet;
mod frame;
mod ipv4;
mod ipv6;
mod rtp;
mod udp;

pub use classify::{Kind, classify};
pub use ethernet::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, ETHERTYPE_VLAN, Ethernet, Link, TaggedEthernet, VlanTag};
pub use frame::{Frame, View};
pub use ipv4::{Ipv4, Ipv4Udp};
pub use ipv6::{Ipv6, Ipv6Udp};
pub use rtp::{Rtp, RtpLayout};
pub use udp::Udp;
