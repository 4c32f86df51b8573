//! The moment a flow changes hands: a job that runs in the relay thread between two drains of the socket.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering::AcqRel, Ordering::Acquire},
    },
};

use rtpengine_common::abi::{FLOW_BLACKHOLE, FlowKey, FlowValue, MAX_SSRCS, SsrcStats};
use rtpengine_core::{io::StreamId, media::ssrc::KernelSsrc};
use smallvec::SmallVec;
use tokio::sync::mpsc::UnboundedSender;

use super::{clock, contexts::Shares, stats::StatsArea, table::TableMaps};
use crate::relay::{self, KernelFold, RelayHandle};

/// Implemented by the relay.
pub trait Handover: Send + Sync {
    /// Runs `job` in the thread that owns the stream's socket, after everything queued in the socket was relayed; the
    /// relay drains the socket once more afterwards and tells the follower of what it sends on. A flow whose follower is
    /// dropped forwards at once. A job for an unknown stream is dropped unrun.
    fn handover(&self, stream: StreamId, job: relay::Job);

    /// Has `work` done in that thread before the stream's next packet is looked at.
    fn prepare(&self, stream: StreamId, work: relay::Preparation);

    /// SSRC and highest extended sequence number of the stream's sources, newest last, as the relay has counted them.
    /// Called in a job.
    fn sources(&self, stream: StreamId) -> SmallVec<[(u32, u32); MAX_SSRCS]>;

    /// What the kernel counted by SSRC since the relay was last told; the relay's statistics continue from there.
    fn absorb(&self, stream: StreamId, sources: &[SsrcStats]);
}

impl Handover for RelayHandle {
    fn handover(&self, stream: StreamId, job: relay::Job) {
        Self::handover(self, stream, job);
    }

    fn prepare(&self, stream: StreamId, work: relay::Preparation) {
        Self::prepare(self, stream, work);
    }

    fn sources(&self, stream: StreamId) -> SmallVec<[(u32, u32); MAX_SSRCS]> {
        let Some(counters) = self.counters(stream) else { return SmallVec::new() };
        let known = counters.stream.ssrcs;
        let newest = known.len().saturating_sub(MAX_SSRCS);
        known.iter().skip(newest).map(|source| (source.ssrc, source.highest_seq)).collect()
    }

    fn absorb(&self, stream: StreamId, sources: &[SsrcStats]) {
        // Totals are not told: they are counted here for good, and would otherwise be added twice.
        let ssrcs = sources
            .iter()
            .map(|source| KernelSsrc {
                ssrc: source.ssrc,
                highest_seq: source.highest_seq,
                packets: source.packets,
                bytes: source.bytes,
                payload_type: u8::try_from(source.last_payload_type & 0x7f).unwrap_or(0),
            })
            .collect();
        Self::absorb(self, stream, KernelFold { ssrcs, ..KernelFold::default() });
    }
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Puts the flow into the kernel.
    Install(FlowKey, Box<FlowValue>),
    /// Restarts the idle clock of the flow in this slot.
    Wake(u32),
}

/// How a job ended.
#[derive(Debug)]
pub enum Outcome {
    /// Done: the kernel has the flow.
    Done,
    /// The kernel refused.
    Refused(io::Error),
    /// Never run: cancelled, the table was closed, or the relay does not know the stream or has other keys for it.
    NotRun,
}

/// A job's report to the manager.
#[derive(Debug)]
pub struct Report {
    /// The stream.
    pub stream: StreamId,
    /// Tells the job from earlier ones of the stream.
    pub generation: u64,
    /// How it ended.
    pub outcome: Outcome,
}

const WAITING: u8 = 0;
const STARTED: u8 = 1;
const CANCELLED: u8 = 2;

/// The manager's side of a job under way.
#[derive(Clone, Debug)]
pub struct Ticket(Arc<AtomicU8>);

impl Ticket {
    /// `true`: the job will not run. `false`: it has started, its report will come.
    #[must_use]
    pub fn cancel(&self) -> bool {
        self.0.compare_exchange(WAITING, CANCELLED, AcqRel, Acquire).is_ok()
    }
}

struct Job {
    stream: StreamId,
    generation: u64,
    action: Action,
    shares: Shares,
    relay: Arc<dyn Handover>,
    maps: Arc<TableMaps>,
    state: Arc<AtomicU8>,
    reports: UnboundedSender<Report>,
    outcome: Outcome,
}

impl Job {
    fn run(&mut self, states: &mut dyn relay::SrtpStates) -> Option<relay::Follower> {
        self.state.compare_exchange(WAITING, STARTED, AcqRel, Acquire).ok()?;
        // With other keys than the relay the kernel must not begin; what the relay has will come here, too.
        if !self.shares.iter().all(|share| share.make(states)) {
            return None;
        }
        let stats = self.maps.stats();
        let settling = match &self.action {
            Action::Install(key, value) => {
                stats.continue_from(value.slot, &self.relay.sources(self.stream));
                // What only counts and drops has no order.
                let settling = (value.flags & FLOW_BLACKHOLE == 0)
                    .then(|| Settling::begin(Arc::clone(stats), value.slot, self.generation));
                self.outcome = match self.maps.install(key, value) {
                    Ok(true) => Outcome::Done,
                    Ok(false) => Outcome::NotRun,
                    Err(error) => Outcome::Refused(error),
                };
                settling?
            }
            Action::Wake(slot) => {
                let settling = Settling::begin(Arc::clone(stats), *slot, self.generation);
                stats.wake(*slot, clock::now_ns());
                self.outcome = Outcome::Done;
                settling
            }
        };
        Some(Box::new(move |mark| settling.relayed(mark)))
    }
}

/// Longest time a flow settles, nanoseconds: a relay that always has packets waiting is too slow, and is helped most by a
/// flow that leaves it.
const SETTLING_NS: u64 = 1_000_000_000;

/// The relay's side of a flow that settles ([`rtpengine_common::settle`]). Dropped, the flow forwards.
struct Settling {
    stats: Arc<StatsArea>,
    slot: u32,
    turn: u32,
    until_ns: u64,
}

impl Settling {
    /// Before the program may forward.
    fn begin(stats: Arc<StatsArea>, slot: u32, generation: u64) -> Self {
        // Two handovers of one slot are never 2^31 apart.
        let turn = generation as u32 | 1 << 31;
        stats.settle(slot, turn);
        Self { stats, slot, turn, until_ns: clock::now_ns() + SETTLING_NS }
    }

    /// `false`: the flow is settled, or out of time.
    fn relayed(&self, mark: u64) -> bool {
        self.stats.relayed(self.slot, self.turn, mark) && clock::now_ns() < self.until_ns
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        self.stats.settled(self.slot, self.turn);
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::NotRun);
        // Nobody listens any more once the manager has ended.
        let _ = self.reports.send(Report { stream: self.stream, generation: self.generation, outcome });
    }
}

/// Hands a job to the relay, which first shares what it knows of streams under the flow's keys. Exactly one report follows,
/// also when the relay drops the job.
pub fn start(
    relay: &Arc<dyn Handover>,
    maps: Arc<TableMaps>,
    reports: UnboundedSender<Report>,
    (stream, generation): (StreamId, u64),
    action: Action,
    shares: Shares,
) -> Ticket {
    if !shares.is_empty() {
        // What waits in the socket when the job comes may be known to the row alone already.
        let early = shares.clone();
        let share_all = move |states: &mut dyn relay::SrtpStates| {
            early.iter().for_each(|share| {
                // The job asks again, and then it matters.
                let _ = share.make(states);
            });
        };
        relay.prepare(stream, Box::new(share_all));
    }
    let state = Arc::new(AtomicU8::new(WAITING));
    let ticket = Ticket(Arc::clone(&state));
    let mut job = Job {
        stream,
        generation,
        action,
        shares,
        relay: Arc::clone(relay),
        maps,
        state,
        reports,
        outcome: Outcome::NotRun,
    };
    relay.handover(stream, Box::new(move |states| job.run(states)));
    ticket
}
