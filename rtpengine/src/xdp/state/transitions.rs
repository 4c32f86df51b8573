//! The transitions of a flow between userspace and the kernel.

use std::{io, sync::Arc};

use rtpengine_common::abi::{FlowKey, FlowValue, SLOTS_PER_CHUNK};
use rtpengine_core::io::{FlowSpec, MediaEvent, Path, Reason, StreamId};

use super::{Idle, Place, State};
use crate::{
    netlink::Tables,
    xdp::{
        clock,
        flow::{self, Room, Route},
        handover::{self, Action},
        table::TableMaps,
    },
};

impl State {
    /// Brings one flow in line.
    pub(super) fn evaluate(&mut self, stream: StreamId, tables: &Tables) {
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
        let outcome =
            describe(&self.table.maps, &flow.spec).and_then(|()| self.table.maps.install(&key, &new));
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

    /// Brings what a successor would read of a flow in the kernel up to date.
    pub(super) fn describe(&self, stream: StreamId) {
        if let Some(flow) = self.flows.get(&stream)
            && matches!(flow.place, Place::Kernel { .. })
            && let Err(error) = describe(&self.table.maps, &flow.spec)
        {
            tracing::warn!(target: "core", call = %flow.spec.identity.call_id, %error, "cannot describe a flow to a successor");
        }
    }

    /// To userspace, from wherever the flow is.
    pub(super) fn withdraw(&mut self, stream: StreamId, reason: Reason) {
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
    pub(super) fn abort(&mut self, stream: StreamId, reason: Reason) {
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
    pub(super) fn tell_relay(&self, stream: StreamId, slot: u32) {
        let untold = self.counters.tell(stream, slot);
        if !untold.is_empty() {
            self.relay.absorb(stream, &untold);
        }
    }

    pub(super) fn remove_key(&self, key: &FlowKey, slot: u32) {
        if let Err(error) = self.table.maps.remove(key, slot) {
            tracing::error!(target: "core", table = self.table.number, %error, "cannot remove a flow from the kernel");
        }
    }

    /// Tells the core where the stream is, when that changed.
    pub(super) fn tell(&mut self, stream: StreamId) {
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
}

/// Writes who a flow in the kernel belongs to.
fn describe(maps: &TableMaps, spec: &FlowSpec) -> io::Result<()> {
    let key = flow::key(spec.local);
    let installed = maps.info.get(&key)?.map_or(0, |info| info.installed_ns);
    maps.info.put(&key, &flow::info(spec, installed))
}

/// Why the kernel did not take a flow.
pub(super) fn refusal(error: &io::Error) -> Reason {
    match error.raw_os_error() {
        Some(libc::E2BIG) => Reason::TableFull,
        Some(_) | None => Reason::KernelError,
    }
}
