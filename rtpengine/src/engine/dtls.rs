//! DTLS-SRTP of the daemon: the thread that shakes hands, its way to the media sockets, and the certificates.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use rtpengine_core::io::{DtlsCommand, DtlsEvent, DtlsIdentity, DtlsRole, MediaEvent, StreamId};

use super::actor::EngineHandle;
use super::identities::Identities;
use crate::dtls::{
    Association, DtlsOptions, Event, FailureReason, Feed, IdentityError, Limits, PROFILES, Role, Sink,
    Statistics, Transmit, Worker,
};
use crate::relay::{MediaSocket, RelayHandle};

/// Why there is no DTLS.
#[derive(Debug, thiserror::Error)]
pub enum DtlsError {
    /// The certificate cannot be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No thread to be had.
    #[error("the DTLS thread cannot be started: {0}")]
    Thread(#[from] io::Error),
}

/// A stream that takes part.
struct Open {
    socket: Arc<MediaSocket>,
    feed: Option<Feed>,
}

type Streams = Arc<Mutex<AHashMap<StreamId, Open>>>;

/// DTLS of all streams.
pub struct Dtls {
    worker: Worker,
    identities: Arc<Identities>,
    streams: Streams,
    relay: RelayHandle,
}

impl Dtls {
    /// Makes the certificate and starts the thread.
    ///
    /// # Errors
    /// See [`DtlsError`].
    pub fn start(options: DtlsOptions, relay: RelayHandle, events: EngineHandle) -> Result<Self, DtlsError> {
        let identities = Arc::new(Identities::new(options)?);
        let streams = Streams::default();
        let outlet = Outlet { streams: Arc::clone(&streams), events };
        let worker = Worker::spawn(Limits::default(), outlet)?;
        Ok(Self { worker, identities, streams, relay })
    }

    /// The certificate for new SDP.
    #[must_use]
    pub fn identity(&self) -> Option<Arc<DtlsIdentity>> {
        self.identities.current()
    }

    /// All certificates in use.
    #[must_use]
    pub fn identities(&self) -> Arc<Identities> {
        Arc::clone(&self.identities)
    }

    /// What was counted so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.worker.statistics()
    }

    /// Carries out what the core decided.
    pub fn command(&self, command: DtlsCommand) {
        match command {
            DtlsCommand::Open { stream, association } => {
                let Some(identity) = self.identities.find(association.identity.id) else {
                    // The core speaks of certificates only that it holds, and those are kept.
                    tracing::error!(target: "crypto", "the certificate {} is gone", association.identity.id);
                    return;
                };
                let association = Association {
                    epoch: association.epoch,
                    role: role(association.role),
                    identity,
                    remote: association.remote,
                    fingerprints: association.fingerprints.iter().map(Into::into).collect(),
                    profiles: PROFILES.to_vec(),
                };
                self.open(stream, association);
            }
            DtlsCommand::Fingerprints { stream, fingerprints } => {
                self.worker.set_fingerprints(stream, fingerprints.iter().map(Into::into).collect());
            }
            DtlsCommand::Remote { stream, remote } => self.worker.set_remote(stream, remote),
            DtlsCommand::Close { stream } => {
                self.relay.handshakes(stream, None);
                self.worker.close(stream);
            }
        }
    }

    fn open(&self, stream: StreamId, association: Association) {
        // Before the thread knows of the stream: its first datagram may follow at once.
        let known = match self.relay.socket(stream) {
            Some(socket) => lock(&self.streams).insert(stream, Open { socket, feed: None }),
            // Closed already: nothing can be sent.
            None => return,
        };
        let feed = match known.and_then(|open| open.feed) {
            Some(feed) => {
                self.worker.reopen(stream, association);
                feed
            }
            None => self.worker.open(stream, association),
        };
        if let Some(open) = lock(&self.streams).get_mut(&stream) {
            open.feed = Some(feed.clone());
        }
        self.relay.handshakes(stream, Some(feed));
    }
}

fn lock(streams: &Streams) -> MutexGuard<'_, AHashMap<StreamId, Open>> {
    // The map is consistent between any two statements, so a poisoned lock is still good.
    streams.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn role(role: DtlsRole) -> Role {
    match role {
        DtlsRole::Active => Role::Active,
        DtlsRole::Passive => Role::Passive,
    }
}

/// Where the thread's datagrams and news go.
struct Outlet {
    streams: Streams,
    events: EngineHandle,
}

impl Sink for Outlet {
    fn transmit(&mut self, transmit: Transmit) {
        if let Some(open) = lock(&self.streams).get(&transmit.stream) {
            open.socket.send_to(&transmit.payload, transmit.destination);
        }
    }

    fn event(&mut self, stream: StreamId, epoch: u32, event: Event) {
        let event = match event {
            Event::KeysReady { peer, keys, .. } => {
                DtlsEvent::Keys { peer, receive: Arc::new(keys.receive), transmit: Arc::new(keys.send) }
            }
            // Says nothing about the call.
            Event::Failed { verified: false, .. } => return,
            Event::Failed { peer, reason, .. } => DtlsEvent::Failed {
                peer,
                timed_out: reason == FailureReason::Timeout,
                reason: reason.to_string(),
            },
            Event::Closed { .. } => DtlsEvent::Closed,
            Event::RoleConflict { .. } => DtlsEvent::RoleConflict,
        };
        self.events.event(MediaEvent::Dtls { stream, epoch, event });
    }

    fn closed(&mut self, stream: StreamId) {
        lock(&self.streams).remove(&stream);
    }
}
