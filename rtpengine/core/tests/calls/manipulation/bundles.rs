//! `bundle`: how groups are written, offered and accepted; what does not fit is named. What it means for ports and packets is
//! in `m_lines_share_a_port`.

use super::{HEAD, Scenario, answer, offer, offers_become, shown};
use crate::pair::Pair;

const AUDIO: &str = "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000";
const ONE: &str = "a=group:BUNDLE a / m=audio 2000 RTP/AVP 0 / a=mid:a / a=rtcp-mux";
const TWO: &str = "a=group:BUNDLE a v / m=audio 2000 RTP/AVP 0 / a=mid:a / a=rtcp-mux / m=video 2000 RTP/AVP 31 / a=mid:v / a=rtcp-mux";
const STRIPPED: &str =
    "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:a / a=rtcp-mux / a=sendrecv / a=rtcp:PORT";

const OFFERED: &[Scenario] = &[
    ("stripped unless asked otherwise", "", ONE, STRIPPED),
    ("stripped on request", r#""bundle":["strip"]"#, ONE, STRIPPED),
    ("rejected", r#""bundle":["reject"]"#, ONE, STRIPPED),
    ("accepted towards the sender, which the receiver is not told", r#""bundle":["accept"]"#, ONE, STRIPPED),
    (
        "bundle-only goes with the group",
        "",
        "a=group:BUNDLE a / m=audio 2000 RTP/AVP 0 / a=mid:a / a=bundle-only",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:a / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "other groups stay",
        r#""bundle":["strip"]"#,
        "a=group:LS a v / a=group:BUNDLE a / m=audio 2000 RTP/AVP 0 / a=mid:a",
        "a=group:LS a v / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:a / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "offered, with the name there is",
        r#""bundle":["offer"],"rtcp-mux":["offer"]"#,
        "m=audio 2000 RTP/AVP 0 / a=mid:x",
        "a=group:BUNDLE x / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:x / a=sendrecv / a=rtcp:PORT / a=rtcp-mux",
    ),
    (
        "offered, with a name of ours",
        r#""flags":"bundle-offer rtcp-mux-offer""#,
        "m=audio 2000 RTP/AVP 0",
        "a=group:BUNDLE 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=rtcp-mux / a=mid:0",
    ),
    (
        "required is offered",
        r#""rtpp_flags":"bundle=[require accept] rtcp-mux=[require]""#,
        "a=group:BUNDLE a / m=audio 2000 RTP/AVP 0 / a=mid:a",
        "a=group:BUNDLE a / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:a / a=sendrecv / a=rtcp:PORT / a=rtcp-mux",
    ),
    (
        "not without rtcp-mux",
        r#""bundle":["offer"]"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "strip has the last word",
        r#""bundle":["offer","strip"],"rtcp-mux":["offer"]"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=rtcp-mux",
    ),
    (
        "not with what is rejected",
        r#""bundle":["offer"],"rtcp-mux":["offer"]"#,
        "m=audio 0 RTP/AVP 0 / m=audio 2002 RTP/AVP 8",
        "a=group:BUNDLE 1 / m=audio 0 RTP/AVP 0 / m=audio PORT RTP/AVP 8 / a=rtpmap:8 PCMA/8000 / a=sendrecv / a=rtcp:PORT / a=rtcp-mux / a=mid:1",
    ),
    (
        "two, each with a port of its own, for the case that the receiver knows no groups",
        r#""bundle":["offer"]"#,
        TWO,
        "a=group:BUNDLE a v / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:a / a=rtcp-mux / a=sendrecv / a=rtcp:PORT / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=mid:v / a=rtcp-mux / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "two, to a receiver that is known to take them, and rtcp-mux with them",
        r#""bundle":["require"]"#,
        "m=audio 2000 RTP/AVP 0 / m=video 2002 RTP/AVP 31",
        "a=group:BUNDLE 0 1 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=rtcp-mux / a=mid:0 / m=video 0 RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=bundle-only / a=sendrecv / a=rtcp-mux / a=mid:1",
    ),
    (
        "the tagged m-line need not be the first",
        r#""bundle":["accept","offer"]"#,
        "a=group:BUNDLE v a / m=audio 2000 RTP/AVP 0 / a=mid:a / a=rtcp-mux / m=video 2002 RTP/AVP 31 / a=mid:v / a=rtcp-mux",
        "a=group:BUNDLE v a / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:a / a=rtcp-mux / a=sendrecv / a=rtcp:PORT / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=mid:v / a=rtcp-mux / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "one payload type for two codecs keeps the second m-line out",
        r#""bundle":["offer"],"rtcp-mux":["offer"]"#,
        "m=audio 2000 RTP/AVP 96 / a=rtpmap:96 opus/48000/2 / m=video 2002 RTP/AVP 96 / a=rtpmap:96 VP8/90000",
        "a=group:BUNDLE 0 / m=audio PORT RTP/AVP 96 / a=rtpmap:96 opus/48000/2 / a=sendrecv / a=rtcp:PORT / a=rtcp-mux / a=mid:0 / m=video PORT RTP/AVP 96 / a=rtpmap:96 VP8/90000 / a=sendrecv / a=rtcp:PORT / a=rtcp-mux",
    ),
    (
        "one codec for two m-lines has to come with their names",
        r#""bundle":["offer"],"rtcp-mux":["offer"]"#,
        "m=audio 2000 RTP/AVP 0 / m=audio 2002 RTP/AVP 0",
        "a=group:BUNDLE 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=rtcp-mux / a=mid:0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=rtcp-mux",
    ),
    (
        "keys of a group are ours",
        r#""bundle":["offer"],"SDES":["only-AES_CM_128_HMAC_SHA1_80"]"#,
        "m=audio 2000 RTP/SAVP 0 / a=rtcp-mux / a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkw / m=video 2002 RTP/SAVP 31 / a=rtcp-mux / a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkx",
        "a=group:BUNDLE 0 1 / m=audio PORT RTP/SAVP 0 / a=rtpmap:0 PCMU/8000 / a=rtcp-mux / a=crypto:1 AES_CM_128_HMAC_SHA1_80 KEY / a=sendrecv / a=rtcp:PORT / a=mid:0 / m=video PORT RTP/SAVP 31 / a=rtpmap:31 H261/90000 / a=rtcp-mux / a=crypto:1 AES_CM_128_HMAC_SHA1_80 KEY / a=sendrecv / a=rtcp:PORT / a=mid:1",
    ),
];

#[test]
fn groups_are_offered_or_stripped() {
    offers_become(OFFERED);
}

/// What the sender of an offer is answered, from the first attribute on, and how it was warned meanwhile.
fn answered(offered: &str, keys: &str, more: &str, answer_keys: &str) -> (String, Vec<String>) {
    let mut pair = Pair::new();
    let mut warnings = offer(&mut pair, keys, &format!("{HEAD} / {offered}")).warnings;
    let reply =
        answer(&mut pair, answer_keys, &format!("{HEAD} / m=audio 3000 RTP/AVP 0 / a=rtcp-mux{more}"));
    warnings.extend(reply.warnings.clone());
    let shown = shown(&reply);
    (shown.split_once("t=0 0 / ").unwrap().1.to_owned(), warnings)
}

const ACCEPT: &str = r#""bundle":["accept"]"#;

#[test]
fn a_group_is_accepted_on_request_alone() {
    let plain = format!("{AUDIO} / a=rtcp-mux / a=sendrecv / a=rtcp:PORT / a=mid:a");
    let grouped = format!("a=group:BUNDLE a / {plain}");
    assert_eq!(answered(ONE, "", "", "").0, plain);
    assert_eq!(answered(ONE, r#""bundle":["reject"]"#, "", "").0, plain);
    assert_eq!(answered(ONE, r#""bundle":["accept","reject"]"#, "", "").0, plain);
    assert_eq!(answered(ONE, r#""bundle":["offer"]"#, "", "").0, plain);
    assert_eq!(answered(ONE, ACCEPT, "", "").0, grouped);
    assert_eq!(answered(ONE, r#""flags":["bundle-accept"]"#, "", "").0, grouped);
    // The answer's own group is for the party that was offered it.
    let (text, warnings) = answered(ONE, "", " / a=group:BUNDLE a", "");
    assert!(!text.contains("BUNDLE") && warnings.is_empty(), "{text}");
    // What was not offered is not accepted.
    let without = "m=audio 2000 RTP/AVP 0 / a=mid:a / a=rtcp-mux";
    assert_eq!(answered(without, ACCEPT, "", ACCEPT).0, plain);
    let other = "a=group:BUNDLE b / m=audio 2000 RTP/AVP 0 / a=mid:a / a=rtcp-mux";
    assert_eq!(answered(other, ACCEPT, "", "").0, plain);
    // Nor what has a port of its own for RTCP.
    let unmuxed = "a=group:BUNDLE a / m=audio 2000 RTP/AVP 0 / a=mid:a";
    assert!(!answered(unmuxed, ACCEPT, "", "").0.contains("BUNDLE"));
    assert!(!answered(ONE, ACCEPT, "", r#""rtcp-mux":["reject"]"#).0.contains("BUNDLE"));
}

#[test]
fn a_group_is_answered_as_far_as_it_lives() {
    let video = " / m=video 3002 RTP/AVP 31 / a=rtcp-mux";
    let (text, warnings) = answered(TWO, ACCEPT, video, "");
    assert!(text.starts_with("a=group:BUNDLE a v / m=audio PORT"), "{text}");
    assert!(warnings.is_empty(), "{warnings:?}");
    // Where the tagged m-line is rejected the next one takes its place.
    let mut pair = Pair::new();
    offer(&mut pair, ACCEPT, &format!("{HEAD} / {TWO}"));
    let reply = answer(&mut pair, "", &format!("{HEAD} / m=audio 0 RTP/AVP 0{video}"));
    let shown = shown(&reply);
    assert!(shown.contains("a=group:BUNDLE v / m=audio 0 "), "{shown}");
    assert!(reply.warnings.is_empty(), "{:?}", reply.warnings);
}

#[test]
fn what_is_for_a_group_alone_is_left_out_without_it() {
    let offered = "a=group:BUNDLE a v / m=audio 2000 RTP/AVP 0 / a=mid:a / a=rtcp-mux / m=video 0 RTP/AVP 31 / a=mid:v / a=bundle-only";
    let left_out = |keys: &str| {
        let reply = offer(&mut Pair::new(), keys, &format!("{HEAD} / {offered}"));
        let named = reply.warnings.iter().any(|warning| warning.starts_with("m-line 2 is left out"));
        let shown = shown(&reply);
        assert_eq!(shown.contains("m=video 0 "), keys != ACCEPT, "{keys}: {shown}");
        named
    };
    assert!(!left_out(ACCEPT) && left_out(r#""bundle":["require"]"#) && !left_out(""));
}

#[test]
fn every_offer_says_anew_whether_its_group_is_accepted() {
    let mut pair = Pair::new();
    for (keys, accepted) in [(ACCEPT, true), ("", false), (ACCEPT, true)] {
        offer(&mut pair, keys, &format!("{HEAD} / {ONE}"));
        let reply = answer(&mut pair, "", &format!("{HEAD} / m=audio 3000 RTP/AVP 0"));
        assert_eq!(shown(&reply).contains("a=group:BUNDLE a"), accepted);
    }
    let request = super::request("offer", r#""from-tag":"ft""#, r#""bundle":["merge"]"#, "");
    assert_eq!(request.unknown, ["bundle-merge"]);
}
