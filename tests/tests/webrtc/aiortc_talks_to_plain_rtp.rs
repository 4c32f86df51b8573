//! aiortc on one side, a SIP endpoint with plain RTP on the other, each as offerer and as answerer.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::available;
use rtpengine_tests::rtp::{Endpoint, Packet};
use rtpengine_tests::talk::left_to_right;
use serde_json::{Value, json};

use crate::aiortc::{Aiortc, Candidates, NEEDS, Role};
use crate::kernel;
use crate::plain::{body, plain_party, point_at};

const PACKETS: u64 = 100;
const WAIT: Duration = Duration::from_secs(10);

/// Both say as much; every payload arrives once, in order, as it was sent.
pub fn talk(aiortc: &mut Aiortc, plain: &mut Endpoint, packets: u64) {
    let payloads = aiortc.send(packets);
    for payload in payloads {
        let (packet, _) = plain.receive_raw(WAIT).unwrap().unwrap();
        let packet = Packet::parse(&packet).unwrap();
        assert_eq!((packet.payload_type, packet.payload), (0, payload));
    }
    let mut sent = Vec::new();
    for _ in 0..packets {
        sent.push(plain.stream.packet(plain.stream.next).payload);
        plain.send().unwrap();
    }
    aiortc.hears(&sent);
    assert_eq!(plain.receive_raw(Duration::ZERO).unwrap(), None);
}

/// Both send until they hear each other: a party may be done with its handshake before the daemon is.
pub fn meet(aiortc: &mut Aiortc, plain: &mut Endpoint) {
    let (mut heard_here, mut heard_there) = (false, false);
    flows::wait_until("both hear each other", || {
        aiortc.send(1);
        plain.send()?;
        heard_here |= plain.receive_raw(Duration::from_millis(20))?.is_some();
        heard_there |= aiortc.drain() > 0;
        Ok(heard_here && heard_there)
    })
    .unwrap();
    while plain.receive_raw(Duration::from_millis(50)).unwrap().is_some() {}
    aiortc.drain();
}

/// Talks until the kernel has taken over, then has it forward everything.
fn talk_in_kernel(engine: &Engine, aiortc: &mut Aiortc, plain: &mut Endpoint) {
    kernel::takes_over(engine, || talk(aiortc, plain, 1));
    let before = kernel::forwarded(engine);
    talk(aiortc, plain, PACKETS);
    assert_eq!(kernel::forwarded(engine), before.map(|count| count + PACKETS), "by the kernel alone");
}

fn finish(mut engine: Engine, mut aiortc: Aiortc, mut plain: Endpoint) {
    meet(&mut aiortc, &mut plain);
    talk(&mut aiortc, &mut plain, PACKETS);
    talk_in_kernel(&engine, &mut aiortc, &mut plain);
    aiortc.hang_up();
    engine.ng.delete("c", "a").unwrap();
    engine.daemon.stop().unwrap();
}

fn aiortc_offers(extra: &Value, role: Role) {
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let (mut aiortc, mut plain) =
        (Aiortc::start(&engine.trio.caller, 1, Candidates::Ipv4), plain_party(&engine));
    let mut offer = left_to_right();
    offer["transport protocol"] = json!("RTP/AVP");
    offer["ICE"] = json!("remove");
    offer["rtcp-mux"] = json!(["demux"]);
    offer.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let offered = engine.ng.offer("c", "a", &aiortc.offer(), &offer).unwrap();
    assert!(!offered.contains("fingerprint") && !offered.contains("candidate"), "{offered}");
    point_at(&mut plain, &offered);
    let answered = engine.ng.answer("c", "a", "b", &body(&plain), &json!({"ICE": "force"})).unwrap();
    aiortc.answered(&answered);
    assert_eq!(aiortc.connected(), role);
    finish(engine, aiortc, plain);
}

#[test]
fn aiortc_offers_and_is_the_dtls_server() {
    if available(NEEDS) {
        aiortc_offers(&json!({}), Role::Server);
    }
}

#[test]
fn aiortc_offers_and_is_the_dtls_client() {
    if available(NEEDS) {
        aiortc_offers(&json!({"DTLS-reverse": "passive"}), Role::Client);
    }
}

fn aiortc_answers(extra: &Value, role: Role) {
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let (mut aiortc, mut plain) =
        (Aiortc::start(&engine.trio.caller, 1, Candidates::Ipv4), plain_party(&engine));
    let mut offer = left_to_right();
    offer["direction"] = json!(["right", "left"]);
    offer["transport protocol"] = json!("UDP/TLS/RTP/SAVPF");
    offer["ICE"] = json!("force");
    offer["rtcp-mux"] = json!(["require"]);
    offer.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let offered = engine.ng.offer("c", "a", &body(&plain), &offer).unwrap();
    let answer = json!({"ICE": "remove", "rtcp-mux": ["demux"]});
    let answered = engine.ng.answer("c", "a", "b", &aiortc.answer(&offered), &answer).unwrap();
    assert!(!answered.contains("fingerprint") && answered.contains(" RTP/AVP 0"), "{answered}");
    point_at(&mut plain, &answered);
    assert_eq!(aiortc.connected(), role);
    finish(engine, aiortc, plain);
}

#[test]
fn aiortc_answers_and_is_the_dtls_client() {
    if available(NEEDS) {
        aiortc_answers(&json!({}), Role::Client);
    }
}

#[test]
fn aiortc_answers_an_offer_that_is_passive() {
    if available(NEEDS) {
        aiortc_answers(&json!({"DTLS": "passive"}), Role::Client);
    }
}
