//! A re-INVITE while media run: the same address changes nothing, another one is where media go from then on.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const PACKETS: u64 = 200;
/// Another address of the caller.
const MOVED: &str = "10.77.1.9";

/// The local ports that caller and callee were told.
fn ports(call: &Call) -> [u16; 2] {
    [&call.answered, &call.offered].map(|sdp| sdp::first_media(sdp).unwrap().port)
}

#[test]
fn with_unchanged_addresses_the_ports_stay_and_the_kernel_goes_on() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let before = (ports(&call), engine.flows(&call).unwrap());
    call.renegotiate(&mut engine.ng, &["a=ptime:20"], &["a=ptime:20"]).unwrap();
    // The very same flows, their counters included.
    assert_eq!((ports(&call), engine.flows(&call).unwrap()), before);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

/// The caller takes another socket in the middle of the call, then says so.
fn the_caller_moves(mut engine: Engine, address: &str, in_kernel: bool) {
    engine.trio.caller.ip(&[format!("addr add {MOVED}/24 dev eth0")]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    let talk = |engine: &Engine, call: &mut Call| match in_kernel {
        true => engine.talk_in_kernel(call, PACKETS).unwrap(),
        false => call.talk(PACKETS).unwrap(),
    };
    talk(&engine, &mut call);
    let before = ports(&call);
    let new = Endpoint::bind_in(&engine.trio.caller, address.parse().unwrap(), 0, 0x0ca1_1e41).unwrap();
    let old = std::mem::replace(&mut call.caller, new);
    let local = call.caller.local().unwrap();
    let offer = sdp::audio(local.ip(), local.port());
    call.offer(&mut engine.ng, &offer, &left_to_right()).unwrap();
    let local = call.callee.local().unwrap();
    call.answer(&mut engine.ng, &sdp::audio(local.ip(), local.port()), &json!({})).unwrap();
    assert_eq!(ports(&call), before, "the relay's ports stay");
    // From the reply on the callee is heard at the new address, before that has sent anything, and only there.
    while old.receive_raw(Duration::ZERO).unwrap().is_some() {}
    call.caller.expect(&call.callee.stream);
    flows::wait_until("the callee is heard at the new address", || {
        call.callee.send()?;
        call.caller.receive(Duration::from_millis(10))
    })
    .unwrap();
    engine.wait_for_count(&call, old.stream.next).unwrap();
    while call.caller.receive(Duration::from_millis(10)).unwrap() {}
    talk(&engine, &mut call);
    assert!(old.receive_raw(Duration::ZERO).unwrap().is_none(), "the old address still gets media");
    engine.wait_for_count(&call, old.stream.next).unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn with_another_port_of_the_caller_the_kernel_follows() {
    if !available(XDP) {
        return;
    }
    the_caller_moves(Engine::start(Table::Own, &[]).unwrap(), CALLER, true);
}

#[test]
fn with_another_address_of_the_caller_the_kernel_follows() {
    if !available(XDP) {
        return;
    }
    the_caller_moves(Engine::start(Table::Own, &[]).unwrap(), MOVED, true);
}

#[test]
fn with_another_address_of_the_caller_userspace_follows() {
    if !available(NAMESPACES) {
        return;
    }
    the_caller_moves(Engine::start(Table::Off, &[]).unwrap(), MOVED, false);
}
