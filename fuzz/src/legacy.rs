//! Control messages of the protocols before ng.

use rtpengine_core::legacy::{Answer, Request, tcp, udp};

/// Reading never panics, and every datagram with a cookie gets one line for reply, whatever the engine says.
pub fn check(bytes: &[u8]) {
    if let tcp::Parsed::Request(request) = tcp::Parsed::of(bytes) {
        bounded(&request);
        for answer in answers() {
            let reply = tcp::reply(answer.as_ref(), "1");
            assert!(reply.is_empty() || reply.ends_with('\n'));
        }
    }
    let Some(udp::Message { cookie, body }) = udp::Message::split(bytes) else { return };
    let parsed = udp::Parsed::of(body);
    if let udp::Parsed::Request(request) = &parsed {
        bounded(request);
    }
    for answer in answers() {
        let reply = udp::reply(cookie, &parsed, answer.as_ref());
        let text = reply.strip_prefix(cookie).and_then(|rest| rest.strip_prefix(b" "));
        let text = text.and_then(|text| text.strip_suffix(b"\n"));
        assert!(text.is_some_and(|text| !text.is_empty() && text.is_ascii() && !text.contains(&b'\n')));
    }
}

/// As many m-lines as a body may have, each in its place.
fn bounded(request: &Request) {
    assert!(request.streams.len() <= 64);
    assert!(request.streams.iter().all(|stream| stream.line.index() < 64));
}

fn answers() -> impl Iterator<Item = Option<Answer>> {
    let address = "[2001:db8::1]:40000".parse().ok();
    [
        None,
        Some(Answer::Alive),
        Some(Answer::Addresses(vec![address, None])),
        Some(Answer::Deleted),
        Some(Answer::Counts { remaining: 0, rtp: u64::MAX, rtcp: 1 }),
        Some(Answer::Sessions { calls: vec!["call".to_owned()], bytes: 1 }),
    ]
    .into_iter()
}
