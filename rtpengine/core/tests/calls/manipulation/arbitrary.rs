//! Any of these keys over any body: nothing panics, and what comes out is a body.

use std::path::Path;

use proptest::prelude::*;
use rtpengine_core::{
    ng::{Outcome, Value},
    sdp::{ParseOptions, parse},
};

use super::request;
use crate::pair::Pair;

/// The bodies of the fuzz corpus.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/sdp");
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 20, "the corpus is missing");
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "(sendrecv|ptime:20|rtcp|rtcp-mux|rtpmap|rtpmap:0|fmtp:|crypto|candidate|mid|ice-ufrag|extmap:1|x)",
        2 => "[a-z]{1,6}(:[a-z0-9]{0,4}( [ -~&&[^\"\\\\]]{0,8})?)?",
        1 => "[ -~&&[^\"\\\\]]{0,12}",
        1 => "[äöü\\u{80}-\\u{2ff}]{1,4}",
    ]
}

/// One member of a request, in JSON.
fn member() -> impl Strategy<Value = String> {
    let scope = "(none|global|audio|video|image|message|smell)";
    let list = || proptest::collection::vec(text().prop_map(|text| format!("\"{text}\"")), 0..4);
    let pair = (text(), text()).prop_map(|(from, to)| format!("[\"{from}\",\"{to}\"]"));
    prop_oneof![
        (scope, "(add|remove|substitute|substitude|change)", list())
            .prop_map(|(scope, verb, list)| format!(r#""sdp-attr":{{"{scope}":{{"{verb}":[{}]}}}}"#, list.join(","))),
        (scope, proptest::collection::vec(pair, 0..3))
            .prop_map(|(scope, pairs)| format!(r#""sdp-attr":{{"{scope}":{{"substitute":[{}]}}}}"#, pairs.join(","))),
        ("(add|remove|substitute)", scope, text(), text())
            .prop_map(|(verb, scope, from, to)| format!(r#""flags":["sdp-attr-{verb}-{scope}-{from}>{to}","loop protect"]"#)),
        list().prop_map(|list| format!(r#""extmap":{{"strip":[{}],"except":["urn:a"]}}"#, list.join(","))),
        text().prop_map(|text| format!(r#""rtpp_flags":"sdp-attr=[audio=[add=[{text}] remove=[{text}]]] strip-extmap""#)),
        any::<i32>().prop_map(|number| format!(r#""ptime":{number},"ptime-reverse":{number}"#)),
        (1u32..90).prop_map(|number| format!(r#""ptime":{number},"ptime-reverse":{number}"#)),
        "(blackhole|forward|backwards|both|x)".prop_map(|mode| format!(r#""media echo":"{mode}""#)),
        "(pierce NAT|NAT-wait|block short|WebRTC|original sendrecv|generate mid|loop protect|strip extmap|early media)"
            .prop_map(|flag| format!(r#""flags":["{flag}"]"#)),
        "(origin|origin-full|SDP version|force-increment-sdp-ver|session name|username|zero address|session connection)"
            .prop_map(|member| format!(r#""replace":["{member}"]"#)),
        "(accept|offer|require|reject|strip|x)".prop_map(|word| format!(r#""bundle":["{word}"],"rtcp-mux":["offer"]"#)),
        "(start|stop)".prop_map(|word| format!(r#""drop-traffic":"{word}""#)),
    ]
}

proptest! {
    #[test]
    fn a_body_stays_a_body(
        steps in proptest::collection::vec((any::<bool>(), 0usize..1000, proptest::collection::vec(member(), 0..5)), 1..5),
    ) {
        let bodies = corpus();
        let mut pair = Pair::new();
        for (offer, body, members) in steps {
            let (command, tags) = match offer {
                true => ("offer", r#""from-tag":"ft""#),
                false => ("answer", r#""from-tag":"ft","to-tag":"tt""#),
            };
            let mut request = request(command, tags, &members.join(","), "");
            request.sdp = bodies.get(body % bodies.len()).cloned();
            let reply = pair.send(&request);
            if reply.outcome == Outcome::Ok {
                let written = reply.body.get("sdp").and_then(Value::as_bytes).unwrap();
                let back = parse(written, ParseOptions::default());
                prop_assert!(back.is_ok(), "{back:?}: {}", String::from_utf8_lossy(written));
            }
            pair.wait(1);
        }
        pair.delete("ft", "");
        pair.wait(1);
        pair.assert_empty();
    }
}
