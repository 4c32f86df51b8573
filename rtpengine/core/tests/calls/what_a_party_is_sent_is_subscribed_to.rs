//! `subscribe request` with the flag `egress`, and reports of our own for subscribers.

use rtpengine_core::{
    io::{MediaRule, SsrcCounters, StreamId},
    ng::{Command, Flag, Reply, Request, Value},
};

use crate::{
    keys::{CM_80, KEY_A, KEY_B, crypto, savp},
    pair::{Pair, Seen, audio, audio_with, error, seen},
};

fn ask(pair: &mut Pair, from: &str, change: impl FnOnce(&mut Request)) -> Reply {
    pair.send(&Pair::request(Command::SubscribeRequest, from, "s", "", |request| {
        request.flags.insert(Flag::Egress);
        change(request);
    }))
}

fn accept(pair: &mut Pair) {
    let body = audio_with("192.0.2.7", 4000, "a=recvonly\r\n");
    let reply = pair.send(&Pair::request(Command::SubscribeAnswer, "", "s", &body, |_| {}));
    assert!(!reply.is_error(), "{reply:?}");
}

fn sinks(pair: &Pair, seen: &Seen) -> Vec<StreamId> {
    pair.relay(seen).sinks.to_vec()
}

#[test]
fn whoever_sends_it() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &audio("192.0.2.1", 2000));
    assert_eq!(
        error(&ask(&mut pair, "ft", |_| {})),
        "Nobody sends anything to the call participant 'ft' yet, or nothing that is known by SDP"
    );
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000).replace("8 0 101", "8 101"));
    let reply = ask(&mut pair, "ft", |request| request.flags.insert(Flag::RtcpMirror));
    assert_eq!(reply.body.get("from-tag").and_then(Value::as_str), Some("ft"));
    let offered = seen(&reply);
    assert!(offered.text.contains("RTP/AVP 8 101\r\n") && offered.text.contains("a=sendonly"), "{offered:?}");
    accept(&mut pair);
    let streams = [&caller, &offered].map(|seen| pair.stream(seen.rtp));
    assert_eq!(sinks(&pair, &callee), streams, "what the callee says");
    assert_eq!(sinks(&pair, &caller), [pair.stream(callee.rtp)], "not what the caller says");
    let mirrored = &pair.plane.relay[&pair.stream(offered.rtcp.unwrap())].rtcp_sinks;
    assert_eq!(mirrored.to_vec(), [pair.stream(callee.rtcp.unwrap())]);
    // Whoever is injected is a part of it, and what is blocked for the party is not sent to it.
    let body = audio_with("192.0.2.9", 2000, "a=sendonly\r\n");
    let announcer = seen(&pair.send(&Pair::request(Command::Publish, "p", "", &body, |_| {})));
    pair.send(&Pair::request(Command::InjectStart, "", "ft", "", |request| {
        request.source_tag = Some("p".to_owned());
    }));
    assert_eq!(sinks(&pair, &announcer), streams);
    pair.send(&Pair::request(Command::BlockMedia, "ft", "", "", |request| {
        request.flags.insert(Flag::Egress);
    }));
    let rules = pair.relay(&callee).filter.clone().unwrap().rules;
    assert!(rules.len() == 2 && rules.iter().all(|rule| rule.media == MediaRule::Drop), "{rules:?}");
    pair.send(&Pair::request(Command::UnblockMedia, "ft", "", "", |request| {
        request.flags.insert(Flag::Egress);
    }));
    // Nothing is sent to who is on hold.
    pair.offer("ft", "tt", &audio_with("192.0.2.1", 2000, "a=sendonly\r\n"));
    assert!(sinks(&pair, &announcer).is_empty() && pair.relay(&callee).discard.is_some());
    pair.send(&Pair::request(Command::Unsubscribe, "", "s", "", |_| {}));
    pair.delete("", "");
    pair.assert_empty();
}

#[test]
fn of_srtp_that_is_passed_on_a_copy_is_decrypted() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A)));
    pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_B)));
    let offered = seen(&ask(&mut pair, "ft", |request| {
        request.transport_protocol = Some(rtpengine_core::ng::TransportProtocol::RtpAvp);
    }));
    accept(&mut pair);
    let copies = pair.relay(&callee).copies.clone().expect("copies");
    assert_eq!(copies.sinks.to_vec(), [pair.stream(offered.rtp)]);
    pair.delete("", "");
    pair.assert_empty();
}

#[test]
fn subscribers_are_told_by_reports_of_ours() {
    let mut pair = Pair::new();
    let callee =
        pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| request.generate_rtcp = Some(true));
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    let reply = pair.send(&Pair::request(Command::SubscribeRequest, "ft", "s", "", |_| {}));
    let offered = seen(&reply);
    accept(&mut pair);
    let ssrc = 0x0102_0304;
    for packets in [50, 500] {
        for seen in [&caller, &callee] {
            let counters = pair.plane.counters.entry(pair.stream(seen.rtp)).or_default();
            counters.packets = packets;
            counters.ssrcs = [SsrcCounters {
                ssrc,
                packets,
                bytes: packets * 172,
                payload_type: 8,
                highest_seq: packets as u32,
                last_mono_us: pair.now.mono_us,
                ..SsrcCounters::default()
            }]
            .into();
        }
        pair.wait(6);
    }
    let own = pair.stream(offered.rtcp.unwrap());
    let told: Vec<_> = pair.plane.reports.iter().filter(|(stream, _)| *stream == own).collect();
    let (_, report) = told.last().expect("a report");
    // A sender report in the name of the media it hears (RFC 3550 section 6.4.1), without blocks.
    assert_eq!((report[0], report[1]), (0x80, 200));
    assert_eq!(report[4..8], ssrc.to_be_bytes());
    assert_eq!(report[20..24], 500_u32.to_be_bytes(), "packets");
    pair.delete("", "");
    pair.assert_empty();
}
