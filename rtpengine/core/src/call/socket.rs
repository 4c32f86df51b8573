//! One open media socket and what has been said about it to the shell.

use std::net::SocketAddr;

use super::{dtls::SocketDtls, ice::Standing, interfaces::LocalIdx};
use crate::{
    io::{FlowSpec, Path, Reason, RelayStream, StreamId},
    media::ssrc::static_clock_rate,
};

/// A socket of a call. The party it faces is found through the dialogue that refers to it.
#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) stream: StreamId,
    pub(super) local_idx: LocalIdx,
    pub(super) local: SocketAddr,
    /// The party's address as signalled.
    pub(super) signalled: Option<SocketAddr>,
    /// The party's address in force: signalled, then learned.
    pub(super) endpoint: Option<SocketAddr>,
    /// `endpoint` was learned or confirmed.
    pub(super) settled: bool,
    /// Counts how often learning began anew.
    pub(super) epoch: u32,
    /// What ICE says of it.
    pub(super) standing: Standing,
    /// Carries RTCP alone.
    pub(super) rtcp: bool,
    /// The offload manager's last word.
    pub(super) path: Path,
    /// Why the stream may not be offloaded, if so.
    pub(super) kept_up: Option<Reason>,
    /// Last sign of life, signalled or received, microseconds of the monotonic clock. Packets are noticed once a second
    /// by their number, so that steps of the wall clock end no calls.
    pub(super) alive_mono_us: u64,
    /// Packets counted then.
    pub(super) packets_seen: u64,
    /// Clock rate of the media that arrived then, Hz; `None` where that is not known.
    pub(super) clock_rate: Option<u32>,
    /// Those from earlier addresses of the party.
    pub(super) packets_before: u64,
    /// Last signalling, Unix microseconds.
    pub(super) since_unix_us: u64,
    /// What the relay was last told; `None`: not configured yet.
    pub(super) configured: Option<Box<RelayStream>>,
    pub(super) dtls: SocketDtls,
    /// What the offload manager was last told.
    pub(super) flow: Option<Box<FlowSpec>>,
}

impl Socket {
    /// Takes over a signalled address. One that was signalled before keeps what was learned about it.
    pub(super) fn signal(&mut self, address: Option<SocketAddr>) {
        let address = address.filter(|address| address.is_ipv4() == self.local.is_ipv4());
        if self.signalled == address {
            return;
        }
        self.signalled = address;
        // An address that was learned already needs no learning when it is signalled at last.
        if self.endpoint != address {
            self.restart(address);
        }
    }

    /// Takes over what ICE has found. `heard`: where its checks have come from.
    pub(super) fn follow(&mut self, standing: Standing, heard: &[SocketAddr]) {
        let before = std::mem::replace(&mut self.standing, standing);
        let (endpoint, settled) = match standing {
            Standing::Free if before == Standing::Free => return,
            Standing::Free => (self.signalled, false),
            // Until there is a new way the old one is good.
            Standing::Checking => return,
            Standing::Chosen(remote) => (Some(remote), true),
            // The party may go on sending here, or always send here: it chooses its own way out.
            Standing::Spare => match self.endpoint.filter(|known| heard.contains(known)) {
                Some(known) => (Some(known), self.settled && before == Standing::Spare),
                None => (heard.last().copied(), false),
            },
            Standing::Lost => (None, false),
        };
        if (self.endpoint, self.settled) != (endpoint, settled) {
            self.restart(endpoint);
            self.settled = settled;
        }
    }

    /// Where the party may be spoken to: while ICE looks for a way, only where an earlier one leads.
    pub(super) fn reached(&self) -> Option<SocketAddr> {
        let is_way = match self.standing {
            Standing::Free | Standing::Chosen(_) => true,
            Standing::Checking => self.settled,
            Standing::Spare | Standing::Lost => false,
        };
        self.endpoint.filter(|_| is_way)
    }

    /// Whether packets show where the party is: not where ICE does.
    pub(super) fn learns(&self) -> bool {
        self.standing == Standing::Free
    }

    /// Whether the party may be at `endpoint` by what is known otherwise.
    pub(super) fn may_settle(&self, endpoint: SocketAddr) -> bool {
        self.learns() || (self.standing == Standing::Spare && self.endpoint == Some(endpoint))
    }

    /// Forgets what was learned about the party's address.
    pub(super) fn unlearn(&mut self) {
        self.restart(self.signalled);
    }

    /// The party has shown that it is behind this address.
    pub(super) fn authenticated(&mut self, address: SocketAddr) {
        self.restart(Some(address));
    }

    /// Whatever is reported about the address so far no longer counts.
    fn restart(&mut self, endpoint: Option<SocketAddr>) {
        self.endpoint = endpoint;
        self.settled = false;
        self.packets_before = self.packets_seen;
        self.epoch = self.epoch.wrapping_add(1);
    }

    /// Clock rate of a payload type of the party's, Hz.
    pub(super) fn clock_rate_of(&self, payload_type: u8) -> Option<u32> {
        let rates = self.configured.as_ref().map_or(&[][..], |relay| &relay.clock_rates);
        let known = rates.iter().find(|(known, _)| *known == payload_type);
        known.map(|(_, rate)| *rate).or_else(|| static_clock_rate(payload_type))
    }

    /// The path as people should see it.
    pub(super) fn shown_path(&self) -> Path {
        self.kept_up.map_or(self.path, Path::Userspace)
    }
}
