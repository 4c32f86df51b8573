//! The quality of a call's media, by what the parties report of it in RTCP and by what was measured here.
//!
//! What a party says of the media it receives is kept under its own SSRC. Two round trips are known: of each leg, between
//! a party and this host, from the echoes of reports that passed here; and between the parties, the sum of both.

use smallvec::SmallVec;

use self::{
    figures::Sample,
    own::Own,
    source::{Source, Stamp},
};
use crate::{
    config::MosFormula,
    io::{Now, StreamId},
    media::{
        emodel::{self, Conditions},
        rtcp::{Block, Echo, MAX_BLOCKS, Reports, VoipMetrics},
    },
};

mod component;
mod events;
mod figures;
mod own;
mod reply;
mod source;

pub use figures::{Sample as QualitySample, SsrcQuality};
pub(super) use reply::ssrcs;

/// SSRCs followed in a call. An invented one takes the place of one with fewer samples than the media's have.
const MAX_SOURCES: usize = 8;
/// Longer than this no packet is under way: whoever says so is mistaken.
const LONGEST_ROUND_TRIP_US: u64 = 10_000_000;

/// What is known of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Quality {
    sources: Vec<Source>,
    own: Own,
}

/// One sample, for the sums over all calls.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Finding {
    /// 1 to 5.
    pub(super) mos: Option<f64>,
    /// As reported, milliseconds.
    pub(super) jitter_ms: Option<f64>,
    pub(super) loss_percent: f64,
    /// Between the parties, microseconds.
    pub(super) round_trip_us: Option<f64>,
    /// Of one leg, microseconds.
    pub(super) round_trip_leg_us: Option<f64>,
}

/// Where reports come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    /// The socket.
    pub(super) stream: StreamId,
    pub(super) arrived: Now,
    /// They are passed on to the other party.
    pub(super) passed_on: bool,
    /// Of the media reported on, Hz.
    pub(super) clock_rate: u32,
}

impl Quality {
    /// Takes reports in; what they say of received media.
    pub(super) fn received(
        &mut self,
        origin: Origin,
        reports: &Reports,
        formula: MosFormula,
    ) -> SmallVec<[Finding; MAX_BLOCKS]> {
        let Origin { stream, arrived, .. } = origin;
        let echoes = reports.blocks.iter().map(|block| block.echo).chain(reports.echoes.iter().copied());
        let round_trip = echoes.filter_map(|echo| self.round_trip(stream, arrived, echo)).next();
        let source = self.source(reports.reporter, stream);
        source.stream = stream;
        source.round_trip_us = round_trip.or(source.round_trip_us);
        let times = reports.sender.map(|sender| sender.compact_ntp()).into_iter().chain(reports.reference);
        for compact_ntp in times {
            let stamp = Stamp { compact_ntp, mono_us: arrived.mono_us };
            source.latest = Some(stamp);
            if origin.passed_on {
                source.forwarded(stamp);
            }
        }
        // A block about something of which nothing arrived yet says nothing.
        let blocks = reports.blocks.iter().filter(|block| block.highest_seq != 0);
        let mut findings: SmallVec<[Finding; MAX_BLOCKS]> = blocks
            .map(|block| {
                let metrics = reports.metrics.iter().find(|metrics| metrics.ssrc == block.echo.ssrc);
                self.block(origin, reports.reporter, block, metrics, round_trip, formula)
            })
            .collect();
        // Some send their own rating by itself.
        let alone = reports.metrics.iter().filter(|metrics| {
            !reports.blocks.iter().any(|block| block.highest_seq != 0 && block.echo.ssrc == metrics.ssrc)
        });
        for metrics in alone {
            findings.extend(self.rated(origin, reports.reporter, metrics, round_trip, formula));
        }
        findings
    }

    /// A rating without a report block. The jitter is what the party said last.
    fn rated(
        &mut self,
        origin: Origin,
        reporter: u32,
        metrics: &VoipMetrics,
        round_trip_leg_us: Option<f64>,
        formula: MosFormula,
    ) -> Option<Finding> {
        let rating = told(metrics, formula)?;
        let source = self.source(reporter, origin.stream);
        source.heard_mono_us = Some(origin.arrived.mono_us);
        let loss_percent = metrics.loss_percent();
        let sample = Sample {
            at_unix_us: origin.arrived.unix_us,
            mos: 0.0,
            jitter_ms: source.jitter_ms,
            loss_percent,
            round_trip_us: self.between(reporter, metrics.ssrc).or_else(|| trip_us(metrics)),
            round_trip_leg_us,
        };
        let mos = self.rate(Some(reporter), sample, formula, Some(rating));
        Some(Finding { mos, loss_percent, ..Finding::default() })
    }

    fn block(
        &mut self,
        origin: Origin,
        reporter: u32,
        block: &Block,
        metrics: Option<&VoipMetrics>,
        round_trip_leg_us: Option<f64>,
        formula: MosFormula,
    ) -> Finding {
        let source = self.source(reporter, origin.stream);
        source.heard_mono_us = Some(origin.arrived.mono_us);
        let loss_percent = source.loss(block);
        let jitter_ms = f64::from(block.jitter) * 1000.0 / f64::from(origin.clock_rate.max(1));
        source.jitter_ms = jitter_ms;
        let round_trip_us = self.between(reporter, block.echo.ssrc).or_else(|| metrics.and_then(trip_us));
        let sample = Sample {
            at_unix_us: origin.arrived.unix_us,
            mos: 0.0,
            jitter_ms,
            loss_percent,
            round_trip_us,
            round_trip_leg_us,
        };
        let told = metrics.and_then(|metrics| told(metrics, formula));
        let mos = self.rate(Some(reporter), sample, formula, told);
        Finding { mos, jitter_ms: Some(jitter_ms), loss_percent, round_trip_us, round_trip_leg_us }
    }

    /// Takes in what was measured here of media from `about` on its way to `receiver`.
    fn measured(
        &mut self,
        receiver: Option<u32>,
        about: u32,
        sample: Sample,
        formula: MosFormula,
    ) -> Finding {
        let round_trip_us = receiver.and_then(|receiver| self.between(receiver, about));
        let round_trip_leg_us = receiver.and_then(|receiver| self.find(receiver)?.round_trip_us);
        let sample = Sample { round_trip_us, round_trip_leg_us, ..sample };
        let mos = self.rate(receiver, sample, formula, None);
        // Jitter that was measured is counted by the sockets, and round trips when they were reported.
        Finding { mos, loss_percent: sample.loss_percent, ..Finding::default() }
    }

    /// Gives a sample its score, that which the party was `told` of by its own receiver if it was, and keeps it; `None`
    /// where the formula needs what is not known.
    fn rate(
        &mut self,
        receiver: Option<u32>,
        sample: Sample,
        formula: MosFormula,
        told: Option<f64>,
    ) -> Option<f64> {
        let round_trip_ms = match (told, formula) {
            (Some(_), _) | (None, MosFormula::Listening) => 0.0,
            (None, MosFormula::Conversational) => sample.round_trip_us? / 1000.0,
        };
        let Sample { jitter_ms, loss_percent, .. } = sample;
        let mos = told.unwrap_or_else(|| Conditions { round_trip_ms, jitter_ms, loss_percent }.mos());
        if let Some(source) = receiver.and_then(|receiver| self.find_mut(receiver)) {
            source.add(&Sample { mos, ..sample });
        }
        Some(mos)
    }

    /// Round-trip time between this host and whoever sent an echo, microseconds.
    fn round_trip(&self, stream: StreamId, arrived: Now, echo: Echo) -> Option<f64> {
        let sent = self.find(echo.ssrc).filter(|source| source.stream != stream)?.sent_at(echo.last)?;
        let delay_us = u64::from(echo.delay) * 1_000_000 / 65_536;
        let elapsed = arrived.mono_us.checked_sub(sent)?;
        // The party's clock is coarse, and a round trip may be shorter than its steps.
        let trip = elapsed.saturating_sub(delay_us);
        (trip <= LONGEST_ROUND_TRIP_US).then_some(trip as f64)
    }

    /// Round-trip time between two parties, microseconds.
    fn between(&self, one: u32, other: u32) -> Option<f64> {
        Some(self.find(one)?.round_trip_us? + self.find(other)?.round_trip_us?)
    }

    /// Whether the party behind an SSRC has lately reported on what it receives.
    fn reports(&self, ssrc: u32, now: Now, within_us: u64) -> bool {
        let heard = self.find(ssrc).and_then(|source| source.heard_mono_us);
        heard.is_some_and(|heard| now.mono_us.saturating_sub(heard) < within_us)
    }

    fn find(&self, ssrc: u32) -> Option<&Source> {
        self.sources.iter().find(|source| source.ssrc == ssrc)
    }

    fn find_mut(&mut self, ssrc: u32) -> Option<&mut Source> {
        self.sources.iter_mut().find(|source| source.ssrc == ssrc)
    }

    /// Adds what is known of another call, as far as there is room.
    pub(super) fn take_in(&mut self, other: Self) {
        for source in other.sources {
            if self.sources.len() < MAX_SOURCES && self.find(source.ssrc).is_none() {
                self.sources.push(source);
            }
        }
        self.own.take_in(other.own);
    }

    fn source(&mut self, ssrc: u32, stream: StreamId) -> &mut Source {
        let index = self.sources.iter().position(|source| source.ssrc == ssrc).unwrap_or_else(|| {
            if self.sources.len() >= MAX_SOURCES
                && let Some((least, _)) =
                    self.sources.iter().enumerate().min_by_key(|(_, source)| source.samples())
            {
                self.sources.remove(least);
            }
            self.sources.push(Source::new(ssrc, stream));
            self.sources.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found, or the last of a list that is not empty here")]
        &mut self.sources[index]
    }

    /// SSRC that reports on a socket came from last.
    pub(super) fn reporter(&self, stream: StreamId) -> Option<u32> {
        self.sources.iter().rev().find(|source| source.stream == stream).map(|source| source.ssrc)
    }

    /// All that has samples.
    pub(super) fn snapshot(&self) -> Vec<SsrcQuality> {
        let known = self.sources.iter().filter_map(|source| Some((source.ssrc, source.figures.as_ref()?)));
        known.map(|(ssrc, figures)| figures.snapshot(ssrc)).collect()
    }
}

/// The score in a party's own rating, of the kind the formula is about.
fn told(metrics: &VoipMetrics, formula: MosFormula) -> Option<f64> {
    let by_rating = || metrics.rating.map(|rating| emodel::score(f64::from(rating)));
    let tenths = |score: u8| f64::from(score) / 10.0;
    match formula {
        MosFormula::Conversational => metrics.mos_conversational.map(tenths).or_else(by_rating),
        MosFormula::Listening => metrics.mos_listening.map(tenths),
    }
}

fn trip_us(metrics: &VoipMetrics) -> Option<f64> {
    metrics.round_trip_ms.map(|milliseconds| f64::from(milliseconds) * 1000.0)
}

#[cfg(test)]
mod tests;
