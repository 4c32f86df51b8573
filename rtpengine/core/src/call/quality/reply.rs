//! The dictionary `SSRC` of the replies to `query` and `delete`.

use super::figures::{Sample, SsrcQuality};
use crate::ng::{Dict, Value};

const SECOND_US: u64 = 1_000_000;

/// By SSRC in decimal digits.
pub(in crate::call) fn ssrcs(all: &[SsrcQuality]) -> Dict {
    all.iter().map(|quality| (quality.ssrc.to_string(), ssrc(quality))).collect()
}

fn ssrc(quality: &SsrcQuality) -> Dict {
    let entries: Vec<Value> = quality.progression.iter().map(|sample| reported(sample).into()).collect();
    let progression =
        Dict::with_capacity(2).with("interval", quality.interval_us / SECOND_US).with("entries", entries);
    Dict::with_capacity(4)
        .with("average MOS", figures(&quality.average).with("samples", quality.samples))
        .with("lowest MOS", reported(&quality.lowest))
        .with("highest MOS", reported(&quality.highest))
        .with("MOS progression", progression)
}

fn reported(sample: &Sample) -> Dict {
    figures(sample).with("reported at", sample.at_unix_us / SECOND_US)
}

/// The score times ten, microseconds, milliseconds, percent.
fn figures(sample: &Sample) -> Dict {
    let whole = |value: f64| value.round() as u64;
    Dict::with_capacity(6)
        .with("MOS", whole(sample.mos * 10.0))
        .with("round-trip time", whole(sample.round_trip_us.unwrap_or_default()))
        .with("round-trip time leg", whole(sample.round_trip_leg_us.unwrap_or_default()))
        .with("jitter", whole(sample.jitter_ms))
        .with("packet loss", whole(sample.loss_percent))
}
