//! `sdp-media-remove`: the receiver of an offer does not see some m-lines, and its sender reads that they are rejected.

use crate::{
    manipulation::{HEAD, OURS, answer, body, offer, request, shown},
    pair::Pair,
};

const OFFERED: &str = "m=audio 2000 RTP/AVP 8 / a=sendrecv / m=video 2002 RTP/AVP 96 / a=rtpmap:96 VP8/90000 / m=image 2004 udptl t38";
const ANSWERED: &str = "v=0 / o=- 9 1 IN IP4 192.0.2.2 / s=y / c=IN IP4 192.0.2.2 / t=0 0 / m=audio 3000 RTP/AVP 8 / m=image 3004 udptl t38";

/// The m-lines of a body.
fn lines(shown: &str) -> Vec<&str> {
    shown.split(" / ").filter(|line| line.starts_with("m=")).collect()
}

#[test]
fn the_receiver_answers_what_it_sees_and_the_sender_reads_a_rejection() {
    for keys in [
        r#""sdp-media-remove":["video"]"#,
        r#""rtpp_flags":"sdp-media-remove=[video]""#,
        r#""flags":["sdp-media-remove-video"]"#,
    ] {
        let mut pair = Pair::new();
        let reply = offer(&mut pair, keys, &format!("{HEAD} / {OFFERED}"));
        let wanted = "m=audio PORT RTP/AVP 8 / a=rtpmap:8 PCMA/8000 / a=sendrecv / a=rtcp:PORT / m=image PORT udptl t38";
        assert_eq!(shown(&reply), format!("{OURS} / {wanted}"));
        assert!(reply.warnings.is_empty());
        let reply = answer(&mut pair, "", ANSWERED);
        let shown = shown(&reply);
        assert_eq!(
            lines(&shown),
            ["m=audio PORT RTP/AVP 8", "m=video 0 RTP/AVP 0", "m=image PORT udptl t38"]
        );
        assert_eq!(pair.ports_used(), 6);
        // Media of the third line go where its answer says.
        let image = pair.plane.relay.values().filter_map(|relay| relay.endpoint).find(|to| to.port() == 3004);
        assert_eq!(image, Some("192.0.2.2:3004".parse().unwrap()));
        pair.delete("ft", "tt");
        pair.assert_empty();
    }
}

#[test]
fn it_stays_so_whoever_offers_next() {
    let mut pair = Pair::new();
    offer(&mut pair, r#""sdp-media-remove":["video"]"#, &format!("{HEAD} / {OFFERED}"));
    answer(&mut pair, "", ANSWERED);
    // The callee offers again: the caller reads a video line that is switched off, and its answer is not shown.
    let tags = r#""from-tag":"tt""#;
    let reply = pair.send(&request("offer", tags, "", &body(ANSWERED)));
    let shown_to_caller = shown(&reply);
    assert_eq!(
        lines(&shown_to_caller),
        ["m=audio PORT RTP/AVP 8", "m=video 0 RTP/AVP 0", "m=image PORT udptl t38"]
    );
    let again = OFFERED.replace("m=video 2002", "m=video 0");
    let tags = r#""from-tag":"tt","to-tag":"ft""#;
    let reply = pair.send(&request("answer", tags, "", &body(&format!("{HEAD} / {again}"))));
    assert_eq!(lines(&shown(&reply)), ["m=audio PORT RTP/AVP 8", "m=image PORT udptl t38"]);
    // A later offer of the caller does not bring it back, with the key or without.
    let reply = offer(&mut pair, "", &format!("{HEAD} / {OFFERED}"));
    assert_eq!(lines(&shown(&reply)), ["m=audio PORT RTP/AVP 8", "m=image PORT udptl t38"]);
}

#[test]
fn what_was_seen_once_is_rejected_in_its_place() {
    let mut pair = Pair::new();
    offer(&mut pair, "", &format!("{HEAD} / {OFFERED}"));
    let reply = offer(&mut pair, r#""sdp-media-remove":["Video"]"#, &format!("{HEAD} / {OFFERED}"));
    assert_eq!(
        lines(&shown(&reply)),
        ["m=audio PORT RTP/AVP 8", "m=video 0 RTP/AVP 96", "m=image PORT udptl t38"]
    );
}

#[test]
fn a_body_without_m_lines_is_not_made() {
    let mut pair = Pair::new();
    let reply =
        offer(&mut pair, r#""sdp-media-remove":["audio"]"#, &format!("{HEAD} / m=audio 2000 RTP/AVP 8"));
    assert_eq!(reply.warnings, ["sdp-media-remove would leave no m-line: nothing is removed"]);
    assert_eq!(lines(&shown(&reply)), ["m=audio PORT RTP/AVP 8"]);
    // `other` is what no type is known for.
    let mut pair = Pair::new();
    let offered = format!("{HEAD} / m=audio 2000 RTP/AVP 8 / m=haptics 2002 RTP/AVP 96");
    let reply = offer(&mut pair, r#""sdp-media-remove":["other"]"#, &offered);
    assert_eq!(lines(&shown(&reply)), ["m=audio PORT RTP/AVP 8"]);
}
