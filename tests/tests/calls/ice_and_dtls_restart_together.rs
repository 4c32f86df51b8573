//! A party comes back with other credentials, another certificate and another socket, as one that has changed its network
//! does: it gets an association of its own, and what its old socket and its old keys send is not heard any more.

use std::time::Duration;

use rtpengine_tests::browser::{Browser, BrowserCall};
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::topology::CALLER;
use serde_json::json;

const PACKETS: u64 = 100;

fn line<'l>(lines: &'l [String], start: &str) -> &'l str {
    lines.iter().find(|line| line.starts_with(start)).unwrap()
}

fn restart(table: Table) {
    let in_kernel = table != Table::Off;
    let mut engine = Engine::start(table, &[]).unwrap();
    let mut call = BrowserCall::unplaced(&engine).unwrap();
    let before = call.negotiate(&mut engine, &json!({})).unwrap();
    call.meet(&mut engine).unwrap();
    let talk = |call: &mut BrowserCall, table: i32| match in_kernel {
        true => call.talk_in_kernel(table, PACKETS).unwrap(),
        false => call.talk(PACKETS).unwrap(),
    };
    let number = engine.daemon.table();
    talk(&mut call, number);

    let mut endpoint = Endpoint::bind_in(&engine.trio.caller, CALLER.parse().unwrap(), 0, 1).unwrap();
    endpoint.stream = call.caller.endpoint.stream.clone();
    let mut former = std::mem::replace(&mut call.caller, Browser::new(endpoint, true).unwrap());
    let after = call.negotiate(&mut engine, &json!({})).unwrap();
    assert_eq!((before.address, before.port), (after.address, after.port), "the port stays");
    for renewed in ["a=ice-ufrag:", "a=ice-pwd:"] {
        assert_ne!(line(&before.lines, renewed), line(&after.lines, renewed));
    }
    assert_eq!(line(&before.lines, "a=fingerprint:"), line(&after.lines, "a=fingerprint:"));
    // Until there is a new way and new keys, the old ones hold.
    let (plain, sealed) = former.seal().unwrap();
    former.endpoint.send_raw(&sealed).unwrap();
    call.at_callee(&plain).unwrap();
    let next = former.endpoint.stream.next;
    call.caller.endpoint.stream.next = next;

    call.meet(&mut engine).unwrap();
    talk(&mut call, number);
    // Neither from its old place nor from the new one is anything authentic by the old keys.
    for index in 0..PACKETS {
        former.endpoint.stream.next = call.caller.endpoint.stream.next + index;
        let (_, sealed) = former.seal().unwrap();
        former.endpoint.send_raw(&sealed).unwrap();
        call.caller.endpoint.send_raw(&sealed).unwrap();
    }
    assert_eq!(call.callee.receive_raw(Duration::from_millis(50)).unwrap(), None);
    talk(&mut call, number);
    assert_eq!(
        former.endpoint.receive_raw(Duration::ZERO).unwrap().filter(|(bytes, _)| bytes[0] >= 128),
        None
    );
    flows::wait_until("they are counted as errors", || {
        Ok(engine.ng.query(&call.id)?["totals"]["RTP"]["errors"].as_u64() >= Some(2 * PACKETS))
    })
    .unwrap();
    call.hang_up(&mut engine).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn and_the_kernel_takes_over_again() {
    if available(XDP) {
        restart(Table::Own);
    }
}

#[test]
fn in_userspace_too() {
    if available(NAMESPACES) {
        restart(Table::Off);
    }
}
