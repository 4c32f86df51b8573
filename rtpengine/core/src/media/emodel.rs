//! The E-model (ITU-T G.107) as far as a relay can feed it: narrow-band speech, its delay and its losses.

/// Rating with everything at its default values (G.107 table 2).
const BEST: f64 = 93.2;
/// Packet-loss robustness of G.711 with concealment (G.113 appendix I); random losses.
const LOSS_ROBUSTNESS: f64 = 25.1;
/// Equipment impairment when all is lost.
const ALL_LOST: f64 = 95.0;
/// One-way delay from which conversations suffer, milliseconds.
const NOTICED_DELAY_MS: f64 = 177.3;
/// What a receiver holds packets back for, as a multiple of their jitter.
const JITTER_BUFFER: f64 = 2.0;

/// How speech travels in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Conditions {
    /// Round-trip time between the parties, milliseconds; 0 where listening alone counts.
    pub round_trip_ms: f64,
    /// Interarrival jitter, milliseconds.
    pub jitter_ms: f64,
    /// Packets lost, percent.
    pub loss_percent: f64,
}

impl Conditions {
    /// The rating factor R, 0 to 93.2: impairments by delay (G.107 section 7.4, in the approximation of two lines) and by
    /// loss (section 7.5) taken off the best one.
    #[must_use]
    pub fn rating(&self) -> f64 {
        let delay = self.round_trip_ms.max(0.0) / 2.0 + JITTER_BUFFER * self.jitter_ms.max(0.0);
        let by_delay = 0.024 * delay + 0.11 * (delay - NOTICED_DELAY_MS).max(0.0);
        let loss = self.loss_percent.clamp(0.0, 100.0);
        let by_loss = ALL_LOST * loss / (loss + LOSS_ROBUSTNESS);
        (BEST - by_delay - by_loss).max(0.0)
    }

    /// The mean opinion score, 1 to 4.5.
    #[must_use]
    pub fn mos(&self) -> f64 {
        score(self.rating())
    }
}

/// Mean opinion score of a rating (G.107 annex B), 1 to 4.5.
#[must_use]
pub fn score(rating: f64) -> f64 {
    match rating {
        ..=0.0 => 1.0,
        100.0.. => 4.5,
        // Slightly less than 1 for ratings below 6.5.
        rating => (1.0 + 0.035 * rating + rating * (rating - 60.0) * (100.0 - rating) * 7e-6).max(1.0),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ratings_have_the_scores_of_the_recommendation() {
        // G.107 annex B, table B.1.
        for (rating, expected) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            assert!((score(rating) - expected).abs() < 0.007, "{rating}: {}", score(rating));
        }
        assert_eq!((score(0.0), score(-3.0), score(3.0), score(101.0)), (1.0, 1.0, 1.0, 4.5));
    }

    #[test]
    fn known_conditions_have_known_scores() {
        let mos = |round_trip_ms, jitter_ms, loss_percent| {
            (Conditions { round_trip_ms, jitter_ms, loss_percent }.mos() * 10.0).round()
        };
        assert_eq!(mos(0.0, 0.0, 0.0), 44.0);
        assert_eq!(mos(100.0, 0.0, 0.0), 44.0);
        // 300 ms one way: R = 93.2 - 7.2 - 13.5.
        assert_eq!(mos(600.0, 0.0, 0.0), 37.0);
        // G.113: 5 % of G.711 with concealment, Ie = 15.8.
        assert_eq!(mos(0.0, 0.0, 5.0), 39.0);
        assert_eq!(mos(0.0, 0.0, 100.0), 12.0);
    }

    proptest! {
        #[test]
        fn it_only_gets_worse(
            round_trip_ms in 0f64..5000.0, jitter_ms in 0f64..1000.0, loss_percent in 0f64..100.0, more in 0f64..50.0,
        ) {
            let conditions = Conditions { round_trip_ms, jitter_ms, loss_percent };
            let mos = conditions.mos();
            prop_assert!((1.0..=4.5).contains(&mos));
            for worse in [
                Conditions { round_trip_ms: round_trip_ms + more, ..conditions },
                Conditions { jitter_ms: jitter_ms + more, ..conditions },
                Conditions { loss_percent: loss_percent + more, ..conditions },
            ] {
                // The polynomial dips by a hair where it leaves 1.
                prop_assert!(worse.mos() <= mos + 1e-3);
            }
        }
    }
}
