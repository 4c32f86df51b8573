//! `connect`, and the commands beside it that are refused by name.

use rtpengine_core::ng::{Command, Outcome};

use crate::{
    keys::{CM_80, KEY_A, KEY_B, crypto, savp},
    pair::{Pair, Seen, audio, audio_with, error, seen},
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
    assert_eq!(
        error(&pair.send(&other)),
        "Call participants of two calls cannot be connected in this release: leave out 'to-call-id'"
    );
    assert_eq!(pair.plane.relay, relay);
}

#[test]
fn what_needs_a_mixer_is_refused_by_name() {
    let mut pair = Pair::new();
    pair.call();
    for command in [
        Command::Create,
        Command::CreateAnswer,
        Command::Mesh,
        Command::Transform,
        Command::InjectStart,
        Command::InjectStop,
    ] {
        let reply = pair.send(&Pair::request(command, "ft", "tt", "", |_| {}));
        let expected = format!("Command '{}' is not available in this release", command.wire_name());
        assert_eq!(error(&reply), expected);
    }
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
