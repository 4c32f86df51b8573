//! The transitions of a flow between userspace and the kernel.

use std::{io, sync::Arc};

use rtpengine_common::{
    abi::{FlowKey, FlowValue},
    srtp::Suite,
};
use rtpengine_core::io::{FlowSpec, MediaEvent, Path, Reason, StreamId};

use super::{Idle, Place, State};
use crate::{
    netlink::Tables,
    srtp::Direction,
    xdp::{
        clock,
        contexts::{FlowKeys, Share, Shares},
        flow::{self, Room, Route},
        handover::{self, Action},
        table::{Table, TableMaps},
    },
};

impl State {
    /// Brings one flow in line.
    pub(super) fn evaluate(&mut self, stream: StreamId, tables: &Tables) {
        // The report of the job comes and evaluates again.
        if self.flows.get(&stream).is_none_or(|flow| matches!(flow.place, Place::Entering { .. })) {
            return;
        }
        let wanted = self.wanted(stream, tables);
        match wanted.and_then(|route| Ok((route, self.keys(stream)?))) {
            Err(reason) => self.withdraw(stream, reason),
            Ok((route, keys)) => self.admit(stream, &route, keys),
        }
        self.tell(stream);
    }

    /// Brings a flow in line that may be in the kernel.
    fn admit(&mut self, stream: StreamId, route: &Route, keys: FlowKeys) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        match &flow.place {
            Place::Entering { .. } => {}
            // The relay has other keys now, and shares what it knows under them first.
            Place::Kernel { .. } if !keys.are(&flow.keys) => {
                self.withdraw(stream, Reason::NotEstablished);
                self.enter(stream, route, keys);
            }
            Place::Kernel { slot, value, .. } => {
                let (slot, old) = (*slot, *value);
                let new = flow::value(&flow.spec, route, Self::room(&self.table, self.idle_ns, slot, &keys));
                if new != old {
                    self.replace(stream, new);
                }
            }
            Place::Userspace(_) => self.enter(stream, route, keys),
        }
    }

    fn room(table: &Table, idle_limit_ns: u64, slot: u32, keys: &FlowKeys) -> Room {
        Room { table: table.number, slot, idle_limit_ns, contexts: keys.numbers() }
    }

    /// The contexts of a flow.
    fn keys(&mut self, stream: StreamId) -> Result<FlowKeys, Reason> {
        match self.try_keys(stream) {
            Err(Reason::TableFull) if self.take_chunk() => self.try_keys(stream),
            keys => keys,
        }
    }

    fn try_keys(&mut self, stream: StreamId) -> Result<FlowKeys, Reason> {
        let flow = self.flows.get(&stream).ok_or(Reason::Deleting)?;
        let (spec, current) = (&flow.spec, &flow.keys);
        if spec.inherits_keys {
            let inherited = current.inherited && !current.is_empty();
            return if inherited { Ok(current.clone()) } else { Err(Reason::NoKeys) };
        }
        let receive = spec.crypto.as_ref().map(|crypto| {
            self.contexts.acquire(spec.keyring, Direction::Receive, crypto, current.receive.as_ref())
        });
        let output = spec.outputs.first();
        let transmit = output.and_then(|output| {
            let (crypto, transmit) = (output.crypto.as_ref()?, current.transmit.as_ref());
            Some(self.contexts.acquire(output.keyring, Direction::Transmit, crypto, transmit))
        });
        Ok(FlowKeys { receive: receive.transpose()?, transmit: transmit.transpose()?, inherited: false })
    }

    /// More rows of counters and contexts. `false`: there are none.
    fn take_chunk(&mut self) -> bool {
        match self.table.maps.net.take_chunk(self.table.number) {
            Ok(Some(first)) => {
                self.add_chunk(first);
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(target: "core", table = self.table.number, %error, "no room for more flows");
                false
            }
        }
    }

    /// A row of the counters.
    fn allocate(&mut self) -> Option<u32> {
        if let Some(slot) = self.slots.allocate() {
            return Some(slot);
        }
        if self.take_chunk() { self.slots.allocate() } else { None }
    }

    /// Userspace to kernel.
    fn enter(&mut self, stream: StreamId, route: &Route, keys: FlowKeys) {
        let slot = self.allocate();
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        let Some(slot) = slot else {
            flow.place = Place::Userspace(Reason::TableFull);
            return;
        };
        let room = Self::room(&self.table, self.idle_ns, slot, &keys);
        let shares = shares(&flow.spec, &keys);
        let suites = keys.suites();
        flow.keys = keys;
        let now = clock::now_ns();
        let key = flow::key(flow.spec.local);
        let value = flow::value(&flow.spec, route, room);
        self.table.maps.stats().reset(slot, now);
        if let Err(error) = self.table.maps.info.put(&key, &flow::info(&flow.spec, suites, now)) {
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
            Action::Install(key, Box::new(value)),
            shares,
        );
        flow.place = Place::Entering { slot, value, ticket };
    }

    /// The flow stays in the kernel with other settings.
    fn replace(&mut self, stream: StreamId, new: FlowValue) {
        let Some(flow) = self.flows.get_mut(&stream) else { return };
        let Place::Kernel { value, slot, .. } = &mut flow.place else { return };
        let key = flow::key(flow.spec.local);
        let outcome = describe(&self.table.maps, &flow.spec, flow.keys.suites())
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

    /// Brings what a successor would read of a flow in the kernel up to date.
    pub(super) fn describe(&self, stream: StreamId) {
        if let Some(flow) = self.flows.get(&stream)
            && matches!(flow.place, Place::Kernel { .. })
            && let Err(error) = describe(&self.table.maps, &flow.spec, flow.keys.suites())
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
fn describe(maps: &TableMaps, spec: &FlowSpec, suites: [Option<Suite>; 2]) -> io::Result<()> {
    let key = flow::key(spec.local);
    let installed = maps.info.get(&key)?.map_or(0, |info| info.installed_ns);
    maps.info.put(&key, &flow::info(spec, suites, installed))
}

/// What the relay is to share before the flow can be in the kernel.
fn shares(spec: &FlowSpec, keys: &FlowKeys) -> Shares {
    let receive = Share::new(spec.keyring, Direction::Receive, spec.crypto.as_ref(), keys.receive.as_ref());
    let transmit = spec.outputs.first().and_then(|output| {
        Share::new(output.keyring, Direction::Transmit, output.crypto.as_ref(), keys.transmit.as_ref())
    });
    receive.into_iter().chain(transmit).collect()
}

/// Why the kernel did not take a flow.
pub(in crate::xdp) fn refusal(error: &io::Error) -> Reason {
    match error.raw_os_error() {
        Some(libc::E2BIG) => Reason::TableFull,
        Some(_) | None => Reason::KernelError,
    }
}
