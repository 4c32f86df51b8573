//! A call forked to two callees: both early media reach the caller, each from a port of its own, and the caller is heard
//! by the branch whose port it uses.

use std::net::SocketAddr;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Place, exchange, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const PACKETS: u64 = 100;
const CALL: &str = "forked";

/// One branch after its answer.
struct Branch {
    callee: Endpoint,
    /// Where the caller reaches it.
    relay: SocketAddr,
}

fn branch(engine: &mut Engine, caller: &Endpoint, name: &str, ssrc: u32) -> Branch {
    let place = Place::within(&engine.trio.callee, CALLEE).unwrap();
    let mut callee = place.endpoint(ssrc).unwrap();
    let mut extra = left_to_right();
    extra["via-branch"] = json!(name);
    let offer = sdp::audio(CALLER.parse().unwrap(), caller.local().unwrap().port());
    let offered = engine.ng.offer(CALL, "caller", &offer, &extra).unwrap();
    let media = sdp::first_media(&offered).unwrap();
    callee.remote = Some((media.address, media.port).into());
    let answer = sdp::audio(place.address, callee.local().unwrap().port());
    let extra = json!({"via-branch": name});
    let answered = engine.ng.answer(CALL, "caller", name, &answer, &extra).unwrap();
    let media = sdp::first_media(&answered).unwrap();
    Branch { callee, relay: (media.address, media.port).into() }
}

/// The callee of the branch is heard, from the branch's port.
fn early_media(caller: &mut Endpoint, branch: &mut Branch) {
    caller.remote = Some(branch.relay);
    caller.expect(&branch.callee.stream);
    for _ in 0..PACKETS {
        branch.callee.send().unwrap();
        assert!(caller.receive(Duration::from_secs(5)).unwrap());
    }
    assert!(caller.tally().is_perfect(PACKETS), "{:?}", caller.tally());
}

fn converse(caller: &mut Endpoint, branch: &mut Branch, packets: u64) {
    caller.remote = Some(branch.relay);
    let interval = Duration::from_micros(300);
    let (at_caller, at_callee) = exchange(caller, &mut branch.callee, packets, interval).unwrap();
    assert!(at_caller.is_perfect(packets) && at_callee.is_perfect(packets), "{at_caller:?} {at_callee:?}");
}

fn fork(table: Table) {
    let mut engine = Engine::start(table, &[]).unwrap();
    let mut caller = Place::within(&engine.trio.caller, CALLER).unwrap().endpoint(0x0ca1_1e40).unwrap();
    let mut one = branch(&mut engine, &caller, "one", 1);
    let mut two = branch(&mut engine, &caller, "two", 2);
    assert_ne!(one.relay, two.relay);
    assert_ne!(one.callee.remote, two.callee.remote);
    early_media(&mut caller, &mut one);
    early_media(&mut caller, &mut two);
    early_media(&mut caller, &mut one);
    // The second picks up.
    converse(&mut caller, &mut two, 1);
    if table == Table::Own {
        flows::wait_until("the kernel forwards the second branch", || {
            converse(&mut caller, &mut two, 1);
            let flows = flows::of_call(engine.daemon.table(), CALL)?;
            let of = |port: u16| flows.iter().any(|flow| flow.local.port() == port && flow.path == "kernel");
            Ok(of(two.relay.port()) && of(two.callee.remote.map_or(0, |remote| remote.port())))
        })
        .unwrap();
    }
    converse(&mut caller, &mut two, PACKETS);
    assert!(one.callee.receive_raw(Duration::ZERO).unwrap().is_none(), "the first branch listens in");
    // The first branch is refused: the call goes on, and nothing of that branch is heard any more.
    let body = json!({
        "command": "delete", "call-id": CALL, "from-tag": "caller", "to-tag": "one", "via-branch": "one",
        "delete-delay": 0,
    });
    engine.ng.expect_ok(&body).unwrap();
    flows::wait_until("the flows of the first branch are gone", || {
        let local = one.callee.remote;
        Ok(table == Table::Off
            || !flows::of_call(engine.daemon.table(), CALL)?.iter().any(|flow| Some(flow.local) == local))
    })
    .unwrap();
    one.callee.send().unwrap();
    converse(&mut caller, &mut two, PACKETS);
    assert_eq!(engine.ng.list().unwrap(), [CALL]);
    engine.ng.delete(CALL, "caller").unwrap();
    assert!(engine.ng.list().unwrap().is_empty());
    engine.daemon.stop().unwrap();
}

#[test]
fn in_the_kernel() {
    if available(XDP) {
        fork(Table::Own);
    }
}

#[test]
fn in_userspace() {
    if available(NAMESPACES) {
        fork(Table::Off);
    }
}
