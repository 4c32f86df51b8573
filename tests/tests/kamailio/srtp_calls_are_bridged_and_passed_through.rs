//! Parties with libsrtp call each other, or sipp, through Kamailio: keys by SDES, every packet compared.

use std::process::Command;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::peer::Peer;
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::topology::{CALLEE, CALLER, ENGINE_LEFT};
use serde_json::json;

use crate::proxy::{Kamailio, Running, spawn};

const NEEDS: &[Need] =
    &[Need::Root, Need::Iproute, Need::Daemon, Need::Ctl, Need::BpfFs, Need::Kamailio, Need::Peers];
const CALLS: usize = 5;
const PACKETS: u64 = 100;
const CM_80: &str = "AES_CM_128_HMAC_SHA1_80";
const CM_32: &str = "AES_CM_128_HMAC_SHA1_32";
const GCM: &str = "AEAD_AES_128_GCM";

fn start() -> Engine {
    Engine::start(Table::Own, &["--endpoint-learning=immediate", "--delete-delay=0"]).unwrap()
}

fn caller(engine: &Engine) -> Peer {
    Peer::start(&engine.trio.caller, "sip.py", &["--address", CALLER, "--proxy", ENGINE_LEFT]).unwrap()
}

fn callee(engine: &Engine, suite: &str) -> Peer {
    Peer::start(&engine.trio.callee, "sip.py", &["--address", CALLEE, "--suite", suite]).unwrap()
}

/// Echoes RTP as it comes.
fn sipp(engine: &Engine, files: &tempfile::TempDir) -> Running {
    std::fs::write(files.path().join("callee.xml"), include_str!("callee.xml")).unwrap();
    let mut sipp = Command::new("sipp");
    sipp.current_dir(files.path()).args(["-sf", "callee.xml", "-rtp_echo", "-nostdin"]);
    sipp.args(["-i", CALLEE, "-p", "5060", "-mi", CALLEE, "-mp", "6000"]);
    spawn(&engine.trio.callee, &mut sipp, &files.path().join("callee.log"))
}

/// Sends packets and compares what is echoed; yields how many.
fn talk(caller: &mut Peer, call: &str, packets: u64) -> u64 {
    let heard = caller.ask(&json!({"do": "talk", "call": call, "packets": packets})).unwrap();
    assert_eq!(heard, json!({"refused": 0, "extra": 0}));
    packets
}

/// Packets the kernel has forwarded for a call, a number for each direction that it forwards now.
fn forwarded(engine: &Engine, call: &str) -> Vec<u64> {
    let flows = flows::of_call(engine.daemon.table(), call).unwrap();
    flows.iter().filter(|flow| flow.path == "kernel").map(|flow| flow.packets).collect()
}

/// Several calls at once, each with echoed media of which every byte is compared, then one after the other hung up; yields
/// how many packets were echoed. The kernel forwards everything once a call is established.
fn converse(engine: &mut Engine, caller: &mut Peer, suites: &[&str]) -> u64 {
    let mut calls: Vec<String> = Vec::new();
    let mut echoed = 0;
    for _ in 0..CALLS {
        let placed = caller.ask(&json!({"do": "place", "suites": suites})).unwrap();
        calls.push(placed["call"].as_str().unwrap().to_owned());
    }
    for call in &calls {
        let mut sent = talk(caller, call, PACKETS);
        flows::wait_until("the kernel forwards both directions", || {
            sent += talk(caller, call, 1);
            let counts = forwarded(engine, call);
            Ok(counts.len() == 2 && counts.iter().all(|count| *count > 0))
        })
        .unwrap();
        let before = forwarded(engine, call);
        sent += talk(caller, call, PACKETS);
        let all: Vec<u64> = before.iter().map(|count| count + PACKETS).collect();
        assert_eq!(forwarded(engine, call), all, "by the kernel alone");
        let streams = engine.ng.query(call).unwrap()["totals"]["RTP"].clone();
        assert_eq!((&streams["packets"], &streams["errors"]), (&json!(2 * sent), &json!(0)), "{streams}");
        echoed += sent;
    }
    for call in &calls {
        assert_eq!(caller.ask(&json!({"do": "hang up", "call": call})).unwrap()["status"], 200);
    }
    flows::wait_until("no call is left", || Ok(engine.ng.list()?.is_empty())).unwrap();
    echoed
}

#[test]
fn srtp_callers_talk_to_a_plain_sipp() {
    if !available(NEEDS) || !available(&[Need::Sipp]) {
        return;
    }
    for suite in [CM_80, CM_32, GCM] {
        let mut engine = start();
        let files = tempfile::tempdir().unwrap();
        let kamailio = Kamailio::start(&engine, "RTP/AVP");
        let sipp = sipp(&engine, &files);
        let mut caller = caller(&engine);
        converse(&mut engine, &mut caller, &[suite]);
        drop((sipp, kamailio, caller));
        engine.daemon.stop().unwrap();
    }
}

#[test]
fn plain_callers_talk_to_srtp_callees() {
    if !available(NEEDS) {
        return;
    }
    for suite in [CM_80, GCM] {
        let mut engine = start();
        let kamailio = Kamailio::start(&engine, "RTP/SAVP");
        let (mut caller, mut callee) = (caller(&engine), callee(&engine, suite));
        let echoed = converse(&mut engine, &mut caller, &[]);
        let report = callee.ask(&json!({"do": "report"})).unwrap();
        assert_eq!(report, json!({"taken": CALLS, "refused": 0, "received": echoed}));
        drop((kamailio, caller, callee));
        engine.daemon.stop().unwrap();
    }
}

#[test]
fn two_srtp_parties_with_other_suites_are_bridged() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = start();
    let kamailio = Kamailio::start(&engine, "");
    let (mut caller, callee) = (caller(&engine), callee(&engine, GCM));
    converse(&mut engine, &mut caller, &[CM_80, CM_32]);
    drop((kamailio, caller, callee));
    engine.daemon.stop().unwrap();
}

#[test]
fn two_srtp_parties_with_one_suite_are_passed_through_by_the_kernel() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = start();
    let kamailio = Kamailio::start(&engine, "");
    let (mut caller, callee) = (caller(&engine), callee(&engine, CM_80));
    converse(&mut engine, &mut caller, &[CM_80, CM_32]);
    drop((kamailio, caller, callee));
    engine.daemon.stop().unwrap();
}
