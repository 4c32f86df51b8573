//! Time of the XDP program per packet, in the kernel's test run.

use anyhow::Result;
use rtpengine_tests::xdp::{Rig, bench};

use super::{Figure, Subject};

/// Rounds of 20,000 packets on every path: some two seconds altogether.
const ROUNDS: usize = 200;

pub fn run(_subjects: &[Subject]) -> Result<Vec<Figure>> {
    let verified = Rig::load()?.verified()?;
    let mut figures =
        vec![Figure::new("XDP: instructions verified", "ours", f64::from(verified.instructions))];
    for case in bench::measure(ROUNDS)? {
        let times = [("best", Some(case.best)), ("median", case.median)];
        for (kind, time) in times.into_iter().filter_map(|(kind, time)| Some((kind, time?))) {
            let what = format!("XDP: {}, ns per packet, {kind}", case.name);
            figures.push(Figure::new(what, "ours", time.as_nanos() as f64));
        }
    }
    Ok(figures)
}
