//! The core and who may enter it: one thing happens at a time, under one lock.
//!
//! Requests and command line work enter it on the thread that has them: handing them to another thread would cost two
//! context switches a command. Events of the media plane come from threads that must never wait, so they are queued for
//! the timer thread.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtpengine_core::call::{ControlSource, Engine};
use rtpengine_core::io::MediaEvent;
use rtpengine_core::legacy;
use rtpengine_core::ng::{Reply, Request};

use super::plane::Plane;
use crate::process::Scheduling;
use crate::relay::system_clock;

/// How often the core looks at its timers.
const TICK: Duration = Duration::from_secs(1);

/// STUN messages and reports of RTCP that may wait for the core: a second of consent checks of thousands of calls. More
/// are dropped; who waits for an answer asks again, and reports are repeated.
const MAX_WAITING: usize = 8192;

#[expect(clippy::large_enum_variant, reason = "nearly all messages are events")]
enum Message {
    Event(MediaEvent),
    /// The core has a timer that is earlier than the timer thread thinks.
    Timer,
    Stop,
}

/// The core does not answer any more: the daemon is shutting down, or not yet up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is shutting down")]
pub struct Stopped;

/// The core with its media plane.
struct Core {
    engine: Engine,
    plane: Plane,
}

impl Core {
    /// With what the work yields, when the core wants to be woken, microseconds of the monotonic clock.
    fn enter<T>(&mut self, work: impl FnOnce(&mut Engine, &mut Plane) -> T) -> (T, u64) {
        let value = work(&mut self.engine, &mut self.plane);
        self.plane.execute(self.engine.take_outputs());
        (value, self.engine.next_timeout().unwrap_or(u64::MAX))
    }
}

#[derive(Default)]
struct Shared {
    /// Set once by [`Actor::start`]; emptied by [`Actor::stop`].
    core: OnceLock<Mutex<Option<Core>>>,
    /// When the timer thread wakes for the core, microseconds of the monotonic clock; written under the core's lock.
    wakes_us: AtomicU64,
    /// STUN messages and reports queued for the core.
    waiting: AtomicUsize,
    /// Those that found the queue full.
    dropped: AtomicU64,
}

impl Shared {
    /// Enters the core. After a panic inside it the core is left alone: its state may contradict itself.
    /// `true`: the timer thread must hear of a new timer.
    fn enter<T>(&self, work: impl FnOnce(&mut Engine, &mut Plane) -> T) -> Result<(T, bool), Stopped> {
        let mut core = self.core.get().ok_or(Stopped)?.lock().map_err(|_poisoned| Stopped)?;
        let (value, timer_us) = core.as_mut().map(|core| core.enter(work)).ok_or(Stopped)?;
        let before = self.wakes_us.swap(timer_us, Ordering::Relaxed);
        Ok((value, timer_us < before))
    }
}

/// How listeners, relay and offload manager speak to the core.
#[derive(Clone)]
pub struct EngineHandle {
    messages: Sender<Message>,
    shared: Arc<Shared>,
}

impl EngineHandle {
    /// A handle and the end its events arrive at; [`Actor::start`] takes the latter. Two steps, because the media
    /// plane has to know where its events go before the core can be given a media plane.
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (messages, inbox) = channel();
        (Self { messages, shared: Arc::default() }, Inbox(inbox))
    }

    /// Has a request carried out.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn request(&self, source: ControlSource, request: &Request) -> Result<Reply, Stopped> {
        self.with(|engine, plane| {
            let started = Instant::now();
            let reply = engine.request(system_clock(), &source, request, plane);
            let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            engine.record_duration(source.addr.ip(), request.command, took);
            reply
        })
    }

    /// Has a request of a legacy protocol carried out; the inner error is the core's.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn legacy(
        &self,
        source: ControlSource,
        request: &legacy::Request,
    ) -> Result<Result<legacy::Answer, String>, Stopped> {
        self.with(|engine, plane| {
            let started = Instant::now();
            let answer = engine.legacy(system_clock(), &source, request, plane);
            let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            engine.record_duration(source.addr.ip(), request.ng.command, took);
            answer
        })
    }

    /// Passes on an event of the media plane. Never blocks.
    pub fn event(&self, event: MediaEvent) {
        if is_peers_say(&event) && self.shared.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            self.shared.waiting.fetch_sub(1, Ordering::Relaxed);
            self.shared.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        // After the end of the core its sockets and flows are being closed; nobody needs their events.
        let _stopped = self.messages.send(Message::Event(event));
    }

    /// Runs `work` on the core, for the CLI.
    ///
    /// # Errors
    /// [`Stopped`].
    pub fn with<T>(&self, work: impl FnOnce(&mut Engine, &mut Plane) -> T) -> Result<T, Stopped> {
        let (value, earlier) = self.shared.enter(work)?;
        if earlier {
            let _stopped = self.messages.send(Message::Timer);
        }
        Ok(value)
    }
}

/// Whether peers say how many of these events there are.
fn is_peers_say(event: &MediaEvent) -> bool {
    matches!(event, MediaEvent::Stun { .. } | MediaEvent::Rtcp { .. })
}

/// Where the events of an [`EngineHandle`] arrive.
pub struct Inbox(Receiver<Message>);

/// The running core and its timer thread.
pub struct Actor {
    messages: Sender<Message>,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

impl Actor {
    /// Opens the core for business. `engine` may own calls already (adoption). `scheduling` is the timer thread's.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(
        engine: Engine,
        plane: Plane,
        handle: &EngineHandle,
        inbox: Inbox,
        scheduling: Option<Scheduling>,
    ) -> std::io::Result<Self> {
        let shared = Arc::clone(&handle.shared);
        // A handle is started once; a second core would be dropped here.
        let _second = shared.core.set(Mutex::new(Some(Core { engine, plane })));
        let own = Arc::clone(&shared);
        let (applied, outcome) = channel();
        let timer = move || {
            let scheduled = scheduling.map_or(Ok(()), Scheduling::apply);
            let go_on = scheduled.is_ok();
            // Who starts it waits for this.
            let _gone = applied.send(scheduled);
            if go_on {
                run(&own, &inbox.0);
            }
        };
        let thread = std::thread::Builder::new().name("core".to_owned()).spawn(timer)?;
        outcome.recv().map_err(std::io::Error::other)??;
        Ok(Self { messages: handle.messages.clone(), shared, thread })
    }

    /// Closes the core after the events it already has and gives it back; `None` where it panicked.
    #[must_use]
    pub fn stop(self) -> Option<(Engine, Plane)> {
        let _stopped = self.messages.send(Message::Stop);
        self.thread.join().ok()?;
        let core = self.shared.core.get()?.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some((core.engine, core.plane))
    }
}

fn run(shared: &Shared, inbox: &Receiver<Message>) {
    let mut next_tick = Instant::now() + TICK;
    let mut dropped = 0;
    loop {
        let timer = shared.wakes_us.load(Ordering::Relaxed).saturating_sub(system_clock().mono_us);
        let wait = next_tick.saturating_duration_since(Instant::now()).min(Duration::from_micros(timer));
        let entered = match inbox.recv_timeout(wait) {
            Ok(Message::Event(event)) => {
                if is_peers_say(&event) {
                    shared.waiting.fetch_sub(1, Ordering::Relaxed);
                }
                shared.enter(|engine, _plane| {
                    let now = system_clock();
                    engine.event(now, event);
                    engine.handle_timers(now);
                })
            }
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Message::Timer) | Err(RecvTimeoutError::Timeout) => {
                shared.enter(|engine, _plane| engine.handle_timers(system_clock()))
            }
        };
        if entered.is_err() {
            return;
        }
        if Instant::now() >= next_tick {
            let ticked = shared.enter(|engine, plane| {
                engine.tick(system_clock(), plane);
                plane.flush();
            });
            if ticked.is_err() {
                return;
            }
            next_tick = Instant::now() + TICK;
            let total = shared.dropped.load(Ordering::Relaxed);
            if total != dropped {
                tracing::warn!(target: "core", "more STUN messages and RTCP reports than can be handled: {} dropped", total - dropped);
                dropped = total;
            }
        }
    }
}
