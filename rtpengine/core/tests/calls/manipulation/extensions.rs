//! `extmap` and `strip extmap`: RTP header extensions in the body.

use super::{HEAD, Scenario, answer, offer, offers_become, shown};
use crate::pair::Pair;

const AUDIO: &str =
    "m=audio 2000 RTP/AVP 0 / a=extmap:1 urn:a / a=extmap:2/recvonly urn:b / a=extmap:14 urn:c x=y / a=mid:0";

const SCENARIOS: &[Scenario] = &[
    (
        "kept as they are, numbers and directions included",
        "",
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:1 urn:a / a=extmap:2/recvonly urn:b / a=extmap:14 urn:c x=y / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "strip extmap takes all",
        r#""flags":["strip extmap"]"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "strip-extmap at session level and what allows mixing",
        r#""flags":["strip-extmap"]"#,
        "a=extmap:1 urn:a / a=extmap-allow-mixed / m=audio 2000 RTP/AVP 0 / a=extmap-allow-mixed / a=extmapper:x",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmapper:x / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "strip extmap in video too",
        r#""flags":"strip_extmap""#,
        "m=audio 2000 RTP/AVP 0 / a=extmap:1 urn:a / m=video 2002 RTP/AVP 31 / a=extmap:1 urn:b",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "one by name",
        r#""extmap":{"strip":["urn:b"]}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:1 urn:a / a=extmap:14 urn:c x=y / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "one with attributes of its own",
        r#""extmap":{"strip":["urn:c"]}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:1 urn:a / a=extmap:2/recvonly urn:b / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "one as text, not as list",
        r#""extmap":{"strip":"urn:a"}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:2/recvonly urn:b / a=extmap:14 urn:c x=y / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "several",
        r#""extmap":{"strip":["urn:a","urn:c","urn:nothing"]}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:2/recvonly urn:b / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "a name is not a beginning of a name",
        r#""extmap":{"strip":["urn","URN:A","urn:a:"]}"#,
        "m=audio 2000 RTP/AVP 0 / a=extmap:1 urn:a",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:1 urn:a / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "all",
        r#""extmap":{"strip":["all"]}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "all but one",
        r#""extmap":{"strip":["all"],"except":["urn:b"]}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:2/recvonly urn:b / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "an exception alone strips nothing",
        r#""extmap":{"except":["urn:b"]}"#,
        "m=audio 2000 RTP/AVP 0 / a=extmap:1 urn:a",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:1 urn:a / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "as flags",
        r#""flags":["extmap-strip-urn:a","extmap-strip-urn:ietf:params:rtp-hdrext:ssrc-audio-level"]"#,
        "m=audio 2000 RTP/AVP 0 / a=extmap:1 urn:a / a=extmap:3 urn:ietf:params:rtp-hdrext:ssrc-audio-level / a=extmap:4 urn:d",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:4 urn:d / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "in brackets",
        r#""rtpp_flags":"extmap=[strip=[all] except=[urn:b urn:c]]""#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:2/recvonly urn:b / a=extmap:14 urn:c x=y / a=mid:0 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "a line without a name",
        r#""extmap":{"strip":["urn:a"]}"#,
        "m=audio 2000 RTP/AVP 0 / a=extmap:1 / a=extmap",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:1 / a=extmap / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "sdp-attr after it",
        r#""flags":["strip extmap"],"sdp-attr":{"audio":{"add":["extmap:1 urn:z"]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:0 / a=sendrecv / a=rtcp:PORT / a=extmap:1 urn:z",
    ),
];

#[test]
fn extensions_are_kept_or_stripped_by_name() {
    offers_become(SCENARIOS);
}

#[test]
fn an_answer_is_filtered_on_its_own() {
    let mut pair = Pair::new();
    offer(&mut pair, r#""extmap":{"strip":["urn:b"]}"#, &format!("{HEAD} / {AUDIO}"));
    let answered = "m=audio 3000 RTP/AVP 0 / a=extmap:1 urn:a / a=extmap:14 urn:c";
    let reply = answer(&mut pair, r#""flags":["extmap-strip-urn:c"]"#, &format!("{HEAD} / {answered}"));
    let wanted = "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:1 urn:a / a=sendrecv / a=rtcp:PORT / a=mid:0";
    assert!(shown(&reply).ends_with(wanted), "{}", shown(&reply));
}

#[test]
fn what_is_not_known_is_named() {
    for keys in [r#""extmap":{"rename":["urn:a"]}"#, r#""flags":["extmap-rename-urn:a"]"#] {
        let request = super::request("offer", r#""from-tag":"ft""#, keys, "");
        assert_eq!(request.not_built, ["extmap-rename-urn:a"], "{keys}");
    }
    let request = super::request("offer", r#""from-tag":"ft""#, r#""extmap":"all""#, "");
    assert!(request.warnings()[0].starts_with("Key \"extmap\" ignored"), "{:?}", request.warnings());
}
