//! Tones in G.711 mu-law: one to play, and what one is found to be.

use std::f64::consts::TAU;

/// Samples a second.
const RATE: f64 = 8000.0;
/// Frequencies that are looked for.
const STEP: u32 = 50;
const HIGHEST: u32 = 3400;

/// Hz of what [`milliwatt`] plays.
pub const MILLIWATT: u32 = 1000;

/// 20 ms of the digital milliwatt (ITU-T G.711, table 6).
pub fn milliwatt() -> Vec<u8> {
    [0x1e, 0x0b, 0x0b, 0x1e, 0x9e, 0x8b, 0x8b, 0x9e].repeat(20)
}

/// A tone that was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tone {
    /// Hz.
    pub frequency: f64,
    /// Share of this frequency in the power of all that was heard: 1 of a pure tone.
    pub share: f64,
}

impl Tone {
    /// Whether it is the one of `frequency` Hz, and hardly anything else is there.
    pub fn is(self, frequency: u32) -> bool {
        (self.frequency - f64::from(frequency)).abs() < 10.0 && self.share > 0.95
    }
}

/// The strongest tone in mu-law samples.
pub fn strongest(samples: &[u8]) -> Tone {
    let samples: Vec<f64> = samples.iter().copied().map(linear).collect();
    let tones = (1..=HIGHEST / STEP).map(|step| {
        let frequency = f64::from(step * STEP);
        Tone { frequency, share: share(&samples, frequency) }
    });
    tones.max_by(|one, other| one.share.total_cmp(&other.share)).unwrap()
}

/// Decodes a sample (ITU-T G.711).
fn linear(code: u8) -> f64 {
    let code = !code;
    let magnitude = ((i32::from(code & 0x0f) * 8 + 0x84) << (code >> 4 & 7)) - 0x84;
    f64::from(if code & 0x80 == 0 { magnitude } else { -magnitude })
}

/// Share of a frequency in the power of samples, by the Goertzel algorithm.
fn share(samples: &[f64], frequency: f64) -> f64 {
    let factor = 2.0 * (TAU * frequency / RATE).cos();
    let (last, before) =
        samples.iter().fold((0.0, 0.0), |(last, before), sample| (sample + factor * last - before, last));
    let power = last * last + before * before - factor * last * before;
    let all: f64 = samples.iter().map(|sample| sample * sample).sum();
    if all > 0.0 { 2.0 * power / (all * samples.len() as f64) } else { 0.0 }
}

#[test]
fn a_tone_is_told_from_others_and_from_noise() {
    let tone = strongest(&milliwatt().repeat(25));
    assert!(tone.is(MILLIWATT) && tone.share > 0.999, "{tone:?}");
    assert!(!tone.is(MILLIWATT + STEP));
    let noise = rtpengine_tests::rtp::pattern(1, 1, 4000);
    assert!(strongest(&noise).share < 0.1);
    assert_eq!(strongest(&[0xff; 4000]).share, 0.0);
}
