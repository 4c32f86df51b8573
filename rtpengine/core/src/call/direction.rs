//! `direction`, `from-interface`, `to-interface`, `interface` and `address family`: where a party is talked to from.

use super::interfaces::{Family, Interfaces, Wanted};
use crate::ng::{AddressFamily, Request};

/// Legacy keyword for a turn over all interfaces.
const ROUND_ROBIN: &str = "round-robin-calls";

/// What an offer asks for, for both sides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Placement {
    /// Interface towards the sender.
    pub(super) from: Option<String>,
    /// Interface towards the receiver.
    pub(super) to: Option<String>,
    pub(super) from_family: Option<Family>,
    pub(super) to_family: Option<Family>,
    pub(super) warnings: Vec<String>,
}

/// Reads the placement keys of an offer.
pub(super) fn placement(request: &Request, interfaces: &Interfaces) -> Placement {
    let mut placement = Placement {
        to_family: request.address_family.map(|family| match family {
            AddressFamily::Ip4 => Family::V4,
            AddressFamily::Ip6 => Family::V6,
        }),
        ..Placement::default()
    };
    let from = request.from_interface.as_ref().or(request.interface.as_ref());
    for (name, sender) in [(from, true), (request.to_interface.as_ref(), false)] {
        let Some(name) = name.filter(|name| !name.is_empty()) else { continue };
        let legacy = match name.as_str() {
            "internal" if !interfaces.knows(name) => Some(Family::V4),
            "external" if !interfaces.knows(name) => Some(Family::V6),
            _ => None,
        };
        let (interface, family) = if sender {
            (&mut placement.from, &mut placement.from_family)
        } else {
            (&mut placement.to, &mut placement.to_family)
        };
        if legacy.is_some() {
            *family = family.or(legacy);
        } else if interfaces.knows(name) || name == ROUND_ROBIN {
            *interface = Some(name.clone());
        } else {
            placement
                .warnings
                .push(format!("Interface '{name}' is not configured: the default interface is used"));
        }
    }
    placement
}

/// The interface a remembered name stands for.
pub(super) fn wanted(name: Option<&str>) -> Wanted<'_> {
    match name {
        None => Wanted::Default,
        Some(ROUND_ROBIN) => Wanted::AnyInTurn,
        Some(name) => Wanted::Named(name),
    }
}
