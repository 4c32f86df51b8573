//! One party's SSRC: its reports, their echoes, and what it says of the media it receives.

use smallvec::SmallVec;

use super::figures::{Figures, Sample};
use crate::{
    io::StreamId,
    media::rtcp::{Block, MAX_BLOCKS},
};

/// Reports whose echo is waited for: at one in five seconds those of 20 s, far longer than any round trip.
const MAX_REPORTS: usize = 4;

/// A report, and when it was here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    /// By what its echo names it.
    pub(super) compact_ntp: u32,
    /// Microseconds of the monotonic clock.
    pub(super) mono_us: u64,
}

/// The last word of a source on what it receives from another.
#[derive(Clone, Copy, Debug)]
struct Heard {
    ssrc: u32,
    highest_seq: u32,
    lost: i32,
}

/// See the module's text.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) ssrc: u32,
    /// The socket of its reports; of one that has not reported yet the socket of its media.
    pub(super) stream: StreamId,
    /// Its last report, which ours echo.
    pub(super) latest: Option<Stamp>,
    /// Reports in its name that the other party got, latest last.
    forwarded: SmallVec<[Stamp; MAX_REPORTS]>,
    /// Round-trip time between the party and this host, microseconds.
    pub(super) round_trip_us: Option<f64>,
    /// When it last reported on what it receives, microseconds of the monotonic clock.
    pub(super) heard_mono_us: Option<u64>,
    heard: SmallVec<[Heard; 1]>,
    /// What it last said of jitter, milliseconds.
    pub(super) jitter_ms: f64,
    pub(super) figures: Option<Box<Figures>>,
}

impl Source {
    pub(super) fn new(ssrc: u32, stream: StreamId) -> Self {
        Self {
            ssrc,
            stream,
            latest: None,
            forwarded: SmallVec::new(),
            round_trip_us: None,
            heard_mono_us: None,
            heard: SmallVec::new(),
            jitter_ms: 0.0,
            figures: None,
        }
    }

    pub(super) fn samples(&self) -> u64 {
        self.figures.as_ref().map_or(0, |figures| figures.samples())
    }

    /// A report in its name is on its way to the other party.
    pub(super) fn forwarded(&mut self, stamp: Stamp) {
        if self.forwarded.len() >= MAX_REPORTS {
            self.forwarded.remove(0);
        }
        self.forwarded.push(stamp);
    }

    /// When the report was here that an echo names.
    pub(super) fn sent_at(&self, compact_ntp: u32) -> Option<u64> {
        let stamp = self.forwarded.iter().rev().find(|stamp| stamp.compact_ntp == compact_ntp)?;
        (compact_ntp != 0).then_some(stamp.mono_us)
    }

    /// Packets lost since the block before, percent. Reports get lost, so two blocks tell more than the fraction in one.
    pub(super) fn loss(&mut self, block: &Block) -> f64 {
        let ssrc = block.echo.ssrc;
        let new = Heard { ssrc, highest_seq: block.highest_seq, lost: block.lost };
        let of_fraction = f64::from(block.fraction) * 100.0 / 256.0;
        let Some(old) = self.heard.iter_mut().find(|heard| heard.ssrc == ssrc) else {
            if self.heard.len() >= MAX_BLOCKS {
                self.heard.remove(0);
            }
            self.heard.push(new);
            return of_fraction;
        };
        let old = std::mem::replace(old, new);
        let expected = block.highest_seq.wrapping_sub(old.highest_seq).cast_signed();
        let lost = block.lost.saturating_sub(old.lost);
        match expected {
            // Nothing came, or the sequence began anew.
            ..=0 => of_fraction,
            // More than there was to lose: the reporter began anew.
            expected if lost > expected => of_fraction,
            expected => f64::from(lost.max(0)) * 100.0 / f64::from(expected),
        }
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        match &mut self.figures {
            Some(figures) => figures.add(sample),
            None => self.figures = Some(Box::new(Figures::new(sample))),
        }
    }
}
