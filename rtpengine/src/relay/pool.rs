//! Starting, addressing and stopping the relay threads.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use nix::sys::epoll::Epoll;
use rtpengine_common::srtp::CryptoParams;
use rtpengine_core::io::{Affinity, MediaEvent, Now, OpenError, OpenPort, RelayCommand, StreamId};

use super::counters::{KernelFold, RelayCounters};
use super::load::{Busy, Meter, Placement};
use super::moving::{Arrival, Departure};
use super::queue::{Queue, Refused};
use super::registry::{Entry, Registry};
use super::shard::{self, Command, Events, Shard};
use super::shared::StreamShared;
use super::socket::{self, MediaSocket};
use crate::dtls::Feed;
use crate::srtp::{Direction, SharedRow};

/// Reads the time for the relay threads.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;
/// Work done by a relay thread between two drains of a socket. Who it returns follows the relaying from there.
pub type Job = Box<dyn FnOnce(&mut dyn SrtpStates) -> Option<Follower> + Send>;

/// Work done by a relay thread before it looks at the next packet.
pub type Preparation = Box<dyn FnOnce(&mut dyn SrtpStates) + Send>;

/// What a relay thread knows of the streams under the keys of its sockets, for a [`Job`] or a [`Preparation`].
pub trait SrtpStates {
    /// From now on what is known of streams of RTP under these keys is kept in `row`, together with what the row knows.
    /// `false`: no socket with this [`RelayStream::keyring`](rtpengine_core::io::RelayStream::keyring) uses them.
    fn share(
        &mut self,
        keyring: StreamId,
        direction: Direction,
        keys: &Arc<CryptoParams>,
        row: SharedRow,
    ) -> bool;
}

/// Told the mark ([`rtpengine_common::settle::mark`]) of the newest RTP packet after each batch of a stream was sent on, by
/// its relay thread, hence quick. `false`: not any more. Dropped then, with the stream, or for the next follower.
pub type Follower = Box<dyn FnMut(u64) -> bool + Send>;

/// Fewest threads started by default.
const MIN_THREADS: usize = 4;
/// Receive buffer asked for by default, bytes: room for the key frames of a video stream while the thread is busy
/// elsewhere. The system's `rmem_max` limits it.
const RECEIVE_BUFFER: usize = 1 << 20;
/// How long `open` waits for a close of the same port that is still queued.
const CLOSE_WAIT: Duration = Duration::from_millis(100);
/// How long `shutdown` waits for all threads together.
const SHUTDOWN_WAIT: Duration = Duration::from_secs(3);

/// How to run the relay.
#[derive(Clone)]
pub struct RelayConfig {
    /// Number of threads, at least 1.
    pub threads: usize,
    /// Stack size of each in bytes; `None` leaves the default.
    pub stack: Option<usize>,
    /// Receive buffer asked for on each socket, bytes.
    pub receive_buffer: usize,
    /// Number of CPUs that the sockets of calls ask for in turn (`SO_INCOMING_CPU`); 0: they ask for none.
    pub cpus: u32,
    /// Reads the time.
    pub clock: Clock,
}

impl Default for RelayConfig {
    /// As many threads as cores, but at least 4.
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(MIN_THREADS, usize::from);
        Self {
            threads: cores.max(MIN_THREADS),
            stack: None,
            receive_buffer: RECEIVE_BUFFER,
            cpus: 0,
            clock: Arc::new(system_clock),
        }
    }
}

/// The system's clocks: `CLOCK_MONOTONIC` and the time since the Unix epoch.
#[must_use]
pub fn system_clock() -> Now {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid for writes. This clock always exists, so the call cannot fail.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let mono_us = time.tv_sec.cast_unsigned() * 1_000_000 + time.tv_nsec.cast_unsigned() / 1_000;
    let unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Now { mono_us, unix_us: u64::try_from(unix.as_micros()).unwrap_or(u64::MAX) }
}

/// Why the relay could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// No event descriptor or epoll instance to be had.
    #[error("relay thread {thread}: {source}; raise the limit of open files")]
    Descriptors {
        /// Number of the thread, from 0.
        thread: usize,
        /// What the system said.
        source: io::Error,
    },
    /// No thread to be had.
    #[error(
        "relay thread {thread} cannot be started: {source}; lower --num-threads or raise the limit of processes"
    )]
    Thread {
        /// Number of the thread, from 0.
        thread: usize,
        /// What the system said.
        source: io::Error,
    },
    /// Threads did not end in time.
    #[error("{0} relay threads are still busy; their sockets close with the process")]
    Busy(usize),
}

/// The relay threads. Dropping it stops them.
pub struct RelayPool {
    handle: RelayHandle,
    threads: Vec<JoinHandle<()>>,
    finished: mpsc::Receiver<()>,
}

impl RelayPool {
    /// Starts the threads. `events` is called on them and must not block.
    ///
    /// # Errors
    /// See [`RelayError`]; nothing keeps running after an error.
    pub fn start(
        config: RelayConfig,
        events: impl Fn(MediaEvent) + Send + Sync + 'static,
    ) -> Result<Self, RelayError> {
        let events: Events = Arc::new(events);
        let busy: Vec<Busy> = (0..config.threads.max(1)).map(|_| Busy::default()).collect();
        let registry = Arc::new(Registry::new(Placement::new(busy.clone())));
        let (ended, finished) = mpsc::channel();
        let mut ways = Vec::new();
        let mut shards = Vec::new();
        for (thread, busy) in busy.into_iter().enumerate() {
            let descriptors = |error: nix::Error| RelayError::Descriptors { thread, source: error.into() };
            let queue = Arc::new(Queue::new().map_err(descriptors)?);
            let shard = Shard::new(queue.clone(), events.clone(), config.clock.clone(), Meter::new(busy))
                .map_err(descriptors)?;
            ways.push(Way { queue, epoll: shard.epoll() });
            shards.push(shard);
        }
        let inner = Inner { ways, registry, receive_buffer: config.receive_buffer, cpus: config.cpus };
        let mut pool = Self { handle: RelayHandle { inner: Arc::new(inner) }, threads: Vec::new(), finished };
        for (thread, shard) in shards.into_iter().enumerate() {
            let mut builder = std::thread::Builder::new().name(format!("relay-{thread}"));
            if let Some(stack) = config.stack {
                builder = builder.stack_size(stack);
            }
            let ended = ended.clone();
            let started = builder.spawn(move || {
                shard.run();
                // Nobody listens once the pool has given up waiting.
                let _ = ended.send(());
            });
            pool.threads.push(started.map_err(|source| RelayError::Thread { thread, source })?);
        }
        Ok(pool)
    }

    /// How to speak to the threads.
    #[must_use]
    pub fn handle(&self) -> RelayHandle {
        self.handle.clone()
    }

    /// Executes what is queued, closes all sockets and ends the threads.
    ///
    /// # Errors
    /// [`RelayError::Busy`] when threads have not ended within three seconds.
    pub fn shutdown(mut self) -> Result<(), RelayError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), RelayError> {
        for way in &self.handle.inner.ways {
            way.queue.close();
        }
        let deadline = Instant::now() + SHUTDOWN_WAIT;
        let mut running = self.threads.len();
        while running > 0 {
            match self.finished.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(()) => running -= 1,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        for thread in self.threads.drain(..) {
            // Those that have not ended are left to the end of the process.
            if running == 0 || thread.is_finished() {
                let _ = thread.join();
            }
        }
        if running == 0 { Ok(()) } else { Err(RelayError::Busy(running)) }
    }
}

impl Drop for RelayPool {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(target: "core", "{error}");
        }
    }
}

/// The way into one relay thread.
struct Way {
    queue: Arc<Queue<Command>>,
    epoll: Arc<Epoll>,
}

struct Inner {
    ways: Vec<Way>,
    registry: Arc<Registry>,
    receive_buffer: usize,
    cpus: u32,
}

/// Speaks to the relay threads. All calls return at once; commands for one stream are executed in the order
/// they are given (from one thread), before the next packet of the stream, and are never lost. Without packets they
/// may wait until [`RelayHandle::flush`].
#[derive(Clone)]
pub struct RelayHandle {
    inner: Arc<Inner>,
}

impl RelayHandle {
    /// Opens a media socket. What it receives before [`RelayCommand::Configure`] is counted and discarded.
    ///
    /// A port whose [`RelayCommand::Close`] is still queued is waited for, up to 100 ms.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing stays open after an error.
    pub fn open(&self, port: OpenPort) -> Result<(), OpenError> {
        let inner = &self.inner;
        let bound = match socket::open(port.local, inner.receive_buffer) {
            Err(OpenError::InUse) if inner.registry.is_closing(port.local) => {
                self.flush();
                inner.registry.wait_closed(port.local, CLOSE_WAIT);
                socket::open(port.local, inner.receive_buffer)
            }
            result => result,
        };
        let bound = bound?;
        if let Some(cpu) = port.affinity.0.checked_rem(inner.cpus) {
            socket::ask_for_cpu(&bound, cpu);
        }
        let socket = Arc::new(MediaSocket::new(bound, Arc::clone(&inner.registry), port.stream));
        let shard = inner.registry.placement.enter(port.affinity);
        let shared = Arc::<StreamShared>::default();
        let entry = Entry {
            shard,
            affinity: port.affinity,
            local: port.local,
            shared: shared.clone(),
            socket: Arc::downgrade(&socket),
        };
        inner.registry.insert(port.stream, entry);
        let command = Command::Open { stream: port.stream, socket, local: port.local, shared };
        let pushed = inner.ways.get(shard).map_or(Err(Refused::Closed), |way| {
            way.queue.push_with(command, |command| match command {
                Command::Open { stream, socket, .. } => shard::watch(&way.epoll, *stream, socket.socket()),
                Command::Relay(_)
                | Command::Prepare(_)
                | Command::Handover { .. }
                | Command::Absorb { .. }
                | Command::Handshakes { .. }
                | Command::Depart(_)
                | Command::Arrive(_) => Ok(()),
            })
        });
        // A socket that was not handed over is closed by now.
        pushed.map_err(|refused| {
            OpenError::Resources(match refused {
                Refused::Closed => "the relay has been stopped".to_owned(),
                Refused::Unprepared(error) => {
                    format!("{} cannot be watched: {error}; raise fs.epoll.max_user_watches", port.local)
                }
            })
        })
    }

    /// Closes a socket that was opened and never configured.
    pub fn abandon(&self, stream: StreamId) {
        self.command(RelayCommand::Close { stream });
    }

    /// Hands over a command; [`RelayCommand::Send`] and [`RelayCommand::Report`]
    /// are executed at once. One for an unknown stream does nothing.
    pub fn command(&self, command: RelayCommand) {
        let (RelayCommand::Configure { stream, .. }
        | RelayCommand::Close { stream }
        | RelayCommand::Send { stream, .. }
        | RelayCommand::Report { stream, .. }) = &command;
        self.inner.registry.with_place(*stream, |shard, local| match command {
            RelayCommand::Configure { .. } => self.push(shard, Command::Relay(command)),
            RelayCommand::Close { .. } => {
                self.inner.registry.closing(local);
                self.push(shard, Command::Relay(command));
            }
            RelayCommand::Send { .. } | RelayCommand::Report { .. } => {
                self.push(shard, Command::Relay(command));
                self.wake(shard);
            }
        });
    }

    /// Has the sockets of one call served with those of another one from now on, which they then belong to. What was
    /// handed over for them before is done before, and no packet is lost.
    pub fn unite(&self, from: Affinity, to: Affinity) {
        self.inner.registry.unite(from, to, |streams, before, after| {
            let (to, from) = mpsc::sync_channel(1);
            self.push(before, Command::Depart(Departure { streams, to }));
            self.push(after, Command::Arrive(Arrival { from }));
            self.wake(before);
            self.wake(after);
        });
    }

    /// Has everything handed over so far executed without waiting for packets.
    pub fn flush(&self) {
        for way in &self.inner.ways {
            way.queue.wake();
        }
    }

    /// Runs a job on the stream's relay thread, after all earlier commands of the stream: everything that waits in the
    /// socket is forwarded, then the job runs, then what came meanwhile is forwarded, which a [`Follower`] is told of.
    /// The job must be short. It is dropped unrun where the stream is closed.
    pub fn handover(&self, stream: StreamId, job: Job) {
        self.inner.registry.with_place(stream, |shard, _| {
            self.push(shard, Command::Handover { stream, job });
            self.wake(shard);
        });
    }

    /// Runs work on the stream's relay thread, after all earlier commands of the stream and before the next packet.
    pub fn prepare(&self, stream: StreamId, work: Preparation) {
        self.inner.registry.with_place(stream, |shard, _| self.push(shard, Command::Prepare(work)));
    }

    /// The socket of a stream, for those who send from it too; `None` once it is closed. Whoever holds it keeps it open.
    #[must_use]
    pub fn socket(&self, stream: StreamId) -> Option<Arc<MediaSocket>> {
        self.inner.registry.socket(stream)
    }

    /// Says who takes the DTLS datagrams of a stream from now on.
    pub fn handshakes(&self, stream: StreamId, feed: Option<Feed>) {
        self.inner
            .registry
            .with_place(stream, |shard, _| self.push(shard, Command::Handshakes { stream, feed }));
    }

    /// Adds what the kernel forwarded to a stream's counters; its statistics by SSRC continue from there.
    pub fn absorb(&self, stream: StreamId, fold: KernelFold) {
        self.inner.registry.with_place(stream, |shard, _| {
            self.push(shard, Command::Absorb { stream, fold: Box::new(fold) });
            self.wake(shard);
        });
    }

    /// The counters of a stream as of its last packet; `None` once it is closed.
    #[must_use]
    pub fn counters(&self, stream: StreamId) -> Option<RelayCounters> {
        self.inner.registry.shared(stream).map(|shared| shared.read())
    }

    /// Open sockets, those about to be closed included.
    #[must_use]
    pub fn open_sockets(&self) -> usize {
        self.inner.registry.len()
    }

    /// Commands handed over and not yet executed.
    #[must_use]
    pub fn backlog(&self) -> usize {
        self.inner.ways.iter().map(|way| way.queue.backlog()).sum()
    }

    /// A stopped relay has closed its sockets, and with them the meaning of all commands. `shard` is always one of ours.
    fn push(&self, shard: usize, command: Command) {
        if let Some(way) = self.inner.ways.get(shard) {
            let _stopped = way.queue.push(command);
        }
    }

    fn wake(&self, shard: usize) {
        if let Some(way) = self.inner.ways.get(shard) {
            way.queue.wake();
        }
    }
}
