//! Which SRTP contexts exist, whose they are, and when they end.
//!
//! A context belongs to one direction of a key ring ([`rtpengine_core::io::RelayStream::keyring`]). All flows that need it
//! refer to it: those of the sockets of one m-line, and those of forks that lead to one socket encrypt for it under the
//! same indices; and the relay keeps its own knowledge of the streams there from the first handover
//! on, so nothing is copied when a flow changes hands. It ends when no flow and no relay thread refers to it any more:
//! then it rests, until no CPU can still be at work with it, and its keys are wiped.

use std::{
    ptr::NonNull,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use ahash::AHashMap;
use rtpengine_common::srtp::{
    CryptoParams, Session, Suite,
    abi::{CIPHER_GCM, MAX_SRTP_CONTEXTS, SrtpContext, SrtpStreams},
    ghash::HashKey,
    shared::SharedStreams,
};
use rtpengine_core::io::{Reason, StreamId};
use smallvec::SmallVec;

use super::{
    flow::AdoptedFlow,
    net::NetMaps,
    slots::Slots,
    srtp::{CONTEXTS_PER_CHUNK, StreamsArea},
};
use crate::srtp::{Direction, Row, SharedRow};

/// Rows that nobody refers to any more.
type Returned = Arc<Mutex<Vec<u32>>>;

/// A context in use.
pub struct ContextRow {
    row: u32,
    /// `None`: a predecessor's whose suite is not known.
    suite: Option<Suite>,
    streams: NonNull<SharedStreams>,
    returned: Returned,
    /// Keeps `streams` mapped.
    _area: Arc<StreamsArea>,
}

// SAFETY: what the address leads to is only accessed atomically, and all else may be sent.
unsafe impl Send for ContextRow {}
// SAFETY: as above.
unsafe impl Sync for ContextRow {}

impl ContextRow {
    /// Its number.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.row + 1
    }
}

impl Row for ContextRow {
    fn streams(&self) -> &SharedStreams {
        // SAFETY: an element of the area, which lives as long as this.
        unsafe { self.streams.as_ref() }
    }
}

impl Drop for ContextRow {
    fn drop(&mut self) {
        self.returned.lock().unwrap_or_else(PoisonError::into_inner).push(self.row);
    }
}

/// The contexts of a flow.
#[derive(Clone, Default)]
pub struct FlowKeys {
    /// What its packets are decrypted with.
    pub receive: Option<Arc<ContextRow>>,
    /// What they are encrypted with.
    pub transmit: Option<Arc<ContextRow>>,
    /// Nobody but the kernel knows the keys.
    pub inherited: bool,
}

impl FlowKeys {
    /// The numbers, 0 for none: of what packets are decrypted with, and encrypted with.
    #[must_use]
    pub fn numbers(&self) -> (u32, u32) {
        let number = |row: &Option<Arc<ContextRow>>| row.as_ref().map_or(0, |row| row.number());
        (number(&self.receive), number(&self.transmit))
    }

    /// The suites.
    #[must_use]
    pub fn suites(&self) -> [Option<Suite>; 2] {
        [&self.receive, &self.transmit].map(|row| row.as_ref().and_then(|row| row.suite))
    }

    /// Whether a flow with these need not change for those.
    #[must_use]
    pub fn are(&self, other: &Self) -> bool {
        self.numbers() == other.numbers() && self.inherited == other.inherited
    }

    /// There are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.receive.is_none() && self.transmit.is_none()
    }
}

/// What a relay thread is to share with the kernel before a flow can be there.
#[derive(Clone)]
pub struct Share {
    keyring: StreamId,
    direction: Direction,
    keys: Arc<CryptoParams>,
    row: SharedRow,
}

impl Share {
    /// Of the direction of a key ring; `None`: it is not encrypted, or its keys are the kernel's alone.
    pub(super) fn new(
        keyring: StreamId,
        direction: Direction,
        keys: Option<&Arc<CryptoParams>>,
        row: Option<&Arc<ContextRow>>,
    ) -> Option<Self> {
        let (keys, row) = (Arc::clone(keys?), Arc::clone(row?) as SharedRow);
        Some(Self { keyring, direction, keys, row })
    }

    /// Has the relay thread share it.
    pub(super) fn make(&self, states: &mut dyn crate::relay::SrtpStates) -> bool {
        states.share(self.keyring, self.direction, &self.keys, Arc::clone(&self.row))
    }
}

/// What is to be shared for one flow.
pub type Shares = SmallVec<[Share; 2]>;

struct Known {
    params: Arc<CryptoParams>,
    row: Weak<ContextRow>,
}

/// The contexts of a table.
pub struct Contexts {
    net: Arc<NetMaps>,
    rows: Slots,
    known: AHashMap<(StreamId, Direction), Known>,
    /// By row, of a predecessor's flows.
    inherited: AHashMap<u32, Weak<ContextRow>>,
    returned: Returned,
}

impl Contexts {
    /// None yet, and no room for any.
    #[must_use]
    pub fn new(net: Arc<NetMaps>) -> Self {
        Self {
            net,
            rows: Slots::new(MAX_SRTP_CONTEXTS),
            known: AHashMap::new(),
            inherited: AHashMap::new(),
            returned: Returned::default(),
        }
    }

    /// The table has got a chunk of counters, and contexts with it.
    pub fn add_chunk(&mut self, chunk: u32) {
        self.rows.add_chunk(chunk * CONTEXTS_PER_CHUNK, CONTEXTS_PER_CHUNK);
    }

    /// The contexts of a flow that a predecessor left. `None`: they are not there, or not this table's.
    pub fn inherit(&mut self, flow: &AdoptedFlow) -> Option<FlowKeys> {
        let (receive, transmit) = (flow.info.receive_suite(), flow.info.transmit_suite());
        let receive = self.take_over(flow.value.receive_context, receive)?;
        let transmit = self.take_over(flow.value.transmit_context, transmit)?;
        let inherited = receive.is_some() || transmit.is_some();
        Some(FlowKeys { receive, transmit, inherited })
    }

    fn take_over(&mut self, number: u32, suite: Option<Suite>) -> Option<Option<Arc<ContextRow>>> {
        let Some(row) = number.checked_sub(1) else { return Some(None) };
        if let Some(row) = self.inherited.get(&row).and_then(Weak::upgrade) {
            return Some(Some(row));
        }
        if !self.net.srtp.has(number).unwrap_or(false) || !self.rows.claim(row) {
            return None;
        }
        let row = self.row(row, suite)?;
        self.inherited.insert(row.row, Arc::downgrade(&row));
        Some(Some(row))
    }

    /// The context for keys of a direction of a key ring. `current`: what the flow has now.
    ///
    /// # Errors
    /// [`Reason::Srtp`]: the program cannot do it; others as the maps.
    pub fn acquire(
        &mut self,
        keyring: StreamId,
        direction: Direction,
        params: &Arc<CryptoParams>,
        current: Option<&Arc<ContextRow>>,
    ) -> Result<Arc<ContextRow>, Reason> {
        let known = self.known.get(&(keyring, direction)).filter(|known| known.params == *params);
        if let Some(row) = known.and_then(|known| known.row.upgrade()) {
            return Ok(row);
        }
        let session = Session::new(params);
        let (context, hash_key) = session.kernel_context().ok_or(Reason::Srtp)?;
        // A party that offers the keys it had before the restart goes on where it was.
        let same = current.filter(|row| self.net.srtp.is(row.number(), context).unwrap_or(false));
        let row = match same {
            Some(row) => Arc::clone(row),
            None => self.make(params.suite(), context, hash_key)?,
        };
        let known = Known { params: Arc::clone(params), row: Arc::downgrade(&row) };
        self.known.insert((keyring, direction), known);
        Ok(row)
    }

    fn make(
        &mut self,
        suite: Suite,
        context: &SrtpContext,
        hash_key: &HashKey,
    ) -> Result<Arc<ContextRow>, Reason> {
        let row = self.rows.allocate().ok_or(Reason::TableFull)?;
        let row = self.row(row, Some(suite)).ok_or(Reason::TableFull)?;
        row.streams().reset(&SrtpStreams::default());
        let hash_key = (context.cipher == CIPHER_GCM).then_some(hash_key);
        self.net.srtp.put(row.number(), context, hash_key).map_err(|error| {
            tracing::warn!(target: "core", %error, "the kernel refused an SRTP context");
            super::state::refusal(&error)
        })?;
        Ok(row)
    }

    fn row(&self, row: u32, suite: Option<Suite>) -> Option<Arc<ContextRow>> {
        let area = Arc::clone(&self.net.srtp.streams);
        let (streams, returned) = (area.row(row)?, Arc::clone(&self.returned));
        Some(Arc::new(ContextRow { row, suite, streams, returned, _area: area }))
    }

    /// Wipes what nobody has referred to for long enough.
    pub fn collect(&mut self, now_ns: u64) {
        while let Some(row) = self.rows.pop_rested(now_ns) {
            match self.net.srtp.wipe(row + 1) {
                Ok(()) => self.rows.release_unused(row),
                Err(error) => {
                    tracing::error!(target: "core", %error, "cannot wipe an SRTP context; its number is not used again");
                }
            }
        }
        let returned = std::mem::take(&mut *self.returned.lock().unwrap_or_else(PoisonError::into_inner));
        if returned.is_empty() {
            return;
        }
        for row in returned {
            self.inherited.remove(&row);
            self.rows.retire(row, now_ns);
        }
        self.known.retain(|_, known| known.row.strong_count() > 0);
    }
}
