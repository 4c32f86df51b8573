//! What the parser makes of bodies, good and bad.

use std::net::SocketAddr;

use super::super::*;
use super::{crlf, ip, read, refuse};

const HEAD: [&str; 5] = ["v=0", "o=- 1 2 IN IP4 192.0.2.1", "s=-", "c=IN IP4 192.0.2.1", "t=0 0"];

fn with_media(lines: &[&str]) -> String {
    crlf(&[&HEAD, lines].concat())
}

#[test]
fn session_level_fields_are_read() {
    let body = crlf(&["v=0", "o=a b 7 8 IN IP6 2001:db8::1", "s=name", "a=group:BUNDLE x y", "a=ice-lite"]);
    let session = read(&body);
    let origin = session.origin.unwrap();
    assert_eq!((origin.username, origin.session_id, origin.version_number()), ("a b", "7", Some(8)));
    assert_eq!(origin.connection.ip, Some(ip("2001:db8::1")));
    assert_eq!(session.name, Some("name"));
    assert_eq!(session.bundle_groups, ["x y"]);
    assert!(session.ice_lite && session.security.ice);
    assert!(session.medias.is_empty());
}

#[test]
fn media_section_is_read() {
    let body = with_media(&[
        "m=audio 5000/2 RTP/AVP 8 18 96 97 8",
        "c=IN IP4 198.51.100.9/127",
        "a=rtpmap:96 opus/48000/2",
        "a=fmtp:96 useinbandfec=1",
        "a=fmtp:18 annexb=no",
        "a=rtcp:6001 IN IP4 198.51.100.10",
        "a=rtcp-fb:* nack",
        "a=rtcp-fb:96 transport-cc",
        "a=ptime:20",
        "a=maxptime:40",
        "a=mid:m0",
        "a=label:7",
        "a=recvonly",
    ]);
    let session = read(&body);
    let media = &session.medias[0];
    assert_eq!((media.kind, media.port, media.num_ports), (MediaKind::Audio, 5000, 2));
    assert_eq!((media.protocol, media.protocol_name), (Protocol::RtpAvp, "RTP/AVP"));
    assert_eq!(media.formats, ["8", "18", "96", "97", "8"]);
    let names: Vec<_> = media.codecs.iter().map(Codec::canonical_name).collect();
    assert_eq!(names, ["PCMA/8000", "G729/8000", "opus/48000/2"], "97 has no meaning, 8 counts once");
    assert_eq!(media.codec(18).unwrap().fmtp, Some("annexb=no"));
    assert_eq!(media.codec(96).unwrap().fmtp, Some("useinbandfec=1"));
    assert_eq!(media.endpoint(), Some(SocketAddr::new(ip("198.51.100.9"), 5000)));
    assert_eq!(media.rtcp_endpoint(), Some(SocketAddr::new(ip("198.51.100.10"), 6001)));
    assert_eq!((media.ptime, media.maxptime), (Some(20), Some(40)));
    assert_eq!((media.mid, media.label), (Some("m0"), Some("7")));
    assert_eq!(media.rtcp_fb.len(), 2);
    assert_eq!(media.rtcp_fb[0], RtcpFeedback { payload_type: None, value: "nack" });
    assert_eq!((media.direction, media.own_direction), (Direction::RecvOnly, Some(Direction::RecvOnly)));
    assert_eq!(session.media_by_mid("m0").unwrap().index, 0);
}

#[test]
fn primary_codec_skips_what_only_accompanies() {
    let body = with_media(&["m=audio 5000 RTP/AVP 101 13 0", "a=rtpmap:101 telephone-event/8000"]);
    assert_eq!(read(&body).medias[0].primary_codec().unwrap().encoding, "PCMU");
}

#[test]
fn rtcp_goes_to_the_next_port_or_with_mux_to_the_same() {
    let body = with_media(&[
        "m=audio 5000 RTP/AVP 0",
        "m=audio 5000 RTP/AVP 0",
        "a=rtcp-mux",
        "m=audio 65535 RTP/AVP 0",
        "m=image 5000 udptl t38",
        "m=audio 0 RTP/AVP 0",
    ]);
    let session = read(&body);
    let ports: Vec<_> =
        session.medias.iter().map(|media| media.rtcp_endpoint().map(|at| at.port())).collect();
    assert_eq!(ports, [Some(5001), Some(5000), None, None, None]);
}

#[test]
fn direction_falls_back_to_the_session_then_to_sendrecv() {
    let body = crlf(&["v=0", "a=sendonly", "m=audio 1 RTP/AVP 0", "m=audio 1 RTP/AVP 0", "a=inactive"]);
    let session = read(&body);
    assert_eq!(session.medias[0].direction, Direction::SendOnly);
    assert_eq!(session.medias[0].own_direction, None);
    assert_eq!(session.medias[1].direction, Direction::Inactive);
    assert_eq!(read(&with_media(&["m=audio 1 RTP/AVP 0"])).medias[0].direction, Direction::SendRecv);
}

#[test]
fn direction_words_with_a_value_are_some_other_attribute() {
    let body = with_media(&["m=audio 1 RTP/AVP 0", "a=sendonly", "a=inactive:soon", "a=inactive2"]);
    assert_eq!(read(&body).medias[0].own_direction, Some(Direction::SendOnly));
}

#[test]
fn zero_address_is_hold() {
    for (address, attribute, expected) in [
        ("c=IN IP4 0.0.0.0", "a=sendrecv", Direction::SendOnly),
        ("c=IN IP6 ::", "a=recvonly", Direction::Inactive),
        ("c=IN IP4 192.0.2.1", "a=recvonly", Direction::RecvOnly),
    ] {
        let body = with_media(&["m=audio 5000 RTP/AVP 0", address, attribute]);
        assert_eq!(read(&body).medias[0].effective_direction(), expected, "{address} {attribute}");
    }
}

#[test]
fn host_names_are_kept_without_a_number() {
    let body = with_media(&["m=audio 5000 RTP/AVP 0", "c=IN IP4 phone.example.com"]);
    let session = read(&body);
    let connection = session.medias[0].connection.unwrap();
    assert_eq!((connection.address, connection.ip), ("phone.example.com", None));
    assert_eq!(session.medias[0].endpoint(), None);
}

#[test]
fn protocols_are_recognised_in_any_case() {
    for (name, protocol, rtp, udp) in [
        ("rtp/avp", Protocol::RtpAvp, true, true),
        ("UDP/TLS/RTP/SAVPF", Protocol::UdpTlsRtpSavpf, true, true),
        ("UDPTL", Protocol::Udptl, false, true),
        ("TCP/MSRP", Protocol::Tcp, false, false),
        ("PIGEON/1.0", Protocol::Unknown, false, false),
    ] {
        assert_eq!(Protocol::of(name), protocol);
        assert_eq!((protocol.is_rtp(), protocol.is_udp()), (rtp, udp), "{name}");
    }
    assert!(Protocol::RtpSavpf.is_srtp() && Protocol::RtpSavpf.is_feedback());
    assert!(!Protocol::RtpAvp.is_srtp() && !Protocol::RtpAvp.is_feedback());
}

#[test]
fn security_attributes_of_both_levels_count() {
    let body = crlf(&[
        "v=0",
        "a=fingerprint:sha-256 00",
        "m=audio 1 RTP/SAVP 0",
        "a=crypto:1 x y",
        "m=audio 1 RTP/SAVP 0",
        "a=ice-ufrag:u",
        "a=setup:active",
    ]);
    let session = read(&body);
    assert_eq!(session.security, Security { ice: false, sdes: false, dtls: true });
    assert_eq!(session.medias[0].security, Security { ice: false, sdes: true, dtls: true });
    assert_eq!(session.medias[1].security, Security { ice: true, sdes: false, dtls: true });
}

#[test]
fn blank_lines_are_kept_unless_invalid_bodies_are_to_be_rejected() {
    let body = "v=0\r\nm=audio 1 RTP/AVP 0\r\n\r\n";
    assert_eq!(read(body).lines.len(), 3);
    let strict = parse(body.as_bytes(), ParseOptions { reject_invalid: true });
    assert_eq!(strict, Err(SdpError::BlankLine { line: 3 }));
}

#[test]
fn bodies_that_cannot_be_trusted_are_refused() {
    assert_eq!(refuse(b""), SdpError::Empty);
    assert_eq!(refuse(b"garbage"), SdpError::NotSdp);
    assert_eq!(refuse(b"\r\nv=0\r\n"), SdpError::NotSdp);
    assert_eq!(refuse(b"v=1\r\n"), SdpError::NotSdp);
    assert_eq!(refuse(b"v=0\r\nhello\r\n"), SdpError::NotALine { line: 2 });
    for line in ["m=", "m=audio", "m=audio 1", "m=audio x RTP/AVP 0", "m=audio 65536 RTP/AVP 0", "m=a -1 b"] {
        let body = format!("v=0\n{line}\n");
        assert!(matches!(refuse(body.as_bytes()), SdpError::Malformed { line: 2, .. }), "{line}");
    }
    for line in ["c=", "c=IN", "c=IN IP4", "o=", "o=- 1 1 IN IP4"] {
        let body = format!("v=0\n{line}\n");
        assert!(matches!(refuse(body.as_bytes()), SdpError::Malformed { line: 2, .. }), "{line}");
    }
}

#[test]
fn limits_are_exact() {
    let media = "m=audio 1 RTP/AVP 0\n";
    let most = format!("v=0\n{}", media.repeat(MAX_MEDIAS));
    assert_eq!(read(&most).medias.len(), MAX_MEDIAS);
    let refused = refuse(format!("{most}{media}").as_bytes());
    assert_eq!(refused, SdpError::TooManyMedias { line: MAX_MEDIAS + 2 });

    let most = format!("v=0\n{}", "a=x\n".repeat(MAX_LINES - 1));
    assert_eq!(read(&most).lines.len(), MAX_LINES);
    assert_eq!(refuse(format!("{most}a=x\n").as_bytes()), SdpError::TooManyLines);

    let longest = format!("v=0\na={}\n", "x".repeat(MAX_LINE_LEN - 2));
    assert_eq!(read(&longest).lines[1].raw.len(), MAX_LINE_LEN);
    let longer = format!("v=0\na={}\n", "x".repeat(MAX_LINE_LEN - 1));
    assert_eq!(refuse(longer.as_bytes()), SdpError::LineTooLong { line: 2 });

    let most = format!("v=0\nm=audio 1 RTP/AVP{}\n", " 0".repeat(MAX_FORMATS));
    assert_eq!(read(&most).medias[0].formats.len(), MAX_FORMATS);
    let more = format!("v=0\nm=audio 1 RTP/AVP{}\n", " 0".repeat(MAX_FORMATS + 1));
    assert_eq!(refuse(more.as_bytes()), SdpError::TooManyFormats { line: 2 });

    assert_eq!(refuse(&vec![b'v'; MAX_BODY_LEN + 1]), SdpError::BodyTooLong(MAX_BODY_LEN + 1));
}

#[test]
fn directions_mirror() {
    for direction in [Direction::SendRecv, Direction::SendOnly, Direction::RecvOnly, Direction::Inactive] {
        assert_eq!(direction.reversed().reversed(), direction);
        assert_eq!(Direction::from_parts(direction.sends(), direction.receives()), direction);
    }
    assert_eq!(Direction::SendOnly.reversed(), Direction::RecvOnly);
}
