//! Hold in its three forms, and lines that are not RTP audio.

use rtpengine_core::{
    io::{Component, Reason},
    ng::{Flag, Replace},
};

use crate::pair::{Pair, audio, audio_with};

#[test]
fn sendonly_holds_the_other_direction_and_sendrecv_resumes() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let held = pair.offer("ft", "tt", &audio_with("192.0.2.1", 2000, "a=sendonly\r\n"));
    assert!(held.text.contains("a=sendonly\r\n"), "{}", held.text);
    let answer = pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, "a=recvonly\r\n"));
    assert!(answer.text.contains("a=recvonly\r\n"));
    assert_eq!(pair.relay(&caller).discard, None, "music on hold");
    assert_eq!(pair.relay(&callee).discard, Some(Reason::Hold));
    let rtcp = pair.plane.relay.values().filter(|relay| relay.component == Component::Rtcp);
    assert!(rtcp.clone().count() == 2 && rtcp.clone().all(|relay| relay.discard.is_none()), "RTCP goes on");
    pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert!(pair.plane.relay.values().all(|relay| relay.discard.is_none()));
}

#[test]
fn inactive_holds_both() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    pair.offer("tt", "ft", &audio_with("192.0.2.2", 3000, "a=inactive\r\n"));
    pair.answer("tt", "ft", &audio_with("192.0.2.1", 2000, "a=inactive\r\n"));
    assert_eq!(pair.relay(&caller).discard, Some(Reason::Hold));
    assert_eq!(pair.relay(&callee).discard, Some(Reason::Hold));
}

#[test]
fn a_zero_address_passes_through_unless_replaced() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let held = pair.offer("ft", "tt", &audio("0.0.0.0", 2000));
    assert!(
        held.text.contains("c=IN IP4 0.0.0.0\r\n") && held.text.contains("a=sendonly\r\n"),
        "{}",
        held.text
    );
    assert_eq!(pair.relay(&callee).discard, Some(Reason::Hold));
    assert_eq!(pair.relay(&caller).endpoint, None);
    let replaced = pair.offer_with("ft", "tt", &audio("0.0.0.0", 2000), |request| {
        request.replace.insert(Replace::ZeroAddress);
    });
    assert_eq!(replaced.rtp, callee.rtp);
    let resumed = pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    assert_eq!(resumed.rtp, callee.rtp);
    assert_eq!(pair.relay(&caller).endpoint, Some("192.0.2.1:2000".parse().unwrap()));
}

#[test]
fn original_sendrecv_leaves_direction_attributes_alone() {
    let mut pair = Pair::new();
    let change = |request: &mut rtpengine_core::ng::Request| request.flags.insert(Flag::OriginalSendrecv);
    assert!(!pair.offer_with("ft", "", &audio("192.0.2.1", 2000), change).text.contains("sendrecv"));
    let held = pair.offer_with("ft", "", &audio_with("192.0.2.1", 2000, "a=sendonly\r\n"), change);
    assert_eq!(held.text.matches("a=sendonly").count(), 1);
}

#[test]
fn fax_is_relayed_unread_and_tcp_passes_untouched() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let fax = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=image 2000 udptl t38\r\na=T38FaxVersion:0\r\n";
    let offered = pair.offer("ft", "tt", fax);
    assert_eq!(offered.rtp, callee.rtp, "audio turned into fax keeps its port");
    assert!(
        offered.text.ends_with(
            "m=image %P udptl t38\r\na=T38FaxVersion:0\r\n"
                .replace("%P", &callee.rtp.port().to_string())
                .as_str()
        ),
        "{}",
        offered.text
    );
    pair.answer("ft", "tt", &fax.replace("192.0.2.1", "192.0.2.2"));
    assert_eq!(pair.relay(&caller).component, Component::Raw);
    assert_eq!(pair.plane.open.len(), 2, "no RTCP");

    let message =
        "m=message 2855 TCP/MSRP *\r\nc=IN IP4 192.0.2.66\r\na=path:msrp://192.0.2.66:2855/x;tcp\r\n";
    let mut pair = Pair::new();
    let offered = pair.offer("ft", "", &audio_with("192.0.2.1", 2000, message));
    assert!(offered.text.ends_with(message), "{}", offered.text);
    assert_eq!(pair.plane.open.len(), 4);
}

#[test]
fn encryption_passes_through_and_ice_does_not() {
    let mut pair = Pair::new();
    let body = audio_with("192.0.2.1", 2000, "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc\r\na=candidate:1 1 UDP 1 192.0.2.1 2000 typ host\r\na=ice-ufrag:x\r\na=ice-pwd:y\r\n")
        .replace("RTP/AVP", "RTP/SAVP");
    let seen = pair.offer("ft", "", &body);
    assert!(
        seen.text.contains("RTP/SAVP 8 0 101")
            && seen.text.contains("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:abc")
    );
    assert!(!seen.text.contains("candidate") && !seen.text.contains("ice-"), "{}", seen.text);
}

#[test]
fn an_answer_comes_in_the_profile_of_the_offer() {
    let mut pair = Pair::new();
    let feedback = audio("192.0.2.1", 2000).replace("RTP/AVP", "RTP/AVPF");
    let offered = pair.offer_with("ft", "", &feedback, |request| {
        request.transport_protocol = Some(rtpengine_core::ng::TransportProtocol::RtpAvp);
    });
    assert!(offered.text.contains(" RTP/AVP 8"));
    assert!(pair.answer("ft", "tt", &audio("192.0.2.2", 3000)).text.contains(" RTP/AVPF 8"));
    let accepted = pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| {
        request.transport_protocol = Some(rtpengine_core::ng::TransportProtocol::Accept);
    });
    assert!(accepted.text.contains(" RTP/AVP 8"));
}

#[test]
fn drop_traffic_silences_the_call_until_stopped() {
    use rtpengine_core::ng::DropTraffic;
    let mut pair = Pair::new();
    pair.call();
    pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), |request| {
        request.drop_traffic = Some(DropTraffic::Start)
    });
    let media = |pair: &Pair| pair.plane.relay.values().filter(|relay| relay.discard.is_some()).count();
    assert_eq!(media(&pair), 2);
    pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| {
        request.drop_traffic = Some(DropTraffic::Stop)
    });
    assert_eq!(media(&pair), 0);
}

#[test]
fn bundles_are_taken_apart() {
    let mut pair = Pair::new();
    let body = audio_with(
        "192.0.2.1",
        2000,
        "a=mid:0\r\nm=video 2000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=mid:1\r\n",
    )
    .replace("t=0 0\r\n", "t=0 0\r\na=group:BUNDLE 0 1\r\n");
    let seen = pair.offer("ft", "", &body);
    assert!(!seen.text.contains("BUNDLE") && seen.text.contains("a=mid:1"), "{}", seen.text);
    assert_eq!(pair.plane.open.len(), 8, "a port for each");
}

#[test]
fn without_a_certificate_the_parties_shake_hands_with_each_other() {
    let mut pair = Pair::new();
    let offer = audio("192.0.2.1", 2000).replace("RTP/AVP", "UDP/TLS/RTP/SAVPF");
    let offered = pair.offer("ft", "", &offer.replace("a=rtpmap", "a=fingerprint:sha-1 00\r\na=rtpmap"));
    assert!(offered.text.contains("fingerprint:sha-1 00") && offered.text.contains("UDP/TLS/RTP/SAVPF"));
    assert!(pair.relay(&offered).passes_dtls && pair.plane.dtls.is_empty());
}
