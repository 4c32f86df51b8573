//! The thread that owns the core: everything reaches it as a message, and it does one thing at a time.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rtpengine_core::call::{ControlSource, Engine};
use rtpengine_core::io::MediaEvent;
use rtpengine_core::ng::{Reply, Request};
use tokio::sync::oneshot;

use super::plane::Plane;
use crate::relay::system_clock;

/// How often the core looks at its timers.
const TICK: Duration = Duration::from_secs(1);

type Job = Box<dyn FnOnce(&mut Engine, &mut Plane) + Send>;

enum Message {
    Request { source: ControlSource, request: Box<Request>, reply: oneshot::Sender<Reply> },
    Event(MediaEvent),
    Job(Job),
    Stop,
}

/// The engine does not answer any more: the daemon is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is shutting down")]
pub struct Stopped;

/// How listeners, relay and offload manager speak to the core.
#[derive(Clone)]
pub struct EngineHandle {
    messages: Sender<Message>,
}

impl EngineHandle {
    /// A handle and the end its messages arrive at; [`Actor::start`] takes the latter. Two steps, because the media
    /// plane has to know where its events go before the core can be given a media plane.
    #[must_use]
    pub fn new() -> (Self, Inbox) {
        let (messages, inbox) = channel();
        (Self { messages }, Inbox(inbox))
    }

    /// Has a request carried out.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn request(&self, source: ControlSource, request: Request) -> Result<Reply, Stopped> {
        let (reply, answer) = oneshot::channel();
        self.messages
            .send(Message::Request { source, request: Box::new(request), reply })
            .map_err(|_closed| Stopped)?;
        answer.await.map_err(|_dropped| Stopped)
    }

    /// Passes on an event of the media plane. Never blocks.
    pub fn event(&self, event: MediaEvent) {
        // After the end of the core its sockets and flows are being closed; nobody needs their events.
        let _stopped = self.messages.send(Message::Event(event));
    }

    /// Counts a message of a proxy that did not become a request.
    pub fn refused(&self, source: ControlSource) {
        // Nobody reads statistics of a core that has stopped.
        let _stopped = self.messages.send(Message::Job(Box::new(move |engine, _plane| {
            engine.record_refused(source.addr.ip());
        })));
    }

    /// Runs `work` on the core, for the CLI.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Engine, &mut Plane) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |engine, plane| {
            // The client may have gone; the work is done all the same.
            let _gone = reply.send(work(engine, plane));
        });
        self.messages.send(Message::Job(job)).map_err(|_closed| Stopped)?;
        answer.await.map_err(|_dropped| Stopped)
    }
}

/// Where the messages of an [`EngineHandle`] arrive.
pub struct Inbox(Receiver<Message>);

/// The running thread.
pub struct Actor {
    messages: Sender<Message>,
    thread: JoinHandle<(Engine, Plane)>,
}

impl Actor {
    /// Starts the thread. `engine` may own calls already (adoption).
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub fn start(engine: Engine, plane: Plane, handle: &EngineHandle, inbox: Inbox) -> std::io::Result<Self> {
        let thread = std::thread::Builder::new()
            .name("core".to_owned())
            .spawn(move || run(engine, plane, &inbox.0))?;
        Ok(Self { messages: handle.messages.clone(), thread })
    }

    /// Ends the thread after the messages it already has and gives the core back; `None` where the thread panicked.
    #[must_use]
    pub fn stop(self) -> Option<(Engine, Plane)> {
        let _stopped = self.messages.send(Message::Stop);
        self.thread.join().ok()
    }
}

fn run(mut engine: Engine, mut plane: Plane, inbox: &Receiver<Message>) -> (Engine, Plane) {
    let mut next_tick = Instant::now() + TICK;
    loop {
        match inbox.recv_timeout(next_tick.saturating_duration_since(Instant::now())) {
            Ok(Message::Request { source, request, reply }) => {
                let started = Instant::now();
                let answer = engine.request(system_clock(), &source, &request, &mut plane);
                let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                engine.record_duration(source.addr.ip(), request.command, took);
                plane.execute(engine.take_outputs());
                // The proxy's listener may have gone; the reply is in nobody's interest then.
                let _gone = reply.send(answer);
            }
            Ok(Message::Event(event)) => {
                engine.event(system_clock(), event);
                plane.execute(engine.take_outputs());
            }
            Ok(Message::Job(job)) => {
                job(&mut engine, &mut plane);
                plane.execute(engine.take_outputs());
            }
            Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return (engine, plane),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if Instant::now() >= next_tick {
            engine.tick(system_clock(), &mut plane);
            plane.execute(engine.take_outputs());
            next_tick = Instant::now() + TICK;
        }
    }
}
