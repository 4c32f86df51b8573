//! The two bodies of an observed offer and answer, byte for byte.

use super::super::{Direction, MediaPlan, RtcpPlan};
use super::{crlf, for_medias, ip, rewritten};

fn body(port: u16) -> String {
    let media = format!("m=audio {port} RTP/AVP 8 0 101");
    crlf(&[
        "v=0",
        "o=- 1 1 IN IP4 127.0.0.1",
        "s=x",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        &media,
        "a=rtpmap:101 telephone-event/8000",
    ])
}

fn plan(address: &str, port: u16) -> MediaPlan<'static> {
    MediaPlan {
        address: Some(ip(address)),
        port: Some(port),
        rtcp: RtcpPlan::Port(port + 1),
        direction: Some(Direction::SendRecv),
        complete_rtpmaps: true,
        ..MediaPlan::default()
    }
}

#[test]
fn offer_comes_out_as_observed() {
    let expected = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 10.9.8.7\r\nt=0 0\r\n\
        m=audio 40022 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\na=rtcp:40023\r\n";
    assert_eq!(rewritten(&body(23000), &for_medias([plan("10.9.8.7", 40022)])), expected);
}

#[test]
fn answer_comes_out_as_observed() {
    let expected = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
        m=audio 40062 RTP/AVP 8 0 101\r\na=rtpmap:8 PCMA/8000\r\na=rtpmap:0 PCMU/8000\r\n\
        a=rtpmap:101 telephone-event/8000\r\na=sendrecv\r\na=rtcp:40063\r\n";
    assert_eq!(rewritten(&body(23002), &for_medias([plan("127.0.0.1", 40062)])), expected);
}
