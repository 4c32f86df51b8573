//! `publish`, `subscribe request`, `subscribe answer`, `unsubscribe`: who is sent what, and what is left afterwards.

use std::net::SocketAddr;

use rtpengine_core::{
    io::{Filter, MediaRule, Path, Reason, StreamId},
    ng::{AllMode, Command, Flag, IceMode, Reply, Request, TransportProtocol, Value},
    sdp,
};

use crate::{
    keys::{CM_80, KEY_A, KEY_B, crypto, savp},
    pair::{Pair, Seen, audio, audio_with, error, seen},
};

/// Asks for a subscription; the reply.
fn ask(pair: &mut Pair, from: &str, to: &str, change: impl FnOnce(&mut Request)) -> Reply {
    pair.send(&Pair::request(Command::SubscribeRequest, from, to, "", change))
}

fn tag_of(reply: &Reply) -> String {
    reply.body.get("to-tag").and_then(Value::as_str).expect("a tag").to_owned()
}

fn accept(pair: &mut Pair, tag: &str, body: &str) {
    let reply = pair.send(&Pair::request(Command::SubscribeAnswer, "", tag, body, |_| {}));
    assert!(!reply.is_error(), "{reply:?}");
}

fn listener(port: u16) -> String {
    audio_with("192.0.2.7", port, "a=recvonly\r\n")
}

/// Subscribes to one party; where it sends from, and its tag.
fn subscribe(pair: &mut Pair, from: &str, port: u16) -> (Seen, String) {
    let reply = ask(pair, from, "", |_| {});
    let tag = tag_of(&reply);
    accept(pair, &tag, &listener(port));
    (seen(&reply), tag)
}

fn sinks(pair: &Pair, seen: &Seen) -> Vec<StreamId> {
    pair.relay(seen).sinks.to_vec()
}

fn publish(pair: &mut Pair, body: &str) -> Seen {
    seen(&pair.send(&Pair::request(Command::Publish, "ft", "", body, |_| {})))
}

#[test]
fn a_party_of_a_call_is_heard_by_subscribers_as_well() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    pair.settle(&caller, "192.0.2.1:2000");
    pair.settle(&callee, "192.0.2.2:3000");
    assert_eq!(pair.plane.flows.len(), 2);
    let (one, first) = subscribe(&mut pair, "ft", 4000);
    let (two, second) = subscribe(&mut pair, "ft", 5000);
    assert_ne!(first, second);
    let offered = one.text.as_str();
    assert!(offered.contains("a=sendonly") && offered.contains("RTP/AVP 8 0 101\r\n"), "{offered}");
    let streams = [&callee, &one, &two].map(|seen| pair.stream(seen.rtp));
    assert_eq!(sinks(&pair, &caller), streams);
    assert_eq!(sinks(&pair, &callee), [pair.stream(caller.rtp)], "the callee was not asked for");
    assert!(sinks(&pair, &one).is_empty(), "a subscriber says nothing");
    assert_eq!(pair.relay(&one).endpoint, Some("192.0.2.7:4000".parse().unwrap()));
    let info = pair.engine.call("call1", &pair.plane).unwrap();
    assert_eq!(info.parties[0].medias[0].streams[0].path, Path::Userspace(Reason::ManyOutputs));
    assert_eq!(info.parties[0].subscribers, [first.clone(), second.clone()]);
    assert_eq!(info.parties[0].peers, ["tt"]);
    assert_eq!(info.parties[2].subscriptions, ["ft"]);
    for tag in [first, second] {
        let reply = pair.send(&Pair::request(Command::Unsubscribe, "", &tag, "", |_| {}));
        assert!(!reply.is_error());
    }
    assert_eq!(sinks(&pair, &caller), [streams[0]]);
    assert_eq!(pair.plane.flows.len(), 2, "back in the kernel");
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn a_publisher_alone_is_received_and_a_single_subscriber_served_by_the_kernel() {
    let mut pair = Pair::new();
    let publisher = publish(&mut pair, &audio_with("192.0.2.1", 2000, "a=sendonly\r\na=mid:a0\r\n"));
    let text = publisher.text.as_str();
    assert!(text.contains("RTP/AVP 8\r\n") && text.contains("a=recvonly\r\n"), "{text}");
    assert!(text.contains("a=mid:a0\r\n") && text.contains("IN IP4 10.9.0.1\r\ns=rtpengine\r\n"), "{text}");
    assert!(sinks(&pair, &publisher).is_empty());
    pair.settle(&publisher, "192.0.2.1:2000");
    assert!(pair.plane.flows.is_empty());
    let (one, tag) = subscribe(&mut pair, "ft", 4000);
    let flow = &pair.plane.flows[&pair.stream(publisher.rtp)];
    assert_eq!(flow.outputs[0].to, "192.0.2.7:4000".parse::<SocketAddr>().unwrap());
    assert_eq!((&*flow.identity.tag, &*flow.identity.peer_tag), ("ft", &*tag));
    assert_eq!(sinks(&pair, &publisher), [pair.stream(one.rtp)]);
    // Publishing again keeps the ports.
    let again = publish(&mut pair, &audio_with("192.0.2.1", 2000, "a=sendonly\r\na=mid:a0\r\n"));
    assert_eq!(again.rtp, publisher.rtp);
    assert_eq!(sinks(&pair, &publisher), [pair.stream(one.rtp)]);
    pair.delete("ft", "");
    pair.assert_empty();
}

#[test]
fn several_sources_make_one_body() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let ways: [&dyn Fn(&mut Request); 2] =
        [&|request| request.from_tags = vec!["ft".to_owned(), "tt".to_owned()], &|request| {
            request.all = AllMode::All
        }];
    for (number, way) in ways.into_iter().enumerate() {
        let tag = format!("s{number}");
        let reply = ask(&mut pair, "", &tag, |request| {
            way(request);
            request.flags.insert(Flag::Siprec);
        });
        let text = seen(&reply).text;
        let session = sdp::parse(text.as_bytes(), sdp::ParseOptions::default()).unwrap();
        let labels: Vec<_> = session.medias.iter().map(|media| media.label).collect();
        assert_eq!(labels, [Some("1"), Some("2")], "{text}");
        let tags = reply.body.get("from-tags");
        assert_eq!(tags, Some(&Value::List(vec!["ft".into(), "tt".into()])));
        let body = listener(4000) + "m=audio 4002 RTP/AVP 8 0\r\na=recvonly\r\n";
        accept(&mut pair, &tag, &body);
        let out: Vec<_> = session.medias.iter().map(|media| pair.stream(media.endpoint().unwrap())).collect();
        assert!(sinks(&pair, &caller).contains(&out[0]) && !sinks(&pair, &caller).contains(&out[1]));
        assert!(sinks(&pair, &callee).contains(&out[1]) && !sinks(&pair, &callee).contains(&out[0]));
    }
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn a_subscription_goes_with_the_last_of_its_sources() {
    let mut pair = Pair::new();
    pair.call();
    let publisher = seen(&pair.send(&Pair::request(
        Command::Publish,
        "pp",
        "",
        &audio_with("192.0.2.5", 6000, "a=sendonly\r\n"),
        |_| {},
    )));
    let reply =
        ask(&mut pair, "", "both", |request| request.from_tags = vec!["ft".to_owned(), "pp".to_owned()]);
    assert!(!reply.is_error());
    accept(&mut pair, "both", &(listener(4000) + "m=audio 4002 RTP/AVP 8 0\r\n"));
    subscribe(&mut pair, "tt", 5000);
    assert_eq!(pair.engine.call("call1", &pair.plane).unwrap().parties.len(), 5);
    pair.delete("ft", "tt");
    let info = pair.engine.call("call1", &pair.plane).unwrap();
    let tags: Vec<_> = info.parties.iter().map(|party| party.tag.as_str()).collect();
    assert_eq!(tags, ["pp", "both"]);
    assert_eq!(sinks(&pair, &publisher).len(), 1);
    pair.delete("pp", "");
    pair.assert_empty();
}

#[test]
fn a_subscriber_on_hold_gets_nothing_and_keeps_its_ports() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let (one, tag) = subscribe(&mut pair, "ft", 4000);
    let held = ask(&mut pair, "ft", &tag, |request| request.flags.insert(Flag::Inactive));
    assert!(seen(&held).text.contains("a=inactive"));
    assert_eq!(seen(&held).rtp, one.rtp);
    assert_eq!(sinks(&pair, &caller), [pair.stream(callee.rtp)], "until it answers");
    accept(&mut pair, &tag, &audio_with("192.0.2.7", 4000, "a=inactive\r\n"));
    assert_eq!(sinks(&pair, &caller), [pair.stream(callee.rtp)]);
    let again = ask(&mut pair, "ft", &tag, |_| {});
    assert_eq!(seen(&again).rtp, one.rtp);
    accept(&mut pair, &tag, &listener(4000));
    assert_eq!(sinks(&pair, &caller).len(), 2);
    // The other party's hold is not the subscriber's.
    pair.offer("tt", "ft", &audio_with("192.0.2.2", 3000, "a=sendonly\r\n"));
    pair.answer("tt", "ft", &audio_with("192.0.2.1", 2000, "a=recvonly\r\n"));
    assert_eq!(sinks(&pair, &caller), [pair.stream(one.rtp)]);
    assert_eq!(pair.relay(&caller).discard, None);
}

#[test]
fn keys_are_those_of_each_subscriber() {
    let mut pair = Pair::new();
    let body = savp("192.0.2.1", 2000, &(crypto(1, CM_80, KEY_A) + "a=sendonly\r\n"));
    let publisher = publish(&mut pair, &body);
    assert!(publisher.text.contains("RTP/SAVP") && publisher.text.contains(CM_80), "{}", publisher.text);
    // As the source does it, with other keys.
    let reply = ask(&mut pair, "ft", "s1", |_| {});
    let one = seen(&reply);
    assert!(one.text.contains("RTP/SAVP") && !one.text.contains(KEY_A), "{}", one.text);
    let tag = one.text.lines().find(|line| line.contains(CM_80)).unwrap().split([':', ' ']).nth(1).unwrap();
    let answer = savp("192.0.2.7", 4000, &crypto(tag.parse().unwrap(), CM_80, KEY_B));
    assert!(sinks(&pair, &publisher).is_empty());
    accept(&mut pair, "s1", &answer);
    // In the clear, as asked for.
    let reply = ask(&mut pair, "ft", "s2", |request| {
        request.transport_protocol = Some(TransportProtocol::RtpAvp);
    });
    let two = seen(&reply);
    assert!(two.text.contains("RTP/AVP") && !two.text.contains("a=crypto"), "{}", two.text);
    accept(&mut pair, "s2", &listener(5000));
    assert_eq!(sinks(&pair, &publisher), [pair.stream(one.rtp), pair.stream(two.rtp)]);
    let (source, first, second) = (pair.relay(&publisher), pair.relay(&one), pair.relay(&two));
    assert!(source.receive_crypto.is_some() && first.transmit_crypto.is_some());
    assert_ne!(source.receive_crypto, first.transmit_crypto);
    assert_eq!(second.transmit_crypto, None);
    pair.delete("ft", "");
    pair.assert_empty();
}

#[test]
fn ice_is_offered_where_it_is_asked_for() {
    let mut pair = Pair::new();
    pair.call();
    let reply = ask(&mut pair, "ft", "s1", |request| request.ice = Some(IceMode::Force));
    assert!(seen(&reply).text.contains("a=ice-ufrag:"), "{}", seen(&reply).text);
    let reply = ask(&mut pair, "ft", "s2", |_| {});
    assert!(!seen(&reply).text.contains("a=ice-"), "{}", seen(&reply).text);
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn reports_of_subscribers_reach_the_source_with_rtcp_mirror() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let rtcp = |pair: &Pair, seen: &Seen| pair.plane.relay[&pair.stream(seen.rtcp.unwrap())].sinks.to_vec();
    for mirrored in [false, true] {
        let reply = ask(&mut pair, "ft", "s1", |request| {
            if mirrored {
                request.flags.insert(Flag::RtcpMirror);
            }
        });
        let one = seen(&reply);
        accept(&mut pair, "s1", &listener(4000));
        let out = [&callee, &one].map(|seen| pair.stream(seen.rtcp.unwrap()));
        assert_eq!(rtcp(&pair, &caller), out);
        let back = if mirrored { vec![pair.stream(caller.rtcp.unwrap())] } else { vec![] };
        assert_eq!(rtcp(&pair, &one), back);
    }
}

#[test]
fn only_one_way_may_be_blocked_or_silenced() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let (one, tag) = subscribe(&mut pair, "ft", 4000);
    let (two, _) = subscribe(&mut pair, "ft", 5000);
    for command in [Command::SilenceMedia, Command::UnsilenceMedia] {
        let reply = pair.send(&Pair::request(command, "ft", &tag, "", |_| {}));
        assert!(!reply.is_error());
        let order = match command {
            // Silence comes last.
            Command::SilenceMedia => [&callee, &two, &one],
            _ => [&callee, &one, &two],
        };
        assert_eq!(sinks(&pair, &caller), order.map(|seen| pair.stream(seen.rtp)));
        assert_eq!(pair.relay(&caller).filter.is_some(), command == Command::SilenceMedia);
    }
    pair.send(&Pair::request(Command::BlockMedia, "ft", "", "", |request| {
        request.all = AllMode::ExceptOfferAnswer;
    }));
    let rules = &pair.relay(&caller).filter.as_ref().unwrap().rules;
    let blocked: Vec<bool> = rules.iter().map(|rule| rule.media == MediaRule::Drop).collect();
    assert_eq!(blocked, [false, true, true]);
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let mut pair = Pair::new();
    let passed = savp("192.0.2.1", 2000, "a=crypto:1 ROT13 inline:AAAA\r\n");
    pair.call();
    let (_, tag) = subscribe(&mut pair, "ft", 4000);
    pair.send(&Pair::request(Command::Offer, "e1", "", &passed, |request| {
        request.call_id = Some("passed".to_owned());
    }));
    pair.send(&Pair::request(
        Command::Answer,
        "e1",
        "e2",
        &savp("192.0.2.2", 3000, "a=crypto:1 ROT13 inline:BBBB\r\n"),
        |request| request.call_id = Some("passed".to_owned()),
    ));
    let ports = pair.open_ports();
    let one_codec = audio("192.0.2.7", 4000).replace("RTP/AVP 8 0 101", "RTP/AVP 8");
    let cases: [(Command, &str, &str, &str, &str, &str); 10] = [
        (Command::SubscribeRequest, "call1", "", "", "", "No from-tag in message"),
        (Command::SubscribeRequest, "call1", "x", "", "", "No call participant has the from-tag given"),
        (Command::SubscribeRequest, "no", "ft", "", "", "Unknown call-id"),
        (
            Command::SubscribeRequest,
            "call1",
            &tag,
            "",
            "",
            "None of the call participants given has media to subscribe to",
        ),
        (
            Command::SubscribeRequest,
            "call1",
            "ft",
            "tt",
            "",
            "Tag 'tt' belongs to a call participant that is no subscriber",
        ),
        (
            Command::SubscribeRequest,
            "passed",
            "e1",
            "",
            "",
            "Media of the call participant is passed through with keys that are used end to end: it cannot be copied",
        ),
        (Command::SubscribeAnswer, "call1", "", "x", &one_codec, "Call-ID not found or tags didn't match"),
        (
            Command::SubscribeAnswer,
            "call1",
            "",
            &tag,
            &one_codec,
            "The answer does not accept payload type 0; give 'allow transcoding' to have the rest",
        ),
        (Command::Unsubscribe, "call1", "", "tt", "", "Call-ID not found or tags didn't match"),
        (
            Command::Publish,
            "new",
            "p",
            "",
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n",
            "The offer has no media that can be published",
        ),
    ];
    for (command, call, from, to, body, expected) in cases {
        let request =
            Pair::request(command, from, to, body, |request| request.call_id = Some(call.to_owned()));
        assert_eq!(error(&pair.send(&request)), expected);
        assert_eq!(pair.open_ports(), ports);
    }
    assert_eq!(pair.engine.calls().count(), 2);
    let reply = pair.send(&Pair::request(Command::SubscribeAnswer, "", &tag, &one_codec, |request| {
        request.flags.insert(Flag::AllowTranscoding);
    }));
    assert!(!reply.is_error() && reply.warnings.len() == 1, "{reply:?}");
}

#[test]
fn what_is_passed_on_unread_is_decrypted_for_subscribers_alone() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A)));
    let caller = pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_B)));
    pair.settle(&caller, "192.0.2.1:2000");
    pair.settle(&callee, "192.0.2.2:3000");
    assert_eq!(pair.plane.flows.len(), 2);
    let reply = ask(&mut pair, "ft", "s1", |request| {
        request.transport_protocol = Some(TransportProtocol::RtpAvp);
    });
    let one = seen(&reply);
    accept(&mut pair, "s1", &listener(4000));
    assert_eq!(sinks(&pair, &caller), [pair.stream(callee.rtp)]);
    let relay = pair.relay(&caller);
    assert_eq!(relay.receive_crypto, None);
    let copies = relay.copies.as_ref().unwrap();
    assert_eq!(copies.sinks.to_vec(), [pair.stream(one.rtp)]);
    assert_eq!(pair.plane.flows.len(), 1, "the other direction stays in the kernel");
    // Silence can be put into the copy, and not into what is passed on.
    pair.send(&Pair::request(Command::SilenceMedia, "ft", "", "", |_| {}));
    let relay = pair.relay(&caller);
    let rule = |filter: &Option<Box<Filter>>| filter.as_ref().unwrap().rules[0].media;
    assert_eq!(rule(&relay.filter), MediaRule::Drop);
    assert_eq!(rule(&relay.copies.as_ref().unwrap().filter), MediaRule::Silence);
    pair.send(&Pair::request(Command::UnsilenceMedia, "ft", "", "", |_| {}));
    pair.send(&Pair::request(Command::Unsubscribe, "", "s1", "", |_| {}));
    assert_eq!(pair.relay(&caller).copies, None);
    assert_eq!(pair.plane.flows.len(), 2);
    pair.delete("ft", "tt");
    pair.assert_empty();
}

/// What a publisher with three codecs is answered: its m-line, and the warnings.
fn published(flags: &str) -> (String, Vec<String>) {
    let mut pair = Pair::new();
    let body = audio_with("192.0.2.1", 2000, "a=sendonly\r\n");
    let text = format!(r#"{{"command":"publish","call-id":"call1","from-tag":"ft","rtpp_flags":"{flags}"}}"#);
    let dict = rtpengine_core::ng::json::decode(text.as_bytes()).unwrap();
    let mut request = Request::parse(&dict).unwrap();
    assert!(request.warnings().is_empty(), "{request:?}");
    request.sdp = Some(body.into_bytes());
    let reply = pair.send(&request);
    let text = seen(&reply).text;
    let line = text.lines().find(|line| line.starts_with("m=")).unwrap();
    (line.rsplit(' ').next().unwrap().to_owned(), reply.warnings)
}

#[test]
fn a_publisher_is_answered_with_the_codec_that_is_liked_best() {
    let quiet = |number: &str| (number.to_owned(), Vec::new());
    assert_eq!(published(""), quiet("8"));
    assert_eq!(published("codec-accept-PCMU"), quiet("0"));
    assert_eq!(published("codec-accept=[opus PCMU PCMA]"), quiet("0"), "the first that is offered");
    assert_eq!(published("codec-accept-any"), quiet("8"));
    assert_eq!(published("codec-strip-PCMA"), quiet("0"));
    assert_eq!(published("codec-strip-PCMA codec-accept=[PCMA PCMU]"), quiet("0"));
    assert_eq!(published("codec-offer-PCMU"), quiet("0"));
    let (number, warnings) = published("codec-accept-opus");
    assert_eq!(number, "8");
    assert_eq!(warnings, ["The offer has no codec of codec-accept: PCMA/8000 is accepted"]);
}

#[test]
fn a_subscriber_is_offered_what_its_codec_lists_leave_and_need_not_accept_more() {
    let mut pair = Pair::new();
    let (caller, _) = pair.call();
    let text =
        r#"{"command":"subscribe request","call-id":"call1","from-tag":"ft","flags":["codec-strip-PCMA"]}"#;
    let dict = rtpengine_core::ng::json::decode(text.as_bytes()).unwrap();
    let reply = pair.send(&Request::parse(&dict).unwrap());
    assert!(seen(&reply).text.contains(" RTP/AVP 0 101\r\n"), "{reply:?}");
    let warning = "Nothing is transcoded: what comes with payload type 8 goes to the subscriber as it is";
    assert_eq!(reply.warnings, [warning]);
    let tag = tag_of(&reply);
    let answer = listener(4000).replace("RTP/AVP 8 0 101", "RTP/AVP 0 101");
    accept(&mut pair, &tag, &answer);
    assert_eq!(sinks(&pair, &caller).len(), 2);
}

#[test]
fn all_says_whose_media_are_asked_for() {
    let mut pair = Pair::new();
    pair.call();
    let camera = Pair::request(Command::Publish, "camera", "", &audio("192.0.2.5", 6000), |_| {});
    assert!(!pair.send(&camera).is_error());
    for (mode, expected) in [
        (AllMode::All, &["ft", "tt"][..]),
        (AllMode::OfferAnswer, &["ft", "tt"]),
        (AllMode::ExceptOfferAnswer, &["camera"]),
        (AllMode::Flows, &["ft", "tt", "camera"]),
    ] {
        let reply = ask(&mut pair, "", "", |request| request.all = mode);
        let tags = reply.body.get("from-tags").and_then(Value::as_list).unwrap();
        let tags: Vec<&str> = tags.iter().filter_map(Value::as_str).collect();
        assert_eq!(tags, expected, "{mode:?}");
    }
    assert!(ask(&mut pair, "", "", |_| {}).is_error());
}
