//! Time of the XDP program per packet, in the kernel's test run.

use anyhow::Result;
use rtpengine_tests::xdp::{Rig, bench};

use super::{Figure, Subject};

/// Rounds of a million packets; the best counts.
const ROUNDS: u32 = 10;

pub fn run(_subjects: &[Subject]) -> Result<Vec<Figure>> {
    let verified = Rig::load()?.verified()?;
    let mut figures =
        vec![Figure::new("XDP: instructions verified", "ours", f64::from(verified.instructions))];
    for case in bench::measure(ROUNDS)? {
        let what = format!("XDP: {}, ns per packet", case.name);
        figures.push(Figure::new(what, "ours", case.time.as_nanos() as f64));
    }
    Ok(figures)
}
