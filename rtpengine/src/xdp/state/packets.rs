//! Messages of the program about packets of debugged calls, in the log.

use super::{Place, State};
use crate::xdp::packet_log::PacketMessage;

impl State {
    /// Logs what the program did with packets. Flows of other tables belong to other daemons.
    pub fn log_packets(&self, messages: Vec<PacketMessage>) {
        for message in messages.into_iter().filter(|message| message.table == self.table.number) {
            let found = self.flows.values().find(|flow| match &flow.place {
                Place::Kernel { slot, .. } | Place::Entering { slot, .. } => *slot == message.slot,
                Place::Userspace(_) => false,
            });
            if let Some(flow) = found {
                let (spec, reason) = (&flow.spec, message.reason());
                tracing::debug!(
                    target: "core", call = %spec.identity.call_id,
                    "packet from {} to {} in the kernel: {reason}", spec.source, spec.local
                );
            }
        }
    }
}
