//! From a message to its reply: cookie cache, decoding, engine, encoding, counters.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use rtpengine_core::ng::cache::{CacheLimits, CookieCache, Lookup};
use rtpengine_core::ng::message::{self, Message};
use rtpengine_core::ng::{Outcome, Reply, Request, Templates};
use tokio::sync::oneshot;

use rtpengine_core::call::ControlSource;

use super::ControlEngine;

/// Names of unknown flags remembered so that each is logged once.
const MAX_UNKNOWN: usize = 1024;

/// Where a repeated request waits for the reply to the first.
type Waiter = oneshot::Sender<Arc<[u8]>>;

/// Answers messages of all listeners; one cache for all, as a proxy may repeat a request over another socket.
pub struct Dispatcher<E> {
    engine: E,
    cache: Mutex<CookieCache<Waiter>>,
    unknown: Mutex<HashSet<String>>,
    templates: Templates,
    start: Instant,
}

impl<E: ControlEngine> Dispatcher<E> {
    /// Answers by `engine`.
    #[must_use]
    pub fn new(engine: E, limits: CacheLimits) -> Self {
        Self {
            engine,
            cache: Mutex::new(CookieCache::new(limits, ahash::RandomState::new())),
            unknown: Mutex::new(HashSet::new()),
            templates: Templates::default(),
            start: Instant::now(),
        }
    }

    /// With templates that requests may name.
    #[must_use]
    pub fn with_templates(self, templates: Templates) -> Self {
        Self { templates, ..self }
    }

    /// The reply to one message, encoded with its cookie. `None`: nothing is to be sent.
    pub async fn handle(&self, source: ControlSource, datagram: &[u8]) -> Option<Arc<[u8]>> {
        let Some(Message { cookie, body }) = Message::split(datagram) else {
            tracing::warn!(target: "control", peer = %source.addr, "message of {} bytes has no cookie, ignored", datagram.len());
            return None;
        };
        let (waiter, wait) = oneshot::channel();
        // Bound to a name, so that the lock is not held while waiting.
        let lookup = self.cache().begin(self.mono_us(), cookie, || waiter);
        match lookup {
            Lookup::Replay(reply) => return Some(reply),
            // Without a reply (the first was given up, or too many wait) the proxy will repeat once more.
            Lookup::Waiting => return wait.await.ok(),
            Lookup::New => {}
        }
        let mut pending = Pending { dispatcher: self, cookie, finished: false };
        let reply = self.answer(source, body).await;
        let wire: Arc<[u8]> = message::encode_reply(cookie, message::encoding_of(body), reply).into();
        pending.finished = true;
        let waiters = self.cache().finish(self.mono_us(), cookie, Arc::clone(&wire));
        for waiter in waiters {
            // A repeat that no longer waits needs no reply.
            let _ = waiter.send(Arc::clone(&wire));
        }
        Some(wire)
    }

    async fn answer(&self, source: ControlSource, body: &[u8]) -> Reply {
        let begin = Instant::now();
        let request = match message::decode(body) {
            Ok(dict) => Request::parse_with(&dict, &self.templates).map_err(|error| error.to_string()),
            Err(error) => {
                tracing::warn!(target: "control", peer = %source.addr, "message refused: {error}");
                self.engine.refused(source);
                return message::invalid(body);
            }
        };
        let request = match request {
            Ok(request) => request,
            Err(reason) => {
                tracing::warn!(target: "control", peer = %source.addr, "request refused: {reason}");
                self.engine.refused(source);
                return Reply::error(reason);
            }
        };
        self.log_unknown(source, &request);
        let command = request.command;
        let call = request.call_id.clone().unwrap_or_default();
        let warnings = request.warnings();
        tracing::debug!(target: "control", call = %call, "received command '{}' from {}", command.wire_name(), source.addr);
        let mut reply = if !command.is_built() {
            self.engine.refused(source);
            Reply::error(format!("Command \"{}\" is not supported by this version", command.wire_name()))
        } else {
            self.engine.request(source, request).await
        };
        if !warnings.is_empty() {
            tracing::warn!(target: "control", call = %call, "{}: {}", command.wire_name(), warnings.join("; "));
            reply.warnings.extend(warnings);
        }
        let time = begin.elapsed();
        match &reply.outcome {
            Outcome::Error(reason) => {
                tracing::warn!(target: "control", call = %call, "command '{}' from {} failed: {reason}", command.wire_name(), source.addr);
            }
            Outcome::Ok | Outcome::Pong | Outcome::LoadLimit(_) => {
                tracing::debug!(
                    target: "control", call = %call,
                    "replied to '{}' from {} after {:.6} s", command.wire_name(), source.addr, time.as_secs_f64()
                );
            }
        }
        reply
    }

    fn log_unknown(&self, source: ControlSource, request: &Request) {
        if request.unknown.is_empty() {
            return;
        }
        let mut known = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        for name in &request.unknown {
            if known.len() < MAX_UNKNOWN && known.insert(name.clone()) {
                tracing::warn!(
                    target: "control", peer = %source.addr,
                    "unknown key or flag '{name}' in '{}' is ignored, now and later", request.command.wire_name()
                );
            }
        }
    }

    fn mono_us(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The cache is consistent between calls, so a panic elsewhere in a holder of the lock does not spoil it.
    fn cache(&self) -> MutexGuard<'_, CookieCache<Waiter>> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives a request up whose future was dropped, so that its repeats are handled again.
struct Pending<'a, E: ControlEngine> {
    dispatcher: &'a Dispatcher<E>,
    cookie: &'a [u8],
    finished: bool,
}

impl<E: ControlEngine> Drop for Pending<'_, E> {
    fn drop(&mut self) {
        if !self.finished {
            drop(self.dispatcher.cache().abandon(self.cookie));
        }
    }
}
