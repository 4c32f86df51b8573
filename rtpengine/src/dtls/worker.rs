//! The thread that runs an [`Engine`], and the queues in front of it.
//!
//! Whoever gives it a datagram never waits: a queue that is full sheds and counts. Datagrams of sources that SDP or
//! ICE named have a queue of their own, which is served first, so a flood of strangers delays only strangers; and no
//! stream may fill the queue of strangers alone.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle, Thread};
use std::time::{Duration, Instant};

use rtpengine_core::io::{DtlsRoute, StreamId};

use super::engine::{Association, Engine, Event, Limits, Transmit};
use super::fingerprint::Fingerprint;
use super::record::MAX_DATAGRAM;
use super::statistics::{Counters, Statistics, count};

/// Datagrams waiting in each of the two queues: of handshakes more than a second's worth.
const QUEUE: usize = 4096;
/// Of those of strangers, the most that one stream may hold: several flights of several handshakes.
const QUEUE_PER_STREAM: usize = 64;
/// Datagrams taken from a queue before commands and timeouts get their turn. Verified sources first.
const BATCH: usize = 64;
/// The same for strangers.
const STRANGERS_BATCH: usize = 8;

/// Datagrams of strangers served in each [`WINDOW`]: an answer takes 14 us, so a flood gets a seventh of a CPU and relay
/// threads the rest. Four datagrams are a handshake, of which [`Limits`] allow far fewer.
const STRANGERS: usize = 100;
const WINDOW: Duration = Duration::from_millis(10);

/// What the thread hands out. Called on the DTLS thread; must not block.
pub trait Sink: Send + 'static {
    /// Sends a datagram from a socket.
    fn transmit(&mut self, transmit: Transmit);
    /// Takes an event of a stream's opening of this epoch.
    fn event(&mut self, stream: StreamId, epoch: u32, event: Event);
    /// The stream was closed: there will be no more of it.
    fn closed(&mut self, stream: StreamId);
}

enum Command {
    Open(StreamId, Box<Association>),
    Fingerprints(StreamId, Vec<Fingerprint>),
    Remote(StreamId, DtlsRoute),
    Close(StreamId),
}

struct Queued {
    stream: StreamId,
    source: DtlsRoute,
    verified: bool,
    payload: Box<[u8]>,
    /// Datagrams of strangers that wait for this stream.
    waiting: Arc<AtomicUsize>,
}

/// How datagrams and commands reach the thread.
struct Inbox {
    commands: Sender<Command>,
    verified: SyncSender<Queued>,
    strangers: SyncSender<Queued>,
    counters: Arc<Counters>,
    stop: Arc<AtomicBool>,
    thread: Thread,
}

/// The DTLS thread. Dropping it ends the thread; streams that are to say close_notify are closed before.
pub struct Worker {
    inbox: Arc<Inbox>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread or no randomness to give.
    pub fn spawn(limits: Limits, sink: impl Sink) -> io::Result<Self> {
        let engine = Engine::new(limits, Instant::now())?;
        let counters = engine.counters();
        let stop = Arc::new(AtomicBool::new(false));
        let (commands, from_commands) = channel();
        let (verified, from_verified) = sync_channel(QUEUE);
        let (strangers, from_strangers) = sync_channel(QUEUE);
        let run = Run {
            engine,
            sink,
            commands: from_commands,
            verified: from_verified,
            strangers: from_strangers,
            stop: Arc::clone(&stop),
            allowance: STRANGERS,
            window_ends: Instant::now() + WINDOW,
        };
        let handle = thread::Builder::new().name("dtls".to_owned()).spawn(move || run.run())?;
        let thread = handle.thread().clone();
        let inbox = Arc::new(Inbox { commands, verified, strangers, counters, stop, thread });
        Ok(Self { inbox, thread: Some(handle) })
    }

    /// See [`Engine::open`]. What is returned goes to whoever reads the stream's first socket; for others there is
    /// [`Feed::of`].
    #[must_use]
    pub fn open(&self, stream: StreamId, association: Association) -> Feed {
        self.reopen(stream, association);
        Feed { inbox: Arc::clone(&self.inbox), stream, socket: stream, waiting: Arc::default() }
    }

    /// See [`Engine::open`], for a stream that has its [`Feed`].
    pub fn reopen(&self, stream: StreamId, association: Association) {
        self.command(Command::Open(stream, Box::new(association)));
    }

    /// See [`Engine::set_fingerprints`].
    pub fn set_fingerprints(&self, stream: StreamId, fingerprints: Vec<Fingerprint>) {
        self.command(Command::Fingerprints(stream, fingerprints));
    }

    /// See [`Engine::set_remote`].
    pub fn set_remote(&self, stream: StreamId, remote: DtlsRoute) {
        self.command(Command::Remote(stream, remote));
    }

    /// See [`Engine::close`].
    pub fn close(&self, stream: StreamId) {
        self.command(Command::Close(stream));
    }

    /// What was counted so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.inbox.counters.snapshot()
    }

    /// Commands are never shed: signalling makes them, and it makes few.
    fn command(&self, command: Command) {
        // Fails only after the thread has ended, with `self`.
        let _ = self.inbox.commands.send(command);
        self.inbox.thread.unpark();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.inbox.stop.store(true, Ordering::Release);
        self.inbox.thread.unpark();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread has been reported by its hook.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Worker").field("statistics", &self.statistics()).finish_non_exhaustive()
    }
}

/// The way of one socket's datagrams to the DTLS thread.
#[derive(Clone)]
pub struct Feed {
    inbox: Arc<Inbox>,
    stream: StreamId,
    socket: StreamId,
    waiting: Arc<AtomicUsize>,
}

impl Feed {
    /// The way of another socket's datagrams to the same stream.
    #[must_use]
    pub fn of(&self, socket: StreamId) -> Self {
        Self { socket, ..self.clone() }
    }

    /// Hands over a copy of a datagram, or sheds it; never waits. Whether it was taken.
    pub fn datagram(&self, source: SocketAddr, verified: bool, datagram: &[u8]) -> bool {
        let taken = self.offer(source, verified, datagram);
        if taken {
            self.inbox.thread.unpark();
        } else {
            count(&self.inbox.counters.shed);
        }
        taken
    }

    fn offer(&self, source: SocketAddr, verified: bool, datagram: &[u8]) -> bool {
        if datagram.len() > MAX_DATAGRAM {
            return false;
        }
        if !verified && self.waiting.fetch_add(1, Ordering::AcqRel) >= QUEUE_PER_STREAM {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
            return false;
        }
        let queued = Queued {
            stream: self.stream,
            source: DtlsRoute { socket: self.socket, peer: source },
            verified,
            payload: datagram.into(),
            waiting: Arc::clone(&self.waiting),
        };
        let queue = if verified { &self.inbox.verified } else { &self.inbox.strangers };
        let taken = queue.try_send(queued).is_ok();
        if !taken && !verified {
            self.waiting.fetch_sub(1, Ordering::AcqRel);
        }
        taken
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Feed").field("stream", &self.stream).finish_non_exhaustive()
    }
}

/// The thread's side.
struct Run<S> {
    engine: Engine,
    sink: S,
    commands: Receiver<Command>,
    verified: Receiver<Queued>,
    strangers: Receiver<Queued>,
    stop: Arc<AtomicBool>,
    /// Strangers that may still be served before the window ends.
    allowance: usize,
    window_ends: Instant,
}

impl<S: Sink> Run<S> {
    fn run(mut self) {
        // Commands that were given before the end are still carried out, closing above all.
        loop {
            let stopping = self.stop.load(Ordering::Acquire);
            let busy = self.turn();
            if stopping {
                return;
            }
            if !busy {
                self.wait();
            }
        }
    }

    /// Does what there is to do, a bounded part of it. Whether there was anything.
    fn turn(&mut self) -> bool {
        let mut busy = false;
        while let Ok(command) = self.commands.try_recv() {
            busy = true;
            self.command(command);
        }
        self.deliver();
        for _ in 0..BATCH {
            let Ok(queued) = self.verified.try_recv() else { break };
            self.datagram(&queued);
            busy = true;
        }
        let now = Instant::now();
        if now >= self.window_ends {
            (self.allowance, self.window_ends) = (STRANGERS, now + WINDOW);
        }
        for _ in 0..STRANGERS_BATCH.min(self.allowance) {
            let Ok(queued) = self.strangers.try_recv() else { break };
            self.allowance -= 1;
            self.datagram(&queued);
            busy = true;
        }
        let now = Instant::now();
        if self.engine.next_timeout().is_some_and(|when| when <= now) {
            self.engine.handle_timeout(now);
            self.deliver();
        }
        busy
    }

    fn wait(&self) {
        let next_window = (self.allowance == 0).then_some(self.window_ends);
        match self.engine.next_timeout().into_iter().chain(next_window).min() {
            Some(when) => thread::park_timeout(when.saturating_duration_since(Instant::now())),
            None => thread::park(),
        }
    }

    fn command(&mut self, command: Command) {
        let now = Instant::now();
        match command {
            Command::Open(stream, association) => self.engine.open(now, stream, *association),
            Command::Fingerprints(stream, fingerprints) => {
                self.engine.set_fingerprints(now, stream, fingerprints);
            }
            Command::Remote(stream, remote) => self.engine.set_remote(now, stream, remote),
            Command::Close(stream) => {
                self.engine.close(stream);
                self.deliver();
                self.sink.closed(stream);
            }
        }
    }

    fn datagram(&mut self, queued: &Queued) {
        let Queued { stream, source, verified, payload, waiting } = queued;
        if !verified {
            waiting.fetch_sub(1, Ordering::AcqRel);
        }
        self.engine.receive(Instant::now(), *stream, *source, *verified, payload);
        self.deliver();
    }

    fn deliver(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            self.sink.transmit(transmit);
        }
        while let Some((stream, epoch, event)) = self.engine.poll_event() {
            self.sink.event(stream, epoch, event);
        }
    }
}
