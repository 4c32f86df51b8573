//! The network around an established call changes; the kernel forwards to where the parties are now.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::topology::{CALLEE, CALLER};

const PACKETS: u64 = 100;

#[test]
fn a_neighbour_with_a_new_mac_address() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    // It announces the change, as a standby that takes an address over does.
    let mac = "02:00:00:77:02:02";
    engine.trio.callee.sysctl("net/ipv4/conf/eth0/arp_notify", "1").unwrap();
    engine.trio.callee.ip(&[format!("link set eth0 address {mac}")]).unwrap();
    flows::wait_until("the flow leaves for the new MAC address", || {
        Ok(engine.flows(&call)?.iter().any(|flow| flow.tag == call.from && flow.next_hop == mac))
    })
    .unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn a_link_that_goes_down_and_comes_back() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.trio.engine.ip(&["link set right down"]).unwrap();
    flows::wait_until("the flow towards the lost link leaves the kernel", || {
        Ok(!engine.flows(&call)?.iter().any(|flow| flow.tag == call.from && flow.path == "kernel"))
    })
    .unwrap();
    // The caller does not know and goes on.
    for _ in 0..PACKETS {
        call.caller.send().unwrap();
    }
    engine.wait_for_count(&call, 0).unwrap();
    engine.trio.engine.ip(&["link set right up"]).unwrap();
    call.callee.expect(&call.caller.stream);
    flows::wait_until("the caller is heard again", || {
        call.caller.send()?;
        call.callee.receive(Duration::from_millis(20))
    })
    .unwrap();
    while call.callee.receive(Duration::from_millis(20)).unwrap() {}
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}
