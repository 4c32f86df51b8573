//! `OSRTP=offer-legacy` and `accept-legacy`: two sections in the SDP of a party, one m-line in the call.

use std::net::SocketAddr;

use rtpengine_common::srtp::Suite;
use rtpengine_core::{io::Reason, ng::Request, sdp};

use crate::{
    keys::{CM_80, KEY_A, KEY_B, accept, crypto, line, lines, params, savp, to_rtp, to_srtp},
    pair::{Pair, Seen, audio},
};

/// `PROTOCOL PORT` of every section.
fn sections(seen: &Seen) -> Vec<(String, u16)> {
    let session = sdp::parse(seen.text.as_bytes(), sdp::ParseOptions::default()).unwrap();
    session.medias.iter().map(|media| (media.protocol_name.to_owned(), media.port)).collect()
}

/// What a party reads in the second section.
fn second(seen: &Seen) -> Seen {
    let (head, sections) = seen.text.split_once("m=audio").unwrap();
    let section = sections.split_once("m=audio").unwrap().1;
    let text = format!("{head}m=audio{section}");
    let session = sdp::parse(text.as_bytes(), sdp::ParseOptions::default()).unwrap();
    let media = &session.medias[0];
    Seen { rtp: media.endpoint().unwrap(), rtcp: media.rtcp_endpoint(), text: text.clone() }
}

/// A plain section at `port` and an encrypted one at `port + 2`; 0 rejects one.
fn twice(address: &str, plain: u16, secure: u16, keys: &str) -> String {
    format!("{}m=audio {secure} RTP/SAVP 8 0 101\r\n{keys}", audio(address, plain))
}

fn offer_legacy(request: &mut Request) {
    to_srtp(request);
    assert!(request.osrtp.apply(b"offer-legacy"));
}

fn accept_legacy(request: &mut Request) {
    assert!(request.osrtp.apply(b"accept"));
}

#[test]
fn a_plain_offer_becomes_two_sections_on_one_port() {
    let mut pair = Pair::new();
    let offer = audio("192.0.2.1", 2000) + "a=mid:0\r\n";
    let callee = pair.offer_with("ft", "", &offer, offer_legacy);
    let port = callee.rtp.port();
    assert_eq!(sections(&callee), [("RTP/AVP".to_owned(), port), ("RTP/SAVP".to_owned(), port)]);
    assert!(lines(&callee).is_empty(), "the plain section has no keys: {}", callee.text);
    assert_eq!(lines(&second(&callee)).len(), 12);
    assert_eq!(callee.text.matches("a=mid:").count(), 1, "{}", callee.text);
    assert_eq!(pair.relay(&callee).discard, Some(Reason::NoKeys), "either may come");
}

#[test]
fn the_callee_takes_either_section() {
    for encrypted in [true, false] {
        let mut pair = Pair::new();
        let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), offer_legacy);
        let answer = if encrypted {
            let taken = accept(&second(&callee), Suite::AesCm128HmacSha1_80, KEY_B);
            twice("192.0.2.2", 0, 3002, &taken)
        } else {
            twice("192.0.2.2", 3000, 0, "")
        };
        let caller = pair.answer_with("ft", "tt", &answer, accept_legacy);
        assert_eq!(sections(&caller), [("RTP/AVP".to_owned(), caller.rtp.port())], "as it was offered");
        assert!(lines(&caller).is_empty());
        assert_eq!(pair.relay(&callee).discard, None);
        assert_eq!(pair.relay(&callee).receive_crypto, encrypted.then(|| params(CM_80, KEY_B)));
        let port = if encrypted { 3002 } else { 3000 };
        assert_eq!(pair.relay(&callee).endpoint, Some(SocketAddr::from(([192, 0, 2, 2], port))));
    }
}

#[test]
fn an_offer_of_twins_is_srtp_and_the_answer_rejects_the_plain_one() {
    for secure_first in [false, true] {
        let mut pair = Pair::new();
        let keys = crypto(1, CM_80, KEY_A);
        let offer = if secure_first {
            format!("{}m=audio 2000 RTP/AVP 8 0 101\r\n", savp("192.0.2.1", 2002, &keys))
        } else {
            twice("192.0.2.1", 2000, 2002, &keys)
        };
        let callee = pair.offer_with("ft", "", &offer, |request| {
            accept_legacy(request);
            to_rtp(request);
        });
        assert_eq!(sections(&callee), [("RTP/AVP".to_owned(), callee.rtp.port())]);
        assert!(lines(&callee).is_empty());
        let caller = pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), accept_legacy);
        let mut written = sections(&caller);
        if secure_first {
            written.reverse();
        }
        assert_eq!((written[0].0.as_str(), written[0].1), ("RTP/AVP", 0), "{}", caller.text);
        assert_eq!(written[1].0, "RTP/SAVP");
        let srtp = if secure_first { caller } else { second(&caller) };
        assert_eq!((line(&srtp).tag, line(&srtp).suite()), (1, Suite::AesCm128HmacSha1_80));
        assert_eq!(pair.relay(&srtp).receive_crypto, Some(params(CM_80, KEY_A)));
        assert_eq!(pair.ports_used(), 4, "no socket for the section that is not used");
    }
}

#[test]
fn twins_pass_through_as_twins() {
    let mut pair = Pair::new();
    let both = |request: &mut Request| {
        accept_legacy(request);
        assert!(request.osrtp.apply(b"offer-legacy"));
    };
    let callee = pair.offer_with("ft", "", &twice("192.0.2.1", 2000, 2002, &crypto(1, CM_80, KEY_A)), both);
    assert_eq!(sections(&callee).len(), 2);
    let taken = accept(&second(&callee), Suite::AesCm128HmacSha1_80, KEY_B);
    let caller = pair.answer_with("ft", "tt", &twice("192.0.2.2", 0, 3002, &taken), both);
    assert_eq!(sections(&caller)[0], ("RTP/AVP".to_owned(), 0));
    assert_eq!(
        line(&second(&caller)).params,
        params(CM_80, KEY_B),
        "the callee's own key: nothing to decrypt"
    );
    assert_eq!(pair.relay(&callee).receive_crypto, None);
}

#[test]
fn without_the_flag_both_sections_are_relayed() {
    let mut pair = Pair::new();
    let offer = twice("192.0.2.1", 2000, 2002, &crypto(1, CM_80, KEY_A));
    let callee = pair.offer("ft", "", &offer);
    let (plain, secure) = (callee.rtp.port(), second(&callee).rtp.port());
    assert_ne!(plain, secure);
    assert_eq!(pair.ports_used(), 8);
}

#[test]
fn reoffers_keep_the_number_of_sections() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), offer_legacy);
    pair.answer_with("ft", "tt", &twice("192.0.2.2", 3000, 0, ""), accept_legacy);
    // The callee, who took the plain section, has both again in its own offer, without any flag of the proxy.
    let caller = pair.offer("tt", "ft", &twice("192.0.2.2", 3000, 0, ""));
    assert_eq!(sections(&caller), [("RTP/AVP".to_owned(), caller.rtp.port())]);
    let answered = pair.answer("tt", "ft", &audio("192.0.2.1", 2000));
    let port = callee.rtp.port();
    assert_eq!(sections(&answered), [("RTP/AVP".to_owned(), port), ("RTP/SAVP".to_owned(), 0)]);
    // The caller's next offer is plain for the callee, and yet of two sections.
    let again = pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    assert_eq!(sections(&again), [("RTP/AVP".to_owned(), port), ("RTP/SAVP".to_owned(), 0)]);
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn a_callee_that_answers_with_one_section_is_understood() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), offer_legacy);
    pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), accept_legacy);
    assert_eq!(pair.relay(&callee).discard, None);
    assert_eq!(pair.relay(&callee).receive_crypto, None);
}
