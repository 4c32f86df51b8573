//! A call changes between kernel and userspace while both parties talk, at some 2,000 packets/s each way: every packet
//! arrives once and unchanged, and is counted once.

use std::ops::ControlFlow;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::Tally;
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, exchange_watched, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 2000;
const INTERVAL: Duration = Duration::from_micros(500);

/// Both talk; `change` is called when so many packets have gone each way.
fn talk(call: &mut Call, every: u64, mut change: impl FnMut(u64)) -> (Tally, Tally) {
    let mut watch = |sent| {
        if sent % every == 0 && sent < PACKETS {
            change(sent / every);
        }
        ControlFlow::Continue(())
    };
    exchange_watched(&mut call.caller, &mut call.callee, PACKETS, INTERVAL, &mut watch).unwrap()
}

/// The total says the same, of packets relayed here and there.
fn finish(mut engine: Engine, call: Call) {
    let sent = call.sent();
    call.hang_up(&mut engine.ng).unwrap();
    let kernel = engine.statistic("totalstatistics", "relayedpackets_kernel").unwrap();
    let user = engine.statistic("totalstatistics", "relayedpackets_user").unwrap();
    assert!(kernel > 100 && user > 2, "by the kernel {kernel}, by userspace {user}");
    assert_eq!(kernel + user, sent);
    engine.daemon.stop().unwrap();
}

/// A re-INVITE of the caller with these entries and, in its SDP, these lines; the answer says `theirs`.
fn reinvite(engine: &mut Engine, call: &Parties, extra: &Value, ours: &[&str], theirs: &[&str]) {
    let offer = sdp::audio_with(call.caller.ip(), call.caller.port(), ours);
    engine.ng.offer(&call.id, &call.from, &offer, extra).unwrap();
    let answer = sdp::audio_with(call.callee.ip(), call.callee.port(), theirs);
    engine.ng.answer(&call.id, &call.from, &call.to, &answer, &json!({})).unwrap();
}

/// What signalling needs to know while the endpoints are busy.
struct Parties {
    id: String,
    from: String,
    to: String,
    caller: std::net::SocketAddr,
    callee: std::net::SocketAddr,
}

impl Parties {
    fn of(call: &Call) -> Self {
        Self {
            id: call.id.clone(),
            from: call.from.clone(),
            to: call.to.clone(),
            caller: call.caller.local().unwrap(),
            callee: call.callee.local().unwrap(),
        }
    }
}

#[test]
fn and_order_is_kept_when_learning_starts_anew() {
    if !available(XDP) {
        return;
    }
    // Learning takes three seconds: the call leaves the kernel and stays out of it to the end.
    let mut engine = Engine::start(Table::Own, &["--endpoint-learning=delayed"]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.establish(&mut call).unwrap();
    let parties = Parties::of(&call);
    let mut extra = left_to_right();
    extra["flags"] = json!(["reset"]);
    let (at_caller, at_callee) =
        talk(&mut call, PACKETS / 2, |_| reinvite(&mut engine, &parties, &extra, &[], &[]));
    assert!(at_callee.is_perfect(PACKETS), "caller to callee: {at_callee:?}");
    assert!(at_caller.is_perfect(PACKETS), "callee to caller: {at_caller:?}");
    finish(engine, call);
}

#[test]
fn and_one_direction_is_undisturbed_when_the_other_is_put_on_hold() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.establish(&mut call).unwrap();
    let parties = Parties::of(&call);
    let (at_caller, at_callee) = talk(&mut call, PACKETS / 4, |turn| {
        let (ours, theirs) = match turn {
            1 => ("a=sendonly", "a=recvonly"),
            _ => ("a=sendrecv", "a=sendrecv"),
        };
        reinvite(&mut engine, &parties, &left_to_right(), &[ours], &[theirs]);
    });
    assert!(at_callee.is_perfect(PACKETS), "caller to callee: {at_callee:?}");
    assert!((PACKETS / 4..PACKETS).contains(&at_caller.received), "callee to caller: {at_caller:?}");
    assert!(at_caller.duplicates == 0 && at_caller.wrong.is_empty(), "{at_caller:?}");
    finish(engine, call);
}

#[test]
fn when_neighbours_are_forgotten() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.establish(&mut call).unwrap();
    let (at_caller, at_callee) = talk(&mut call, PACKETS / 8, |turn| {
        let (neighbour, device) = if turn % 2 == 0 { (CALLER, "left") } else { (CALLEE, "right") };
        engine.trio.engine.ip(&[format!("neigh del {neighbour} dev {device}")]).unwrap();
    });
    assert!(at_callee.is_perfect(PACKETS), "caller to callee: {at_callee:?}");
    assert!(at_caller.is_perfect(PACKETS), "callee to caller: {at_caller:?}");
    engine.establish(&mut call).unwrap();
    finish(engine, call);
}
