//! Chromium with a SIP endpoint, and with Chromium, through the daemon.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::available;
use rtpengine_tests::rtp::{Endpoint, Packet};
use rtpengine_tests::talk::left_to_right;
use serde_json::json;

use crate::aiortc::Candidates;
use crate::chromium::{Chromium, NEEDS};
use crate::plain::{body, forwarded, plain_party, point_at};

/// A second of audio and a half.
const PACKETS: u64 = 75;
const PTIME: Duration = Duration::from_millis(20);

/// The loudest tone of 1 kHz that mu-law has, in packets of 20 ms.
fn tone(index: u64) -> Vec<u8> {
    let payload = [[0x80; 4], [0x00; 4]].concat().repeat(20);
    let packet = Packet {
        marker: index == 0,
        payload_type: 0,
        sequence: index as u16,
        timestamp: index as u32 * 160,
        ssrc: 0x0ca1_1ee0,
        payload,
    };
    packet.to_bytes()
}

/// The plain party plays its tone and counts what it hears, until it has heard enough that is not silence.
fn play(plain: &Endpoint, played: &mut u64, packets: u64) {
    let mut heard = 0;
    let mut loud = 0;
    flows::wait_until("enough beeps are heard", || {
        plain.send_raw(&tone(*played))?;
        *played += 1;
        while let Some((bytes, _)) = plain.receive_raw(Duration::ZERO)? {
            let Ok(packet) = Packet::parse(&bytes) else { continue };
            // RTCP comes here too.
            if packet.payload_type == 0 && packet.payload.len() == 160 {
                heard += 1;
                loud += u64::from(packet.payload.iter().any(|sample| sample & 0x7f < 0x60));
            }
        }
        std::thread::sleep(PTIME);
        Ok(heard >= packets && loud > 0)
    })
    .unwrap();
}

fn finish(mut engine: Engine, mut chromium: Chromium, plain: &Endpoint) {
    chromium.connected();
    let mut played = 0;
    play(plain, &mut played, PACKETS);
    let counts = chromium.counts();
    assert!(counts.received > PACKETS / 2 && counts.sent >= PACKETS && counts.energy > 0.0, "{counts:?}");
    assert_eq!(counts.lost, 0, "{counts:?}");
    let before = forwarded(&engine);
    assert_eq!(before.len(), 2, "the kernel forwards both directions");
    flows::wait_until("the kernel has forwarded some more of both", || {
        play(plain, &mut played, PACKETS / 4);
        let after = forwarded(&engine);
        Ok(before.iter().zip(&after).all(|(before, after)| *after >= before + PACKETS))
    })
    .unwrap();
    let errors = engine.ng.query("c").unwrap()["totals"]["RTP"]["errors"].clone();
    // Packets that came before the keys.
    assert!(errors.as_u64().unwrap() < PACKETS / 2, "{errors}");
    chromium.hang_up();
    engine.ng.delete("c", "a").unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn to_plain_rtp_as_the_offerer() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut plain = plain_party(&engine);
    let mut chromium = Chromium::start(&engine.trio.caller, Candidates::Ipv4);
    let mut offer = left_to_right();
    let wanted = json!({"transport protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"]});
    offer.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
    let offered = engine.ng.offer("c", "a", &chromium.offer(false), &offer).unwrap();
    assert!(!offered.contains("fingerprint") && !offered.contains("candidate"), "{offered}");
    point_at(&mut plain, &offered);
    let answered = engine.ng.answer("c", "a", "b", &body(&plain), &json!({"ICE": "force"})).unwrap();
    chromium.answered(&answered);
    finish(engine, chromium, &plain);
}

#[test]
fn to_plain_rtp_as_the_answerer() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut plain = plain_party(&engine);
    let mut chromium = Chromium::start(&engine.trio.caller, Candidates::Ipv4);
    let mut offer = left_to_right();
    let wanted = json!({
        "direction": ["right", "left"], "transport protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force",
        "rtcp-mux": ["require"], "flags": ["generate-mid"],
    });
    offer.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
    let offered = engine.ng.offer("c", "a", &body(&plain), &offer).unwrap();
    let answer = json!({"ICE": "remove", "rtcp-mux": ["demux"]});
    let answered = engine.ng.answer("c", "a", "b", &chromium.answer(&offered), &answer).unwrap();
    point_at(&mut plain, &answered);
    finish(engine, chromium, &plain);
}

/// Audio, which is decrypted and encrypted on the way, and a data channel, whose DTLS is between the parties.
#[test]
fn to_chromium_with_audio_and_data() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut caller = Chromium::start(&engine.trio.caller, Candidates::Ipv4);
    let mut callee = Chromium::start(&engine.trio.callee, Candidates::Ipv4);
    let offered = engine.ng.offer("c", "a", &caller.offer(true), &left_to_right()).unwrap();
    let answered = engine.ng.answer("c", "a", "b", &callee.answer(&offered), &json!({})).unwrap();
    caller.answered(&answered);
    caller.connected();
    callee.connected();
    flows::wait_until("both hear each other", || {
        std::thread::sleep(PTIME);
        let heard = |counts: crate::chromium::Counts| counts.received >= PACKETS && counts.energy > 0.0;
        Ok(heard(caller.counts()) && heard(callee.counts()))
    })
    .unwrap();
    caller.say("from the caller");
    assert_eq!(callee.listen(), "from the caller");
    callee.say("from the callee");
    assert_eq!(caller.listen(), "from the callee");
    caller.hang_up();
    callee.hang_up();
    engine.ng.delete("c", "a").unwrap();
    engine.daemon.stop().unwrap();
}
