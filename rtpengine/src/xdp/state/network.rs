//! What the network allows: devices, routes and neighbours.

use rtpengine_core::io::{Reason, StreamId};

use super::State;
use crate::{
    netlink::{Change, LinkKind, RouteClient, Tables},
    xdp::{devices::AttachMode, flow::Route},
};

impl State {
    /// Devices, neighbours, addresses or routes changed.
    pub async fn network_changed(&mut self, routes: &RouteClient, change: &Change) {
        let tables = routes.tables();
        for index in &change.links {
            match tables.link(*index) {
                Some(link) => self.devices.observe(link),
                None => self.devices.forget(*index),
            }
        }
        let mut affected = self.hops.refresh(tables);
        if change.addresses || change.lost || !change.links.is_empty() {
            self.devices.features_changed();
            self.attach_devices(tables);
            affected = self.flows.keys().copied().collect();
        }
        if affected.is_empty() {
            return;
        }
        for stream in affected {
            self.evaluate(stream, tables);
        }
        self.keep_neighbours(routes).await;
        self.changed = true;
    }

    /// Asks the kernel's routing again for every pair in use.
    pub async fn relookup(&mut self, routes: &RouteClient) {
        for key in self.hops.keys() {
            let lookup = routes.lookup(key.0, key.1, key.2).await;
            self.hops.set_lookup(&key, lookup);
        }
        for stream in self.hops.refresh(routes.tables()) {
            self.evaluate(stream, routes.tables());
        }
        self.changed = true;
    }

    /// Keeps neighbours of forwarded flows alive and has missing ones resolved.
    pub async fn keep_neighbours(&self, routes: &RouteClient) {
        for key in self.hops.neglected(routes.tables()) {
            routes.use_neighbour(key).await;
        }
    }

    pub(super) fn attach_devices(&mut self, tables: &Tables) {
        for address in &self.config.addresses {
            if let Some(link) = tables.owner_of(*address).and_then(|index| tables.attach_point(index)) {
                self.devices.attach(link);
            }
        }
    }

    /// The way of a flow that may be in the kernel, or why it may not.
    pub(super) fn wanted(&mut self, stream: StreamId, tables: &Tables) -> Result<Route, Reason> {
        let flow = self.flows.get(&stream).ok_or(Reason::Deleting)?;
        let spec = &flow.spec;
        if spec.outputs.len() > 1 {
            return Err(Reason::ManyOutputs);
        }
        let own = tables.owner_of(spec.local.ip()).and_then(|index| tables.attach_point(index));
        let from_here = tables.is_local(spec.source.ip());
        // Packets between sockets of this host pass loopback, whatever device owns the addresses.
        let ingress = if from_here { tables.loopback() } else { own };
        let mode = ingress.map_or(AttachMode::Userspace, |link| self.devices.mode(link.index));
        if mode == AttachMode::Userspace {
            return Err(if from_here { Reason::LocalPeer } else { Reason::NoXdp });
        }
        // Between the ends of a veth pair nothing fills checksums in that the sender left to hardware. In generic mode the
        // stack still knows of them.
        let no_checksum_in =
            mode == AttachMode::Native && ingress.is_some_and(|link| link.kind == LinkKind::Veth);
        let Some(key) = &flow.hop else { return Ok(Route { hop: None, no_checksum_in }) };
        let hop = match self.hops.get(key) {
            Some(Ok(hop)) => hop.clone(),
            Some(Err(unresolved)) => return Err(unresolved.reason()),
            None => return Err(Reason::NoNextHop),
        };
        if (hop.kind == LinkKind::Loopback) != from_here {
            return Err(Reason::LocalPeer);
        }
        if hop.kind != LinkKind::Loopback {
            // Some drivers prepare their transmit queues for XDP only while a program is attached.
            if let Some(link) = tables.link(hop.ifindex) {
                self.devices.attach(link);
            }
            if mode == AttachMode::Native && !self.devices.transmits(hop.ifindex, hop.kind) {
                return Err(Reason::EgressDevice);
            }
        }
        Ok(Route { hop: Some(hop), no_checksum_in })
    }
}
