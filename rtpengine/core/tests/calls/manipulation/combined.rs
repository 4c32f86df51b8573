//! Keys and flags together, in one body.

use super::{Scenario, offers_become};

const SCENARIOS: &[Scenario] = &[
    (
        "origin and a session attribute",
        r#""replace":["username"],"sdp-attr":{"none":{"add":["tool:x"]}},"ptime":30"#,
        "m=audio 2000 RTP/AVP 0",
        "a=tool:x / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "loop protection in front of what is added",
        r#""flags":["loop protect","sdp-attr-add-none-x"]"#,
        "m=audio 2000 RTP/AVP 0",
        "a=rtpengine:MARK / a=x / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "ptime, no rtcp attribute, original sendrecv",
        r#""ptime":30,"flags":["no rtcp attribute","original sendrecv"]"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30",
    ),
    (
        "full rtcp attribute, substituted",
        r#""flags":["full rtcp attribute"],"sdp-attr":{"audio":{"substitute":["rtcp","y"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=y",
    ),
    (
        "generate mid and what is added",
        r#""flags":["generate mid","sdp-attr-add-audio-x"]"#,
        "m=audio 2000 RTP/AVP 0 / m=video 2002 RTP/AVP 31",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=mid:0 / a=x / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=sendrecv / a=rtcp:PORT / a=mid:1",
    ),
    (
        "generate mid, removed again",
        r#""flags":["generate mid","sdp-attr-remove-audio-mid"]"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "BUNDLE is stripped before",
        r#""sdp-attr":{"none":{"add":["group:LS a b"]}}"#,
        "a=group:BUNDLE a b / m=audio 2000 RTP/AVP 0 / a=mid:a / m=video 2002 RTP/AVP 31 / a=mid:b",
        "a=group:LS a b / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=mid:a / a=sendrecv / a=rtcp:PORT / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=mid:b / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "ICE and extensions",
        r#""ICE":"force","flags":["strip extmap"]"#,
        "m=audio 2000 RTP/AVP 0 / a=extmap:1 urn:a",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ice-ufrag:UFRAG / a=ice-pwd:PWD / a=candidate:CANDIDATE / a=candidate:CANDIDATE / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "keys offered, one of them by the operator",
        r#""transport-protocol":"RTP/SAVP","SDES":["only-AES_CM_128_HMAC_SHA1_80"],"sdp-attr":{"audio":{"add":["x"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/SAVP 0 / a=rtpmap:0 PCMU/8000 / a=crypto:1 AES_CM_128_HMAC_SHA1_80 KEY / a=sendrecv / a=rtcp:PORT / a=x",
    ),
    (
        "both forms of a section",
        r#""transport-protocol":"RTP/SAVP","OSRTP":["offer-legacy"],"SDES":["only-AES_CM_128_HMAC_SHA1_80"],"sdp-attr":{"audio":{"add":["x"]}},"ptime":30"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=sendrecv / a=rtcp:PORT / a=x / m=audio PORT RTP/SAVP 0 / a=rtpmap:0 PCMU/8000 / a=crypto:1 AES_CM_128_HMAC_SHA1_80 KEY / a=ptime:30 / a=sendrecv / a=rtcp:PORT / a=x",
    ),
    (
        "all manipulations at once",
        r#""ptime":30,"extmap":{"strip":["urn:a"]},"sdp-attr":{"none":{"remove":["tool"],"add":["z"]},"audio":{"substitute":["ssrc","y"],"remove":["x"]}},"flags":["loop protect"]"#,
        "a=tool:t / m=audio 2000 RTP/AVP 0 / a=ptime:20 / a=x:1 / a=ssrc:1 cname:a / a=extmap:1 urn:a / a=extmap:2 urn:b",
        "a=rtpengine:MARK / a=z / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=y / a=extmap:2 urn:b / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the same in one string of flags",
        r#""rtpp_flags":"ptime=30 extmap-strip-urn:a sdp-attr-remove-none-tool sdp-attr-add-none-z sdp-attr-substitute-audio-ssrc>y sdp-attr-remove-audio-x loop-protect""#,
        "a=tool:t / m=audio 2000 RTP/AVP 0 / a=ptime:20 / a=x:1 / a=ssrc:1 cname:a / a=extmap:1 urn:a / a=extmap:2 urn:b",
        "a=rtpengine:MARK / a=z / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=y / a=extmap:2 urn:b / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "hold, with an attribute that says so",
        r#""sdp-attr":{"audio":{"substitute":["sendonly","inactive"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=sendonly",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=inactive / a=rtcp:PORT",
    ),
    (
        "demultiplexed RTCP and its line",
        r#""rtcp-mux":["demux"],"sdp-attr":{"audio":{"remove":["rtcp"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=rtcp-mux",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv",
    ),
];

#[test]
fn what_is_asked_for_together_happens_together() {
    offers_become(SCENARIOS);
}
