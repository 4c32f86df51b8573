//! Direction attributes, `original sendrecv` and zero addresses.

use super::{HEAD, Scenario, offer, offers_become, shown};
use crate::pair::Pair;

const SCENARIOS: &[Scenario] = &[
    (
        "a direction is written even where the sender left it out",
        "",
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "original sendrecv adds none",
        r#""flags":["original sendrecv"]"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=rtcp:PORT",
    ),
    (
        "sendonly",
        "",
        "m=audio 2000 RTP/AVP 0 / a=sendonly / a=x",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=x / a=rtcp:PORT",
    ),
    (
        "recvonly",
        "",
        "m=audio 2000 RTP/AVP 0 / a=recvonly",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=recvonly / a=rtcp:PORT",
    ),
    (
        "inactive",
        "",
        "m=audio 2000 RTP/AVP 0 / a=inactive",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=inactive / a=rtcp:PORT",
    ),
    (
        "the session's direction is for its sections",
        "",
        "a=inactive / m=audio 2000 RTP/AVP 0",
        "a=inactive / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=inactive / a=rtcp:PORT",
    ),
    (
        "a section's own direction goes before",
        "",
        "a=inactive / m=audio 2000 RTP/AVP 0 / a=sendonly",
        "a=inactive / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=rtcp:PORT",
    ),
    (
        "one of two is left",
        "",
        "m=audio 2000 RTP/AVP 0 / a=sendonly / a=sendonly",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=rtcp:PORT",
    ),
    (
        "two are left with original sendrecv",
        r#""flags":["original-sendrecv"]"#,
        "m=audio 2000 RTP/AVP 0 / a=sendonly / a=sendonly",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=sendonly / a=rtcp:PORT",
    ),
    (
        "original sendrecv and the session's",
        r#""flags":["original_sendrecv"]"#,
        "a=recvonly / m=audio 2000 RTP/AVP 0",
        "a=recvonly / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=rtcp:PORT",
    ),
];

#[test]
fn directions_are_ours_unless_the_original_ones_are_wanted() {
    offers_become(SCENARIOS);
}

/// Keys, lines after the version, what comes out.
const ZERO: &[Scenario] = &[
    (
        "a zero address goes on as one, as sendonly",
        "",
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio 2000 RTP/AVP 0",
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=rtcp:PORT",
    ),
    (
        "with inactive it stays inactive",
        "",
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio 2000 RTP/AVP 0 / a=inactive",
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=inactive / a=rtcp:PORT",
    ),
    (
        "recvonly to nowhere is inactive",
        "",
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio 2000 RTP/AVP 0 / a=recvonly",
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=inactive / a=rtcp:PORT",
    ),
    (
        "replaced with ours on request",
        r#""replace":["zero address"]"#,
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio 2000 RTP/AVP 0",
        "c=IN IP4 10.9.0.1 / t=0 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=rtcp:PORT",
    ),
    (
        "replaced, with the original direction",
        r#""flags":["replace-zero-address","original-sendrecv"]"#,
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio 2000 RTP/AVP 0 / a=sendrecv",
        "c=IN IP4 10.9.0.1 / t=0 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "one of two sections",
        "",
        "c=IN IP4 192.0.2.1 / t=0 0 / m=audio 2000 RTP/AVP 0 / c=IN IP4 0.0.0.0 / m=audio 2002 RTP/AVP 8",
        "c=IN IP4 10.9.0.1 / t=0 0 / m=audio PORT RTP/AVP 0 / c=IN IP4 0.0.0.0 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=rtcp:PORT / m=audio PORT RTP/AVP 8 / a=rtpmap:8 PCMA/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "one of two sections, replaced",
        r#""replace":["zero-address"]"#,
        "c=IN IP4 192.0.2.1 / t=0 0 / m=audio 2000 RTP/AVP 0 / c=IN IP4 0.0.0.0 / m=audio 2002 RTP/AVP 8",
        "c=IN IP4 10.9.0.1 / t=0 0 / m=audio PORT RTP/AVP 0 / c=IN IP4 10.9.0.1 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=rtcp:PORT / m=audio PORT RTP/AVP 8 / a=rtpmap:8 PCMA/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "media address in its place",
        r#""replace":["zero address"],"media address":"203.0.113.5""#,
        "c=IN IP4 0.0.0.0 / t=0 0 / m=audio 2000 RTP/AVP 0",
        "c=IN IP4 203.0.113.5 / t=0 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendonly / a=rtcp:PORT",
    ),
];

#[test]
fn zero_addresses_are_passed_on_or_replaced() {
    for (name, keys, lines, wanted) in ZERO {
        let head = "v=0 / o=- 7 1 IN IP4 192.0.2.1 / s=x";
        let reply = offer(&mut Pair::new(), keys, &format!("{head} / {lines}"));
        assert_eq!(shown(&reply), format!("{head} / {wanted}"), "{name}");
    }
}

#[test]
fn early_media_without_a_player_is_nothing_to_warn_of() {
    let request = super::request("offer", r#""from-tag":"ft""#, r#""flags":["early media"]"#, "");
    assert_eq!((request.warnings().len(), request.unknown.len()), (0, 0));
    let with =
        offer(&mut Pair::new(), r#""flags":["early media"]"#, &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
    let without = offer(&mut Pair::new(), "", &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
    assert_eq!(shown(&with), shown(&without));
}
