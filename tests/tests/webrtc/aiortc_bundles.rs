//! aiortc with audio and video on one port: with another aiortc, and with a party that has a port for each.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::available;
use rtpengine_tests::rtp::{Endpoint, Packet};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::left_to_right;
use serde_json::json;

use crate::aiortc::{Aiortc, Candidates, NEEDS};
use crate::plain::plain_party;

const PACKETS: u64 = 50;
const WAIT: Duration = Duration::from_secs(10);

/// Handshakes that the daemon has completed.
fn handshakes(engine: &Engine) -> String {
    let text = engine.ctl(&["--plain", "list", "dtls"]).unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with("Handshakes completed")).unwrap();
    line.rsplit(':').next().unwrap().trim().to_owned()
}

#[test]
fn with_another_that_bundles() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let start = |netns, seed| Aiortc::start(netns, seed, Candidates::Ipv4);
    let (mut caller, mut callee) = (start(&engine.trio.caller, 1), start(&engine.trio.callee, 2));
    let mut keys = left_to_right();
    keys["bundle"] = json!(["accept", "offer"]);
    let offered = engine.ng.offer("c", "a", &caller.offer_video(), &keys).unwrap();
    let answered = engine.ng.answer("c", "a", "b", &callee.answer(&offered), &json!({})).unwrap();
    for body in [&offered, &answered] {
        assert!(body.contains("a=group:BUNDLE 0 1\r\n"), "{body}");
    }
    let medias = sdp::medias(&answered).unwrap();
    assert_eq!(medias[0].port, medias[1].port);
    caller.answered(&answered);
    caller.connected();
    callee.connected();
    flows::wait_until("both hear each other", || {
        caller.send(1);
        callee.send(1);
        std::thread::sleep(Duration::from_millis(20));
        Ok(caller.drain() > 0 && callee.drain() > 0)
    })
    .unwrap();
    flows::wait_until("nothing is on its way", || {
        std::thread::sleep(Duration::from_millis(20));
        Ok(caller.drain() + callee.drain() == 0)
    })
    .unwrap();
    let talk = |caller: &mut Aiortc, callee: &mut Aiortc, packets: u64| {
        for (from, to) in [(0, 1), (1, 0)] {
            let parties = [&mut *caller, &mut *callee];
            let said = parties[from].send(packets);
            parties[to].hears(&said);
            let shown = parties[from].show(packets);
            parties[to].sees(&shown);
        }
    };
    let forwarded = |engine: &Engine| {
        let flows = flows::of_call(engine.daemon.table(), "c").unwrap();
        let of = |tag| flows.iter().filter(move |flow| flow.tag == tag && flow.path == "kernel");
        ["a", "b"].map(|tag| of(tag).map(|flow| flow.packets).sum::<u64>())
    };
    flows::wait_until("the kernel forwards both directions", || {
        talk(&mut caller, &mut callee, 1);
        Ok(forwarded(&engine).iter().all(|packets| *packets > 0))
    })
    .unwrap();
    let before = forwarded(&engine);
    talk(&mut caller, &mut callee, PACKETS);
    assert_eq!(forwarded(&engine), before.map(|before| before + 2 * PACKETS), "all of it by the kernel");
    assert_eq!(handshakes(&engine), "2", "one for each party");
    engine.ng.delete("c", "a").unwrap();
    engine.daemon.stop().unwrap();
}

/// The next packet of RTP.
fn media(to: &Endpoint) -> Packet {
    loop {
        let (bytes, _) = to.receive_raw(WAIT).unwrap().unwrap();
        // RTCP comes here too (RFC 5761 section 4).
        if !(192..=223).contains(&bytes[1]) {
            return Packet::parse(&bytes).unwrap();
        }
    }
}

#[test]
fn with_a_party_that_has_two_ports() {
    if !available(NEEDS) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut aiortc = Aiortc::start(&engine.trio.caller, 1, Candidates::Ipv4);
    let (mut audio, mut video) = (plain_party(&engine), plain_party(&engine));
    let mut keys = left_to_right();
    keys["transport protocol"] = json!("RTP/AVP");
    keys["ICE"] = json!("remove");
    keys["bundle"] = json!(["accept"]);
    let offered = engine.ng.offer("c", "a", &aiortc.offer_video(), &keys).unwrap();
    assert!(!offered.contains("BUNDLE"), "{offered}");
    let medias = sdp::medias(&offered).unwrap();
    let vp8 = medias[1].lines[0].split(' ').nth(3).unwrap().to_owned();
    let mut ports = Vec::new();
    for (party, media) in [&mut audio, &mut video].into_iter().zip(&medias) {
        party.remote = Some((media.address, media.port).into());
        ports.push(party.local().unwrap().port());
    }
    video.stream.ssrc = 0x0ca1_1ee1;
    video.stream.payload_type = vp8.parse().unwrap();
    let address = audio.local().unwrap().ip();
    let answer = format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {address}\r\nt=0 0\r\nm=audio {} RTP/AVP 0\r\na=rtcp-mux\r\nm=video {} RTP/AVP {vp8}\r\na=rtpmap:{vp8} VP8/90000\r\na=rtcp-mux\r\n",
        ports[0], ports[1],
    );
    let answered = engine.ng.answer("c", "a", "b", &answer, &json!({"ICE": "force"})).unwrap();
    assert!(answered.contains("a=group:BUNDLE 0 1\r\n"), "{answered}");
    aiortc.answered(&answered);
    aiortc.connected();
    let mut heard_here = false;
    flows::wait_until("both hear each other", || {
        aiortc.send(1);
        audio.send()?;
        heard_here |= audio.receive_raw(Duration::from_millis(20))?.is_some();
        Ok(heard_here && aiortc.drain() > 0)
    })
    .unwrap();
    while audio.receive_raw(Duration::from_millis(100)).unwrap().is_some() {}
    aiortc.drain();
    for _ in 0..PACKETS {
        for (payload, to, number) in [
            (aiortc.send(1).remove(0), &audio, 0),
            (aiortc.show(1).remove(0), &video, video.stream.payload_type),
        ] {
            let packet = media(to);
            assert!(packet.payload_type == number && packet.payload.ends_with(&payload), "{packet:?}");
        }
        let said = audio.stream.packet(audio.stream.next).payload;
        audio.send().unwrap();
        aiortc.hears(&[said]);
        let shown = video.stream.packet(video.stream.next).payload;
        video.send().unwrap();
        aiortc.sees(&[shown]);
    }
    assert_eq!(handshakes(&engine), "1");
    engine.ng.delete("c", "a").unwrap();
    engine.daemon.stop().unwrap();
}
