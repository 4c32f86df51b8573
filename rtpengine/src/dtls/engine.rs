//! All DTLS of a process, sans-IO: datagrams and time in, datagrams and events out.
//!
//! A stream here is a component of an m-line: all its sockets have one association, by the name of the first of them.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use openssl::error::ErrorStack;
use rtpengine_common::srtp::Suite;
use rtpengine_core::io::{DtlsRoute, StreamId};

use super::cookie::CookieJar;
use super::fingerprint::Fingerprint;
use super::identity::Identity;
use super::keys::SrtpKeys;
use super::listener::{Heard, Listener};
use super::rate::RateLimit;
use super::session::{FailureReason, Role, Terms};
use super::statistics::{Counters, count};
use super::stream::Stream;

/// What the engine may be made to hold and do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Handshakes in progress altogether. Sources nobody vouched for get half of them at most.
    pub half_open: usize,
    /// Handshakes in progress on one stream by sources nobody vouched for, and as many again by others.
    pub half_open_per_stream: usize,
    /// Handshakes per second one source may start that nobody vouched for; twice as many in a burst.
    pub rate_per_source: u32,
    /// The same for all such sources together.
    pub rate: u32,
    /// Time for a handshake. OpenSSL gives up after about 40 s without an answer.
    pub lifetime: Duration,
    /// Time for a handshake with a source nobody vouched for.
    pub stranger_lifetime: Duration,
}

impl Default for Limits {
    /// With 52 KiB a handshake, 106 MB; with 0.9 ms a handshake, a fifth of a CPU for strangers.
    fn default() -> Self {
        Self {
            half_open: 2048,
            half_open_per_stream: 4,
            rate_per_source: 20,
            rate: 200,
            lifetime: Duration::from_secs(45),
            stranger_lifetime: Duration::from_secs(5),
        }
    }
}

/// What SDP settled for a stream.
#[derive(Clone, Debug)]
pub struct Association {
    /// The owner's number of this opening; events carry it, so that late ones of another opening can be told apart.
    pub epoch: u32,
    /// From `a=setup` of both sides; the owner resolves conflicts and opens again with another role.
    pub role: Role,
    /// The one whose fingerprint our SDP carries.
    pub identity: Arc<Identity>,
    /// How the peer is reached, as SDP or ICE has it. The active role waits for that.
    pub remote: Option<DtlsRoute>,
    /// All `a=fingerprint` of the peer; empty while its SDP has not come. No keys before.
    pub fingerprints: Vec<Fingerprint>,
    /// Protection profiles, best first, of [`super::PROFILES`].
    pub profiles: Vec<Suite>,
}

impl Association {
    pub(super) fn terms(&self, route: DtlsRoute) -> Terms<'_> {
        Terms { fingerprints: &self.fingerprints, profiles: &self.profiles, mtu: self.identity.mtu(), route }
    }
}

/// A datagram to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transmit {
    /// Whose socket.
    pub stream: StreamId,
    /// Whereto.
    pub destination: SocketAddr,
    /// UDP payload.
    pub payload: Box<[u8]>,
}

/// What the owner has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The peer has shown the certificate its SDP names. From now on these keys hold; those of an earlier association
    /// of the stream do not.
    KeysReady {
        /// The peer's address, which the certificate vouches for.
        peer: SocketAddr,
        /// The protection profile, also in the keys.
        profile: Suite,
        /// Keys of both directions.
        keys: Box<SrtpKeys>,
    },
    /// A handshake failed. A stream in the passive role goes on waiting for another; one in the active role does
    /// nothing until it is opened again. Keys of an earlier association still hold.
    Failed {
        /// With whom.
        peer: SocketAddr,
        /// Whether SDP or ICE named that address: otherwise it says nothing about the call.
        verified: bool,
        /// Why.
        reason: FailureReason,
    },
    /// The peer ended the association its keys came from.
    Closed {
        /// `None`: orderly, by close_notify.
        reason: Option<FailureReason>,
    },
    /// The peer starts a handshake although this side is to. Told once for each opening, and only of a source that
    /// SDP or ICE named.
    RoleConflict {
        /// Who.
        peer: SocketAddr,
    },
}

/// What streams share.
pub(super) struct Common {
    pub limits: Limits,
    pub counters: Arc<Counters>,
    pub rate: RateLimit,
    /// Half-open handshakes of verified sources, and of others.
    pub half_open: [usize; 2],
    jar: CookieJar,
    listeners: Vec<Listener>,
    deadlines: BTreeSet<(Instant, StreamId)>,
    transmits: VecDeque<Transmit>,
    events: VecDeque<(StreamId, u32, Event)>,
}

impl Common {
    pub fn transmit(&mut self, route: DtlsRoute, payload: Box<[u8]>) {
        self.transmits.push_back(Transmit { stream: route.socket, destination: route.peer, payload });
    }

    pub fn event(&mut self, stream: StreamId, epoch: u32, event: Event) {
        self.events.push_back((stream, epoch, event));
    }

    /// Keeps the order of deadlines when that of a stream changes.
    pub fn schedule(&mut self, stream: StreamId, old: Option<Instant>, new: Option<Instant>) {
        if old == new {
            return;
        }
        if let Some(old) = old {
            self.deadlines.remove(&(old, stream));
        }
        if let Some(new) = new {
            self.deadlines.insert((new, stream));
        }
    }

    /// Answers a ClientHello with a cookie, or takes the one it brings.
    pub fn hear(
        &mut self,
        stream: StreamId,
        association: &Association,
        source: DtlsRoute,
        hello: &[u8],
        now: Instant,
    ) -> Result<Heard, ErrorStack> {
        let cookies = self.jar.pair(now, stream, source.peer)?;
        let identity = &association.identity;
        let known = self.listeners.iter().position(|listener| listener.serves(identity));
        if known.is_none() {
            self.listeners.retain(|listener| !listener.is_orphaned());
            self.listeners.push(Listener::new(Arc::clone(identity)));
        }
        let index = known.unwrap_or(self.listeners.len() - 1);
        let Some(listener) = self.listeners.get_mut(index) else { return Ok(Heard::Nothing) };
        listener.hear(hello, cookies, &association.terms(source), now)
    }
}

/// Sessions of all streams. One thread owns it; a full handshake takes a millisecond of CPU, so not a relay thread.
pub struct Engine {
    streams: AHashMap<StreamId, Stream>,
    common: Common,
}

impl Engine {
    /// An engine without streams.
    ///
    /// # Errors
    /// OpenSSL has no randomness.
    pub fn new(limits: Limits, now: Instant) -> Result<Self, ErrorStack> {
        Ok(Self {
            streams: AHashMap::new(),
            common: Common {
                limits,
                counters: Arc::default(),
                rate: RateLimit::new(limits.rate_per_source, limits.rate, now),
                half_open: [0, 0],
                jar: CookieJar::new(now)?,
                listeners: Vec::new(),
                deadlines: BTreeSet::new(),
                transmits: VecDeque::new(),
                events: VecDeque::new(),
            },
        })
    }

    /// Counters that stay readable while the engine runs.
    #[must_use]
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.common.counters)
    }

    /// Expects DTLS on a stream. On one that has an association already, a new one is made (new fingerprint, new role,
    /// ICE restart): handshakes in progress end, keys hold until [`Event::KeysReady`] brings others.
    pub fn open(&mut self, now: Instant, id: StreamId, association: Association) {
        let stream = match self.streams.remove(&id) {
            Some(mut stream) => {
                stream.reopen(&mut self.common, association);
                stream
            }
            None => Stream::new(id, association),
        };
        let stream = self.streams.entry(id).or_insert(stream);
        stream.connect(&mut self.common, now);
        stream.reschedule(&mut self.common, now);
        self.gauge();
    }

    /// The peer's fingerprints have come with its SDP, for the association that was opened last.
    pub fn set_fingerprints(&mut self, now: Instant, id: StreamId, fingerprints: Vec<Fingerprint>) {
        self.with(now, id, |stream, common| stream.set_fingerprints(common, fingerprints));
    }

    /// SDP or ICE has (another) way to the peer. An association goes on over it.
    pub fn set_remote(&mut self, now: Instant, id: StreamId, remote: DtlsRoute) {
        self.with(now, id, |stream, common| {
            stream.set_remote(common, remote);
            stream.connect(common, now);
        });
    }

    /// Ends the association with close_notify and forgets the stream.
    pub fn close(&mut self, id: StreamId) {
        if let Some(mut stream) = self.streams.remove(&id) {
            stream.close(&mut self.common);
            self.gauge();
        }
    }

    /// Takes a datagram for a stream, by whichever of its sockets it came. `verified`: SDP or ICE names its source, so it
    /// needs no cookie.
    pub fn receive(
        &mut self,
        now: Instant,
        id: StreamId,
        source: DtlsRoute,
        verified: bool,
        datagram: &[u8],
    ) {
        count(&self.common.counters.datagrams);
        if !self.streams.contains_key(&id) {
            count(&self.common.counters.unexpected);
            return;
        }
        self.with(now, id, |stream, common| stream.receive(common, now, source, verified, datagram));
    }

    /// When [`Engine::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.common.deadlines.first().map(|(when, _)| *when)
    }

    /// Repeats flights and ends handshakes whose time has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        let due: Vec<StreamId> =
            self.common.deadlines.iter().take_while(|(when, _)| *when <= now).map(|(_, id)| *id).collect();
        for id in due {
            self.with(now, id, |stream, common| stream.handle_timeout(common, now));
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.common.transmits.pop_front()
    }

    /// The next event, with the epoch of the opening it belongs to.
    pub fn poll_event(&mut self) -> Option<(StreamId, u32, Event)> {
        self.common.events.pop_front()
    }

    fn with(&mut self, now: Instant, id: StreamId, act: impl FnOnce(&mut Stream, &mut Common)) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        act(stream, &mut self.common);
        stream.reschedule(&mut self.common, now);
        self.gauge();
    }

    fn gauge(&self) {
        let counters = &self.common.counters;
        let half_open: usize = self.common.half_open.iter().sum();
        counters.half_open.store(half_open as u64, Ordering::Relaxed);
        counters.streams.store(self.streams.len() as u64, Ordering::Relaxed);
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Engine").field("streams", &self.streams.len()).finish_non_exhaustive()
    }
}
