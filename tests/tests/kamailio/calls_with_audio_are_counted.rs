//! A real Kamailio sets up calls between a sipp caller with audio and a sipp callee that echoes it.

use std::fs;
use std::process::Command;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::topology::{CALLEE, CALLER, ENGINE_LEFT, ENGINE_RIGHT};
use serde_json::json;

use crate::proxy::{Kamailio, spawn};

const CALLS: u64 = 50;
const CALLS_PER_SECOND: u64 = 10;
/// Packets each caller plays, 20 ms apart.
const PACKETS: u64 = 100;
/// Time for the last echo before a caller hangs up.
const ECHO_MS: u64 = 1000;
const NEEDS: &[Need] = &[Need::Root, Need::Iproute, Need::Daemon, Need::BpfFs, Need::Kamailio, Need::Sipp];

/// PCMA packets in an Ethernet capture, as sipp plays them.
fn recording() -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    for index in 0..PACKETS {
        let mut rtp = vec![0x80, 8];
        rtp.extend((index as u16).to_be_bytes());
        rtp.extend((index as u32 * 160).to_be_bytes());
        rtp.extend(0x1234_5678_u32.to_be_bytes());
        rtp.extend([0xd5; 160]);
        let mut frame = vec![0; 12];
        frame.extend([8, 0]);
        frame.extend([0x45, 0]);
        frame.extend((28 + rtp.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        frame.extend([0x17, 0x70, 0x17, 0x70]);
        frame.extend((8 + rtp.len() as u16).to_be_bytes());
        frame.extend([0, 0]);
        frame.extend(rtp);
        let microseconds = index as u32 * 20_000;
        for word in
            [microseconds / 1_000_000, microseconds % 1_000_000, frame.len() as u32, frame.len() as u32]
        {
            file.extend(word.to_le_bytes());
        }
        file.extend(frame);
    }
    file
}

#[test]
fn fifty_calls_with_audio_all_succeed_and_every_packet_is_counted() {
    if !available(NEEDS) {
        return;
    }
    let engine = Engine::start(Table::Own, &["--endpoint-learning=immediate", "--delete-delay=0"]).unwrap();
    let kamailio = Kamailio::start(&engine, "");
    fifty_calls(engine, kamailio, "left", "right");
}

#[test]
fn fifty_calls_by_the_module_rtpproxy_do_as_well() {
    if !available(NEEDS) {
        return;
    }
    let socket = "127.0.0.1:2225";
    let options = [
        "--delete-delay=0",
        &format!("--listen-udp={socket}"),
        &format!("--interface=internal/{ENGINE_LEFT}"),
        &format!("--interface=external/{ENGINE_RIGHT}"),
    ];
    let engine = Engine::start(Table::Own, &options).unwrap();
    let kamailio = Kamailio::with_rtpproxy(&engine, socket.parse().unwrap());
    fifty_calls(engine, kamailio, "internal", "external");
}

/// Calls from the interface `left` to `right`.
fn fifty_calls(mut engine: Engine, kamailio: Kamailio, left: &str, right: &str) {
    let files = tempfile::tempdir().unwrap();
    let at = |name: &str| files.path().join(name);
    fs::write(at("audio.pcap"), recording()).unwrap();
    let play_ms = (PACKETS * 20 + ECHO_MS).to_string();
    fs::write(at("caller.xml"), include_str!("caller.xml").replace("PLAY_MS", &play_ms)).unwrap();
    fs::write(at("callee.xml"), include_str!("callee.xml")).unwrap();

    let mut callee = Command::new("sipp");
    callee.current_dir(files.path()).args([
        "-sf",
        "callee.xml",
        "-i",
        CALLEE,
        "-p",
        "5060",
        "-rtp_echo",
        "-nostdin",
    ]);
    callee.args(["-mi", CALLEE, "-mp", "6000", "-trace_err"]);
    let callee = spawn(&engine.trio.callee, &mut callee, &at("callee.log"));

    let mut caller = Command::new("sipp");
    caller.current_dir(files.path()).arg(format!("{ENGINE_LEFT}:5060")).args([
        "-sf",
        "caller.xml",
        "-nostdin",
    ]);
    caller.args(["-i", CALLER, "-p", "5060", "-mi", CALLER, "-trace_err", "-timeout", "60"]);
    caller.args(["-m", &CALLS.to_string(), "-r", &CALLS_PER_SECOND.to_string()]);
    let mut caller = spawn(&engine.trio.caller, &mut caller, &at("caller.log"));
    let status = caller.0.wait().unwrap();
    let read = |name: &str| fs::read_to_string(at(name)).unwrap_or_default();
    assert!(status.success(), "{status}\n{}\n{}", read("caller.log"), kamailio.log());
    drop((callee, kamailio));

    assert!(engine.ng.list().unwrap().is_empty());
    let reply = engine.ng.expect_ok(&json!({"command": "statistics"})).unwrap();
    let statistics = &reply["statistics"];
    let totals = &statistics["totalstatistics"];
    assert_eq!(totals["managedsessions"], CALLS);
    assert_eq!(totals["regularterminatedsessions"], CALLS);
    assert_eq!(totals["onewaystreams"], 0, "{totals}");
    let traffic = |name: &str, way: &str, what: &str| -> u64 {
        let interfaces = statistics["interfaces"].as_array().unwrap();
        let of_name = interfaces.iter().filter(|one| one["name"] == name);
        of_name.map(|one| one[way][what].as_u64().unwrap()).sum()
    };
    let played = CALLS * PACKETS;
    assert_eq!(traffic(left, "ingress", "packets"), played, "all the callers sent");
    assert_eq!(traffic(right, "egress", "packets"), played, "all the callees got");
    assert_eq!(traffic(right, "ingress", "packets"), played, "all the callees echoed");
    assert_eq!(traffic(left, "egress", "packets"), played, "all the callers got back");
    assert_eq!(totals["relayedpackets"], 2 * played);
    let kernel = totals["relayedpackets_kernel"].as_u64().unwrap();
    assert!(kernel > played, "most packets go through the kernel, not only {kernel} of {}", 2 * played);
    let shown = rtpengine_tests::ctl::run_in(
        &engine.trio.engine,
        &["--port", &engine.daemon.cli_address().port().to_string(), "list", "totals"],
    );
    let line = format!("Total relayed packets                           :{}", 2 * played);
    assert!(shown.as_ref().unwrap().contains(&line), "{shown:?}");
    engine.daemon.stop().unwrap();
}
