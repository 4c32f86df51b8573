//! `block media`, `silence media` and `block DTMF` act on what they name and on nothing else, in the kernel where there is one.

use std::time::Duration;

use rtpengine_common::srtp::Suite;
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::{Endpoint, Packet};
use rtpengine_tests::srtp::{Key, SecureCall};
use rtpengine_tests::talk::Call;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 50;
const WAIT: Duration = Duration::from_secs(5);
/// As in the SDP of the parties.
const TELEPHONE_EVENT: u8 = 101;

fn order(engine: &mut Engine, call: &str, command: &str, more: &Value) {
    let mut request = json!({"command": command, "call-id": call});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    engine.ng.expect_ok(&request).unwrap();
}

/// Sends a digit as one packet; the bytes.
fn press(from: &mut Endpoint) -> Vec<u8> {
    let mut packet = from.stream.packet(from.stream.next);
    from.stream.next += 1;
    (packet.payload_type, packet.payload) = (TELEPHONE_EVENT, vec![5, 0x0a, 0, 160]);
    let bytes = packet.to_bytes();
    from.send_raw(&bytes).unwrap();
    bytes
}

fn hears(endpoint: &Endpoint, bytes: &[u8]) {
    let heard = endpoint.receive_raw(WAIT).unwrap().map(|(heard, _)| heard);
    assert_eq!(heard.as_deref(), Some(bytes));
}

fn is_silent(endpoint: &Endpoint) -> bool {
    endpoint.receive_raw(Duration::ZERO).unwrap().is_none()
}

/// The caller speaks and presses a digit: only the digit arrives.
fn only_digits_arrive(call: &mut Call) {
    for _ in 0..PACKETS {
        call.caller.send().unwrap();
    }
    let digit = press(&mut call.caller);
    hears(&call.callee, &digit);
}

fn speaks(from: &mut Endpoint, to: &mut Endpoint) {
    to.expect(&from.stream);
    for _ in 0..PACKETS {
        from.send().unwrap();
        assert!(to.receive(WAIT).unwrap());
    }
    assert!(to.tally().is_perfect(PACKETS), "{:?}", to.tally());
}

#[test]
fn one_party_is_blocked_and_the_other_stays_in_the_kernel() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    order(&mut engine, &call.id, "block media", &json!({"from-tag": call.from}));
    let dropped = |engine: &Engine, call: &Call| {
        let flows = engine.flows(call).unwrap();
        flows.iter().find(|flow| flow.tag == call.from).unwrap().dropped
    };
    only_digits_arrive(&mut call);
    assert_eq!(dropped(&engine, &call), PACKETS);
    assert!(engine.paths(&call).unwrap().iter().all(|path| path.rtcp || path.reason.is_none()));
    let (mut caller, mut callee) = (call.caller.duplicate().unwrap(), call.callee.duplicate().unwrap());
    callee.stream.next = call.callee.stream.next;
    speaks(&mut callee, &mut caller);
    call.callee.stream.next = callee.stream.next;
    // What is blocked for one party is not unblocked for the whole call.
    order(&mut engine, &call.id, "unblock media", &json!({}));
    only_digits_arrive(&mut call);
    assert_eq!(dropped(&engine, &call), 2 * PACKETS);
    order(&mut engine, &call.id, "unblock media", &json!({"flags": ["all"]}));
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn a_whole_call_is_blocked_without_the_kernel() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    order(&mut engine, &call.id, "block media", &json!({}));
    only_digits_arrive(&mut call);
    for _ in 0..PACKETS {
        call.callee.send().unwrap();
    }
    engine.wait_for_count(&call, 0).unwrap();
    assert!(is_silent(&call.caller) && is_silent(&call.callee));
    order(&mut engine, &call.id, "unblock media", &json!({}));
    call.talk(PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn silence_keeps_everything_but_the_payload() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let before = flows::forwarded(engine.daemon.table(), &call).unwrap().unwrap().from_caller;
    order(&mut engine, &call.id, "silence media", &json!({"from-tag": call.from}));
    for (payload_type, silence) in [(8, 0xd5), (0, 0xff)] {
        call.caller.stream.payload_type = payload_type;
        for _ in 0..PACKETS {
            let sent = call.caller.stream.packet(call.caller.stream.next);
            call.caller.send().unwrap();
            let silent = Packet { payload: vec![silence; sent.payload.len()], ..sent };
            hears(&call.callee, &silent.to_bytes());
        }
    }
    // There is no silence to put in the place of a codec that nobody agreed on.
    call.caller.stream.payload_type = 3;
    call.caller.send().unwrap();
    let digit = press(&mut call.caller);
    hears(&call.callee, &digit);
    // What the kernel drops it counts as well.
    let after = flows::forwarded(engine.daemon.table(), &call).unwrap().unwrap().from_caller;
    assert_eq!(after, before + 2 * PACKETS + 2);
    call.caller.stream.payload_type = 8;
    order(&mut engine, &call.id, "unsilence media", &json!({"from-tag": call.from}));
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn digits_are_blocked_while_the_kernel_forwards_speech() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    // As a proxy does that leaves its flags to the daemon: the tags say nothing.
    order(
        &mut engine,
        &call.id,
        "block DTMF",
        &json!({"from-tag": call.from, "rtpp-flags": "DTMF-security=drop"}),
    );
    for _ in 0..PACKETS {
        press(&mut call.caller);
        press(&mut call.callee);
    }
    engine.wait_for_count(&call, 0).unwrap();
    assert!(is_silent(&call.caller) && is_silent(&call.callee));
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    order(&mut engine, &call.id, "unblock DTMF", &json!({}));
    let digit = press(&mut call.caller);
    hears(&call.callee, &digit);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn silence_is_encrypted_like_speech() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    // With one suite for both, packets are passed on unread, and there is nothing to put silence into.
    let (caller, callee) = (Key::new(Suite::AesCm128HmacSha1_80, 1), Key::new(Suite::AesCm128HmacSha1_32, 2));
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), Some(caller), Some(callee)).unwrap();
    order(&mut engine, &call.id, "silence media", &json!({}));
    for _ in 0..PACKETS {
        let (plain, sealed) = call.caller.seal().unwrap();
        call.caller.endpoint.send_raw(&sealed).unwrap();
        let plain = Packet::parse(&plain).unwrap();
        let silent = Packet { payload: vec![0xd5; plain.payload.len()], ..plain };
        assert_eq!(call.callee.hear().unwrap(), silent.to_bytes());
    }
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn the_kernel_decrypts_silences_and_encrypts() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let (caller, callee) = (Key::new(Suite::AesCm128HmacSha1_80, 1), Key::new(Suite::AeadAes128Gcm, 2));
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), Some(caller), Some(callee)).unwrap();
    call.establish(engine.daemon.table()).unwrap();
    let counts = |engine: &Engine, call: &SecureCall| {
        let flows = flows::of_call(engine.daemon.table(), &call.id).unwrap();
        let flow = flows.iter().find(|flow| flow.tag == call.from).unwrap();
        (flow.packets, flow.dropped)
    };
    let (before, _) = counts(&engine, &call);
    order(&mut engine, &call.id, "silence media", &json!({"from-tag": call.from}));
    for _ in 0..PACKETS {
        let (plain, sealed) = call.caller.seal().unwrap();
        call.caller.endpoint.send_raw(&sealed).unwrap();
        let plain = Packet::parse(&plain).unwrap();
        let silent = Packet { payload: vec![0xd5; plain.payload.len()], ..plain };
        assert_eq!(call.callee.hear().unwrap(), silent.to_bytes());
    }
    assert_eq!(counts(&engine, &call), (before + PACKETS, 0));
    order(&mut engine, &call.id, "block media", &json!({"from-tag": call.from}));
    for _ in 0..PACKETS {
        let (_, sealed) = call.caller.seal().unwrap();
        call.caller.endpoint.send_raw(&sealed).unwrap();
    }
    // A packet that is not authentic is not taken for one of the call.
    let (_, mut forged) = call.caller.seal().unwrap();
    *forged.last_mut().unwrap() ^= 1;
    call.caller.endpoint.send_raw(&forged).unwrap();
    flows::wait_until("everything is dropped", || {
        Ok(counts(&engine, &call) == (before + 2 * PACKETS, PACKETS + 1))
    })
    .unwrap();
    order(&mut engine, &call.id, "unblock media", &json!({"from-tag": call.from}));
    order(&mut engine, &call.id, "unsilence media", &json!({"from-tag": call.from}));
    call.talk(PACKETS).unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}
