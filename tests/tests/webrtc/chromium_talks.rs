//! Chromium with a SIP endpoint, and with Chromium, through the daemon.

use std::time::{Duration, Instant};

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::available;
use rtpengine_tests::rtp::{Endpoint, Packet};
use rtpengine_tests::talk::left_to_right;
use serde_json::json;

use crate::aiortc::Candidates;
use crate::chromium::{Chromium, NEEDS};
use crate::kernel;
use crate::plain::{body, plain_party, point_at};
use crate::tone::{self, Tone};

/// A second of audio and a half.
const PACKETS: u64 = 75;
const PTIME: Duration = Duration::from_millis(20);
/// Half a second, in which a tone is looked for.
const WINDOW: usize = 25;
/// Hz of what Chromium says.
const CALLER_TONE: u32 = 600;
const CALLEE_TONE: u32 = 1400;

/// The plain party, which plays the digital milliwatt.
struct Plain {
    endpoint: Endpoint,
    played: u64,
    heard: Vec<Packet>,
}

impl Plain {
    fn new(engine: &Engine) -> Self {
        Self { endpoint: plain_party(engine), played: 0, heard: Vec::new() }
    }

    fn play(&mut self, packets: u64) {
        let start = Instant::now();
        for number in 0..packets {
            // It plays in real time, however late it was for the last packet.
            std::thread::sleep((PTIME * number as u32).saturating_sub(start.elapsed()));
            let index = self.played;
            let packet = Packet {
                marker: index == 0,
                payload_type: 0,
                sequence: index as u16,
                timestamp: index as u32 * 160,
                ssrc: 0x0ca1_1ee0,
                payload: tone::milliwatt(),
            };
            self.endpoint.send_raw(&packet.to_bytes()).unwrap();
            self.played += 1;
            while self.listen(Duration::ZERO) {}
        }
    }

    /// Receives a packet, if one comes in time.
    fn listen(&mut self, wait: Duration) -> bool {
        let Some((bytes, _)) = self.endpoint.receive_raw(wait).unwrap() else { return false };
        // RTCP comes here too.
        self.heard.extend(Packet::parse(&bytes).ok().filter(|packet| packet.payload_type == 0));
        true
    }

    /// The tone of the last half second.
    fn tone(&self) -> Option<Tone> {
        let last = self.heard.len().checked_sub(WINDOW)?;
        let samples: Vec<u8> =
            self.heard[last..].iter().flat_map(|packet| packet.payload.iter().copied()).collect();
        Some(tone::strongest(&samples))
    }
}

/// Each hears the other's tone; then the kernel forwards every packet, of which none is lost. `tags`: places of Chromium
/// and the plain party among those of the call.
fn finish(mut engine: Engine, mut chromium: Chromium, mut plain: Plain, [browser, phone]: [usize; 2]) {
    chromium.connected();
    flows::wait_until("each hears the tone of the other", || {
        plain.play(10);
        Ok(plain.tone().is_some_and(|tone| tone.is(CALLER_TONE)) && chromium.heard().is(tone::MILLIWATT))
    })
    .unwrap();
    kernel::takes_over(&engine, || plain.play(10));

    chromium.talk(false);
    let start = chromium.settled();
    while plain.listen(PTIME) {}
    plain.heard.clear();
    let before = kernel::forwarded(&engine);
    chromium.talk(true);
    plain.play(PACKETS);
    let heard = chromium.heard();
    chromium.talk(false);
    let end = chromium.settled();
    while plain.listen(PTIME) {}

    let said = end.sent - start.sent;
    assert!(said > PACKETS / 2, "{start:?} {end:?}");
    assert_eq!(end.received - start.received, PACKETS);
    assert_eq!(end.lost, 0);
    assert_eq!(plain.heard.len() as u64, said);
    let step = |two: &[Packet]| two[1].sequence.wrapping_sub(two[0].sequence);
    assert!(plain.heard.windows(2).all(|two| step(two) == 1), "nothing is out of order");
    let mut expected = before;
    expected[browser] += said;
    expected[phone] += PACKETS;
    assert_eq!(kernel::forwarded(&engine), expected, "by the kernel alone");
    let tone = plain.tone().unwrap();
    assert!(tone.is(CALLER_TONE) && heard.is(tone::MILLIWATT), "{tone:?} {heard:?}");

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
    let mut plain = Plain::new(&engine);
    let mut chromium = Chromium::start(&engine.trio.caller, Candidates::Ipv4, CALLER_TONE);
    let mut offer = left_to_right();
    let wanted = json!({"transport protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"]});
    offer.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
    let offered = engine.ng.offer("c", "a", &chromium.offer(false), &offer).unwrap();
    assert!(!offered.contains("fingerprint") && !offered.contains("candidate"), "{offered}");
    point_at(&mut plain.endpoint, &offered);
    let answered = engine.ng.answer("c", "a", "b", &body(&plain.endpoint), &json!({"ICE": "force"})).unwrap();
    chromium.answered(&answered);
    finish(engine, chromium, plain, [0, 1]);
}

#[test]
fn to_plain_rtp_as_the_answerer() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut plain = Plain::new(&engine);
    let mut chromium = Chromium::start(&engine.trio.caller, Candidates::Ipv4, CALLER_TONE);
    let mut offer = left_to_right();
    let wanted = json!({
        "direction": ["right", "left"], "transport protocol": "UDP/TLS/RTP/SAVPF", "ICE": "force",
        "rtcp-mux": ["require"], "flags": ["generate-mid"],
    });
    offer.as_object_mut().unwrap().extend(wanted.as_object().unwrap().clone());
    let offered = engine.ng.offer("c", "a", &body(&plain.endpoint), &offer).unwrap();
    let answer = json!({"ICE": "remove", "rtcp-mux": ["demux"]});
    let answered = engine.ng.answer("c", "a", "b", &chromium.answer(&offered), &answer).unwrap();
    point_at(&mut plain.endpoint, &answered);
    finish(engine, chromium, plain, [1, 0]);
}

/// The kernel forwards every packet that two of Chromium send in a while, and none is lost.
fn talk_in_kernel(engine: &Engine, caller: &mut Chromium, callee: &mut Chromium) {
    let pause = |caller: &mut Chromium, callee: &mut Chromium| {
        caller.talk(false);
        callee.talk(false);
        [caller.settled(), callee.settled()]
    };
    let start = pause(caller, callee);
    let before = kernel::forwarded(engine);
    caller.talk(true);
    callee.talk(true);
    flows::wait_until("both have talked for a while", || {
        let now = [caller.counts(), callee.counts()];
        Ok(now.iter().zip(start).all(|(now, start)| now.sent >= start.sent + PACKETS))
    })
    .unwrap();
    let heard = [caller.heard(), callee.heard()];
    let end = pause(caller, callee);

    let said = [0, 1].map(|party| end[party].sent - start[party].sent);
    let received = [1, 0].map(|party| end[party].received - start[party].received);
    assert_eq!(received, said);
    assert_eq!(end.map(|counts| counts.lost), [0, 0]);
    let expected = [0, 1].map(|party| before[party] + said[party]);
    assert_eq!(kernel::forwarded(engine), expected, "by the kernel alone");
    assert!(heard[0].is(CALLEE_TONE) && heard[1].is(CALLER_TONE), "{heard:?}");
}

/// Audio, which is decrypted and encrypted on the way, and a data channel, whose DTLS is between the parties.
#[test]
fn to_chromium_with_audio_and_data() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut caller = Chromium::start(&engine.trio.caller, Candidates::Ipv4, CALLER_TONE);
    let mut callee = Chromium::start(&engine.trio.callee, Candidates::Ipv4, CALLEE_TONE);
    let offered = engine.ng.offer("c", "a", &caller.offer(true), &left_to_right()).unwrap();
    let answered = engine.ng.answer("c", "a", "b", &callee.answer(&offered), &json!({})).unwrap();
    caller.answered(&answered);
    caller.connected();
    callee.connected();
    flows::wait_until("each hears the tone of the other", || {
        std::thread::sleep(PTIME);
        Ok(callee.heard().is(CALLER_TONE) && caller.heard().is(CALLEE_TONE))
    })
    .unwrap();
    kernel::has_keys_on_both_legs(&engine);
    kernel::takes_over(&engine, || std::thread::sleep(PTIME));
    talk_in_kernel(&engine, &mut caller, &mut callee);
    caller.say("from the caller");
    assert_eq!(callee.listen(), "from the caller");
    callee.say("from the callee");
    assert_eq!(caller.listen(), "from the callee");
    caller.hang_up();
    callee.hang_up();
    engine.ng.delete("c", "a").unwrap();
    engine.daemon.stop().unwrap();
}
