//! Which streams exist, where they live, and which local addresses are about to become free.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock, Weak};
use std::time::{Duration, Instant};

use ahash::AHashMap;
use rtpengine_core::io::{Affinity, StreamId};

use super::load::Placement;
use super::shared::StreamShared;
use super::socket::MediaSocket;

/// Where a stream lives.
pub(super) struct Entry {
    pub shard: usize,
    /// The call, as far as its place is concerned.
    pub affinity: Affinity,
    pub local: SocketAddr,
    pub shared: Arc<StreamShared>,
    pub socket: Weak<MediaSocket>,
}

/// Shared by the handles and, when sockets are closed, by the relay threads; never touched for a packet.
pub(super) struct Registry {
    pub placement: Placement,
    streams: RwLock<AHashMap<StreamId, Entry>>,
    /// Addresses whose `Close` is queued but not executed.
    closing: Mutex<HashSet<SocketAddr>>,
    closed: Condvar,
}

impl Registry {
    pub(super) fn new(placement: Placement) -> Self {
        Self { placement, streams: RwLock::default(), closing: Mutex::default(), closed: Condvar::new() }
    }

    pub(super) fn insert(&self, stream: StreamId, entry: Entry) {
        self.streams.write().unwrap_or_else(PoisonError::into_inner).insert(stream, entry);
    }

    /// Has `then` done with the place of a stream, which does not change meanwhile.
    pub(super) fn with_place(&self, stream: StreamId, then: impl FnOnce(usize, SocketAddr)) {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = streams.get(&stream) {
            then(entry.shard, entry.local);
        }
    }

    /// The streams of one call are those of another one from now on. Where that changes their shard, `move_them` sees to it
    /// before anybody learns of their new place.
    pub(super) fn unite(
        &self,
        from: Affinity,
        to: Affinity,
        move_them: impl FnOnce(Vec<StreamId>, usize, usize),
    ) {
        let mut streams = self.streams.write().unwrap_or_else(PoisonError::into_inner);
        let moved = self.placement.unite(from, to);
        let mut ids = Vec::new();
        for (id, entry) in streams.iter_mut().filter(|(_, entry)| entry.affinity == from) {
            entry.affinity = to;
            if let Some((_, shard)) = moved {
                entry.shard = shard;
                ids.push(*id);
            }
        }
        if let Some((before, after)) = moved {
            move_them(ids, before, after);
        }
    }

    /// The socket of a stream.
    pub(super) fn socket(&self, stream: StreamId) -> Option<Arc<MediaSocket>> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.get(&stream)?.socket.upgrade()
    }

    /// The counters of a stream.
    pub(super) fn shared(&self, stream: StreamId) -> Option<Arc<StreamShared>> {
        let streams = self.streams.read().unwrap_or_else(PoisonError::into_inner);
        streams.get(&stream).map(|entry| Arc::clone(&entry.shared))
    }

    pub(super) fn len(&self) -> usize {
        self.streams.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// A `Close` was queued for this address.
    pub(super) fn closing(&self, local: SocketAddr) {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner).insert(local);
    }

    /// The socket is closed and the stream forgotten.
    pub(super) fn remove(&self, stream: StreamId) {
        let removed = self.streams.write().unwrap_or_else(PoisonError::into_inner).remove(&stream);
        if let Some(entry) = removed {
            self.placement.leave(entry.affinity);
            self.closing.lock().unwrap_or_else(PoisonError::into_inner).remove(&entry.local);
            self.closed.notify_all();
        }
    }

    /// Whether a queued `Close` still holds this address.
    pub(super) fn is_closing(&self, local: SocketAddr) -> bool {
        self.closing.lock().unwrap_or_else(PoisonError::into_inner).contains(&local)
    }

    /// Waits while a queued `Close` still holds this address, up to `limit`.
    pub(super) fn wait_closed(&self, local: SocketAddr, limit: Duration) {
        let deadline = Instant::now() + limit;
        let mut closing = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        while closing.contains(&local) {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            closing = self.closed.wait_timeout(closing, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
