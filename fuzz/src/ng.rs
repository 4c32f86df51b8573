//! Control messages.

use rtpengine_core::ng::Request;
use rtpengine_core::ng::message::{self, Framed, Framer, Message};

/// Reading never panics, what was read survives being written and read again, and the TCP framer
/// finds the same message however the stream is cut.
pub fn check(datagram: &[u8]) {
    let whole = Framer::default().next(datagram);
    let mut framer = Framer::default();
    let cut = (0..=datagram.len().min(2048))
        .filter_map(|end| datagram.get(..end))
        .map(|stream| framer.next(stream))
        .find(|framed| *framed != Ok(Framed::Incomplete));
    if let (Some(cut), true) = (cut, datagram.len() <= 2048) {
        assert_eq!(cut, whole, "the stream was cut in other places");
    }

    let Some(Message { cookie, body }) = Message::split(datagram) else { return };
    let Ok(dict) = message::decode(body) else { return };
    let encoding = message::encoding_of(body);
    let once = message::encode(cookie, encoding, &dict);
    let again = Message::split(&once);
    assert_eq!(again.map(|message| message.cookie), Some(cookie));
    match message::decode(again.map_or(&[], |message| message.body)) {
        Ok(back) => assert_eq!(back, dict),
        // Escapes and markup can push a body over the size limit.
        Err(error) => assert!(once.len() > 128 * 1024, "own message refused: {error}"),
    }
    if let Ok(request) = Request::parse(&dict) {
        let _ = request.warnings();
    }
}
