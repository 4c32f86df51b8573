//! What the rest of the daemon holds: commands in, counters and status out.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread::JoinHandle,
    time::Duration,
};

use rtpengine_common::abi::MAX_TABLES;
use rtpengine_core::io::{FlowCommand, MediaEvent, Path, Reason, StreamId};

use super::{
    bpffs::BpfRoot,
    counters::{CounterBook, KernelCounters},
    devices::DeviceStatus,
    error::XdpError,
    flow::AdoptedFlow,
    handover::Handover,
    manager,
    queue::{Queue, Stop},
};

/// Settings of the fast path.
#[derive(Clone, Debug)]
pub struct OffloadConfig {
    /// `--table`; negative: no kernel path.
    pub table: i64,
    /// `--no-fallback`: failing to set the kernel path up is an error.
    pub no_fallback: bool,
    /// The local addresses of all logical interfaces.
    pub addresses: Vec<IpAddr>,
    /// Where things are pinned.
    pub root: BpfRoot,
    /// A flow without packets for this long goes back to userspace until packets come again.
    pub idle_after: Duration,
    /// Flows without packets for this long expire when their daemon is gone.
    pub orphan_after: Duration,
}

impl OffloadConfig {
    /// Settings for a table, the rest at its defaults.
    #[must_use]
    pub fn new(table: i64, addresses: Vec<IpAddr>) -> Self {
        Self {
            table,
            no_fallback: false,
            addresses,
            root: BpfRoot::default(),
            idle_after: Duration::from_secs(30),
            orphan_after: Duration::from_secs(600),
        }
    }
}

/// State of the fast path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The table in use.
    pub table: Option<u32>,
    /// Why there is no kernel path at all.
    pub off: Option<String>,
    /// Devices tried so far.
    pub devices: Vec<DeviceStatus>,
    /// Streams forwarded by the kernel.
    pub kernel_flows: usize,
    /// Streams that should be, but are not.
    pub waiting_flows: usize,
}

/// Outcome of the start.
#[derive(Clone, Debug, Default)]
pub struct StartReport {
    /// Status at start.
    pub status: Status,
    /// Flows a predecessor left. They keep forwarding until claimed by an [`FlowCommand::Install`] with their local address,
    /// or until [`OffloadHandle::drop_unclaimed`].
    pub adopted: Vec<AdoptedFlow>,
}

/// Where verdicts on streams go. Must not block.
pub type Events = Arc<dyn Fn(MediaEvent) + Send + Sync>;

struct Running {
    queue: Arc<Queue>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// The offload manager. Cheap to share behind an `Arc`; without a kernel path it answers every command with the reason.
///
/// Dropping it without [`OffloadHandle::shutdown`] leaves flows, pins and attachments for a successor.
pub struct OffloadHandle {
    running: Option<Running>,
    off_reason: Reason,
    counters: Arc<CounterBook>,
    status: Arc<RwLock<Status>>,
    events: Events,
}

/// Starts the manager in its own thread, in the network namespace of the calling thread.
///
/// # Errors
/// [`XdpError::InUse`] and [`XdpError::TableNumber`] always; anything else that keeps the kernel path from working only with
/// `no_fallback`. Otherwise the handle answers [`Reason::NoXdp`] and [`Status::off`] tells why.
pub fn start(
    config: OffloadConfig,
    relay: Arc<dyn Handover>,
    events: impl Fn(MediaEvent) + Send + Sync + 'static,
) -> Result<(OffloadHandle, StartReport), XdpError> {
    let events: Events = Arc::new(events);
    if config.table < 0 {
        return Ok(OffloadHandle::off(Reason::TableOff, "switched off by --table".to_owned(), events));
    }
    let table = u32::try_from(config.table)
        .ok()
        .filter(|table| *table < MAX_TABLES)
        .ok_or(XdpError::TableNumber(config.table))?;
    let no_fallback = config.no_fallback;
    match manager::spawn(config, table, relay, Arc::clone(&events)) {
        Ok(started) => {
            let handle = OffloadHandle {
                running: Some(Running { queue: started.queue, thread: Mutex::new(Some(started.thread)) }),
                off_reason: Reason::NoXdp,
                counters: started.counters,
                status: started.status,
                events,
            };
            let report = StartReport { status: handle.status(), adopted: started.adopted };
            Ok((handle, report))
        }
        Err(error @ (XdpError::InUse { .. } | XdpError::TableNumber(_))) => Err(error),
        Err(error) if no_fallback => Err(error),
        Err(error) => {
            tracing::warn!(target: "core", table, %error, "no kernel path; all media is relayed in userspace");
            Ok(OffloadHandle::off(Reason::NoXdp, error.to_string(), events))
        }
    }
}

impl OffloadHandle {
    fn off(off_reason: Reason, text: String, events: Events) -> (Self, StartReport) {
        let status = Status { off: Some(text), ..Status::default() };
        let report = StartReport { status: status.clone(), adopted: Vec::new() };
        let counters = Arc::new(CounterBook::default());
        (Self { running: None, off_reason, counters, status: Arc::new(RwLock::new(status)), events }, report)
    }

    /// `true` where streams may be offloaded at all.
    #[must_use]
    pub fn enabled(&self) -> bool {
        self.running.is_some()
    }

    /// Queues a command. Never blocks; of several commands for one stream the latest counts.
    pub fn command(&self, command: FlowCommand) {
        match (&self.running, command) {
            (Some(running), command) => running.queue.push(command),
            (None, FlowCommand::Install(spec)) => (self.events)(MediaEvent::FlowPath {
                stream: spec.stream,
                path: Path::Userspace(self.off_reason),
            }),
            (None, FlowCommand::Remove { .. }) => {}
        }
    }

    /// `true` where the kernel has, or had a moment ago, a flow of the stream.
    #[must_use]
    pub fn has_flow(&self, stream: StreamId) -> bool {
        self.counters.is_open(stream)
    }

    /// Waits until the commands queued so far have taken effect, at most for `longest`.
    pub fn wait(&self, longest: Duration) {
        if let Some(running) = &self.running {
            running.queue.wait(longest);
        }
    }

    /// What the kernel counted for a stream, including all its earlier stays in the kernel. From any thread; does not
    /// touch the packet path.
    #[must_use]
    pub fn counters(&self, stream: StreamId) -> KernelCounters {
        self.counters.read(stream)
    }

    /// Forgets the counters of a closed socket.
    pub fn forget(&self, stream: StreamId) {
        self.counters.forget(stream);
    }

    /// State of the fast path.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Removes adopted flows that no queued or handled install claimed.
    pub fn drop_unclaimed(&self) {
        if let Some(running) = &self.running {
            running.queue.drop_unclaimed();
        }
    }

    /// Orderly end: removes the flows, the table's pins, and the program from devices that serve no other table.
    pub fn shutdown(&self) {
        self.stop(Stop::Remove);
    }

    /// Ends the manager and leaves everything in the kernel, for an upgrade.
    pub fn detach(&self) {
        self.stop(Stop::Keep);
    }

    fn stop(&self, how: Stop) {
        let Some(running) = &self.running else { return };
        running.queue.stop(how);
        let thread = running.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(target: "core", "the offload thread ended abnormally; its flows are left to expire");
        }
    }
}

impl Drop for OffloadHandle {
    fn drop(&mut self) {
        self.stop(Stop::Keep);
    }
}
