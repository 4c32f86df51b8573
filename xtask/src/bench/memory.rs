//! Memory per idle call.

use anyhow::Result;
use nix::sys::resource::{Resource, getrlimit};
use rtpengine_tests::daemon::{Builder, Table};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER, Trio};
use serde_json::json;

use super::process::resident;
use super::{Figure, Subject};

/// Calls placed, where the limit of open files allows them.
const CALLS: u64 = 5000;
/// Sockets of a call.
const SOCKETS: u64 = 4;
/// Descriptors a daemon has besides.
const OTHERS: u64 = 500;

pub fn run(subjects: &[Subject]) -> Result<Vec<Figure>> {
    let (_, open_files) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let calls = CALLS.min(open_files.saturating_sub(OTHERS) / SOCKETS);
    let mut figures = Vec::new();
    for subject in subjects {
        let trio = Trio::new()?;
        let daemon = Builder::new()
            .netns(&trio.engine)
            .table(if subject.kernel { Table::Own } else { Table::Off })
            .program(&subject.program)
            .log_level(3)
            .media_ports(20_000, 60_000)
            .args(Trio::interface_options())
            .start()?;
        let mut ng = daemon.ng_in(&trio.engine)?;
        let (offer, answer) = (sdp::audio(CALLER.parse()?, 4000), sdp::audio(CALLEE.parse()?, 5000));
        ng.ping()?;
        let before = resident(daemon.pid())?;
        for call in 0..calls {
            let call = format!("idle-{call}@bench.example");
            ng.offer(&call, "a", &offer, &left_to_right())?;
            ng.answer(&call, "a", "b", &answer, &json!({}))?;
        }
        let per_call = resident(daemon.pid())?.saturating_sub(before) as f64 / calls as f64;
        figures.push(Figure::new(
            format!("memory: RSS per call at {calls} calls, bytes"),
            subject.name,
            per_call,
        ));
        daemon.stop()?;
    }
    Ok(figures)
}
