//! Next hops in use, each resolved once for all flows between one pair of addresses with one TOS.

use std::net::IpAddr;

use ahash::{AHashMap, AHashSet};
use rtpengine_core::io::StreamId;

use crate::netlink::{Lookup, NextHop, Tables, Unresolved, resolve, tables::NeighbourKey};

/// Local source and destination address, and the TOS of what is sent; 0 where packets keep theirs.
pub type HopKey = (IpAddr, IpAddr, u8);

#[derive(Debug)]
struct Hop {
    lookup: Lookup,
    outcome: Result<NextHop, Unresolved>,
    users: AHashSet<StreamId>,
}

/// The cache.
#[derive(Debug, Default)]
pub struct Hops(AHashMap<HopKey, Hop>);

impl Hops {
    /// The next hop of a pair in use.
    #[must_use]
    pub fn get(&self, key: &HopKey) -> Option<&Result<NextHop, Unresolved>> {
        self.0.get(key).map(|hop| &hop.outcome)
    }

    /// `true` where a lookup is needed before [`Hops::join`].
    #[must_use]
    pub fn is_new(&self, key: &HopKey) -> bool {
        !self.0.contains_key(key)
    }

    /// Notes that a stream uses a pair. `lookup` is only used for a new pair.
    pub fn join(&mut self, key: HopKey, stream: StreamId, lookup: Lookup, tables: &Tables) {
        let hop = self.0.entry(key).or_insert_with(|| Hop {
            lookup,
            outcome: resolve(tables, lookup, key.1),
            users: AHashSet::new(),
        });
        hop.users.insert(stream);
    }

    /// Ends the use; the last user's leaving forgets the pair.
    pub fn leave(&mut self, key: &HopKey, stream: StreamId) {
        if let Some(hop) = self.0.get_mut(key) {
            hop.users.remove(&stream);
            if hop.users.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// All pairs in use.
    #[must_use]
    pub fn keys(&self) -> Vec<HopKey> {
        self.0.keys().copied().collect()
    }

    /// Notes a new answer of the kernel's routing; [`Hops::refresh`] acts on it.
    pub fn set_lookup(&mut self, key: &HopKey, lookup: Lookup) {
        if let Some(hop) = self.0.get_mut(key) {
            hop.lookup = lookup;
        }
    }

    /// Resolves everything anew. Returns the streams whose next hop changed.
    pub fn refresh(&mut self, tables: &Tables) -> Vec<StreamId> {
        let mut affected = Vec::new();
        for (key, hop) in &mut self.0 {
            let outcome = resolve(tables, hop.lookup, key.1);
            if outcome != hop.outcome {
                hop.outcome = outcome;
                affected.extend(hop.users.iter().copied());
            }
        }
        affected
    }

    /// Neighbours that need a sign of use: those that would age out and those not resolved.
    #[must_use]
    pub fn neglected(&self, tables: &Tables) -> Vec<NeighbourKey> {
        let wanted: AHashSet<NeighbourKey> = self
            .0
            .values()
            .filter_map(|hop| match &hop.outcome {
                Ok(next) => next.neighbour.filter(|key| {
                    tables
                        .neighbour(key)
                        .is_some_and(|entry| entry.state == crate::netlink::NeighbourState::Stale)
                }),
                Err(Unresolved::NoNeighbour(key)) => Some(*key),
                Err(
                    Unresolved::NoRoute
                    | Unresolved::NoDevice(_)
                    | Unresolved::LinkDown(_)
                    | Unresolved::DeviceKind(_),
                ) => None,
            })
            .collect();
        wanted.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::{Link, LinkKind, NeighbourState, XdpAttached, tables::Neighbour};

    const KEY: HopKey = (
        IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)),
        IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2)),
        0,
    );
    const VIA: Lookup = Lookup::Via { ifindex: 2, gateway: None, mtu: None };

    fn tables(state: NeighbourState, mac: u8) -> Tables {
        let mut tables = Tables::default();
        tables.put_link(Link {
            index: 2,
            name: "eth0".into(),
            kind: LinkKind::Ethernet,
            mac: [1; 6],
            mtu: 1500,
            up: true,
            xdp: XdpAttached::None,
        });
        tables.put_neighbour((2, KEY.1), Neighbour { state, mac: Some([mac; 6]) });
        tables
    }

    #[test]
    fn only_users_of_a_changed_hop_are_affected() {
        let mut hops = Hops::default();
        hops.join(KEY, StreamId(1), VIA, &tables(NeighbourState::Fresh, 5));
        assert!(hops.refresh(&tables(NeighbourState::Stale, 5)).is_empty());
        assert_eq!(hops.refresh(&tables(NeighbourState::Stale, 6)), [StreamId(1)]);
        assert_eq!(hops.get(&KEY).unwrap().as_ref().unwrap().dst_mac, [6; 6]);
        assert_eq!(hops.refresh(&tables(NeighbourState::Failed, 6)), [StreamId(1)]);
        assert!(hops.get(&KEY).unwrap().is_err());
    }

    #[test]
    fn stale_and_missing_neighbours_are_told_to_be_in_use() {
        let mut hops = Hops::default();
        let fresh = tables(NeighbourState::Fresh, 5);
        hops.join(KEY, StreamId(1), VIA, &fresh);
        assert!(hops.neglected(&fresh).is_empty());
        assert_eq!(hops.neglected(&tables(NeighbourState::Stale, 5)), [(2, KEY.1)]);
        hops.refresh(&tables(NeighbourState::Failed, 5));
        assert_eq!(hops.neglected(&fresh), [(2, KEY.1)]);
    }

    #[test]
    fn a_hop_nobody_uses_is_forgotten() {
        let mut hops = Hops::default();
        hops.join(KEY, StreamId(1), VIA, &tables(NeighbourState::Fresh, 5));
        hops.leave(&KEY, StreamId(1));
        assert!(hops.is_new(&KEY));
    }
}
