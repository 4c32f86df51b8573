//! `WebRTC`: one flag for many.

use super::{HEAD, offer, request, shown};
use crate::{dtls_support::identity, pair::Pair};

const ALL: &str = r#""transport-protocol":"UDP/TLS/RTP/SAVPF","ICE":"force","rtcp-mux":["offer","require"],"SDES":["off"],"flags":["trickle ICE","no rtcp attribute","generate mid"]"#;

/// Without what is empty or was only said in other words.
fn parsed(keys: &str) -> String {
    let mut request = request("offer", r#""from-tag":"ft""#, keys, "");
    let same = request.flags;
    request.flags = [].into_iter().collect();
    request.is_unread = false;
    request.said = rtpengine_core::ng::scope::Said::default();
    let flags: Vec<_> = rtpengine_core::ng::Flag::ALL
        .iter()
        .filter(|flag| same.has(**flag) && flag.name() != "WebRTC")
        .collect();
    format!("{flags:?} {request:?}")
}

#[test]
fn the_flag_says_what_its_members_say() {
    assert_eq!(parsed(r#""flags":["WebRTC"]"#), parsed(ALL));
    assert_eq!(parsed(r#""rtpp_flags":"webrtc""#), parsed(ALL));
}

#[test]
fn a_plain_offer_becomes_one_for_a_browser() {
    let mut pair = Pair::new();
    pair.plane.identity = Some(identity(1));
    let reply = offer(&mut pair, r#""flags":["WebRTC"]"#, &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
    let shown = shown(&reply);
    for line in [
        "m=audio PORT UDP/TLS/RTP/SAVPF 0",
        "a=rtcp-mux",
        "a=mid:0",
        "a=ice-options:trickle",
        "a=setup:actpass",
    ] {
        assert!(shown.split(" / ").any(|own| own == line), "{line} is not in {shown}");
    }
    assert!(!shown.contains("a=rtcp:") && !shown.contains("a=crypto"), "{shown}");
    assert!(reply.warnings.is_empty(), "{:?}", reply.warnings);
}
