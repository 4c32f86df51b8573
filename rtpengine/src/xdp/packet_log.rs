//! What the program tells of packets of flows that are debugged, by aya-log.

use std::sync::{Arc, Mutex, PoisonError};

use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};
use rtpengine_common::reason::Reason;
use tokio::io::{Interest, unix::AsyncFd};

use super::error::XdpError;

/// One message of the program: `table T slot S reason R`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketMessage {
    /// Table of the flow.
    pub table: u32,
    /// Row of the flow's counters.
    pub slot: u32,
    /// [`Reason`] by its number.
    pub reason: u32,
}

impl PacketMessage {
    fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split_whitespace().skip(1).step_by(2).map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { table: next()?, slot: next()?, reason: next()? })
    }

    /// Name of the reason; its number where this release does not know it.
    #[must_use]
    pub fn reason(self) -> String {
        Reason::of_packet(self.reason)
            .map_or_else(|| format!("reason {}", self.reason), |reason| format!("{reason:?}"))
    }
}

/// Takes the messages for the reader.
#[derive(Clone, Debug, Default)]
struct Collector(Arc<Mutex<Vec<PacketMessage>>>);

impl Collector {
    fn take(&self) -> Vec<PacketMessage> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Log for Collector {
    fn enabled(&self, _metadata: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if let Some(message) = PacketMessage::parse(&record.args().to_string()) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message);
        }
    }

    fn flush(&self) {}
}

/// Reader of the program's messages. The ring is the program's own, so the daemon whose program the devices run, the one
/// that came last, reads those of all tables.
pub struct PacketLog {
    reader: AsyncFd<EbpfLogger<Collector>>,
    collector: Collector,
}

impl PacketLog {
    /// Reads what the loaded program says. Needs a runtime with I/O.
    ///
    /// # Errors
    /// [`XdpError::Load`].
    pub fn open(ebpf: &mut aya::Ebpf) -> Result<Self, XdpError> {
        let collector = Collector::default();
        let reader = EbpfLogger::init_with_logger(ebpf, collector.clone())
            .map_err(|error| XdpError::Load(format!("messages of the program: {error}")))?;
        // SAFETY: the ring's descriptor is the reader's own, stays the same and is open as long as the reader lives.
        let reader = unsafe { AsyncFd::register_with_interest(reader, Interest::READABLE) }
            .map_err(|error| XdpError::Thread(error.into()))?;
        Ok(Self { reader, collector })
    }

    /// Waits for messages.
    pub async fn messages(&mut self) -> Vec<PacketMessage> {
        // Fails only when the runtime is shutting down.
        if let Ok(mut ready) = self.reader.readable_mut().await {
            ready.get_inner_mut().flush();
            ready.clear_ready();
        }
        self.collector.take()
    }

    /// Messages that are there already.
    pub fn flush(&mut self) -> Vec<PacketMessage> {
        self.reader.get_mut().flush();
        self.collector.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_as_the_program_writes_them() {
        let message = PacketMessage::parse("table 3 slot 70 reason 0").unwrap();
        assert_eq!(message, PacketMessage { table: 3, slot: 70, reason: 0 });
        assert_eq!(message.reason(), "Forwarded");
        assert_eq!(PacketMessage::parse("something else"), None);
    }
}
