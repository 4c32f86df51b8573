//! Without a kernel table the daemon relays by itself, and says why.

use rtpengine_tests::daemon::{Builder, Table};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, Need, available};
use rtpengine_tests::talk::{Call, Place};
use rtpengine_tests::topology::{CALLEE, CALLEE_V6, CALLER};
use serde_json::json;

const PACKETS: u64 = 500;

#[test]
fn with_a_negative_table() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    assert_eq!(engine.trio.engine.xdp("left").unwrap(), None);
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    for party in [&call.from, &call.to] {
        engine.wait_for_path(&call, party, Some("TableOff")).unwrap();
    }
    engine.finish(call).unwrap();
}

#[test]
fn from_ipv4_to_ipv6() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE_V6).unwrap();
    call.talk(PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn on_loopback_without_namespaces() {
    if !available(&[Need::Daemon]) {
        return;
    }
    let daemon = Builder::new().arg("--interface=127.0.0.1").start().unwrap();
    let mut ng = daemon.ng().unwrap();
    let here = Place::here("127.0.0.1").unwrap();
    let mut call = Call::place(&mut ng, here, here, &json!({}), &json!({})).unwrap();
    call.talk(PACKETS).unwrap();
    let totals = call.hang_up(&mut ng).unwrap();
    assert_eq!(totals["totals"]["RTP"]["packets"], json!(2 * PACKETS));
    daemon.stop().unwrap();
}
