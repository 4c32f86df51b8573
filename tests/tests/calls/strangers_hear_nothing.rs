//! Somebody sends RTP to the ports of a call that is not theirs ("RTP bleed"): they hear nothing, and the parties hear each
//! other as before.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::talk::{Call, exchange_watched};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 200;
/// Another host on the caller's side.
const STRANGER: &str = "10.77.1.66";

fn stranger(engine: &Engine) -> Endpoint {
    engine.trio.caller.ip(&[format!("addr add {STRANGER}/24 dev eth0")]).unwrap();
    Endpoint::bind_in(&engine.trio.caller, STRANGER.parse().unwrap(), 0, 0x666).unwrap()
}

fn hears_nothing(stranger: &Endpoint) {
    assert_eq!(stranger.receive_raw(Duration::ZERO).unwrap(), None, "the stranger gets media");
}

/// The parties talk while the stranger sends a packet for each of the caller's. Whether the stranger is heard at the
/// callee is told by `heard`; the parties' own packets all arrive once and in order.
fn talk_under_attack(call: &mut Call, stranger: &mut Endpoint, heard: bool) {
    stranger.remote = call.caller.remote;
    let interval = Duration::from_micros(300);
    let mut attack = |_| {
        stranger.send().unwrap();
        std::ops::ControlFlow::Continue(())
    };
    let (at_caller, at_callee) =
        exchange_watched(&mut call.caller, &mut call.callee, PACKETS, interval, &mut attack).unwrap();
    assert!(at_caller.is_perfect(PACKETS), "{at_caller:?}");
    assert_eq!(
        (at_callee.received, at_callee.duplicates, at_callee.reordered, at_callee.wrong.is_empty()),
        (PACKETS, 0, 0, !heard),
        "{at_callee:?}"
    );
    hears_nothing(stranger);
}

/// The stranger comes when both endpoints are settled.
fn after_learning(table: Table, flags: &Value, heard: bool) {
    let mut engine = Engine::start(table, &[]).unwrap();
    let mut stranger = stranger(&engine);
    let mut call = engine.call_with(CALLER, CALLEE, flags).unwrap();
    call.talk(1).unwrap();
    if table == Table::Own {
        engine.establish(&mut call).unwrap();
    }
    talk_under_attack(&mut call, &mut stranger, heard);
    if !heard {
        flows::wait_until("what the stranger sent is counted as errors", || {
            let query = engine.ng.query(&call.id)?;
            let errors = &query["tags"][&call.from]["medias"][0]["streams"][0]["stats"]["errors"];
            Ok(*errors == json!(PACKETS))
        })
        .unwrap();
    }
    if table == Table::Own && !heard {
        let flow = engine.flows(&call).unwrap().into_iter().find(|flow| flow.tag == call.from).unwrap();
        assert_eq!(flow.dropped, PACKETS, "{flow:?}");
    }
    call.talk(1).unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn after_learning_in_the_kernel() {
    if available(XDP) {
        after_learning(Table::Own, &json!({}), true);
    }
}

#[test]
fn after_learning_in_userspace() {
    if available(NAMESPACES) {
        after_learning(Table::Off, &json!({}), true);
    }
}

#[test]
fn and_with_strict_source_are_not_heard_in_the_kernel() {
    if available(XDP) {
        after_learning(Table::Own, &json!({"flags": ["strict-source"]}), false);
    }
}

#[test]
fn and_with_strict_source_are_not_heard_in_userspace() {
    if available(NAMESPACES) {
        after_learning(Table::Off, &json!({"flags": ["strict-source"]}), false);
    }
}

/// The stranger is there first; its packets are no better than those of the party that was signalled.
fn before_learning(table: Table, learning: &str) {
    let mut engine = Engine::start(table, &[&format!("--endpoint-learning={learning}")]).unwrap();
    let mut stranger = stranger(&engine);
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    stranger.remote = call.caller.remote;
    call.callee.expect(&call.caller.stream);
    for _ in 0..10 {
        stranger.send().unwrap();
    }
    // The caller's first packet, behind those of the stranger.
    call.caller.send().unwrap();
    while call.callee.tally().received == 0 {
        assert!(call.callee.receive(Duration::from_secs(5)).unwrap());
    }
    if table == Table::Own {
        engine.establish(&mut call).unwrap();
    }
    talk_under_attack(&mut call, &mut stranger, true);
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn before_learning_by_the_heuristic() {
    if available(NAMESPACES) {
        before_learning(Table::Off, "heuristic");
    }
}

#[test]
fn where_nothing_is_learned() {
    if available(XDP) {
        before_learning(Table::Own, "off");
    }
}

/// With `media handover` a new source is the party that has moved; that is what the flag is for.
fn handover(table: Table) {
    let mut engine = Engine::start(table, &[]).unwrap();
    let moved = stranger(&engine);
    let mut call = engine.call_with(CALLER, CALLEE, &json!({"flags": ["media-handover"]})).unwrap();
    call.talk(1).unwrap();
    if table == Table::Own {
        engine.establish(&mut call).unwrap();
    }
    let old = std::mem::replace(&mut call.caller, moved);
    call.caller.remote = old.remote;
    // It is heard at once, and soon hears.
    call.callee.expect(&call.caller.stream);
    call.caller.send().unwrap();
    assert!(call.callee.receive(Duration::from_secs(5)).unwrap());
    assert_eq!(call.callee.tally().received, 1);
    follow(&mut call, &old);
    let talk = |call: &mut Call| match table {
        Table::Own => engine.talk_in_kernel(call, PACKETS).unwrap(),
        Table::Off | Table::Number(_) => call.talk(PACKETS).unwrap(),
    };
    talk(&mut call);
    hears_nothing(&old);
    // And back.
    let moved = std::mem::replace(&mut call.caller, old);
    follow(&mut call, &moved);
    talk(&mut call);
    hears_nothing(&moved);
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}

/// Both parties send until the callee is heard where the caller is now; what came to its old place is discarded.
fn follow(call: &mut Call, old: &Endpoint) {
    call.caller.expect(&call.callee.stream);
    call.callee.expect(&call.caller.stream);
    flows::wait_until("media follow the caller", || {
        call.caller.send()?;
        call.callee.receive(Duration::from_millis(20))?;
        call.callee.send()?;
        call.caller.receive(Duration::from_millis(20))
    })
    .unwrap();
    while call.callee.receive(Duration::from_millis(20)).unwrap() {}
    while call.caller.receive(Duration::from_millis(20)).unwrap() {}
    while old.receive_raw(Duration::ZERO).unwrap().is_some() {}
}

#[test]
fn but_with_media_handover_are_followed_from_the_kernel() {
    if available(XDP) {
        handover(Table::Own);
    }
}

#[test]
fn but_with_media_handover_are_followed_in_userspace() {
    if available(NAMESPACES) {
        handover(Table::Off);
    }
}
