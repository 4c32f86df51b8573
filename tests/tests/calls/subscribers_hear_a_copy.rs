//! What a party says reaches everybody who has subscribed to it, each in its own way; the parties of the call notice
//! nothing of it, and when the last subscriber has gone the kernel forwards again.

use std::net::SocketAddr;
use std::ops::ControlFlow;
use std::time::Duration;

use rtpengine_common::srtp::Suite;
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::ng::{NgClient, cookie};
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::{Endpoint, rtcp_receiver_report, rtcp_sender_report};
use rtpengine_tests::sdp;
use rtpengine_tests::srtp::{Key, Party, SecureCall};
use rtpengine_tests::talk::{Call, exchange_watched};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 100;
const WAIT: Duration = Duration::from_secs(5);

fn subscriber(engine: &Engine, key: Option<Key>) -> Party {
    let netns = &engine.trio.callee;
    Party::new(Endpoint::bind_in(netns, CALLEE.parse().unwrap(), 0, 0x5ab5).unwrap(), key)
}

/// Asks for the media of a party; the tag of the subscription and the SDP.
fn ask(ng: &mut NgClient, call: &str, more: &Value) -> (String, String) {
    let mut request = json!({"command": "subscribe request", "call-id": call, "interface": "right"});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = ng.expect_ok(&request).unwrap();
    let text = |key: &str| reply[key].as_str().unwrap().to_owned();
    (text("to-tag"), text("sdp"))
}

fn answer(ng: &mut NgClient, call: &str, tag: &str, sdp: &str) {
    let request = json!({"command": "subscribe answer", "call-id": call, "to-tag": tag, "sdp": sdp});
    ng.expect_ok(&request).unwrap();
}

fn unsubscribe(ng: &mut NgClient, call: &str, tag: &str) {
    ng.expect_ok(&json!({"command": "unsubscribe", "call-id": call, "to-tag": tag})).unwrap();
}

/// Subscribes a party to the media of another one.
fn subscribe(engine: &mut Engine, party: &mut Party, call: &str, more: &Value) -> String {
    let (tag, offered) = ask(&mut engine.ng, call, more);
    let line = party.take(&offered).unwrap();
    answer(&mut engine.ng, call, &tag, &party.sdp(line, &["a=recvonly"]).unwrap());
    tag
}

#[test]
fn in_the_clear_and_encrypted_beside_the_other_party() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let mut one = subscriber(&engine, None);
    let mut two = subscriber(&engine, Some(Key::new(Suite::AesCm128HmacSha1_80, 7)));
    let from = json!({"from-tag": call.from});
    let first = subscribe(&mut engine, &mut one, &call.id, &from);
    let secure = json!({"from-tag": call.from, "transport protocol": "RTP/SAVP", "to-tag": "secure"});
    let second = subscribe(&mut engine, &mut two, &call.id, &secure);
    assert_eq!(second, "secure");
    engine.wait_for_path(&call, &call.from, Some("ManyOutputs")).unwrap();
    call.callee.expect(&call.caller.stream.clone());
    for _ in 0..PACKETS {
        let wanted = call.caller.stream.packet(call.caller.stream.next).to_bytes();
        call.caller.send().unwrap();
        assert!(call.callee.receive(WAIT).unwrap());
        assert_eq!(one.hear().unwrap(), wanted);
        assert_eq!(two.hear().unwrap(), wanted);
    }
    assert!(call.callee.tally().is_perfect(PACKETS), "{:?}", call.callee.tally());
    let query = engine.ng.query(&call.id).unwrap();
    let copies = json!([
        {"tag": call.to, "type": "offer/answer"},
        {"tag": first, "type": "pub/sub"},
        {"tag": second, "type": "pub/sub"},
    ]);
    assert_eq!(query["tags"][&call.from]["subscribers"], copies, "{query}");
    assert_eq!(query["tags"][&first]["subscriptions"], json!([{"tag": call.from, "type": "pub/sub"}]));
    unsubscribe(&mut engine.ng, &call.id, &first);
    unsubscribe(&mut engine.ng, &call.id, &second);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    assert!(one.endpoint.receive_raw(Duration::ZERO).unwrap().is_none());
    engine.finish(call).unwrap();
}

/// Subscriptions come and go while both parties talk, at some 2,000 packets a second each way.
#[test]
fn and_the_parties_lose_nothing_when_subscribers_come_and_go() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.establish(&mut call).unwrap();
    let mut party = subscriber(&engine, None);
    let (id, from) = (call.id.clone(), call.from.clone());
    let packets = 2000;
    let mut tag = None;
    let mut watch = |sent: u64| {
        if sent.is_multiple_of(250) && sent < packets {
            tag = match tag.take() {
                None => Some(subscribe(&mut engine, &mut party, &id, &json!({"from-tag": from}))),
                Some(tag) => {
                    unsubscribe(&mut engine.ng, &id, &tag);
                    None
                }
            };
        }
        ControlFlow::Continue(())
    };
    let interval = Duration::from_micros(500);
    let (at_caller, at_callee) =
        exchange_watched(&mut call.caller, &mut call.callee, packets, interval, &mut watch).unwrap();
    assert!(at_callee.is_perfect(packets), "caller to callee: {at_callee:?}");
    assert!(at_caller.is_perfect(packets), "callee to caller: {at_caller:?}");
    let heard = std::iter::from_fn(|| party.endpoint.receive_raw(Duration::ZERO).unwrap()).count() as u64;
    assert!(heard > 100 && heard < packets, "the subscriber has heard {heard} packets");
    unsubscribe(&mut engine.ng, &id, &tag.expect("the last one stays"));
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

/// A publisher nobody talks to, and those that listen to it: one is served by the kernel, more by the daemon.
#[test]
fn of_what_is_published() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut publisher = Endpoint::bind_in(&engine.trio.caller, CALLER.parse().unwrap(), 0, 0x9b11).unwrap();
    let local = publisher.local().unwrap();
    let (id, from) = (format!("published-{}", cookie()), "publisher".to_owned());
    let offer = sdp::audio_with(local.ip(), local.port(), &["a=sendonly"]);
    let request =
        json!({"command": "publish", "call-id": id, "from-tag": from, "sdp": offer, "interface": "left"});
    let reply = engine.ng.expect_ok(&request).unwrap();
    let media = sdp::first_media(reply["sdp"].as_str().unwrap()).unwrap();
    assert!(media.has("a=recvonly") && media.lines[0].ends_with("RTP/AVP 8"), "{reply}");
    publisher.remote = Some(SocketAddr::new(media.address, media.port));
    let speak = |publisher: &mut Endpoint| {
        let wanted = publisher.stream.packet(publisher.stream.next).to_bytes();
        publisher.send().unwrap();
        wanted
    };
    // Nobody listens yet.
    speak(&mut publisher);
    let mut one = subscriber(&engine, None);
    let first = subscribe(&mut engine, &mut one, &id, &json!({"from-tag": from}));
    let in_kernel = |engine: &Engine| {
        let flows = flows::of_call(engine.daemon.table(), &id).unwrap();
        flows.iter().find(|flow| flow.tag == from).map_or(0, |flow| flow.packets)
    };
    flows::wait_until("the kernel serves the subscriber", || {
        let wanted = speak(&mut publisher);
        assert_eq!(one.hear().unwrap(), wanted);
        Ok(in_kernel(&engine) > 0)
    })
    .unwrap();
    let mut two = subscriber(&engine, None);
    let second = subscribe(&mut engine, &mut two, &id, &json!({"from-tag": from}));
    for _ in 0..PACKETS {
        let wanted = speak(&mut publisher);
        assert_eq!(one.hear().unwrap(), wanted);
        assert_eq!(two.hear().unwrap(), wanted);
    }
    // Only one of them is silenced.
    let silence = json!({"command": "silence media", "call-id": id, "from-tag": from, "to-tag": first});
    engine.ng.expect_ok(&silence).unwrap();
    let wanted = speak(&mut publisher);
    assert_eq!(two.hear().unwrap(), wanted);
    let silent = one.hear().unwrap();
    assert_eq!(silent[..12], wanted[..12]);
    assert!(silent[12..].iter().all(|byte| *byte == 0xd5));
    unsubscribe(&mut engine.ng, &id, &first);
    unsubscribe(&mut engine.ng, &id, &second);
    engine.ng.delete(&id, &from).unwrap();
    assert_eq!(engine.ng.list().unwrap(), Vec::<String>::new());
    engine.daemon.stop().unwrap();
}

/// Both parties of a call in one body, as a recorder wants them; reports go both ways with `RTCP mirror`.
#[test]
fn of_both_parties_at_once() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call: Call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    let more = json!({"all": "all", "flags": ["SIPREC", "RTCP mirror"], "rtcp-mux": ["offer", "require"]});
    let (tag, offered) = ask(&mut engine.ng, &call.id, &more);
    let medias = sdp::medias(&offered).unwrap();
    assert_eq!(medias.len(), 2);
    let mut recorders = Vec::new();
    let mut body = String::new();
    for (index, media) in medias.iter().enumerate() {
        assert!(media.has(&format!("a=label:{}", index + 1)) && media.has("a=sendonly"), "{offered}");
        let party = subscriber(&engine, None);
        let own = party.sdp(1, &["a=recvonly", "a=rtcp-mux"]).unwrap();
        let section = own.find("m=").unwrap();
        body += if index == 0 { &own } else { &own[section..] };
        recorders.push(party);
    }
    answer(&mut engine.ng, &call.id, &tag, &body);
    for _ in 0..PACKETS {
        for (from, recorder) in [&mut call.caller, &mut call.callee].into_iter().zip(&mut recorders) {
            let wanted = from.stream.packet(from.stream.next).to_bytes();
            from.send().unwrap();
            let (heard, _) = recorder.endpoint.receive_raw(WAIT).unwrap().unwrap();
            assert_eq!(heard, wanted);
        }
    }
    // RTCP of the caller to the recorder, and the recorder's to the caller.
    let caller_rtcp = call.caller.local().unwrap();
    let rtcp = Endpoint::bind_in(&engine.trio.caller, caller_rtcp.ip(), caller_rtcp.port() + 1, 1).unwrap();
    let answered = sdp::first_media(&call.answered).unwrap();
    let (report, back) = (rtcp_sender_report(0x0ca1_1e40, 1, 160), rtcp_receiver_report(0x5ab5));
    rtcp.socket().send_to(&report, (answered.address, answered.rtcp_port)).unwrap();
    let (heard, source) = recorders[0].endpoint.receive_raw(WAIT).unwrap().unwrap();
    assert_eq!(heard, report);
    recorders[0].endpoint.socket().send_to(&back, source).unwrap();
    let (heard, _) = rtcp.receive_raw(WAIT).unwrap().unwrap();
    assert_eq!(heard, back);
    unsubscribe(&mut engine.ng, &call.id, &tag);
    for _ in 0..PACKETS {
        call.caller.send().unwrap();
    }
    engine.wait_for_count(&call, 0).unwrap();
    assert!(recorders.iter().all(|party| party.endpoint.receive_raw(Duration::ZERO).unwrap().is_none()));
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}

/// SRTP that two parties exchange under one key each is passed on as it is, and a copy is decrypted, though the stream is
/// not at its beginning any more.
#[test]
fn of_srtp_that_is_passed_on_unread() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let [one, two] = [1, 2].map(|seed| Some(Key::new(Suite::AesCm128HmacSha1_80, seed)));
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), one, two).unwrap();
    call.establish(engine.daemon.table()).unwrap();
    // Sequence numbers start a little below the end.
    call.talk(PACKETS).unwrap();
    let mut party = subscriber(&engine, None);
    let mut other = subscriber(&engine, Some(Key::new(Suite::AesCm128HmacSha1_32, 7)));
    let plain = json!({"from-tag": call.from, "transport protocol": "RTP/AVP"});
    let first = subscribe(&mut engine, &mut party, &call.id, &plain);
    let second = subscribe(&mut engine, &mut other, &call.id, &json!({"from-tag": call.from}));
    for _ in 0..PACKETS {
        let (plain, sealed) = call.caller.seal().unwrap();
        call.caller.endpoint.send_raw(&sealed).unwrap();
        assert_eq!(call.callee.hear().unwrap(), plain);
        assert_eq!(party.hear().unwrap(), plain);
        assert_eq!(other.hear().unwrap(), plain);
    }
    unsubscribe(&mut engine.ng, &call.id, &first);
    unsubscribe(&mut engine.ng, &call.id, &second);
    call.establish(engine.daemon.table()).unwrap();
    call.talk(PACKETS).unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}
