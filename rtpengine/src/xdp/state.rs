//! The manager's state: flows, devices, next hops, slots, and the transitions between userspace and the kernel.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
};

use ahash::AHashMap;
use rtpengine_common::abi::{FlowKey, FlowValue, SLOTS_PER_CHUNK};
use rtpengine_core::io::{FlowSpec, MediaEvent, Path, Reason, StreamId};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    clock,
    counters::CounterBook,
    devices::{AttachMode, Devices},
    error::XdpError,
    flow::{self, AdoptedFlow, Room, Route},
    handle::{Events, OffloadConfig, Status},
    handover::{self, Action, Handover, Outcome, Report, Ticket},
    hops::{HopKey, Hops},
    orphans,
    queue::Stop,
    slots::Slots,
    table::Table,
};
use crate::netlink::{Change, LinkKind, Lookup, RouteClient, Tables, Unresolved};

/// Where a flow is.
#[derive(Debug)]
enum Place {
    /// Relayed in userspace.
    Userspace(Reason),
    /// A handover job that installs it is under way.
    Entering { slot: u32, value: FlowValue, ticket: Ticket },
    /// Forwarded by the kernel.
    Kernel { slot: u32, value: FlowValue, idle: Idle },
}

/// Idleness of a kernel flow.
#[derive(Clone, Copy, Debug)]
enum Idle {
    /// Packets come. `punted`: packets handed up until the last look.
    No { punted: u64 },
    /// None came for so long that the program has stopped forwarding; waiting for the first one to be handed up.
    Yes { punted: u64 },
    /// A job that lets the program forward again is under way.
    Waking,
}

#[derive(Debug)]
struct Flow {
    spec: Box<FlowSpec>,
    hop: Option<HopKey>,
    place: Place,
    /// Number of the newest handover job; reports of others are out of date.
    generation: u64,
    /// `Remove` came while a job could not be cancelled any more.
    leaving: bool,
    reported: Option<Path>,
}

/// See the module.
pub(super) struct State {
    config: OffloadConfig,
    table: Table,
    devices: Devices,
    relay: Arc<dyn Handover>,
    reporter: UnboundedSender<Report>,
    events: Events,
    status: Arc<RwLock<Status>>,
    counters: Arc<CounterBook>,
    slots: Slots,
    /// The stream a resting slot is folded into.
    resting: AHashMap<u32, StreamId>,
    hops: Hops,
    flows: AHashMap<StreamId, Flow>,
    adopted: AHashMap<FlowKey, AdoptedFlow>,
    generation: u64,
    idle_ns: u64,
    /// [`State::publish`] has something to do.
    changed: bool,
}

impl State {
    pub fn new(
        config: OffloadConfig,
        table: Table,
        devices: Devices,
        relay: Arc<dyn Handover>,
        reporter: UnboundedSender<Report>,
        events: Events,
        status: Arc<RwLock<Status>>,
    ) -> Self {
        let counters = Arc::new(CounterBook::new(Arc::clone(table.maps.stats())));
        let idle_ns = u64::try_from(config.idle_after.as_nanos()).unwrap_or(u64::MAX);
        Self {
            config,
            table,
            devices,
            relay,
            reporter,
            events,
            status,
            counters,
            slots: Slots::new(rtpengine_common::abi::MAX_FLOWS),
            resting: AHashMap::new(),
            hops: Hops::default(),
            flows: AHashMap::new(),
            adopted: AHashMap::new(),
            generation: 0,
            idle_ns,
            changed: false,
        }
    }

    pub fn counters(&self) -> Arc<CounterBook> {
        Arc::clone(&self.counters)
    }

    /// Attaches the devices and takes stock of what a predecessor left.
    pub fn begin(&mut self, routes: &RouteClient) -> Result<Vec<AdoptedFlow>, XdpError> {
        self.attach_devices(routes.tables());
        let devices = self.devices.status();
        if self.config.no_fallback && devices.iter().all(|status| status.mode == AttachMode::Userspace) {
            let reasons: Vec<_> =
                devices.iter().map(|status| format!("{}: {}", status.name, status.reason)).collect();
            let text = if reasons.is_empty() {
                "no interface address exists yet".to_owned()
            } else {
                reasons.join("; ")
            };
            return Err(XdpError::Attach(text));
        }
        for first in self.table.maps.net.chunks_of(self.table.number)? {
            self.slots.add_chunk(first, SLOTS_PER_CHUNK);
        }
        let flows = self.table.maps.list().map_err(self.map_error())?;
        for flow in flows {
            if self.slots.claim(flow.value.slot) {
                self.table.maps.stats().adopt(flow.value.slot);
                self.adopted.insert(flow.key, flow);
            } else {
                self.remove_key(&flow.key, flow.value.slot);
            }
        }
        if !self.adopted.is_empty() {
            tracing::info!(target: "core", table = self.table.number, flows = self.adopted.len(), "flows of a predecessor keep forwarding");
        }
        self.changed = true;
        self.publish();
        Ok(self.adopted.values().copied().collect())
    }

    /// A new or changed flow.
    pub async fn install(&mut self, routes: &RouteClient, spec: Box<FlowSpec>) {
        let stream = spec.stream;
        let hop = match spec.outputs.as_slice() {
            [output] => Some((output.from.ip(), output.to.ip())),
            [] | [_, ..] => None,
        };
        if let Some(key) = hop {
            let lookup =
                if self.hops.is_new(&key) { routes.lookup(key.0, key.1).await } else { Lookup::Unreachable };
            self.hops.join(key, stream, lookup, routes.tables());
        }
        match self.flows.get_mut(&stream) {
            Some(flow) => {
                let old = std::mem::replace(&mut flow.hop, hop);
                flow.spec = spec;
                flow.leaving = false;
                if let Some(old) = old.filter(|old| Some(*old) != hop) {
                    self.hops.leave(&old, stream);
                }
            }
            None => {
                let place = self.claim(&spec).unwrap_or(Place::Userspace(Reason::NotEstablished));
                let flow = Flow { spec, hop, place, generation: 0, leaving: false, reported: None };
                self.flows.insert(stream, flow);
            }
        }
        self.evaluate(stream, routes.tables());
        if let Some(Err(Unresolved::NoNeighbour(neighbour))) = hop.and_then(|key| self.hops.get(&key)) {
            routes.use_neighbour(*neighbour).await;
        }
        self.changed = true;
    }

    /// The kernel's state of a flow that a predecessor installed.
    fn claim(&mut self, spec: &FlowSpec) -> Option<Place> {
        let adopted = self.adopted.remove(&flow::key(spec.local))?;
        let slot = adopted.value.slot;
        self.counters.open(spec.stream, slot);
        if let Some(output) = spec.outputs.first() {
            self.counters.adopt_output(slot, output.stream);
        }
        Some(Place::Kernel {
            slot,
            value: adopted.value,
            idle: Idle::No { punted: self.table.maps.stats().read(slot).punted },
        })
    }

    /// The flow is not wanted any more.
    pub fn remove(&mut self, stream: StreamId) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        if let Place::Entering { ticket, .. } = &flow.place
            && !ticket.cancel()
        {
            flow.leaving = true;
            return;
        }
        self.withdraw(stream, Reason::Deleting);
        if let Some(flow) = self.flows.remove(&stream)
            && let Some(hop) = flow.hop
        {
            self.hops.leave(&hop, stream);
        }
        self.changed = true;
    }

    /// Removes adopted flows nobody claimed.
    pub fn drop_unclaimed(&mut self) {
        let now = clock::now_ns();
        for (key, flow) in std::mem::take(&mut self.adopted) {
            self.remove_key(&key, flow.value.slot);
            self.slots.retire(flow.value.slot, now);
        }
    }

    /// A handover job ended.
    pub fn reported(&mut self, routes: &RouteClient, report: Report) {
        let stream = report.stream;
        let Some(flow) = self.flows.get_mut(&stream).filter(|flow| flow.generation == report.generation)
        else {
            return;
        };
        match &mut flow.place {
            Place::Userspace(_) => return,
            Place::Kernel { idle, slot, .. } => {
                let punted = self.table.maps.stats().read(*slot).punted;
                *idle = match report.outcome {
                    Outcome::Done => Idle::No { punted },
                    Outcome::NotRun | Outcome::Refused(_) => Idle::Yes { punted },
                };
            }
            Place::Entering { slot, value, .. } => {
                let (slot, value) = (*slot, *value);
                match report.outcome {
                    Outcome::Done => flow.place = Place::Kernel { slot, value, idle: Idle::No { punted: 0 } },
                    Outcome::Refused(error) => {
                        tracing::warn!(target: "core", call = %flow.spec.identity.call_id, %error, "the kernel refused a flow");
                        self.abort(stream, refusal(&error));
                    }
                    Outcome::NotRun => self.abort(stream, Reason::NotEstablished),
                }
            }
        }
        if self.flows.get(&stream).is_some_and(|flow| flow.leaving) {
            self.remove(stream);
            return;
        }
        if self.flows.get(&stream).is_some_and(|flow| matches!(flow.place, Place::Kernel { .. })) {
            self.evaluate(stream, routes.tables());
        }
        self.tell(stream);
        self.changed = true;
    }

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
            let lookup = routes.lookup(key.0, key.1).await;
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

    /// Tries flows again that failed for reasons no notification tells the end of.
    pub fn retry(&mut self, routes: &RouteClient) {
        self.devices.features_changed();
        let waiting: Vec<_> = self
            .flows
            .iter()
            .filter(|(_, flow)| {
                matches!(
                    flow.place,
                    Place::Userspace(
                        Reason::TableFull
                            | Reason::EgressDevice
                            | Reason::KernelError
                            | Reason::NotEstablished
                    )
                )
            })
            .map(|(stream, _)| *stream)
            .collect();
        for stream in waiting {
            self.evaluate(stream, routes.tables());
        }
        self.changed = true;
    }

    /// Heartbeat, rested slots, idle flows.
    pub fn tick(&mut self) {
        let now = clock::now_ns();
        self.table.heartbeat(now);
        while let Some(slot) = self.slots.next_rested(now) {
            if let Some(stream) = self.resting.remove(&slot) {
                self.tell_relay(stream, slot);
                self.counters.fold(stream, slot);
            }
        }
        let streams: Vec<_> = self.flows.keys().copied().collect();
        for stream in streams {
            self.check_idle(stream, now);
        }
        self.changed = true;
    }

    /// Removes adopted flows that nobody claimed and that carry no packets, and looks after other tables.
    pub fn expire_orphans(&mut self) {
        let now = clock::now_ns();
        let limit = self.table.owner().orphan_after_ns;
        let expired: Vec<_> = self
            .adopted
            .values()
            .filter(|flow| {
                let seen = self.table.maps.stats().read(flow.value.slot).last_seen_ns;
                now.saturating_sub(seen.max(flow.info.installed_ns)) > limit
            })
            .map(|flow| (flow.key, flow.value.slot))
            .collect();
        for (key, slot) in expired {
            self.adopted.remove(&key);
            self.remove_key(&key, slot);
            self.slots.retire(slot, now);
        }
        orphans::sweep(&self.config.root, self.table.number, now);
    }

    /// The end of the manager.
    pub fn end(self, stop: Stop) {
        self.table.maps.close();
        match stop {
            Stop::Keep => {}
            Stop::Remove => {
                if let Err(error) = self.table.remove() {
                    tracing::warn!(target: "core", %error, "could not remove everything from the kernel");
                }
            }
        }
    }

    fn attach_devices(&mut self, tables: &Tables) {
        for address in &self.config.addresses {
            if let Some(link) = tables.owner_of(*address).and_then(|index| tables.attach_point(index)) {
                self.devices.attach(link);
            }
        }
    }

    /// Brings one flow in line.
    fn evaluate(&mut self, stream: StreamId, tables: &Tables) {
        let wanted = self.wanted(stream, tables);
        let Some(flow) = self.flows.get(&stream) else { return };
        match (&flow.place, wanted) {
            // The report of the job comes and evaluates again.
            (Place::Entering { .. }, _) => {}
            (Place::Userspace(_), Ok(route)) => self.enter(stream, &route),
            (Place::Kernel { slot, value, .. }, Ok(route)) => {
                let new = flow::value(&flow.spec, &route, self.room(*slot));
                if new != *value {
                    self.replace(stream, new);
                }
            }
            (Place::Userspace(_) | Place::Kernel { .. }, Err(reason)) => self.withdraw(stream, reason),
        }
        self.tell(stream);
    }

    fn room(&self, slot: u32) -> Room {
        Room { table: self.table.number, slot, idle_limit_ns: self.idle_ns }
    }

    /// The way of a flow that may be in the kernel, or why it may not.
    fn wanted(&mut self, stream: StreamId, tables: &Tables) -> Result<Route, Reason> {
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

    /// A row of the counters.
    fn allocate(&mut self) -> Option<u32> {
        if let Some(slot) = self.slots.allocate() {
            return Some(slot);
        }
        match self.table.maps.net.take_chunk(self.table.number) {
            Ok(first) => self.slots.add_chunk(first?, SLOTS_PER_CHUNK),
            Err(error) => {
                tracing::warn!(target: "core", table = self.table.number, %error, "no room for more flows");
                return None;
            }
        }
        self.slots.allocate()
    }

    /// Userspace to kernel.
    fn enter(&mut self, stream: StreamId, route: &Route) {
        let room = self.allocate().map(|slot| self.room(slot));
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        let Some(room) = room else {
            flow.place = Place::Userspace(Reason::TableFull);
            return;
        };
        let slot = room.slot;
        let now = clock::now_ns();
        let key = flow::key(flow.spec.local);
        let value = flow::value(&flow.spec, route, room);
        self.table.maps.stats().reset(slot, now);
        if let Err(error) = self.table.maps.info.put(&key, &flow::info(&flow.spec, now)) {
            flow.place = Place::Userspace(refusal(&error));
            self.slots.release_unused(slot);
            return;
        }
        self.counters.open(stream, slot);
        self.counters.set_output(slot, flow.spec.outputs.first().map(|output| output.stream));
        self.generation += 1;
        flow.generation = self.generation;
        let ticket = handover::start(
            &self.relay,
            Arc::clone(&self.table.maps),
            self.reporter.clone(),
            (stream, self.generation),
            Action::Install(key, value),
        );
        flow.place = Place::Entering { slot, value, ticket };
    }

    /// The flow stays in the kernel with other settings.
    fn replace(&mut self, stream: StreamId, new: FlowValue) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        let Place::Kernel { value, slot, .. } = &mut flow.place else { return };
        let key = flow::key(flow.spec.local);
        let installed = self.table.maps.info.get(&key).ok().flatten().map_or(0, |info| info.installed_ns);
        let outcome = self
            .table
            .maps
            .info
            .put(&key, &flow::info(&flow.spec, installed))
            .and_then(|()| self.table.maps.install(&key, &new));
        match outcome {
            Ok(_) => {
                *value = new;
                let slot = *slot;
                let output = flow.spec.outputs.first().map(|output| output.stream);
                self.counters.set_output(slot, output);
            }
            Err(error) => {
                tracing::warn!(target: "core", call = %flow.spec.identity.call_id, %error, "the kernel refused a change of a flow");
                self.withdraw(stream, refusal(&error));
            }
        }
    }

    /// To userspace, from wherever the flow is.
    fn withdraw(&mut self, stream: StreamId, reason: Reason) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        match &flow.place {
            Place::Userspace(_) => flow.place = Place::Userspace(reason),
            Place::Entering { .. } => self.abort(stream, reason),
            Place::Kernel { slot, .. } => {
                let slot = *slot;
                let key = flow::key(flow.spec.local);
                flow.place = Place::Userspace(reason);
                self.remove_key(&key, slot);
                self.tell_relay(stream, slot);
                self.slots.retire(slot, clock::now_ns());
                self.resting.insert(slot, stream);
            }
        }
    }

    /// A flow that did not get into the kernel.
    fn abort(&mut self, stream: StreamId, reason: Reason) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        if let Place::Entering { slot, .. } = &flow.place {
            let slot = *slot;
            let key = flow::key(flow.spec.local);
            flow.place = Place::Userspace(reason);
            self.remove_key(&key, slot);
            self.counters.fold(stream, slot);
            self.slots.release_unused(slot);
        }
    }

    /// The relay's statistics continue where the kernel stopped.
    fn tell_relay(&self, stream: StreamId, slot: u32) {
        let untold = self.counters.tell(stream, slot);
        if !untold.is_empty() {
            self.relay.absorb(stream, &untold);
        }
    }

    fn remove_key(&self, key: &FlowKey, slot: u32) {
        if let Err(error) = self.table.maps.remove(key, slot) {
            tracing::error!(target: "core", table = self.table.number, %error, "cannot remove a flow from the kernel");
        }
    }

    /// The program stops forwarding a flow that was idle for too long; the packet that ends the silence is handed up, which
    /// shows here, and the flow is woken once that packet was relayed.
    fn check_idle(&mut self, stream: StreamId, now: u64) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        let Place::Kernel { slot, idle, .. } = &mut flow.place else { return };
        let stats = self.table.maps.stats().read(*slot);
        let silent = now.saturating_sub(stats.last_seen_ns) > self.idle_ns;
        match *idle {
            Idle::No { punted } if silent => *idle = Idle::Yes { punted },
            Idle::No { .. } => *idle = Idle::No { punted: stats.punted },
            Idle::Yes { punted }
                if stats.punted != punted && stats.last_reason == Reason::Inactive as u32 =>
            {
                *idle = Idle::Waking;
                self.generation += 1;
                flow.generation = self.generation;
                handover::start(
                    &self.relay,
                    Arc::clone(&self.table.maps),
                    self.reporter.clone(),
                    (stream, self.generation),
                    Action::Wake(*slot),
                );
            }
            Idle::Yes { .. } | Idle::Waking => {}
        }
        self.tell(stream);
    }

    /// Tells the core where the stream is, when that changed.
    fn tell(&mut self, stream: StreamId) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        let path = match &flow.place {
            Place::Userspace(reason) => Path::Userspace(*reason),
            Place::Entering { .. } => return,
            Place::Kernel { idle: Idle::No { .. }, .. } => Path::Kernel,
            Place::Kernel { idle: Idle::Yes { .. } | Idle::Waking, .. } => Path::Userspace(Reason::Idle),
        };
        if flow.reported.replace(path) != Some(path) {
            tracing::debug!(target: "core", call = %flow.spec.identity.call_id, stream = stream.0, ?path, "media path");
            (self.events)(MediaEvent::FlowPath { stream, path });
        }
    }

    /// `true` when [`State::publish`] has something to do.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Makes what changed visible in [`Status`].
    pub fn publish(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let kernel_flows =
            self.flows.values().filter(|flow| matches!(flow.place, Place::Kernel { .. })).count();
        let mut status = self.status.write().unwrap_or_else(PoisonError::into_inner);
        status.devices = self.devices.status();
        status.kernel_flows = kernel_flows;
        status.waiting_flows = self.flows.len() - kernel_flows;
    }

    fn map_error(&self) -> impl Fn(io::Error) -> XdpError + use<> {
        super::net::map_error(rtpengine_common::pins::FLOWS, rtpengine_common::abi::MAX_FLOWS)
    }
}

fn refusal(error: &io::Error) -> Reason {
    match error.raw_os_error() {
        Some(libc::E2BIG) => Reason::TableFull,
        Some(_) | None => Reason::KernelError,
    }
}
