//! The manager's state: flows, devices, next hops, slots, and what is asked of it. Below: `transitions` between userspace
//! and the kernel, what the `network` allows, what is to `watch`.

mod network;
mod packets;
mod transitions;
mod watch;

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
};

use ahash::AHashMap;
use rtpengine_common::abi::{FlowKey, FlowValue, SLOTS_PER_CHUNK};
use rtpengine_core::io::{FlowSpec, Path, Reason, StreamId};
use tokio::sync::mpsc::UnboundedSender;

use super::{
    clock,
    contexts::{Contexts, FlowKeys},
    counters::CounterBook,
    devices::{AttachMode, Devices},
    error::XdpError,
    flow::{self, AdoptedFlow},
    handle::{Events, OffloadConfig, Status},
    handover::{Handover, Outcome, Report, Ticket},
    hops::{HopKey, Hops},
    queue::Stop,
    slots::Slots,
    table::Table,
};
use crate::netlink::{Lookup, RouteClient, Unresolved};
pub(super) use transitions::refusal;

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

struct Flow {
    spec: Box<FlowSpec>,
    hop: Option<HopKey>,
    /// The contexts that it had in the kernel last, or has there.
    keys: FlowKeys,
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
    contexts: Contexts,
    /// The stream a resting slot is folded into.
    resting: AHashMap<u32, StreamId>,
    hops: Hops,
    flows: AHashMap<StreamId, Flow>,
    adopted: AHashMap<FlowKey, AdoptedFlow>,
    /// The contexts of those that have some.
    inherited: AHashMap<FlowKey, FlowKeys>,
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
        let contexts = Contexts::new(Arc::clone(&table.maps.net));
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
            contexts,
            resting: AHashMap::new(),
            hops: Hops::default(),
            flows: AHashMap::new(),
            adopted: AHashMap::new(),
            inherited: AHashMap::new(),
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
            self.add_chunk(first);
        }
        let flows = self.table.maps.list().map_err(self.map_error())?;
        for flow in flows {
            // Without its keys a flow forwards nothing.
            let Some(keys) = self.contexts.inherit(&flow).filter(|_| self.slots.claim(flow.value.slot))
            else {
                self.remove_key(&flow.key, flow.value.slot);
                continue;
            };
            self.table.maps.stats().adopt(flow.value.slot);
            self.adopted.insert(flow.key, flow);
            if !keys.is_empty() {
                self.inherited.insert(flow.key, keys);
            }
        }
        self.table.maps.net.wipe_unused(self.table.number)?;
        if !self.adopted.is_empty() {
            tracing::info!(target: "core", table = self.table.number, flows = self.adopted.len(), "flows of a predecessor keep forwarding");
        }
        self.changed = true;
        self.publish();
        Ok(self.adopted.values().copied().collect())
    }

    /// A chunk of counters, by its first slot, and of contexts is the table's.
    fn add_chunk(&mut self, first: u32) {
        self.slots.add_chunk(first, SLOTS_PER_CHUNK);
        self.contexts.add_chunk(first / SLOTS_PER_CHUNK);
    }

    /// A new or changed flow.
    pub async fn install(&mut self, routes: &RouteClient, spec: Box<FlowSpec>) {
        let stream = spec.stream;
        let hop = match spec.outputs.as_slice() {
            [output] => Some((output.from.ip(), output.to.ip(), output.tos.unwrap_or(0))),
            [] | [_, ..] => None,
        };
        if let Some(key) = hop {
            let lookup = if self.hops.is_new(&key) {
                routes.lookup(key.0, key.1, key.2).await
            } else {
                Lookup::Unreachable
            };
            self.hops.join(key, stream, lookup, routes.tables());
        }
        let mut renamed = false;
        match self.flows.get_mut(&stream) {
            Some(flow) => {
                renamed = flow.spec.identity != spec.identity;
                let old = std::mem::replace(&mut flow.hop, hop);
                flow.spec = spec;
                flow.leaving = false;
                if let Some(old) = old.filter(|old| Some(*old) != hop) {
                    self.hops.leave(&old, stream);
                }
            }
            None => {
                let place = self.claim(&spec).unwrap_or(Place::Userspace(Reason::NotEstablished));
                let keys = self.inherited.remove(&flow::key(spec.local)).unwrap_or_default();
                let flow = Flow { spec, hop, keys, place, generation: 0, leaving: false, reported: None };
                self.flows.insert(stream, flow);
            }
        }
        self.evaluate(stream, routes.tables());
        if renamed {
            self.describe(stream);
        }
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
            self.inherited.remove(&key);
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
