//! What is looked at again and again: idle flows, rested slots, orphans, refusals that may have passed.

use std::sync::Arc;

use rtpengine_core::io::{Reason, StreamId};

use super::{Idle, Place, State};
use crate::{
    netlink::RouteClient,
    xdp::{
        clock,
        contexts::Shares,
        handover::{self, Action},
        orphans,
    },
};

impl State {
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

    /// Heartbeat, rested slots and contexts, idle flows.
    pub fn tick(&mut self) {
        let now = clock::now_ns();
        self.table.heartbeat(now);
        self.contexts.collect(now);
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
            self.inherited.remove(&key);
            self.slots.retire(slot, now);
        }
        orphans::sweep(&self.config.root, self.table.number, now);
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
                    Shares::new(),
                );
            }
            Idle::Yes { .. } | Idle::Waking => {}
        }
        self.tell(stream);
    }
}
