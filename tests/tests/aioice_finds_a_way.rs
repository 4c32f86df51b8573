//! A party whose ICE is of another make (aioice, which nominates aggressively) and that has RTCP on a port of its own.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::ng::cookie;
use rtpengine_tests::require::{Need, PYTHON, available};
use rtpengine_tests::rtp::{Endpoint, rtcp_receiver_report};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const NEEDS: &[Need] = &[Need::Root, Need::Iproute, Need::Daemon, Need::BpfFs, Need::Aioice];
const PACKETS: u64 = 500;
const PATIENCE: Duration = Duration::from_secs(5);

/// The echo, in the caller's namespace.
struct Echo {
    process: Child,
    output: BufReader<ChildStdout>,
    said: Value,
}

impl Echo {
    fn start(engine: &Engine, role: &str) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aioice/echo.py");
        let mut command = Command::new(PYTHON);
        command.arg(script).arg(role).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = engine.trio.caller.enter(&mut command).spawn().unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        Self { process, output, said: serde_json::from_str(&line).unwrap() }
    }

    /// Its body: the first IPv4 candidates are the default ones.
    fn body(&self) -> String {
        let candidates: Vec<&str> =
            self.said["candidates"].as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect();
        let port = |component: &str| -> u16 {
            let fields = candidates.iter().map(|text| text.split(' ').collect::<Vec<_>>());
            let own = fields.into_iter().find(|fields| fields[1] == component && fields[4] == CALLER);
            own.unwrap()[5].parse().unwrap()
        };
        let mut lines = vec![
            format!("a=rtcp:{}", port("2")),
            format!("a=ice-ufrag:{}", self.said["ufrag"].as_str().unwrap()),
            format!("a=ice-pwd:{}", self.said["pwd"].as_str().unwrap()),
        ];
        lines.extend(candidates.iter().map(|text| format!("a=candidate:{text}")));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        sdp::audio_with(CALLER.parse().unwrap(), port("1"), &lines)
    }

    /// Tells it what it is to know of us and waits until it has found its way.
    fn connect(&mut self, body: &str) {
        let lines = sdp::first_media(body).unwrap().lines;
        let value = |name: &str| lines.iter().find_map(|line| line.strip_prefix(name)).unwrap();
        let candidates: Vec<&str> =
            lines.iter().filter_map(|line| line.strip_prefix("a=candidate:")).collect();
        // Two addresses of ours with two components each.
        assert_eq!(candidates.len(), 4, "{candidates:?}");
        let peer =
            json!({"ufrag": value("a=ice-ufrag:"), "pwd": value("a=ice-pwd:"), "candidates": candidates});
        let input = self.process.stdin.as_mut().unwrap();
        writeln!(input, "{peer}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "connected");
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _gone = self.process.kill();
        let _status = self.process.wait();
    }
}

/// Packets of the party without ICE that came back.
fn echoed(party: &mut Endpoint, packets: u64) {
    let stream = party.stream.clone();
    party.expect(&stream);
    for sent in 1..=packets {
        party.send().unwrap();
        while party.tally().received < sent {
            assert!(party.receive(PATIENCE).unwrap(), "{:?}", party.tally());
        }
    }
    assert!(party.tally().is_perfect(packets), "{:?}", party.tally());
}

fn echo_through_the_kernel(role: &str) {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut echo = Echo::start(&engine, role);
    let (call, from, to) = (cookie(), cookie(), cookie());
    let mut party = Endpoint::bind_in(&engine.trio.callee, CALLEE.parse().unwrap(), 0, 0x0ca1_1ee0).unwrap();
    // aioice takes RTP for STUN where the sequence number is what STUN would have for its length.
    party.stream.first_sequence = 1000;
    let local = party.local().unwrap();
    let control = Endpoint::bind_in(&engine.trio.callee, local.ip(), local.port() + 1, 1).unwrap();
    let plain = sdp::audio(local.ip(), local.port());
    let with = |mut entries: Value, ice: &str| {
        entries["ICE"] = json!(ice);
        entries
    };
    let for_party = if role == "controlling" {
        let offered = engine.ng.offer(&call, &from, &echo.body(), &with(left_to_right(), "remove")).unwrap();
        let answered = engine.ng.answer(&call, &from, &to, &plain, &with(json!({}), "force")).unwrap();
        echo.connect(&answered);
        offered
    } else {
        let mut right_to_left = left_to_right();
        right_to_left["direction"] = json!(["right", "left"]);
        let offered = engine.ng.offer(&call, &from, &plain, &with(right_to_left, "force")).unwrap();
        let answered = engine.ng.answer(&call, &from, &to, &echo.body(), &with(json!({}), "remove")).unwrap();
        echo.connect(&offered);
        answered
    };
    assert!(!for_party.contains("a=ice-"), "{for_party}");
    let media = sdp::first_media(&for_party).unwrap();
    party.remote = Some((media.address, media.port).into());
    let table = engine.daemon.table();
    let forwarded = || {
        flows::of_call(table, &call).map(|flows| flows.iter().map(|flow| flow.packets).collect::<Vec<_>>())
    };
    flows::wait_until("the kernel forwards both directions", || {
        echoed(&mut party, 1);
        Ok(forwarded()?.iter().filter(|packets| **packets > 0).count() == 2)
    })
    .unwrap();
    let before = forwarded().unwrap();
    echoed(&mut party, PACKETS);
    let expected: Vec<u64> = before.iter().map(|packets| packets + PACKETS).collect();
    assert_eq!(forwarded().unwrap(), expected);
    let mut control = control;
    control.remote = Some((media.address, media.rtcp_port).into());
    let report = rtcp_receiver_report(7);
    control.send_raw(&report).unwrap();
    assert_eq!(control.receive_raw(PATIENCE).unwrap().map(|(bytes, _)| bytes), Some(report));
    engine.ng.delete(&call, &from).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn and_controls() {
    echo_through_the_kernel("controlling");
}

#[test]
fn and_is_controlled() {
    echo_through_the_kernel("controlled");
}
