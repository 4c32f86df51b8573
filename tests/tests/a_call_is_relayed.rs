//! Plain calls through the real daemon: in the kernel, in userspace, over both IP versions.

use rtpengine_tests::daemon::{Builder, Table};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::programs;
use rtpengine_tests::require::{NAMESPACES, Need, XDP, available};
use rtpengine_tests::talk::{Call, Place};
use rtpengine_tests::topology::{CALLEE, CALLEE_V6, CALLER, CALLER_V6, Trio};
use serde_json::json;

/// Enough for the switch to the kernel to happen in the middle.
const PACKETS: u64 = 1000;

#[test]
fn in_userspace() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    assert_eq!(engine.trio.engine.xdp("left").unwrap(), None);
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    engine.finish(call, 2 * PACKETS).unwrap();
}

#[test]
fn by_native_xdp() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let attached = ["left", "right"].map(|device| engine.trio.engine.xdp(device).unwrap());
    assert!(attached.iter().flatten().filter(|xdp| xdp.native).count() == 2, "{}", engine.daemon.log());
    let counting = programs::count_run_time().unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    let runs = programs::run_time(attached[0].unwrap().program_id).unwrap().runs;
    assert!(runs >= 2 * PACKETS, "the program saw only {runs} packets");
    drop(counting);
    let table = engine.daemon.table().to_string();
    let flows = rtpengine_tests::ctl::run(&["table", &table, "flows", "--call", &call.id, "--json"]).unwrap();
    assert!(flows.contains(&call.id), "the call has no flow in the kernel: {flows}");
    engine.finish(call, 2 * PACKETS).unwrap();
}

#[test]
fn by_generic_xdp_where_the_driver_has_none() {
    if !available(XDP) {
        return;
    }
    let trio = Trio::new().unwrap();
    // A dummy-backed path would not carry traffic; a veth too large for native XDP does.
    for (netns, device) in
        [(&trio.engine, "left"), (&trio.engine, "right"), (&trio.caller, "eth0"), (&trio.callee, "eth0")]
    {
        netns.ip(&[format!("link set {device} mtu 9000")]).unwrap();
    }
    let mut engine = Engine::on(trio, Table::Own, &[]).unwrap();
    let attached = engine.trio.engine.xdp("left").unwrap();
    assert!(attached.is_some_and(|xdp| !xdp.native), "{attached:?}\n{}", engine.daemon.log());
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    engine.finish(call, 2 * PACKETS).unwrap();
}

#[test]
fn over_ipv6() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER_V6, CALLEE_V6).unwrap();
    call.talk(PACKETS).unwrap();
    engine.finish(call, 2 * PACKETS).unwrap();
}

#[test]
fn from_ipv4_to_ipv6() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE_V6).unwrap();
    call.talk(PACKETS).unwrap();
    engine.finish(call, 2 * PACKETS).unwrap();
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
    call.hang_up(&mut ng).unwrap();
    daemon.stop().unwrap();
}
