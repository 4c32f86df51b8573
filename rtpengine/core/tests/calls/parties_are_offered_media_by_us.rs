//! `create`, `create answer`: the daemon makes the offer, a new party answers, and is joined with others.

use rtpengine_core::{
    codecs::CodecList,
    ng::{Command, Outcome, Reply, Request, TransportProtocol, Value},
};

use crate::{
    keys::{CM_80, KEY_B, crypto, savp},
    pair::{Pair, audio, error, seen},
};

fn create(pair: &mut Pair, tag: &str, change: impl FnOnce(&mut Request)) -> Reply {
    pair.send(&Pair::request(Command::Create, tag, "", "", change))
}

fn answer(pair: &mut Pair, tag: &str, body: &str) -> Reply {
    pair.send(&Pair::request(Command::CreateAnswer, tag, "", body, |_| {}))
}

#[test]
fn an_offer_of_our_own_is_answered_and_the_party_connected() {
    let mut pair = Pair::new();
    let reply = create(&mut pair, "new", |_| {});
    assert_eq!(reply.body.get("from-tag").and_then(Value::as_str), Some("new"));
    let offered = seen(&reply);
    let media = offered.text.split_once("m=audio ").unwrap().1;
    let port = offered.rtp.port();
    let expected = format!(
        "{port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=sendrecv\r\na=rtcp:{}\r\n",
        port + 1
    );
    assert_eq!(media, expected);
    assert_eq!(offered.rtp.ip().to_string(), "10.9.0.1");
    assert_eq!(answer(&mut pair, "new", &audio("192.0.2.8", 4000)).outcome, Outcome::Ok);
    assert_eq!(pair.relay(&offered).endpoint, Some("192.0.2.8:4000".parse().unwrap()));
    assert!(pair.relay(&offered).sinks.is_empty(), "nobody is there yet");
    let info = pair.engine.call("call1", &pair.plane).unwrap();
    assert_eq!(info.parties[0].medias[0].codec, "PCMA/8000");
    // An offer again keeps the port.
    assert_eq!(seen(&create(&mut pair, "new", |_| {})).rtp, offered.rtp);
    assert_eq!(answer(&mut pair, "new", &audio("192.0.2.8", 4000)).outcome, Outcome::Ok);
    let (caller, callee) = pair.call();
    pair.settle(&caller, "192.0.2.1:2000");
    pair.settle(&offered, "192.0.2.8:4000");
    let connect = Pair::request(Command::Connect, "new", "ft", "", |_| {});
    assert_eq!(pair.send(&connect).outcome, Outcome::Ok);
    assert_eq!(pair.relay(&caller).sinks.to_vec(), [pair.stream(offered.rtp)]);
    assert_eq!(pair.relay(&offered).sinks.to_vec(), [pair.stream(caller.rtp)]);
    assert!(pair.relay(&callee).sinks.is_empty());
    assert_eq!(pair.plane.flows.len(), 2);
    assert_eq!(
        error(&create(&mut pair, "new", |_| {})),
        "Tag 'new' belongs to a call participant that talks to somebody already; choose another one"
    );
    pair.delete("", "");
    pair.assert_empty();
}

#[test]
fn codecs_keys_and_the_interface_are_as_asked() {
    let mut pair = Pair::new();
    let reply = create(&mut pair, "", |request| {
        request.codecs.add(CodecList::Offer, "opus");
        request.codecs.add(CodecList::Offer, "G722");
        request.codecs.add(CodecList::Transcode, "18");
        request.codecs.add(CodecList::Offer, "X-THING/16000/2");
        request.transport_protocol = Some(TransportProtocol::RtpSavp);
        request.interface = Some("bar".to_owned());
    });
    assert_eq!(reply.warnings, Vec::<String>::new());
    let tag = reply.body.get("from-tag").and_then(Value::as_str).unwrap().to_owned();
    assert_eq!(tag.len(), 20);
    let offered = seen(&reply);
    assert!(offered.text.contains(" RTP/SAVP 96 9 97 18\r\na=rtpmap:96 opus/48000/2\r\n"), "{offered:?}");
    assert!(offered.text.contains("a=rtpmap:97 X-THING/16000/2\r\n") && offered.text.contains("a=crypto:1 "));
    assert_eq!(offered.rtp.ip().to_string(), "10.9.8.7");
    let body = savp("192.0.2.8", 4000, &crypto(1, CM_80, KEY_B)).replace(" 8 0 101", " 9");
    assert_eq!(answer(&mut pair, &tag, &body).outcome, Outcome::Ok);
    // What it says is decrypted for those that subscribe.
    let reply = pair.send(&Pair::request(Command::SubscribeRequest, &tag, "s", "", |request| {
        request.transport_protocol = Some(TransportProtocol::RtpAvp);
    }));
    assert!(!reply.is_error(), "{reply:?}");
    pair.delete("", "");
    pair.assert_empty();
}

#[test]
fn what_cannot_be_created_changes_nothing() {
    let mut pair = Pair::new();
    pair.call();
    let ports = pair.open_ports();
    let with = |codec: &'static str| {
        move |request: &mut Request| {
            request.codecs.add(CodecList::Offer, codec);
        }
    };
    assert_eq!(
        error(&create(&mut pair, "new", with("X-THING"))),
        "Codec 'X-THING' cannot be offered: write its name as NAME/RATE[/CHANNELS]"
    );
    assert_eq!(
        error(&create(&mut pair, "new", with("all"))),
        "Codec 'all' cannot be offered: write its name as NAME/RATE[/CHANNELS]"
    );
    assert_eq!(
        error(&create(&mut pair, "ft", |_| {})),
        "Tag 'ft' belongs to a call participant that talks to somebody already; choose another one"
    );
    assert_eq!(
        error(&answer(&mut pair, "ft", &audio("192.0.2.8", 4000))),
        "Nothing was offered to tag 'ft' by 'create'"
    );
    assert_eq!(error(&answer(&mut pair, "", &audio("192.0.2.8", 4000))), "No from-tag in message");
    assert_eq!(error(&answer(&mut pair, "ft", "")), "No SDP body in message");
    assert_eq!(pair.open_ports(), ports);
}

#[test]
fn an_offer_that_is_never_answered_ends_by_time() {
    let mut pair = Pair::new();
    create(&mut pair, "new", |_| {});
    let timeout = pair.engine.config().offer_timeout;
    pair.wait(timeout + 1);
    pair.assert_empty();
}
