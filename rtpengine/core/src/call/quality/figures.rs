//! Samples of quality over the life of a call, in bounded space.

/// Entries a progression may have before they are merged. A reply with those of all sources still fits a datagram.
const MAX_ENTRIES: usize = 24;
const SECOND_US: u64 = 1_000_000;

/// The quality of one interval between reports, or the mean of several.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sample {
    /// When it was reported, Unix microseconds; of a mean the first of its samples.
    pub at_unix_us: u64,
    /// Mean opinion score, 1 to 5.
    pub mos: f64,
    /// Interarrival jitter, milliseconds.
    pub jitter_ms: f64,
    /// Packets lost, percent.
    pub loss_percent: f64,
    /// Round-trip time between the parties, microseconds.
    pub round_trip_us: Option<f64>,
    /// The same between the reporting party and this host.
    pub round_trip_leg_us: Option<f64>,
}

/// A mean in the making.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Mean {
    sum: f64,
    samples: u64,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.samples += 1;
    }

    fn merge(&mut self, other: Self) {
        self.sum += other.sum;
        self.samples += other.samples;
    }

    fn get(self) -> Option<f64> {
        (self.samples > 0).then(|| self.sum / self.samples as f64)
    }
}

/// A mean of samples in the making.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct MeanSample {
    at_unix_us: u64,
    mos: Mean,
    jitter: Mean,
    loss: Mean,
    round_trip: Mean,
    round_trip_leg: Mean,
}

impl MeanSample {
    fn of(sample: &Sample) -> Self {
        let mut mean = Self { at_unix_us: sample.at_unix_us, ..Self::default() };
        mean.add(sample);
        mean
    }

    fn add(&mut self, sample: &Sample) {
        self.mos.add(sample.mos);
        self.jitter.add(sample.jitter_ms);
        self.loss.add(sample.loss_percent);
        let trips = [
            (&mut self.round_trip, sample.round_trip_us),
            (&mut self.round_trip_leg, sample.round_trip_leg_us),
        ];
        for (mean, value) in trips {
            value.into_iter().for_each(|value| mean.add(value));
        }
    }

    fn merge(&mut self, other: &Self) {
        self.mos.merge(other.mos);
        self.jitter.merge(other.jitter);
        self.loss.merge(other.loss);
        self.round_trip.merge(other.round_trip);
        self.round_trip_leg.merge(other.round_trip_leg);
    }

    fn get(&self) -> Sample {
        Sample {
            at_unix_us: self.at_unix_us,
            mos: self.mos.get().unwrap_or_default(),
            jitter_ms: self.jitter.get().unwrap_or_default(),
            loss_percent: self.loss.get().unwrap_or_default(),
            round_trip_us: self.round_trip.get(),
            round_trip_leg_us: self.round_trip_leg.get(),
        }
    }
}

/// What has become of all samples of a source.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    all: MeanSample,
    lowest: Sample,
    highest: Sample,
    entries: Vec<MeanSample>,
    /// Samples closer to the start of an entry belong to it.
    interval_us: u64,
}

impl Figures {
    /// Those of a first sample.
    pub(super) fn new(sample: &Sample) -> Self {
        let all = MeanSample::of(sample);
        Self { all, lowest: *sample, highest: *sample, entries: vec![all], interval_us: 0 }
    }

    /// Takes in a further one.
    pub(super) fn add(&mut self, sample: &Sample) {
        self.all.add(sample);
        if sample.mos < self.lowest.mos {
            self.lowest = *sample;
        }
        if sample.mos > self.highest.mos {
            self.highest = *sample;
        }
        self.enter(MeanSample::of(sample));
        if self.entries.len() > MAX_ENTRIES {
            self.thin();
        }
    }

    fn enter(&mut self, entry: MeanSample) {
        let interval_us = self.interval_us;
        let near = |last: &&mut MeanSample| entry.at_unix_us.saturating_sub(last.at_unix_us) < interval_us;
        match self.entries.last_mut().filter(near) {
            Some(last) => last.merge(&entry),
            None => self.entries.push(entry),
        }
    }

    /// Merges entries: those left are at least an interval apart, so there are half as many at most.
    fn thin(&mut self) {
        let at = |entry: Option<&MeanSample>| entry.map_or(0, |entry| entry.at_unix_us);
        let span = at(self.entries.last()).saturating_sub(at(self.entries.first()));
        let wanted = span.div_ceil(MAX_ENTRIES as u64 / 2).max(self.interval_us.saturating_mul(2));
        self.interval_us = wanted.div_ceil(SECOND_US).max(1) * SECOND_US;
        for entry in std::mem::take(&mut self.entries) {
            self.enter(entry);
        }
    }

    pub(super) fn samples(&self) -> u64 {
        self.all.mos.samples
    }

    pub(super) fn snapshot(&self, ssrc: u32) -> SsrcQuality {
        SsrcQuality {
            ssrc,
            samples: self.samples(),
            average: self.all.get(),
            lowest: self.lowest,
            highest: self.highest,
            interval_us: self.interval_us,
            progression: self.entries.iter().map(MeanSample::get).collect(),
        }
    }
}

/// How the party that sends with an SSRC is reached by the media it receives.
#[derive(Clone, Debug, PartialEq)]
pub struct SsrcQuality {
    /// The SSRC, host order.
    pub ssrc: u32,
    /// Number of samples.
    pub samples: u64,
    /// Their mean.
    pub average: Sample,
    /// The first with the lowest score.
    pub lowest: Sample,
    /// The first with the highest score.
    pub highest: Sample,
    /// Least distance of the entries of the progression, microseconds; 0: every sample is one.
    pub interval_us: u64,
    /// Scores over time.
    pub progression: Vec<Sample>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(at_s: u64, mos: f64) -> Sample {
        Sample { at_unix_us: at_s * SECOND_US, mos, ..Sample::default() }
    }

    #[test]
    fn few_samples_are_kept_one_by_one() {
        let mut figures = Figures::new(&sample(1, 4.0));
        figures.add(&Sample { round_trip_us: Some(500.0), ..sample(6, 2.0) });
        figures.add(&sample(11, 4.5));
        let quality = figures.snapshot(7);
        assert_eq!((quality.ssrc, quality.samples, quality.average.mos), (7, 3, 3.5));
        assert_eq!(quality.average.round_trip_us, Some(500.0));
        assert_eq!((quality.lowest.mos, quality.lowest.at_unix_us), (2.0, 6 * SECOND_US));
        assert_eq!((quality.highest.mos, quality.highest.at_unix_us), (4.5, 11 * SECOND_US));
        assert_eq!((quality.interval_us, quality.progression.len()), (0, 3));
    }

    proptest! {
        #[test]
        fn a_progression_stays_small_and_loses_no_sample(
            gaps in prop::collection::vec((0u64..100_000_000, 10u32..45), 1..300),
        ) {
            let mut now = SECOND_US;
            let mut figures: Option<Figures> = None;
            for (gap, mos) in &gaps {
                now += gap;
                let sample = Sample { at_unix_us: now, mos: f64::from(*mos) / 10.0, ..Sample::default() };
                match &mut figures {
                    None => figures = Some(Figures::new(&sample)),
                    Some(figures) => figures.add(&sample),
                }
                let entries = &figures.as_ref().unwrap().entries;
                prop_assert!(entries.len() <= MAX_ENTRIES);
            }
            let figures = figures.unwrap();
            let kept: u64 = figures.entries.iter().map(|entry| entry.mos.samples).sum();
            prop_assert_eq!((kept, figures.samples()), (gaps.len() as u64, gaps.len() as u64));
            let apart = figures.entries.windows(2).all(|pair| {
                pair[1].at_unix_us - pair[0].at_unix_us >= figures.interval_us
            });
            prop_assert!(apart);
        }
    }
}
