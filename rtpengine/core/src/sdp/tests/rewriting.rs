//! What the rewriter changes, and what it leaves alone.

use super::super::*;
use super::{crlf, for_medias, ip, rewritten};

const HEAD: [&str; 5] = ["v=0", "o=me 1 2 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"];

fn body(lines: &[&str]) -> String {
    crlf(&[&HEAD, lines].concat())
}

fn at(address: &str, port: u16) -> MediaPlan<'static> {
    MediaPlan { address: Some(ip(address)), port: Some(port), ..MediaPlan::default() }
}

#[test]
fn origin_parts_change_one_by_one() {
    let body = body(&[]);
    let with = |origin: OriginPlan<'static>| {
        let session = SessionPlan { origin, ..SessionPlan::default() };
        rewritten(&body, &RewritePlan { session, ..RewritePlan::default() })
    };
    let line = |text: &str| text.lines().nth(1).unwrap().to_owned();
    let plan = OriginPlan { address: Some(ip("2001:db8::7")), ..OriginPlan::default() };
    assert_eq!(line(&with(plan)), "o=me 1 2 IN IP6 2001:db8::7");
    let plan = OriginPlan { version: Some(9), ..OriginPlan::default() };
    assert_eq!(line(&with(plan)), "o=me 1 9 IN IP4 192.0.2.1");
    let plan = OriginPlan { username: Some("you\r\na=evil"), session_id: Some("5"), ..OriginPlan::default() };
    assert_eq!(line(&with(plan)), "o=youa=evil 5 2 IN IP4 192.0.2.1", "no line can be smuggled in");
}

#[test]
fn session_name_and_connection_change_on_request() {
    let session =
        SessionPlan { name: Some("new"), connection: Some(ip("203.0.113.1")), ..SessionPlan::default() };
    let out = rewritten(&body(&[]), &RewritePlan { session, ..RewritePlan::default() });
    assert_eq!(out, crlf(&["v=0", "o=me 1 2 IN IP4 192.0.2.1", "s=new", "c=IN IP4 203.0.113.1", "t=0 0"]));
}

#[test]
fn media_connection_is_replaced_in_place_and_the_session_line_stays() {
    let input = body(&["m=audio 1 RTP/AVP 0", "b=AS:64", "c=IN IP4 192.0.2.9/127"]);
    let out = rewritten(&input, &for_medias([at("203.0.113.1", 4000)]));
    assert_eq!(out, body(&["m=audio 4000 RTP/AVP 0", "b=AS:64", "c=IN IP4 203.0.113.1"]));
}

#[test]
fn sections_with_different_addresses_get_lines_of_their_own() {
    let input = body(&["m=audio 1 RTP/AVP 0", "i=title", "a=x", "m=video 2 RTP/AVP 31", "i=title", "a=y"]);
    let out = rewritten(&input, &for_medias([at("203.0.113.1", 4000), at("2001:db8::1", 5000)]));
    let expected = crlf(&[
        "v=0",
        "o=me 1 2 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 203.0.113.1",
        "t=0 0",
        "m=audio 4000 RTP/AVP 0",
        "i=title",
        "a=x",
        "m=video 5000 RTP/AVP 31",
        "i=title",
        "c=IN IP6 2001:db8::1",
        "a=y",
    ]);
    assert_eq!(out, expected);
}

#[test]
fn a_section_without_a_plan_keeps_the_address_it_had() {
    let input = body(&["m=audio 1 RTP/AVP 0", "m=message 7394 TCP/MSRP *", "m=video 0 RTP/AVP 31"]);
    let out = rewritten(&input, &for_medias([at("203.0.113.1", 4000)]));
    let expected = crlf(&[
        "v=0",
        "o=me 1 2 IN IP4 192.0.2.1",
        "s=-",
        "c=IN IP4 203.0.113.1",
        "t=0 0",
        "m=audio 4000 RTP/AVP 0",
        "m=message 7394 TCP/MSRP *",
        "c=IN IP4 192.0.2.1",
        "m=video 0 RTP/AVP 31",
    ]);
    assert_eq!(out, expected);
}

#[test]
fn the_session_line_follows_the_first_live_section() {
    let input = body(&["m=image 9 udptl t38", "m=audio 1 RTP/AVP 0"]);
    let out = rewritten(&input, &for_medias([at("203.0.113.1", 0), at("203.0.113.2", 4000)]));
    assert!(out.contains("\r\nc=IN IP4 203.0.113.2\r\nt="), "{out}");
    assert_eq!(out.matches("\r\nc=").count(), 1, "{out}");
}

#[test]
fn a_connection_is_added_where_there_was_none_at_all() {
    let out = rewritten("v=0\nm=audio 1 RTP/AVP 0\na=x", &for_medias([at("203.0.113.1", 4000)]));
    assert_eq!(out, "v=0\nm=audio 4000 RTP/AVP 0\nc=IN IP4 203.0.113.1\na=x");
}

#[test]
fn port_count_goes_with_the_port_and_stays_without() {
    let input = body(&["m=audio 10/2  RTP/AVP  0 8"]);
    let plan = MediaPlan { protocol: Some("RTP/SAVP"), ..MediaPlan::default() };
    assert!(rewritten(&input, &for_medias([plan])).ends_with("m=audio 10/2 RTP/SAVP 0 8\r\n"));
    let plan = MediaPlan { port: Some(0), ..MediaPlan::default() };
    assert!(rewritten(&input, &for_medias([plan])).ends_with("m=audio 0 RTP/AVP 0 8\r\n"));
}

#[test]
fn rtcp_attribute_in_all_its_forms() {
    let input = body(&["m=audio 1 RTP/AVP 0", "a=rtcp:2 IN IP4 192.0.2.1", "a=x", "a=rtcp:3"]);
    let with = |rtcp| {
        let out = rewritten(&input, &for_medias([MediaPlan { rtcp, ..MediaPlan::default() }]));
        out.strip_prefix(&body(&["m=audio 1 RTP/AVP 0"])).unwrap().to_owned()
    };
    assert_eq!(with(RtcpPlan::Keep), "a=rtcp:2 IN IP4 192.0.2.1\r\na=x\r\na=rtcp:3\r\n");
    assert_eq!(with(RtcpPlan::Omit), "a=x\r\n");
    assert_eq!(with(RtcpPlan::Port(41)), "a=rtcp:41\r\na=x\r\n");
    assert_eq!(with(RtcpPlan::Full(ip("2001:db8::1"), 41)), "a=rtcp:41 IN IP6 2001:db8::1\r\na=x\r\n");
}

#[test]
fn rtcp_mux_is_added_once_and_removed_wholly() {
    let with = |lines: &[&str], rtcp_mux| {
        let plan = MediaPlan { rtcp_mux, ..MediaPlan::default() };
        rewritten(&body(lines), &for_medias([plan]))
    };
    let plain = ["m=audio 1 RTP/AVP 0", "a=x"];
    let muxed = ["m=audio 1 RTP/AVP 0", "a=x", "a=rtcp-mux"];
    assert_eq!(with(&plain, RtcpMuxPlan::Add), body(&muxed));
    assert_eq!(with(&muxed, RtcpMuxPlan::Add), body(&muxed));
    assert_eq!(with(&muxed, RtcpMuxPlan::Keep), body(&muxed));
    let both = ["m=audio 1 RTP/AVP 0", "a=rtcp-mux-only", "a=x", "a=rtcp-mux"];
    assert_eq!(with(&both, RtcpMuxPlan::Remove), body(&plain));
}

#[test]
fn direction_is_replaced_in_place_or_added_before_rtcp() {
    let plan = MediaPlan {
        direction: Some(Direction::Inactive),
        rtcp: RtcpPlan::Port(2),
        rtcp_mux: RtcpMuxPlan::Add,
        mid: Some("0"),
        ..MediaPlan::default()
    };
    let out =
        rewritten(&body(&["m=audio 1 RTP/AVP 96", "a=sendonly", "a=x", "a=recvonly"]), &for_medias([plan]));
    let replaced = ["m=audio 1 RTP/AVP 96", "a=inactive", "a=x", "a=rtcp:2", "a=rtcp-mux", "a=mid:0"];
    assert_eq!(out, body(&replaced));
    let out = rewritten(&body(&["m=audio 1 RTP/AVP 96", "a=x"]), &for_medias([plan]));
    let added = ["m=audio 1 RTP/AVP 96", "a=x", "a=inactive", "a=rtcp:2", "a=rtcp-mux", "a=mid:0"];
    assert_eq!(out, body(&added));
    assert_eq!(
        rewritten(&body(&replaced), &for_medias([plan])),
        body(&replaced),
        "a second time changes nothing"
    );
}

#[test]
fn rtpmaps_are_completed_in_the_order_of_the_formats() {
    let complete = |lines: &[&str]| {
        let plan = MediaPlan { complete_rtpmaps: true, ..MediaPlan::default() };
        rewritten(&body(lines), &for_medias([plan]))
    };
    let out = complete(&[
        "m=audio 1 RTP/AVP 0 18 101 8",
        "a=fmtp:18 annexb=no",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=x",
    ]);
    let expected = body(&[
        "m=audio 1 RTP/AVP 0 18 101 8",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:18 G729/8000",
        "a=fmtp:18 annexb=no",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=rtpmap:8 PCMA/8000",
        "a=x",
    ]);
    assert_eq!(out, expected);
    assert_eq!(
        complete(&["m=audio 1 RTP/AVP 10"]),
        body(&["m=audio 1 RTP/AVP 10", "a=rtpmap:10 L16/44100/2"])
    );
    for unchanged in [["m=image 1 udptl 8", "a=x"], ["m=audio 1 RTP/AVP 8", "a=rtpmap:8 broken"]] {
        assert_eq!(complete(&unchanged), body(&unchanged));
    }
}

#[test]
fn families_are_stripped_at_the_level_asked_for() {
    let input = crlf(&[
        "v=0",
        "a=group:BUNDLE 0",
        "a=group:LS 0",
        "a=ice-lite",
        "a=fingerprint:sha-256 00",
        "m=audio 1 RTP/AVPF 0",
        "a=mid:0",
        "a=bundle-only",
        "a=ice-ufrag:u",
        "a=ice-pwd:p",
        "a=candidate:1 1 udp 1 192.0.2.1 1 typ host",
        "a=end-of-candidates",
        "a=crypto:1 x inline:y",
        "a=setup:active",
        "a=rtcp-fb:* nack",
        "a=x",
    ]);
    let all =
        Strip { ice: true, relay_candidates: true, sdes: true, dtls: true, bundle: true, feedback: true };
    let mut plan = for_medias([MediaPlan { strip: all, ..MediaPlan::default() }]);
    plan.session.strip = all;
    assert_eq!(
        rewritten(&input, &plan),
        crlf(&["v=0", "a=group:LS 0", "m=audio 1 RTP/AVPF 0", "a=mid:0", "a=x"])
    );
    let only_crypto = Strip { sdes: true, ..Strip::default() };
    let out = rewritten(&input, &for_medias([MediaPlan { strip: only_crypto, ..MediaPlan::default() }]));
    assert_eq!(out, input.replace("a=crypto:1 x inline:y\r\n", ""));
}

#[test]
fn additions_use_the_bodys_endings_and_precede_blank_lines() {
    let plan = MediaPlan { direction: Some(Direction::SendRecv), ..MediaPlan::default() };
    let plan = for_medias([plan]);
    assert_eq!(rewritten("v=0\nm=a 1 b", &plan), "v=0\nm=a 1 b\na=sendrecv\n");
    assert_eq!(rewritten("v=0\r\nm=a 1 b\r\n\r\n", &plan), "v=0\r\nm=a 1 b\r\na=sendrecv\r\n\r\n");
    assert_eq!(rewritten("v=0\nm=a 1 b\n\nm=c 2 d\n", &plan), "v=0\nm=a 1 b\na=sendrecv\n\nm=c 2 d\n");
}
