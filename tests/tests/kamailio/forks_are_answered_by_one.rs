//! Kamailio forks a call to three callees, each with a branch of its own; one answers, the others are cancelled.

use std::process::Command;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::peer::Peer;
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::topology::{CALLEE, CALLER, ENGINE_LEFT};
use serde_json::json;

use crate::proxy::{Kamailio, Running, spawn};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Iproute,
    Need::Daemon,
    Need::Ctl,
    Need::BpfFs,
    Need::Kamailio,
    Need::Sipp,
    Need::Peers,
];
const PACKETS: u64 = 100;

/// Starts sipp with a scenario at a port; it echoes RTP at `media`.
fn sipp(
    engine: &Engine,
    files: &tempfile::TempDir,
    scenario: (&str, &str),
    port: u16,
    media: u16,
) -> Running {
    let (name, text) = scenario;
    std::fs::write(files.path().join(name), text).unwrap();
    let mut sipp = Command::new("sipp");
    sipp.current_dir(files.path()).args(["-sf", name, "-rtp_echo", "-nostdin", "-i", CALLEE, "-mi", CALLEE]);
    sipp.args(["-p", &port.to_string(), "-mp", &media.to_string()]);
    spawn(&engine.trio.callee, &mut sipp, &files.path().join(format!("{port}.log")))
}

/// Media ports in use.
fn ports_used(engine: &mut Engine) -> u64 {
    let reply = engine.ng.expect_ok(&json!({"command": "statistics"})).unwrap();
    let interfaces = reply["statistics"]["interfaces"].as_array().unwrap();
    interfaces.iter().map(|interface| interface["ports"]["used"].as_u64().unwrap()).sum()
}

#[test]
fn the_branch_that_answers_has_the_media_and_the_others_leave_nothing() {
    if !available(NEEDS) {
        return;
    }
    let mut engine =
        Engine::start(Table::Own, &["--endpoint-learning=immediate", "--delete-delay=0"]).unwrap();
    let files = tempfile::tempdir().unwrap();
    let ringing = ("ringing.xml", include_str!("ringing.xml"));
    let callees = [
        sipp(&engine, &files, ringing, 5060, 6000),
        sipp(&engine, &files, ("callee.xml", include_str!("callee.xml")), 5062, 6100),
        sipp(&engine, &files, ringing, 5064, 6200),
    ];
    let kamailio = Kamailio::start_with(&engine, include_str!("forking.cfg"));
    let arguments = ["--address", CALLER, "--proxy", ENGINE_LEFT];
    let mut caller = Peer::start(&engine.trio.caller, "sip.py", &arguments).unwrap();
    let placed = caller.ask(&json!({"do": "place", "suites": []})).unwrap();
    let call = placed["call"].as_str().unwrap().to_owned();
    // A dialogue without rtcp-mux has two ports towards each party.
    flows::wait_until("the other branches are gone", || Ok(ports_used(&mut engine) == 4)).unwrap();
    let heard = caller.ask(&json!({"do": "talk", "call": call, "packets": PACKETS})).unwrap();
    assert_eq!(heard, json!({"refused": 0, "extra": 0}));
    let query = engine.ng.query(&call).unwrap();
    assert_eq!(query["totals"]["RTP"]["packets"], json!(2 * PACKETS), "{query}");
    let tags = query["tags"].as_object().unwrap();
    assert_eq!(tags.len(), 2, "{query}");
    let callee = tags.values().find(|tag| tag["medias"][0]["streams"][0]["endpoint"]["address"] == CALLEE);
    assert_eq!(callee.unwrap()["medias"][0]["streams"][0]["endpoint"]["port"], json!(6100), "{query}");
    assert_eq!(caller.ask(&json!({"do": "hang up", "call": call})).unwrap()["status"], 200);
    flows::wait_until("no call is left", || Ok(engine.ng.list()?.is_empty())).unwrap();
    assert_eq!(ports_used(&mut engine), 0);
    drop((kamailio, caller, callees));
    engine.daemon.stop().unwrap();
}
