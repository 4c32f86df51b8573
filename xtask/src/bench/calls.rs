//! Call set-up: offer, answer, delete in a closed loop of a few clients.

use std::time::{Duration, Instant};

use anyhow::Result;
use rtpengine_tests::daemon::{Builder, Table};
use rtpengine_tests::ng::NgClient;
use rtpengine_tests::sdp;
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER, Trio};
use serde_json::{Value, json};

use super::process::cpu_time;
use super::{Figure, Subject};

const CLIENTS: usize = 2;
const CYCLES: usize = 2000;

pub fn run(subjects: &[Subject]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for subject in subjects {
        let trio = Trio::new()?;
        let daemon = Builder::new()
            .netns(&trio.engine)
            .table(if subject.kernel { Table::Own } else { Table::Off })
            .program(&subject.program)
            .log_level(3)
            .args(Trio::interface_options())
            .start()?;
        let server = daemon.ng_address();
        cycles(&trio, server, 100)?;
        let before = cpu_time(daemon.pid())?;
        let start = Instant::now();
        let mut times = cycles(&trio, server, CYCLES)?;
        let elapsed = start.elapsed().as_secs_f64();
        let cpu = (cpu_time(daemon.pid())? - before).as_secs_f64();
        let all = (CLIENTS * CYCLES) as f64;
        times.sort_unstable();
        let at = |share: f64| {
            let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
            times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e6)
        };
        let name = subject.name;
        figures.push(Figure::new(
            "calls: set-up cycles per CPU-second of the daemon",
            name,
            all / cpu.max(0.01),
        ));
        figures.push(Figure::new("calls: set-up cycles per second, 2 clients", name, all / elapsed));
        figures.push(Figure::new("calls: command latency, median, µs", name, at(0.5)));
        figures.push(Figure::new("calls: command latency, p99, µs", name, at(0.99)));
        daemon.stop()?;
    }
    Ok(figures)
}

/// Runs the clients; returns how long each command took.
fn cycles(trio: &Trio, server: std::net::SocketAddr, count: usize) -> Result<Vec<Duration>> {
    let clients: Vec<NgClient> =
        (0..CLIENTS).map(|_| NgClient::udp_in(&trio.engine, server)).collect::<Result<_>>()?;
    std::thread::scope(|scope| {
        let running: Vec<_> = clients
            .into_iter()
            .enumerate()
            .map(|(client, ng)| scope.spawn(move || one(ng, client, count)))
            .collect();
        let mut times = Vec::new();
        for client in running {
            times.extend(client.join().map_err(|_| anyhow::anyhow!("a client panicked"))??);
        }
        Ok(times)
    })
}

fn one(mut ng: NgClient, client: usize, count: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(3 * count);
    let mut ask = |request: Value| -> Result<()> {
        let start = Instant::now();
        ng.expect_ok(&request)?;
        times.push(start.elapsed());
        Ok(())
    };
    let offer_sdp = sdp::audio(CALLER.parse()?, 4000);
    let answer_sdp = sdp::audio(CALLEE.parse()?, 5000);
    for cycle in 0..count {
        let call = format!("bench-{client}-{cycle}-{}", rtpengine_tests::ng::cookie());
        let mut offer = left_to_right();
        offer["command"] = json!("offer");
        offer["call-id"] = json!(call);
        offer["from-tag"] = json!("a");
        offer["sdp"] = json!(offer_sdp);
        offer["replace"] = json!(["origin", "session-connection"]);
        ask(offer)?;
        ask(json!({"command": "answer", "call-id": call, "from-tag": "a", "to-tag": "b", "sdp": answer_sdp,
            "replace": ["origin", "session-connection"]}))?;
        ask(json!({"command": "delete", "call-id": call, "from-tag": "a", "delete delay": 0}))?;
    }
    Ok(times)
}
