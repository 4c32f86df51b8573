//! A caller with SRTP, keyed by SDES, and a callee without: each hears the other, and nobody hears a forger.

use std::time::Duration;

use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Mki, Session, SessionParams, Suite};
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::rtp::{Endpoint, Stream};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const PACKETS: u64 = 100;
const WAIT: Duration = Duration::from_secs(5);
const SUITE: &str = "AES_CM_128_HMAC_SHA1_80";
/// Thirty bytes `A`: key and salt of the caller.
const CALLERS_KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB";

/// Base64 without padding (RFC 4648 section 4).
fn decode(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = text.bytes().map(|byte| ALPHABET.iter().position(|letter| *letter == byte).unwrap() as u32);
    let sextets: Vec<u32> = sextets.collect();
    let triple = |four: &[u32]| four.iter().fold(0, |bits, sextet| bits << 6 | sextet).to_be_bytes();
    sextets.chunks_exact(4).flat_map(|four| triple(four)[1..].to_vec()).collect()
}

fn session(key_and_salt: &[u8]) -> Session {
    let (key, salt) = key_and_salt.split_at(16);
    let (mki, parameters) = (Mki::default(), SessionParams::default());
    Session::new(&CryptoParams::new(Suite::AesCm128HmacSha1_80, key, salt, mki, parameters).unwrap())
}

fn protected(session: &Session, state: &mut StreamState, packet: &[u8]) -> Vec<u8> {
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + 32, 0);
    let length = session.protect_rtp(state, &mut buffer, packet.len()).unwrap();
    buffer.truncate(length);
    buffer
}

#[test]
fn in_both_directions() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let (caller_ip, callee_ip) = (CALLER.parse().unwrap(), CALLEE.parse().unwrap());
    let mut caller = Endpoint::bind_in(&engine.trio.caller, caller_ip, 0, 0x0ca1_1e40).unwrap();
    let mut callee = Endpoint::bind_in(&engine.trio.callee, callee_ip, 0, 0x0ca1_1ee0).unwrap();

    let crypto = format!("a=crypto:1 {SUITE} inline:{CALLERS_KEY}");
    let offer = sdp::audio_with(caller_ip, caller.local().unwrap().port(), &[&crypto]);
    let mut extra = left_to_right();
    extra["transport protocol"] = json!("RTP/AVP");
    let offered = engine.ng.offer("c", "a", &offer.replace("RTP/AVP", "RTP/SAVP"), &extra).unwrap();
    assert!(offered.contains("RTP/AVP") && !offered.contains("crypto"), "{offered}");
    let to_engine = sdp::first_media(&offered).unwrap();
    callee.remote = Some((to_engine.address, to_engine.port).into());

    let answer = sdp::audio(callee_ip, callee.local().unwrap().port());
    let answered = engine.ng.answer("c", "a", "b", &answer, &json!({})).unwrap();
    assert!(answered.contains("RTP/SAVP"), "{answered}");
    let to_engine = sdp::first_media(&answered).unwrap();
    caller.remote = Some((to_engine.address, to_engine.port).into());
    let start = format!("a=crypto:1 {SUITE} inline:");
    let ours = to_engine.lines.iter().find_map(|line| line.strip_prefix(&start)).unwrap();
    assert_ne!(ours, CALLERS_KEY, "our key is our own");

    let (callers, engines) = (session(&[b'A'; 30]), session(&decode(&ours[..40])));
    let (mut sending, mut receiving) = (StreamState::default(), StreamState::default());
    let (from_caller, from_callee) = (Stream::new(0x0ca1_1e40), Stream::new(0x0ca1_1ee0));
    for index in 0..PACKETS {
        let plain = from_caller.packet(index).to_bytes();
        let sealed = protected(&callers, &mut sending, &plain);
        let mut forged = sealed.clone();
        forged[40] ^= 1;
        caller.send_raw(&forged).unwrap();
        caller.send_raw(&sealed).unwrap();
        caller.send_raw(&sealed).unwrap();
        let (heard, _) = callee.receive_raw(WAIT).unwrap().unwrap();
        assert_eq!(heard, plain, "packet {index} at the callee");

        let plain = from_callee.packet(index).to_bytes();
        callee.send_raw(&plain).unwrap();
        let (mut heard, _) = caller.receive_raw(WAIT).unwrap().unwrap();
        assert_ne!(heard, plain, "packet {index} is encrypted");
        let length = engines.unprotect_rtp(&mut receiving, &mut heard).unwrap();
        assert_eq!(heard[..length], plain, "packet {index} at the caller");
    }
    flows::wait_until("forged and repeated packets are counted", || {
        let query = engine.ng.query("c")?;
        Ok(query["totals"]["RTP"]["errors"] == json!(2 * PACKETS))
    })
    .unwrap();
    assert_eq!(callee.receive_raw(Duration::ZERO).unwrap(), None);
    let totals = engine.ng.delete("c", "a").unwrap();
    assert_eq!(totals["totals"]["RTP"]["packets"], json!(2 * PACKETS), "{totals}");
    engine.daemon.stop().unwrap();
}
