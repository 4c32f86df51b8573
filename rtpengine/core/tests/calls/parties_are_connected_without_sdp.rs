//! `connect`, and the commands beside it that are refused by name.

use rtpengine_core::{
    config::CoreConfig,
    ng::{Command, IceMode, Outcome, Request, TransportProtocol, Value},
};

use crate::{
    keys::{CM_80, KEY_A, KEY_B, crypto, savp},
    pair::{Pair, Seen, audio, audio_with, config, error, seen},
};

/// Two calls in one: `a` with `b`, `c` with `d`; what `a` and `d` were told.
fn two_couples(pair: &mut Pair) -> [Seen; 4] {
    let b = pair.offer("a", "", &audio("192.0.2.1", 2000));
    let a = pair.answer("a", "b", &audio("192.0.2.2", 2000));
    let d = pair.offer("c", "", &audio("192.0.2.3", 2000));
    let c = pair.answer("c", "d", &audio("192.0.2.4", 2000));
    [a, b, c, d]
}

#[test]
fn media_go_between_the_two_and_nobody_else() {
    let mut pair = Pair::new();
    let [a, b, c, d] = two_couples(&mut pair);
    pair.settle(&a, "192.0.2.1:2000");
    pair.settle(&d, "192.0.2.4:2000");
    let ports = pair.open_ports();
    let connect = Pair::request(Command::Connect, "a", "d", "", |_| {});
    for _ in 0..2 {
        assert_eq!(pair.send(&connect).outcome, Outcome::Ok);
        assert_eq!(pair.open_ports(), ports, "those left behind keep their ports");
        let sinks = |seen: &Seen| pair.relay(seen).sinks.to_vec();
        assert_eq!(sinks(&a), [pair.stream(d.rtp)]);
        assert_eq!(sinks(&d), [pair.stream(a.rtp)]);
        assert!(sinks(&b).is_empty() && sinks(&c).is_empty());
    }
    assert_eq!(pair.plane.flows.len(), 2);
    // The ones that were left are connected in turn.
    pair.send(&Pair::request(Command::Connect, "c", "b", "", |_| {}));
    assert_eq!(pair.relay(&b).sinks.to_vec(), [pair.stream(c.rtp)]);
    pair.delete("a", "d");
    pair.delete("b", "c");
    pair.assert_empty();
}

#[test]
fn a_publisher_is_connected_with_its_listener() {
    let mut pair = Pair::new();
    let body = audio_with("192.0.2.9", 2000, "a=sendrecv\r\n");
    let publisher = seen(&pair.send(&Pair::request(Command::Publish, "p", "", &body, |_| {})));
    let [a, ..] = two_couples(&mut pair);
    assert_eq!(pair.send(&Pair::request(Command::Connect, "p", "a", "", |_| {})).outcome, Outcome::Ok);
    assert_eq!(pair.relay(&publisher).sinks.to_vec(), [pair.stream(a.rtp)]);
    pair.delete("", "");
    pair.assert_empty();
}

#[test]
fn what_cannot_be_connected_stays_as_it_was() {
    let mut pair = Pair::new();
    two_couples(&mut pair);
    pair.offer("e", "", &savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A)));
    pair.answer("e", "f", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_B)));
    pair.offer("g", "", &audio("192.0.2.1", 2000).replace("RTP/AVP 8 0 101", "RTP/AVP 9"));
    pair.answer("g", "h", &audio("192.0.2.2", 2000).replace("RTP/AVP 8 0 101", "RTP/AVP 9"));
    let relay = pair.plane.relay.clone();
    for (from, to, expected) in [
        ("", "b", "No from-tag in message"),
        ("a", "", "No to-tag in message"),
        ("a", "x", "No call participant has the to-tag given"),
        ("a", "a", "None of the call participants given has media to subscribe to"),
        (
            "a",
            "g",
            "The call participants have no codec in common, and nothing is transcoded in this release",
        ),
        (
            "a",
            "e",
            "Media of the call participant is passed through with keys that are used end to end: it cannot be copied",
        ),
    ] {
        assert_eq!(error(&pair.send(&Pair::request(Command::Connect, from, to, "", |_| {}))), expected);
    }
    let other = Pair::request(Command::Connect, "a", "d", "", |request| {
        request.to_call_id = Some("call2".to_owned());
    });
    assert_eq!(error(&pair.send(&other)), "No call has the to-call-id given");
    in_second_call(&mut pair, "a", "z");
    let relay_of_both = pair.plane.relay.clone();
    assert_eq!(
        error(&pair.send(&across("a", "z"))),
        "Both calls have a call participant with tag 'a': they cannot become one call"
    );
    assert_eq!(pair.plane.relay, relay_of_both);
    assert!(relay.iter().all(|(stream, before)| relay_of_both.get(stream) == Some(before)));
}

/// A second call, between these two; what both were told.
fn in_second_call(pair: &mut Pair, from: &str, to: &str) -> [Seen; 2] {
    let second = |request: &mut Request| request.call_id = Some("call2".to_owned());
    let callee = pair.offer_with(from, "", &audio("192.0.2.5", 2000), second);
    let caller = pair.answer_with(from, to, &audio("192.0.2.6", 2000), second);
    [caller, callee]
}

fn across(from: &str, to: &str) -> Request {
    Pair::request(Command::Connect, from, to, "", |request| request.to_call_id = Some("call2".to_owned()))
}

fn listed(pair: &mut Pair) -> Vec<String> {
    let reply = pair.send(&Request::new(Command::List));
    let Some(Value::List(calls)) = reply.body.get("calls") else { panic!("{reply:?}") };
    calls.iter().map(|call| call.as_str().unwrap().to_owned()).collect()
}

#[test]
fn two_calls_become_one_that_both_call_ids_stand_for() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let [e, f] = in_second_call(&mut pair, "e", "f");
    let block = Pair::request(Command::BlockMedia, "e", "", "", |request| {
        request.call_id = Some("call2".to_owned());
    });
    assert_eq!(pair.send(&block).outcome, Outcome::Ok);
    for (seen, from) in [(&caller, "192.0.2.1:2000"), (&f, "192.0.2.6:2000")] {
        pair.settle(seen, from);
    }
    let ports = pair.open_ports();
    for _ in 0..2 {
        assert_eq!(pair.send(&across("ft", "f")).outcome, Outcome::Ok);
        assert_eq!(pair.open_ports(), ports);
        assert_eq!(pair.relay(&caller).sinks.to_vec(), [pair.stream(f.rtp)]);
        assert_eq!(pair.relay(&f).sinks.to_vec(), [pair.stream(caller.rtp)]);
        assert!(pair.relay(&callee).sinks.is_empty() && pair.relay(&e).sinks.is_empty());
        assert!([&caller, &callee, &e, &f].iter().all(|seen| &*pair.relay(seen).call == "call1"));
    }
    assert_eq!(pair.plane.flows.len(), 2);
    assert_eq!(pair.plane.flows[&pair.stream(f.rtp)].identity.call_id, "call1");
    let mut calls = listed(&mut pair);
    calls.sort();
    assert_eq!(calls, ["call1", "call2"]);
    assert_eq!(pair.engine.session_counts().total, 1);
    for id in ["call1", "call2"] {
        let info = pair.engine.call(id, &pair.plane).unwrap();
        let tags: Vec<_> = info.parties.iter().map(|party| party.tag.as_str()).collect();
        assert_eq!(tags, ["ft", "tt", "e", "f"]);
        assert_eq!(info.parties[0].peers, ["f"]);
    }
    // What was said of parties of the second call still holds; they go on signalling under its name.
    let second = |request: &mut Request| request.call_id = Some("call2".to_owned());
    pair.send(&Pair::request(Command::Connect, "e", "tt", "", second));
    assert_eq!(pair.relay(&e).filter.as_ref().map(|filter| filter.rules.len()), Some(1));
    let offered = pair.offer_with("f", "ft", &audio("192.0.2.6", 2002), second);
    assert_eq!(offered.rtp, caller.rtp, "a re-INVITE keeps its ports");
    pair.answer_with("f", "ft", &audio("192.0.2.1", 2000), second);
    assert_eq!(pair.relay(&caller).sinks.to_vec(), [pair.stream(f.rtp)]);
    pair.delete("ft", "f");
    assert_eq!(listed(&mut pair).len(), 2, "others are left");
    let rest = Pair::request(Command::Delete, "", "", "", second);
    assert_eq!(pair.send(&rest).warnings, Vec::<String>::new());
    assert!(listed(&mut pair).is_empty());
    pair.assert_empty();
    // Both names are free again.
    in_second_call(&mut pair, "e", "f");
    pair.send(&rest);
    pair.assert_empty();
}

#[test]
fn a_timeout_ends_it_for_both_names() {
    let mut pair = Pair::with(CoreConfig { timeout: 3, silent_timeout: 3, ..config() });
    pair.call();
    in_second_call(&mut pair, "e", "f");
    assert_eq!(pair.send(&across("tt", "e")).outcome, Outcome::Ok);
    pair.wait(5);
    pair.assert_empty();
    let told: Vec<_> = pair.plane.timed_out.iter().map(|told| told.call.to_string()).collect();
    assert_eq!(told, ["call2", "call1"]);
    assert!(listed(&mut pair).is_empty());
}

#[test]
fn agents_and_keys_come_along() {
    let mut pair = Pair::new();
    pair.call();
    let second = |request: &mut Request| {
        request.call_id = Some("call2".to_owned());
        request.ice = Some(IceMode::Force);
        request.transport_protocol = Some(TransportProtocol::RtpSavp);
    };
    pair.offer_with("e", "", &audio("192.0.2.5", 2000), second);
    let candidate = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\na=candidate:1 1 UDP 2130706431 192.0.2.6 2000 typ host\r\n";
    let answer = savp("192.0.2.6", 2000, &(crypto(1, CM_80, KEY_A) + candidate));
    pair.answer_with("e", "f", &answer, |request| request.call_id = Some("call2".to_owned()));
    let running = pair.engine.next_timeout();
    assert!(running.is_some());
    assert_eq!(pair.send(&across("ft", "f")).outcome, Outcome::Ok);
    assert_eq!(running, pair.engine.next_timeout());
    let secured = pair.plane.relay.values().filter(|relay| relay.receive_crypto.is_some());
    let own: Vec<_> = secured.filter(|relay| !relay.ice.is_empty() && !relay.sinks.is_empty()).collect();
    assert_eq!(own.len(), 2, "RTP and RTCP of the one party that is encrypted: {own:?}");
    pair.wait(1);
    pair.delete("", "");
    pair.assert_empty();
    assert_eq!(pair.engine.next_timeout(), None);
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let mut pair = Pair::new();
    pair.call();
    let reply = pair.send(&Pair::request(Command::Transform, "ft", "tt", "", |_| {}));
    assert_eq!(error(&reply), "Command 'transform' is not available in this release");
}

#[test]
fn forwarding_to_a_recording_daemon_has_no_effect_and_says_so() {
    let mut pair = Pair::new();
    pair.call();
    let reply = pair.send(&Pair::request(Command::StartForwarding, "ft", "", "", |_| {}));
    assert_eq!(reply.warnings, ["'start forwarding' has no effect: there is no recording daemon"]);
    let reply = pair.send(&Pair::request(Command::StopForwarding, "x", "", "", |_| {}));
    assert_eq!(error(&reply), "No call participant has the from-tag given");
}
