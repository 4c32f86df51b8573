//! Bodies with crypto lines, and what a party reads of them.

use std::sync::Arc;

use rtpengine_common::srtp::{CryptoParams, Suite};
use rtpengine_core::{
    ng::{Request, TransportProtocol},
    sdp::{self, security::media_security},
    secure::Line,
};

use crate::pair::{Seen, audio_with};

/// Two keys of a caller and one of a callee, for suites with 128 bit keys.
pub const KEY_A: &str = "WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
pub const KEY_A2: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
pub const KEY_B: &str = "MTIzNDU2Nzg5QUJDREUwMTIzNDU2Nzg5QUJjZGVm";

pub const CM_80: &str = "AES_CM_128_HMAC_SHA1_80";
pub const CM_32: &str = "AES_CM_128_HMAC_SHA1_32";

/// An `a=crypto` line with its end.
pub fn crypto(tag: u32, suite: &str, key: &str) -> String {
    format!("a=crypto:{tag} {suite} inline:{key}\r\n")
}

/// A body in the profile RTP/SAVP.
pub fn savp(address: &str, port: u16, lines: &str) -> String {
    audio_with(address, port, lines).replace("RTP/AVP", "RTP/SAVP")
}

/// The crypto lines of the first m-line.
pub fn lines(seen: &Seen) -> Vec<Line> {
    let session = sdp::parse(seen.text.as_bytes(), sdp::ParseOptions::default()).unwrap();
    let security = media_security(&session, &session.medias[0]);
    assert_eq!(security.ignored, 0, "{}", seen.text);
    security.crypto.iter().map(|crypto| Line::received(crypto).expect("a suite we know")).collect()
}

/// The only crypto line.
pub fn line(seen: &Seen) -> Line {
    let lines = lines(seen);
    assert_eq!(lines.len(), 1, "{}", seen.text);
    lines.into_iter().next().unwrap()
}

/// The line of a suite, as one accepts it: with its tag and a key of one's own.
pub fn accept(seen: &Seen, suite: Suite, key: &str) -> String {
    let line = lines(seen).into_iter().find(|line| line.suite() == suite).expect("the suite is offered");
    crypto(line.tag, suite.name(), key)
}

/// What a key of a suite with 128 bits means.
pub fn params(suite: &str, key: &str) -> Arc<CryptoParams> {
    let text = crypto(1, suite, key);
    let crypto = sdp::security::Crypto::parse(text.trim_end().trim_start_matches("a=crypto:")).unwrap();
    Line::received(&crypto).unwrap().params
}

/// `transport protocol` RTP/SAVP.
pub fn to_srtp(request: &mut Request) {
    request.transport_protocol = Some(TransportProtocol::RtpSavp);
}

/// `transport protocol` RTP/AVP.
pub fn to_rtp(request: &mut Request) {
    request.transport_protocol = Some(TransportProtocol::RtpAvp);
}

/// These members of `SDES`.
pub fn sdes(members: &'static [&'static str]) -> impl Fn(&mut Request) {
    move |request| {
        for member in members {
            assert!(request.sdes.apply(member.as_bytes()), "{member}");
        }
    }
}
