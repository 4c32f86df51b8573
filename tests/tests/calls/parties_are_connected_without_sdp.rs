//! `connect` joins two parties of one call who have never exchanged SDP; the kernel forwards between them, and those they
//! talked to before hear nothing any more.

use std::net::SocketAddr;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{exchange, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const PACKETS: u64 = 100;
const INTERVAL: Duration = Duration::from_micros(300);

#[test]
fn a_caller_with_the_callee_of_somebody_else() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let mut third = Endpoint::bind_in(&engine.trio.caller, CALLER.parse().unwrap(), 0, 0x3333).unwrap();
    let mut fourth = Endpoint::bind_in(&engine.trio.callee, CALLEE.parse().unwrap(), 0, 0x4444).unwrap();
    let body = |endpoint: &Endpoint| {
        let local = endpoint.local().unwrap();
        sdp::audio(local.ip(), local.port())
    };
    let address = |sdp: &str| {
        let media = sdp::first_media(sdp).unwrap();
        Some(SocketAddr::new(media.address, media.port))
    };
    let offered = engine.ng.offer(&call.id, "third", &body(&third), &left_to_right()).unwrap();
    let answered = engine.ng.answer(&call.id, "third", "fourth", &body(&fourth), &json!({})).unwrap();
    (third.remote, fourth.remote) = (address(&answered), address(&offered));
    let request =
        json!({"command": "connect", "call-id": call.id, "from-tag": call.from, "to-tag": "fourth"});
    engine.ng.expect_ok(&request).unwrap();
    let in_kernel = |engine: &Engine| {
        let counts = flows::forwarded_of(engine.daemon.table(), &call.id, &call.from, "fourth").unwrap();
        counts.is_some_and(|count| count.from_caller > 0 && count.from_callee > 0)
    };
    flows::wait_until("the kernel forwards between the two", || {
        let (one, two) = exchange(&mut call.caller, &mut fourth, 1, INTERVAL)?;
        assert!(one.is_perfect(1) && two.is_perfect(1), "{one:?} {two:?}");
        Ok(in_kernel(&engine))
    })
    .unwrap();
    let (one, two) = exchange(&mut call.caller, &mut fourth, PACKETS, INTERVAL).unwrap();
    assert!(one.is_perfect(PACKETS) && two.is_perfect(PACKETS), "{one:?} {two:?}");
    // Nobody hears those that were left.
    for _ in 0..PACKETS {
        call.callee.send().unwrap();
        third.send().unwrap();
    }
    engine.wait_for_count(&call, third.stream.next + fourth.stream.next).unwrap();
    for endpoint in [&call.caller, &call.callee, &third, &fourth] {
        assert!(endpoint.receive_raw(Duration::ZERO).unwrap().is_none());
    }
    let refused = engine.ng.request(&json!({"command": "transform", "call-id": call.id})).unwrap();
    assert_eq!(refused["error-reason"], "Command \"transform\" is not supported by this version");
    engine.ng.expect_ok(&json!({"command": "delete", "call-id": call.id, "delete-delay": 0})).unwrap();
    assert_eq!(engine.ng.list().unwrap(), Vec::<String>::new());
    engine.daemon.stop().unwrap();
}

/// The caller of one call and the callee of another one: both calls are one from then on, under both names.
#[test]
fn and_so_are_parties_of_two_calls() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut first = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut first, PACKETS).unwrap();
    let mut second = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut second, PACKETS).unwrap();
    let request = json!({
        "command": "connect", "call-id": first.id, "from-tag": first.from,
        "to-call-id": second.id, "to-tag": second.to,
    });
    engine.ng.expect_ok(&request).unwrap();
    let in_kernel = |engine: &Engine| {
        let counts = flows::forwarded_of(engine.daemon.table(), &first.id, &first.from, &second.to).unwrap();
        counts.is_some_and(|count| count.from_caller > 0 && count.from_callee > 0)
    };
    flows::wait_until("the kernel forwards between the two", || {
        let (one, two) = exchange(&mut first.caller, &mut second.callee, 1, INTERVAL)?;
        assert!(one.is_perfect(1) && two.is_perfect(1), "{one:?} {two:?}");
        Ok(in_kernel(&engine))
    })
    .unwrap();
    let (one, two) = exchange(&mut first.caller, &mut second.callee, PACKETS, INTERVAL).unwrap();
    assert!(one.is_perfect(PACKETS) && two.is_perfect(PACKETS), "{one:?} {two:?}");
    let mut listed = engine.ng.list().unwrap();
    let mut both = vec![first.id.clone(), second.id.clone()];
    listed.sort();
    both.sort();
    assert_eq!(listed, both);
    let query = engine.ng.query(&second.id).unwrap();
    let peers = json!([{"tag": second.to, "type": "offer/answer"}]);
    assert_eq!(query["tags"][&first.from]["subscribers"], peers, "{query}");
    engine.ng.expect_ok(&json!({"command": "delete", "call-id": second.id, "delete-delay": 0})).unwrap();
    assert_eq!(engine.ng.list().unwrap(), Vec::<String>::new());
    engine.daemon.stop().unwrap();
}

/// A party that the daemon has offered media to by itself, and the caller of a call.
#[test]
fn and_so_is_a_party_with_an_offer_of_our_own() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let mut party = Endpoint::bind_in(&engine.trio.callee, CALLEE.parse().unwrap(), 0, 0x7777).unwrap();
    let create = json!({
        "command": "create", "call-id": call.id, "from-tag": "new", "interface": "right",
        "codec": {"offer": ["PCMA", "telephone-event"]},
    });
    let reply = engine.ng.expect_ok(&create).unwrap();
    let media = sdp::first_media(reply["sdp"].as_str().unwrap()).unwrap();
    assert!(media.lines[0].ends_with("RTP/AVP 8 101") && media.has("a=sendrecv"), "{reply}");
    party.remote = Some(SocketAddr::new(media.address, media.port));
    let local = party.local().unwrap();
    let answer = json!({
        "command": "create answer", "call-id": call.id, "from-tag": "new",
        "sdp": sdp::audio(local.ip(), local.port()),
    });
    engine.ng.expect_ok(&answer).unwrap();
    let connect = json!({"command": "connect", "call-id": call.id, "from-tag": call.from, "to-tag": "new"});
    engine.ng.expect_ok(&connect).unwrap();
    let in_kernel = |engine: &Engine| {
        let counts = flows::forwarded_of(engine.daemon.table(), &call.id, &call.from, "new").unwrap();
        counts.is_some_and(|count| count.from_caller > 0 && count.from_callee > 0)
    };
    flows::wait_until("the kernel forwards between the two", || {
        let (one, two) = exchange(&mut call.caller, &mut party, 1, INTERVAL)?;
        assert!(one.is_perfect(1) && two.is_perfect(1), "{one:?} {two:?}");
        Ok(in_kernel(&engine))
    })
    .unwrap();
    let (one, two) = exchange(&mut call.caller, &mut party, PACKETS, INTERVAL).unwrap();
    assert!(one.is_perfect(PACKETS) && two.is_perfect(PACKETS), "{one:?} {two:?}");
    engine.ng.expect_ok(&json!({"command": "delete", "call-id": call.id, "delete-delay": 0})).unwrap();
    engine.daemon.stop().unwrap();
}
