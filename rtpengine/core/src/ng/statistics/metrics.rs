//! Figures that are sampled, and those of the quality of calls.

/// A sampled figure.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Sampled {
    /// Sum of the samples.
    pub sum: f64,
    /// Sum of their squares.
    pub sum_of_squares: f64,
    /// Their number.
    pub samples: u64,
}

impl Sampled {
    /// Takes a sample in.
    pub fn add(&mut self, sample: f64) {
        self.sum += sample;
        self.sum_of_squares += sample * sample;
        self.samples += 1;
    }

    /// Mean, 0 without samples.
    #[must_use]
    pub fn average(&self) -> f64 {
        if self.samples == 0 { 0.0 } else { self.sum / self.samples as f64 }
    }

    /// Standard deviation, 0 without samples.
    #[must_use]
    pub fn deviation(&self) -> f64 {
        if self.samples == 0 {
            return 0.0;
        }
        let average = self.average();
        // Rounding can make the difference of equal numbers slightly negative.
        (self.sum_of_squares / self.samples as f64 - average * average).max(0.0).sqrt()
    }
}

/// Quality of RTP, sampled.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct VoipMetrics {
    /// Mean opinion score, 1 to 5.
    pub mos: Sampled,
    /// Jitter reported by RTCP, milliseconds.
    pub jitter: Sampled,
    /// End-to-end round-trip time, microseconds.
    pub rtt_e2e: Sampled,
    /// Round-trip time of one leg, microseconds.
    pub rtt_dsct: Sampled,
    /// Packet loss, percent.
    pub packetloss: Sampled,
    /// Jitter measured on received RTP, milliseconds.
    pub jitter_measured: Sampled,
}

impl VoipMetrics {
    /// All but MOS, with the prefix of the keys and the name in the command line's text.
    #[must_use]
    pub fn named(&self) -> [(&'static str, &'static str, Sampled); 5] {
        [
            ("jitter", "jitter (reported)", self.jitter),
            ("rtt_e2e", "end-to-end round-trip time", self.rtt_e2e),
            ("rtt_dsct", "discrete round-trip time", self.rtt_dsct),
            ("packetloss", "packet loss", self.packetloss),
            ("jitter_measured", "jitter (measured)", self.jitter_measured),
        ]
    }
}
