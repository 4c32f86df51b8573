//! `inject start`, `inject stop` and `mesh`: parties hear others besides those they talk to, and nothing is left of it.

use rtpengine_core::{
    io::{MediaRule, StreamId},
    ng::{AllMode, Command, Outcome, Request},
};

use crate::{
    keys::{CM_80, KEY_A, KEY_B, crypto, savp},
    pair::{Pair, Seen, audio, audio_with, error, seen},
};

fn sinks(pair: &Pair, seen: &Seen) -> Vec<StreamId> {
    pair.relay(seen).sinks.to_vec()
}

fn inject(command: Command, source: &str, to: &str) -> Request {
    Pair::request(command, "", to, "", |request| {
        request.source_tag = Some(source.to_owned()).filter(|tag| !tag.is_empty());
    })
}

fn publish(pair: &mut Pair, tag: &str) -> Seen {
    let body = audio_with("192.0.2.9", 2000, "a=sendonly\r\n");
    seen(&pair.send(&Pair::request(Command::Publish, tag, "", &body, |_| {})))
}

#[test]
fn a_source_is_heard_by_one_party_beside_the_other() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let announcer = publish(&mut pair, "announcer");
    pair.settle(&caller, "192.0.2.1:2000");
    pair.settle(&callee, "192.0.2.2:3000");
    for _ in 0..2 {
        let reply = pair.send(&inject(Command::InjectStart, "announcer", "ft"));
        assert_eq!(reply.outcome, Outcome::Ok, "{reply:?}");
        assert_eq!(sinks(&pair, &announcer), [pair.stream(caller.rtp)]);
        assert_eq!(pair.relay(&announcer).rtcp_sinks.len(), 1);
    }
    assert_eq!(sinks(&pair, &callee), [pair.stream(caller.rtp)], "what it hears already goes on");
    assert_eq!(sinks(&pair, &caller), [pair.stream(callee.rtp)], "the announcer hears nothing");
    // One output suffices: the kernel does it.
    pair.settle(&announcer, "192.0.2.9:2000");
    assert_eq!(pair.plane.flows.len(), 3);
    assert_eq!(pair.plane.flows[&pair.stream(announcer.rtp)].outputs.len(), 1);
    pair.send(&inject(Command::InjectStart, "ft", "announcer"));
    assert_eq!(sinks(&pair, &caller), [pair.stream(callee.rtp)], "a publisher does not receive");
    let blocked = Pair::request(Command::BlockMedia, "announcer", "ft", "", |_| {});
    pair.send(&blocked);
    let filter = pair.relay(&announcer).filter.clone().unwrap();
    assert_eq!(filter.rules[0].media, MediaRule::Drop);
    pair.send(&Pair::request(Command::UnblockMedia, "announcer", "ft", "", |_| {}));
    assert_eq!(pair.send(&inject(Command::InjectStop, "announcer", "ft")).outcome, Outcome::Ok);
    assert!(sinks(&pair, &announcer).is_empty());
    assert_eq!(
        error(&pair.send(&inject(Command::InjectStop, "announcer", "ft"))),
        "Nothing of that source is injected for the call participant with the to-tag given"
    );
    // Without a source all are stopped; a party that leaves takes its ways along.
    pair.send(&inject(Command::InjectStart, "announcer", "tt"));
    pair.send(&inject(Command::InjectStop, "", "tt"));
    assert!(sinks(&pair, &announcer).is_empty());
    pair.send(&inject(Command::InjectStart, "announcer", "tt"));
    pair.delete("ft", "tt");
    assert!(sinks(&pair, &announcer).is_empty());
    pair.delete("", "");
    pair.assert_empty();
}

#[test]
fn all_of_a_mesh_hear_each_other() {
    let mut pair = Pair::new();
    let b = pair.offer("a", "", &audio("192.0.2.1", 2000));
    let a = pair.answer("a", "b", &audio("192.0.2.2", 2000));
    let d = pair.offer("c", "", &audio("192.0.2.3", 2000));
    let c = pair.answer("c", "d", &audio("192.0.2.4", 2000));
    let mesh =
        |change: &dyn Fn(&mut Request)| Pair::request(Command::Mesh, "", "", "", |request| change(request));
    let of = |tags: &[&str]| {
        let tags: Vec<String> = tags.iter().map(|tag| (*tag).to_owned()).collect();
        mesh(&move |request| request.from_tags.clone_from(&tags))
    };
    for refused in [of(&["a"]), mesh(&|_| {})] {
        assert_eq!(
            error(&pair.send(&refused)),
            "A mesh takes at least two call participants: name them in 'from-tags', or give 'all'"
        );
    }
    let streams = |pair: &Pair, seen: &[&Seen]| -> Vec<StreamId> {
        seen.iter().map(|seen| pair.stream(seen.rtp)).collect()
    };
    assert_eq!(pair.send(&of(&["a", "b", "c"])).outcome, Outcome::Ok);
    assert_eq!(sinks(&pair, &a), streams(&pair, &[&b, &c]));
    assert_eq!(sinks(&pair, &b), streams(&pair, &[&a, &c]));
    assert_eq!(sinks(&pair, &c), streams(&pair, &[&d, &a, &b]));
    assert_eq!(sinks(&pair, &d), streams(&pair, &[&c]));
    assert_eq!(pair.send(&mesh(&|request| request.all = AllMode::All)).outcome, Outcome::Ok);
    for (own, others) in [(&a, [&b, &c, &d]), (&b, [&a, &c, &d]), (&c, [&d, &a, &b]), (&d, [&c, &a, &b])] {
        let mut expected = streams(&pair, &others);
        let mut found = sinks(&pair, own);
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }
    // Whoever goes on hold is not sent anything; the others go on.
    pair.offer("a", "b", &audio_with("192.0.2.1", 2000, "a=inactive\r\n"));
    assert!(!sinks(&pair, &c).contains(&pair.stream(a.rtp)));
    assert!(sinks(&pair, &c).contains(&pair.stream(b.rtp)));
    pair.delete("c", "d");
    assert_eq!(sinks(&pair, &b), streams(&pair, &[&a]));
    pair.delete("", "");
    pair.assert_empty();
}

#[test]
fn what_cannot_be_heard_is_refused_and_changes_nothing() {
    let mut pair = Pair::new();
    let (caller, _) = pair.call();
    pair.offer("e", "", &savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A)));
    pair.answer("e", "f", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_B)));
    pair.offer("g", "", &audio("192.0.2.1", 2000).replace("RTP/AVP 8 0 101", "RTP/AVP 9"));
    let relay = pair.plane.relay.clone();
    for (source, to, expected) in [
        ("", "ft", "No source-tag in message"),
        ("tt", "", "No to-tag in message"),
        ("x", "ft", "No call participant has the source-tag given"),
        ("tt", "x", "No call participant has the to-tag given"),
        ("ft", "ft", "Call participant 'ft' cannot be made to hear itself: name two"),
        (
            "g",
            "ft",
            "The call participants have no codec in common, and nothing is transcoded in this release",
        ),
        (
            "ft",
            "e",
            "Media of the call participant is passed through with keys that are used end to end: it cannot be copied",
        ),
    ] {
        assert_eq!(error(&pair.send(&inject(Command::InjectStart, source, to))), expected);
    }
    assert_eq!(pair.plane.relay, relay);
    // The other way it is decrypted for the listener.
    assert_eq!(pair.send(&inject(Command::InjectStart, "e", "ft")).outcome, Outcome::Ok);
    let copied = pair.plane.relay.values().filter_map(|relay| relay.copies.as_ref());
    let heard: Vec<_> = copied.flat_map(|copies| copies.sinks.to_vec()).collect();
    assert!(heard.contains(&pair.stream(caller.rtp)));
    pair.delete("", "");
    pair.assert_empty();
}
