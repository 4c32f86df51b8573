//! DTLS-SRTP of the daemon: the thread that shakes hands, its way to the media sockets, and the certificates.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ahash::AHashMap;
use rtpengine_core::io::{DtlsCommand, DtlsEvent, DtlsIdentity, DtlsRole, MediaEvent, StreamId};
use smallvec::SmallVec;

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

/// An association by name, with its way in.
struct Open {
    feed: Feed,
    sockets: SmallVec<[StreamId; 2]>,
    /// Its end is on its way to the thread.
    closing: bool,
}

/// What takes part.
#[derive(Default)]
struct Members {
    associations: AHashMap<StreamId, Open>,
    sockets: AHashMap<StreamId, Arc<MediaSocket>>,
}

type Shared = Arc<Mutex<Members>>;

/// DTLS of all components.
pub struct Dtls {
    worker: Worker,
    identities: Arc<Identities>,
    members: Shared,
    relay: RelayHandle,
}

impl Dtls {
    /// Makes the certificate and starts the thread.
    ///
    /// # Errors
    /// See [`DtlsError`].
    pub fn start(options: DtlsOptions, relay: RelayHandle, events: EngineHandle) -> Result<Self, DtlsError> {
        let identities = Arc::new(Identities::new(options)?);
        let members = Shared::default();
        let outlet = Outlet { members: Arc::clone(&members), events };
        let worker = Worker::spawn(Limits::default(), outlet)?;
        Ok(Self { worker, identities, members, relay })
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
                let sockets = association.sockets;
                let association = Association {
                    epoch: association.epoch,
                    role: role(association.role),
                    identity,
                    remote: association.remote,
                    fingerprints: association.fingerprints.iter().map(Into::into).collect(),
                    profiles: PROFILES.to_vec(),
                };
                self.open(stream, association, sockets);
            }
            DtlsCommand::Fingerprints { stream, fingerprints } => {
                self.worker.set_fingerprints(stream, fingerprints.iter().map(Into::into).collect());
            }
            DtlsCommand::Remote { stream, remote } => self.worker.set_remote(stream, remote),
            DtlsCommand::Sockets { stream, sockets } => {
                let mut members = lock(&self.members);
                if let Some(feed) = members.associations.get(&stream).map(|open| open.feed.clone()) {
                    self.enlist(&mut members, stream, &feed, sockets);
                }
            }
            DtlsCommand::Close { stream } => {
                if let Some(open) = lock(&self.members).associations.get_mut(&stream) {
                    open.closing = true;
                    open.sockets.iter().for_each(|socket| self.relay.handshakes(*socket, None));
                }
                self.worker.close(stream);
            }
        }
    }

    fn open(&self, stream: StreamId, association: Association, sockets: SmallVec<[StreamId; 2]>) {
        let mut members = lock(&self.members);
        let feed = match members.associations.get_mut(&stream) {
            Some(open) => {
                open.closing = false;
                self.worker.reopen(stream, association);
                open.feed.clone()
            }
            None => {
                let feed = self.worker.open(stream, association);
                let open = Open { feed: feed.clone(), sockets: SmallVec::new(), closing: false };
                members.associations.insert(stream, open);
                feed
            }
        };
        self.enlist(&mut members, stream, &feed, sockets);
    }

    /// Has these sockets, and no others, take part in an association. They are kept open as long as something may be sent
    /// from them; those closed already are left out. The lock is held, so that the thread finds them when it sends.
    fn enlist(&self, members: &mut Members, stream: StreamId, feed: &Feed, sockets: SmallVec<[StreamId; 2]>) {
        for socket in &sockets {
            if let Some(found) = self.relay.socket(*socket) {
                members.sockets.insert(*socket, found);
            }
            self.relay.handshakes(*socket, Some(feed.of(*socket)));
        }
        let Some(open) = members.associations.get_mut(&stream) else { return };
        let before = std::mem::replace(&mut open.sockets, sockets);
        for gone in before.iter().filter(|socket| !open.sockets.contains(socket)) {
            members.sockets.remove(gone);
            self.relay.handshakes(*gone, None);
        }
    }
}

fn lock(members: &Shared) -> MutexGuard<'_, Members> {
    // Each statement leaves the maps usable, so a poisoned lock is still good.
    members.lock().unwrap_or_else(PoisonError::into_inner)
}

const fn role(role: DtlsRole) -> Role {
    match role {
        DtlsRole::Active => Role::Active,
        DtlsRole::Passive => Role::Passive,
    }
}

/// Where the thread's datagrams and news go.
struct Outlet {
    members: Shared,
    events: EngineHandle,
}

impl Sink for Outlet {
    fn transmit(&mut self, transmit: Transmit) {
        if let Some(socket) = lock(&self.members).sockets.get(&transmit.stream) {
            socket.send_to(&transmit.payload, transmit.destination);
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
        let mut members = lock(&self.members);
        // It may have been opened again meanwhile.
        if members.associations.get(&stream).is_some_and(|open| open.closing)
            && let Some(open) = members.associations.remove(&stream)
        {
            open.sockets.iter().for_each(|socket| drop(members.sockets.remove(socket)));
        }
    }
}
