//! Bodies as whole texts: what stands where, and that nothing else changes.

use rtpengine_core::{
    codecs::CodecList,
    ng::{Command, Dict, Outcome, Request, TransportProtocol, Value},
};

use crate::{
    dtls_support,
    pair::{Pair, audio_with, error},
};

/// The body that comes of `body` with these flags, ports as `P` and `Q` for RTP and RTCP.
fn rewritten(pair: &mut Pair, command: Command, flags: &str, body: &[u8]) -> Vec<u8> {
    let dict = Dict::new()
        .with("command", if command == Command::Offer { "offer" } else { "answer" })
        .with("call-id", "call1")
        .with("from-tag", "ft")
        .with("to-tag", if command == Command::Offer { "" } else { "tt" })
        .with("flags", flags)
        .with("sdp", body.to_vec());
    let reply = pair.send(&Request::parse(&dict).unwrap());
    assert_eq!(reply.outcome, Outcome::Ok, "{reply:?}");
    assert_eq!(reply.warnings, Vec::<String>::new());
    let mut body = reply.body.get("sdp").and_then(Value::as_bytes).unwrap().to_vec();
    for open in pair.plane.open.values() {
        let port = open.local.port();
        let name: &[u8] = if port % 2 == 0 { b"P" } else { b"Q" };
        let digits = port.to_string();
        while let Some(at) = body.windows(5).position(|window| window == digits.as_bytes()) {
            body.splice(at..at + 5, name.iter().copied());
        }
    }
    body
}

fn offered(flags: &str, body: &str) -> String {
    String::from_utf8(rewritten(&mut dtls_support::pair(), Command::Offer, flags, body.as_bytes())).unwrap()
}

fn crlf(text: &str) -> String {
    text.trim_start().lines().map(|line| line.trim_start().to_owned() + "\r\n").collect()
}

#[test]
fn missing_rtpmaps_follow_the_new_order() {
    let body = crlf(
        "v=0
        o=- 1 1 IN IP4 192.0.2.1
        s=x
        c=IN IP4 192.0.2.1
        t=0 0
        m=audio 2000 RTP/AVP 0 8 18 101
        a=rtpmap:101 telephone-event/8000",
    );
    assert_eq!(
        offered("codec-strip-PCMU codec-offer-G729", &body),
        crlf(
            "v=0
            o=- 1 1 IN IP4 192.0.2.1
            s=x
            c=IN IP4 10.9.0.1
            t=0 0
            m=audio P RTP/AVP 18 8 101
            a=rtpmap:18 G729/8000
            a=rtpmap:8 PCMA/8000
            a=rtpmap:101 telephone-event/8000
            a=sendrecv
            a=rtcp:Q"
        )
    );
}

#[test]
fn lines_of_any_bytes_go_with_their_format() {
    let body = b"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=\xe9t\xe9\nc=IN IP4 192.0.2.1\nt=0 0\nm=audio 2000 RTP/AVP 0 96\n\
        a=rtpmap:96 X\xe9/8000\na=fmtp:96 \xe9\na=fmtp:0 \xe9\na=rtcp-fb:96 \xff\na=rtcp-fb:* \xff\na=x:96 \xe9";
    let read = rewritten(&mut Pair::new(), Command::Offer, "codec-strip-96", body);
    let expected =
        b"v=0\no=- 1 1 IN IP4 192.0.2.1\ns=\xe9t\xe9\nc=IN IP4 10.9.0.1\nt=0 0\nm=audio P RTP/AVP 0\n\
        a=rtpmap:0 PCMU/8000\na=fmtp:0 \xe9\na=rtcp-fb:* \xff\na=x:96 \xe9\na=sendrecv\na=rtcp:Q\n";
    assert_eq!(read.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn lines_about_formats_that_were_not_there_go_as_well() {
    let body = audio_with("192.0.2.1", 2000, "a=rtpmap:120 ghost/8000\r\na=fmtp:120 x\r\na=rtpmap:zz y\r\n");
    let read = offered("codec-strip-PCMU", &body);
    assert!(!read.contains(":120 ") && read.contains("a=rtpmap:zz y\r\n"), "{read}");
    assert!(
        offered("codec-strip-GSM", &body).contains("a=rtpmap:120 ghost/8000\r\n"),
        "unless nothing changes"
    );
}

#[test]
fn a_rejected_m_line_has_a_dummy_format() {
    let body = audio_with(
        "192.0.2.1",
        2000,
        "m=video 2010 RTP/AVPF 96 97\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtcp-fb:96 nack\r\na=sendonly\r\n",
    );
    let read = offered("codec-strip-VP8 allow-no-codec-media", &body);
    let video = read.find("m=video").map(|at| &read[at..]).unwrap();
    assert_eq!(video, "m=video 0 RTP/AVPF 0\r\na=inactive\r\n");
}

#[test]
fn a_rejected_m_line_holds_no_ports() {
    let mut pair = Pair::new();
    let body = audio_with("192.0.2.1", 2000, "m=video 2010 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n");
    rewritten(&mut pair, Command::Offer, "codec-strip-VP8 allow-no-codec-media", body.as_bytes());
    assert_eq!(pair.plane.open.len(), 4);
    rewritten(&mut pair, Command::Offer, "", body.as_bytes());
    assert_eq!(pair.plane.open.len(), 8);
    rewritten(&mut pair, Command::Offer, "codec-strip-VP8 allow-no-codec-media", body.as_bytes());
    assert_eq!(pair.plane.open.len(), 4);
    pair.delete("ft", "");
    pair.wait(1);
    pair.assert_empty();
}

#[test]
fn a_browser_and_a_phone_settle_on_what_both_have() {
    let mut pair = dtls_support::pair();
    let browser = crlf(
        "v=0
        o=- 4611731400430051336 2 IN IP4 127.0.0.1
        s=-
        t=0 0
        a=group:BUNDLE 0
        a=msid-semantic: WMS stream
        m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
        c=IN IP4 0.0.0.0
        a=rtcp:9 IN IP4 0.0.0.0
        a=ice-ufrag:F7gI
        a=ice-pwd:x9cml/YzichV2+XlhiMu8gza
        a=ice-options:trickle
        a=fingerprint:sha-256 0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9:0A:1B:2C:3D:4E:5F:60:71:82:93:A4:B5:C6:D7:E8:F9
        a=setup:actpass
        a=mid:0
        a=sendrecv
        a=rtcp-mux
        a=rtpmap:111 opus/48000/2
        a=rtcp-fb:111 transport-cc
        a=fmtp:111 minptime=10;useinbandfec=1
        a=rtpmap:63 red/48000/2
        a=fmtp:63 111/111
        a=rtpmap:9 G722/8000
        a=rtpmap:0 PCMU/8000
        a=rtpmap:8 PCMA/8000
        a=rtpmap:13 CN/8000
        a=rtpmap:110 telephone-event/48000
        a=rtpmap:126 telephone-event/8000
        a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6",
    );
    let flags = "codec-strip-all codec-offer-PCMA codec-offer-PCMU codec-offer-telephone-event transport-protocol=RTP/AVP ICE=remove rtcp-mux-demux replace-zero-address";
    let read = rewritten(&mut pair, Command::Offer, flags, browser.as_bytes());
    let expected = crlf(
        "v=0
        o=- 4611731400430051336 2 IN IP4 127.0.0.1
        s=-
        t=0 0
        a=msid-semantic: WMS stream
        m=audio P RTP/AVP 8 0 126
        c=IN IP4 10.9.0.1
        a=rtcp:Q
        a=mid:0
        a=sendonly
        a=rtpmap:0 PCMU/8000
        a=rtpmap:8 PCMA/8000
        a=rtpmap:126 telephone-event/8000
        a=ssrc:3570614608 cname:4TOk42mSjXCkVIa6",
    );
    assert_eq!(String::from_utf8(read).unwrap(), expected);

    let phone =
        audio_with("192.0.2.2", 3000, "a=rtpmap:18 G729/8000\r\n").replace("AVP 8 0 101", "AVP 18 8 126");
    let phone = phone.replace("rtpmap:101", "rtpmap:126");
    let read = rewritten(&mut pair, Command::Answer, "", phone.as_bytes());
    let read = String::from_utf8(read).unwrap();
    assert!(read.contains("m=audio P UDP/TLS/RTP/SAVPF 8 126\r\n"), "{read}");
    assert!(!read.contains("G729") && !read.contains("111") && read.contains("a=rtcp-mux"), "{read}");
}

#[test]
fn opportunistic_srtp_is_listed_twice_with_the_same_formats() {
    let flags = "OSRTP=offer-legacy transport-protocol=RTP/SAVP codec-strip-PCMU codec-strip-telephone-event DTLS=off";
    let read = offered(flags, &audio_with("192.0.2.1", 2000, ""));
    assert!(read.contains("m=audio P RTP/AVP 8\r\n") && read.contains("m=audio P RTP/SAVP 8\r\n"), "{read}");
    assert_eq!(read.matches("a=rtpmap:8 PCMA/8000").count(), 2);
    assert_eq!(read.matches("rtpmap").count(), 2, "{read}");
}

#[test]
fn a_request_that_fails_remembers_nothing() {
    let mut pair = Pair::new();
    let body = audio_with("192.0.2.1", 2000, "");
    rewritten(&mut pair, Command::Offer, "", body.as_bytes());
    pair.plane.no_randomness = true;
    let request = Pair::request(Command::Offer, "ft", "", &body, |request| {
        request.codecs.add(CodecList::Strip, "PCMU");
        request.transport_protocol = Some(TransportProtocol::RtpSavp);
    });
    let reply = pair.send(&request);
    assert!(!error(&reply).is_empty());
    pair.plane.no_randomness = false;
    rewritten(&mut pair, Command::Offer, "", body.as_bytes());
    let answer = rewritten(&mut pair, Command::Answer, "", body.as_bytes());
    assert!(String::from_utf8(answer).unwrap().contains("RTP/AVP 8 0 101\r\n"));
}

#[test]
fn clock_rates_are_those_of_the_receivers_numbers() {
    let mut pair = Pair::new();
    let body = |address: &str, port: u16, opus: u8| {
        let lines = format!("a=rtpmap:{opus} opus/48000/2\r\n");
        audio_with(address, port, &lines).replace("AVP 8 0 101", &format!("AVP {opus} 8"))
    };
    let callee = pair.offer("ft", "", &body("192.0.2.1", 2000, 111));
    let caller = pair.answer("ft", "tt", &body("192.0.2.2", 3000, 96));
    let rate = |seen, number| {
        let rates = &pair.relay(seen).clock_rates;
        rates.iter().find(|(known, _)| *known == number).map(|(_, rate)| *rate)
    };
    assert_eq!((rate(&caller, 96), rate(&callee, 111)), (Some(48_000), Some(48_000)));
    assert_eq!((rate(&caller, 8), rate(&callee, 8)), (Some(8000), Some(8000)));
}
