//! Flags and keys that several commands know: what each makes of them.

use rtpengine_core::config::CoreConfig;
use rtpengine_core::ng::{Command, Dict, Reply, Request, Value, json};

use crate::pair::{Pair, audio, config};

fn send(pair: &mut Pair, text: &str) -> Reply {
    let request = Request::parse(&json::decode(text.as_bytes()).unwrap()).unwrap();
    assert!(request.warnings().is_empty() && request.unknown.is_empty(), "{request:?}");
    pair.send(&request)
}

fn tags(reply: &Reply) -> Vec<String> {
    let tags = reply.body.get("tags").and_then(Value::as_dict).unwrap();
    tags.iter().map(|(tag, _)| String::from_utf8_lossy(tag).into_owned()).collect()
}

/// A caller whose call was answered by two.
fn forked() -> Pair {
    let mut pair = Pair::new();
    pair.offer("ft", "", &audio("192.0.2.1", 2000));
    pair.answer("ft", "t1", &audio("192.0.2.2", 3000));
    pair.answer("ft", "t2", &audio("192.0.2.3", 3000));
    pair
}

fn left(pair: &mut Pair) -> Vec<String> {
    tags(&pair.send(&Pair::request(Command::Query, "", "", "", |_| {})))
}

#[test]
fn delete_ends_what_its_selectors_name() {
    for (keys, expected) in [
        (r#""from-tag":"ft","to-tag":"t1""#, &["ft", "t2"][..]),
        (r#""from-tag":"t1""#, &["ft", "t2"]),
        // A proxy that leaves its flags to us adds the to-tag, which counts with a flag only.
        (r#""from-tag":"ft","to-tag":"t1","rtpp_flags":"to-tag""#, &["ft", "t2"]),
        (r#""from-tag":"ft","to-tag":"t1","rtpp_flags":"""#, &[]),
        (r#""from-tag":"ft""#, &[]),
        (r#""flags":["fast"]"#, &[]),
    ] {
        let mut pair = forked();
        let reply =
            send(&mut pair, &format!(r#"{{"command":"delete","call-id":"call1","delete delay":0,{keys}}}"#));
        assert!(reply.warnings.is_empty(), "{reply:?}");
        assert_eq!(reply.body == Dict::new(), keys.contains("fast"), "{reply:?}");
        if expected.is_empty() {
            pair.assert_empty();
        } else {
            assert_eq!(left(&mut pair), expected, "{keys}");
        }
    }
}

#[test]
fn delete_waits_as_long_as_it_is_told() {
    let mut pair = forked();
    send(&mut pair, r#"{"command":"delete","call-id":"call1","from-tag":"ft","delete delay":5}"#);
    pair.wait(4);
    assert_eq!(left(&mut pair), ["ft", "t1", "t2"]);
    pair.wait(2);
    pair.assert_empty();
}

#[test]
fn debug_counts_in_every_command_about_a_call() {
    for command in ["query", "block media", "unblock DTMF", "start forwarding"] {
        let mut pair = forked();
        assert!(pair.plane.debugged.is_empty());
        send(&mut pair, &format!(r#"{{"command":"{command}","call-id":"call1","flags":["debug"]}}"#));
        assert!(pair.plane.debugged.contains("call1"), "{command}");
    }
}

#[test]
fn list_has_bounds() {
    let mut pair = Pair::with(CoreConfig { port_max: 40_999, ..config() });
    for number in 0..40 {
        let offer = Pair::request(Command::Offer, "ft", "", &audio("192.0.2.1", 2000), |request| {
            request.call_id = Some(format!("call{number}"));
        });
        pair.send(&offer);
    }
    let mut count = |keys: &str| {
        let reply = send(&mut pair, &format!(r#"{{"command":"list"{keys}}}"#));
        reply.body.get("calls").and_then(Value::as_list).map(<[Value]>::len)
    };
    assert_eq!([count(""), count(r#","limit":3"#), count(r#","limit":1000"#)], [Some(32), Some(3), Some(40)]);
}

#[test]
fn a_publishers_family_is_the_one_asked_for() {
    let mut pair = Pair::new();
    let text = r#"{"command":"publish","call-id":"call1","from-tag":"ft","interface":"both","address family":"IP6"}"#;
    let mut request = Request::parse(&json::decode(text.as_bytes()).unwrap()).unwrap();
    request.sdp = Some(audio("192.0.2.1", 2000).into_bytes());
    let reply = pair.send(&request);
    let body = reply.body.get("sdp").and_then(Value::as_str).unwrap();
    assert!(body.contains("c=IN IP6 "), "{body}");
}
