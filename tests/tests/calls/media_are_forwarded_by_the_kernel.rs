//! The kernel forwards an established call, every packet of it, whatever the IP version and the mode of XDP.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::talk::exchange;
use rtpengine_tests::topology::{CALLEE, CALLEE_V6, CALLER, CALLER_V6, Options, Trio};
use rtpengine_tests::wire::TransmitChecksums;

const PACKETS: u64 = 500;
/// Half a second as telephones send it: the switch to the kernel happens in the middle.
const FIRST_PACKETS: u64 = 25;
const PACKET_INTERVAL: Duration = Duration::from_millis(20);

/// A call from its first packet in userspace to the kernel; every packet is counted there and in the end.
fn call_in_kernel(mut engine: Engine, caller: &str, callee: &str) {
    let mut call = engine.call(caller, callee).unwrap();
    let (at_caller, at_callee) =
        exchange(&mut call.caller, &mut call.callee, FIRST_PACKETS, PACKET_INTERVAL).unwrap();
    assert!(at_caller.is_perfect(FIRST_PACKETS), "{at_caller:?}");
    assert!(at_callee.is_perfect(FIRST_PACKETS), "{at_callee:?}");
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    for party in [&call.from, &call.to] {
        engine.wait_for_path(&call, party, None).unwrap();
    }
    let flows = engine.flows(&call).unwrap();
    assert_eq!(flows.len(), 2);
    assert!(flows.iter().all(|flow| flow.dropped == 0), "{flows:?}");
    engine.finish(call).unwrap();
}

#[test]
fn by_native_xdp() {
    if !available(XDP) {
        return;
    }
    let engine = Engine::start(Table::Own, &[]).unwrap();
    for device in ["left", "right"] {
        let attached = engine.trio.engine.xdp(device).unwrap();
        assert!(attached.is_some_and(|xdp| xdp.native), "{device}: {attached:?}\n{}", engine.daemon.log());
    }
    call_in_kernel(engine, CALLER, CALLEE);
}

#[test]
fn by_native_xdp_where_devices_compute_checksums() {
    if !available(XDP) {
        return;
    }
    // As a veth is by default: its frames carry half a checksum. What leaves must have a whole one or, over IPv4, none.
    for (caller, callee) in
        [(CALLER, CALLEE), (CALLER_V6, CALLEE_V6), (CALLER_V6, CALLEE), (CALLER, CALLEE_V6)]
    {
        let trio = Trio::with(Options { checksums: TransmitChecksums::Offloaded }).unwrap();
        call_in_kernel(Engine::on(trio, Table::Own, &[]).unwrap(), caller, callee);
    }
}

#[test]
fn by_generic_xdp_where_the_driver_has_none() {
    if !available(XDP) {
        return;
    }
    let trio = Trio::new().unwrap();
    // A veth whose frames do not fit a page has no native mode.
    for (netns, device) in
        [(&trio.engine, "left"), (&trio.engine, "right"), (&trio.caller, "eth0"), (&trio.callee, "eth0")]
    {
        netns.ip(&[format!("link set {device} mtu 9000")]).unwrap();
    }
    let engine = Engine::on(trio, Table::Own, &[]).unwrap();
    for device in ["left", "right"] {
        let attached = engine.trio.engine.xdp(device).unwrap();
        assert!(attached.is_some_and(|xdp| !xdp.native), "{device}: {attached:?}\n{}", engine.daemon.log());
    }
    call_in_kernel(engine, CALLER, CALLEE);
}

#[test]
fn over_ipv6() {
    if !available(XDP) {
        return;
    }
    call_in_kernel(Engine::start(Table::Own, &[]).unwrap(), CALLER_V6, CALLEE_V6);
}

#[test]
fn from_ipv4_to_ipv6() {
    if !available(XDP) {
        return;
    }
    call_in_kernel(Engine::start(Table::Own, &[]).unwrap(), CALLER, CALLEE_V6);
}
