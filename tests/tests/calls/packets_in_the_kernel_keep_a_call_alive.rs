//! The timeouts look at packets wherever they are forwarded.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::{Endpoint, rtcp_receiver_report};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::exchange;
use rtpengine_tests::topology::{CALLEE, CALLER};

/// 3 s, half as long again as the timeout.
const PACKETS: u64 = 150;
const INTERVAL: Duration = Duration::from_millis(20);

#[test]
fn and_a_call_whose_kernel_flows_are_idle_ends_by_the_timeout() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &["--timeout=2", "--silent-timeout=600"]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.establish(&mut call).unwrap();
    let before = flows::forwarded(engine.daemon.table(), &call).unwrap().unwrap();
    exchange(&mut call.caller, &mut call.callee, PACKETS, INTERVAL).unwrap();
    let after = flows::forwarded(engine.daemon.table(), &call).unwrap().unwrap();
    assert_eq!(after.from_caller, before.from_caller + PACKETS, "the daemon has seen packets");
    assert_eq!(engine.ng.list().unwrap(), [call.id.clone()], "the call has ended in the middle");
    ends(&mut engine, "timeoutsessions");
    flows::wait_until("the flows are gone", || Ok(engine.flows(&call)?.is_empty())).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn and_a_call_on_hold_ends_by_the_silent_timeout() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &["--timeout=600", "--silent-timeout=2"]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, 10).unwrap();
    call.renegotiate(&mut engine.ng, &["a=inactive"], &["a=inactive"]).unwrap();
    ends(&mut engine, "silenttimeoutsessions");
    flows::wait_until("the flows are gone", || Ok(engine.flows(&call)?.is_empty())).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn and_rtcp_keeps_a_call_on_hold_alive() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &["--timeout=600", "--silent-timeout=2"]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.renegotiate(&mut engine.ng, &["a=inactive"], &["a=inactive"]).unwrap();
    let local = call.caller.local().unwrap();
    let rtcp = Endpoint::bind_in(&engine.trio.caller, local.ip(), local.port() + 1, 9).unwrap();
    let media = sdp::first_media(&call.answered).unwrap();
    let to = (media.address, media.rtcp_port);
    for _ in 0..PACKETS {
        rtcp.socket().send_to(&rtcp_receiver_report(9), to).unwrap();
        std::thread::sleep(INTERVAL);
    }
    assert_eq!(engine.ng.list().unwrap(), [call.id.clone()], "the call has ended in the middle");
    ends(&mut engine, "silenttimeoutsessions");
    engine.daemon.stop().unwrap();
}

fn ends(engine: &mut Engine, how: &str) {
    flows::wait_until("the call ends by itself", || Ok(engine.ng.list()?.is_empty())).unwrap();
    assert_eq!(engine.statistic("totalstatistics", how).unwrap(), 1);
}
