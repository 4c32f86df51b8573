//! Two parties of aiortc: directly, and with the daemon between them, which ends DTLS on both legs.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::Trio;
use serde_json::json;

use crate::aiortc::{Aiortc, Candidates, NEEDS, Role};
use crate::kernel;

const PACKETS: u64 = 100;
const ROUNDS: u64 = 2;

/// Both send until they hear each other: a party may be done with its handshake before the daemon is.
fn meet(one: &mut Aiortc, two: &mut Aiortc) {
    flows::wait_until("both hear each other", || {
        one.send(1);
        two.send(1);
        std::thread::sleep(Duration::from_millis(20));
        Ok(one.drain() > 0 && two.drain() > 0)
    })
    .unwrap();
    flows::wait_until("nothing is on its way", || {
        std::thread::sleep(Duration::from_millis(20));
        Ok(one.drain() + two.drain() == 0)
    })
    .unwrap();
}

fn talk(one: &mut Aiortc, two: &mut Aiortc) {
    for _ in 0..ROUNDS {
        let (from_one, from_two) = (one.send(PACKETS), two.send(PACKETS));
        two.hears(&from_one);
        one.hears(&from_two);
    }
}

/// Talks until the kernel has taken over, then has it forward everything.
fn talk_in_kernel(engine: &Engine, one: &mut Aiortc, two: &mut Aiortc) {
    kernel::has_keys_on_both_legs(engine);
    kernel::takes_over(engine, || {
        let (from_one, from_two) = (one.send(1), two.send(1));
        two.hears(&from_one);
        one.hears(&from_two);
    });
    let before = kernel::forwarded(engine);
    talk(one, two);
    assert_eq!(
        kernel::forwarded(engine),
        before.map(|count| count + ROUNDS * PACKETS),
        "by the kernel alone"
    );
}

/// What the others build on: aiortc works in the namespaces, and payloads go through it untouched.
#[test]
fn directly() {
    if !available(&[Need::Root, Need::Iproute, Need::Peers]) {
        return;
    }
    let trio = Trio::new().unwrap();
    trio.engine.sysctl("net/ipv4/ip_forward", "1").unwrap();
    let (mut caller, mut callee) =
        (Aiortc::start(&trio.caller, 1, Candidates::Both), Aiortc::start(&trio.callee, 2, Candidates::Both));
    let answer = callee.answer(&caller.offer());
    caller.answered(&answer);
    assert_eq!((caller.connected(), callee.connected()), (Role::Server, Role::Client));
    talk(&mut caller, &mut callee);
    caller.hang_up();
}

fn through(candidates: Candidates) {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let trio = &engine.trio;
    let (mut caller, mut callee) =
        (Aiortc::start(&trio.caller, 1, candidates), Aiortc::start(&trio.callee, 2, candidates));
    let offered = engine.ng.offer("c", "a", &caller.offer(), &left_to_right()).unwrap();
    let answered = engine.ng.answer("c", "a", "b", &callee.answer(&offered), &json!({})).unwrap();
    caller.answered(&answered);
    caller.connected();
    callee.connected();
    meet(&mut caller, &mut callee);
    talk(&mut caller, &mut callee);
    talk_in_kernel(&engine, &mut caller, &mut callee);
    engine.ng.delete("c", "a").unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn through_the_daemon_over_ipv4() {
    through(Candidates::Ipv4);
}

/// They are free to choose a pair, and to change over to another one.
#[test]
fn through_the_daemon_over_either_family() {
    through(Candidates::Both);
}
