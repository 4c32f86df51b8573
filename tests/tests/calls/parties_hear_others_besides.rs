//! Parties hear others besides those they talk to: every packet of every source, as it was sent.

use std::net::SocketAddr;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 100;
const WAIT: Duration = Duration::from_secs(5);

/// Publishes in the call; what is sent from it goes where the reply says.
fn publish(engine: &mut Engine, call: &str, tag: &str) -> Endpoint {
    let mut endpoint = Endpoint::bind_in(&engine.trio.caller, CALLER.parse().unwrap(), 0, 0x9b11).unwrap();
    let local = endpoint.local().unwrap();
    let offer = sdp::audio_with(local.ip(), local.port(), &["a=sendonly"]);
    let request =
        json!({"command": "publish", "call-id": call, "from-tag": tag, "sdp": offer, "interface": "left"});
    let reply = engine.ng.expect_ok(&request).unwrap();
    let media = sdp::first_media(reply["sdp"].as_str().unwrap()).unwrap();
    endpoint.remote = Some(SocketAddr::new(media.address, media.port));
    endpoint
}

fn speak(endpoint: &mut Endpoint) -> Vec<u8> {
    let wanted = endpoint.stream.packet(endpoint.stream.next).to_bytes();
    endpoint.send().unwrap();
    wanted
}

fn hear(endpoint: &Endpoint) -> Vec<u8> {
    endpoint.receive_raw(WAIT).unwrap().unwrap().0
}

fn order(engine: &mut Engine, call: &str, more: &Value) {
    let mut request = json!({"call-id": call});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    engine.ng.expect_ok(&request).unwrap();
}

#[test]
fn what_is_injected_and_who_listens_in_on_it() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let (id, from, to) = (call.id.clone(), call.from.clone(), call.to.clone());
    let mut announcer = publish(&mut engine, &id, "announcer");
    order(&mut engine, &id, &json!({"command": "inject start", "source-tag": "announcer", "to-tag": to}));
    // One output: the kernel forwards what is injected too.
    let in_kernel = |engine: &Engine| {
        let flows = flows::of_call(engine.daemon.table(), &id).unwrap();
        flows.iter().find(|flow| flow.tag == "announcer").map_or(0, |flow| flow.packets)
    };
    flows::wait_until("the kernel forwards what is injected", || {
        let wanted = speak(&mut announcer);
        assert_eq!(hear(&call.callee), wanted);
        Ok(in_kernel(&engine) > 0)
    })
    .unwrap();
    for _ in 0..PACKETS {
        let (one, two) = (speak(&mut announcer), hear(&call.callee));
        assert_eq!(one, two);
        let (one, two) = (speak(&mut call.caller), hear(&call.callee));
        assert_eq!(one, two);
    }
    assert!(call.caller.receive_raw(Duration::ZERO).unwrap().is_none());
    // A subscriber to what the callee is sent hears both, and not what the callee says.
    let request = json!({
        "command": "subscribe request", "call-id": id, "from-tag": to, "to-tag": "spy",
        "flags": ["egress"], "interface": "right",
    });
    let reply = engine.ng.expect_ok(&request).unwrap();
    assert!(reply.get("warning").is_none(), "{reply}");
    let spy = Endpoint::bind_in(&engine.trio.callee, CALLEE.parse().unwrap(), 0, 0x5b1).unwrap();
    let local = spy.local().unwrap();
    let answer = sdp::audio_with(local.ip(), local.port(), &["a=recvonly"]);
    order(
        &mut engine,
        &id,
        &json!({"command": "subscribe answer", "to-tag": "spy", "sdp": answer, "flags": ["allow transcoding"]}),
    );
    for _ in 0..PACKETS {
        for sender in [&mut announcer, &mut call.caller] {
            let wanted = speak(sender);
            assert_eq!(hear(&call.callee), wanted);
            assert_eq!(hear(&spy), wanted);
        }
        let wanted = speak(&mut call.callee);
        assert_eq!(hear(&call.caller), wanted);
    }
    assert!(spy.receive_raw(Duration::ZERO).unwrap().is_none());
    order(&mut engine, &id, &json!({"command": "unsubscribe", "to-tag": "spy"}));
    order(&mut engine, &id, &json!({"command": "inject stop", "source-tag": "announcer", "to-tag": to}));
    let sent = announcer.stream.next;
    speak(&mut announcer);
    assert_eq!(announcer.stream.next, sent.wrapping_add(1));
    let wanted = speak(&mut call.caller);
    assert_eq!(hear(&call.callee), wanted, "and not what was injected before it");
    let query = engine.ng.query(&id).unwrap();
    assert!(query["tags"][&from].is_object(), "{query}");
    order(&mut engine, &id, &json!({"command": "delete", "delete-delay": 0}));
    engine.daemon.stop().unwrap();
}

#[test]
fn all_others_of_a_mesh() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let id = call.id.clone();
    let mut third = publish(&mut engine, &id, "third");
    let tags = json!([call.from, call.to, "third"]);
    order(&mut engine, &id, &json!({"command": "mesh", "from-tags": tags}));
    for _ in 0..PACKETS {
        let wanted = speak(&mut third);
        assert_eq!(hear(&call.caller), wanted);
        assert_eq!(hear(&call.callee), wanted);
        let wanted = speak(&mut call.caller);
        assert_eq!(hear(&call.callee), wanted);
        let wanted = speak(&mut call.callee);
        assert_eq!(hear(&call.caller), wanted);
    }
    assert!(third.receive_raw(Duration::ZERO).unwrap().is_none(), "a publisher does not listen");
    order(&mut engine, &id, &json!({"command": "delete", "delete-delay": 0}));
    engine.daemon.stop().unwrap();
}
