//! BUNDLE (RFC 9143): audio and video on one port, towards both parties or one of them, in the clear and with DTLS-SRTP and ICE.

use std::net::SocketAddr;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::dtls::{Association, Certificate, PROFILES, Role};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows::{self, Flow};
use rtpengine_tests::netns::Netns;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::{Endpoint, Stream, rtcp_sender_report};
use rtpengine_tests::sdp::{self, Media};
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

use crate::ice_finds_a_way::{connect, with_ice};

const PACKETS: u64 = 100;
const WAIT: Duration = Duration::from_secs(5);
/// How long nothing has to arrive where nothing should.
const QUIET: Duration = Duration::from_millis(100);
const CALLER_AUDIO: u32 = 0x0ca1_1e40;
const CALLER_VIDEO: u32 = 0x0ca1_1e41;
const CALLEE_AUDIO: u32 = 0x0ca1_1ee0;
const CALLEE_VIDEO: u32 = 0x0ca1_1ee1;
/// A payload type that both m-lines have.
const COMMON: u8 = 97;
/// The number of the header extension for names of m-lines.
const MID: u8 = 4;

/// A stream with this payload type.
fn stream(ssrc: u32, payload_type: u8) -> Stream {
    Stream { payload_type, ..Stream::new(ssrc) }
}

/// Audio and video of a party on these ports; lines for the session, and for each m-line.
fn body(party: &Endpoint, ports: [u16; 2], group: &str, profile: &str, lines: &[String]) -> String {
    let address = party.local().unwrap().ip();
    let [audio, video] = ports;
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let common = format!(
        "a=rtcp-mux\r\na=extmap:{MID} urn:ietf:params:rtp-hdrext:sdes:mid\r\na=rtpmap:{COMMON} red/8000\r\n{lines}"
    );
    format!(
        "v=0\r\no=- 1 1 IN IP4 {address}\r\ns=tester\r\nc=IN IP4 {address}\r\nt=0 0\r\n{group}\
         m=audio {audio} {profile} 8 {COMMON}\r\na=mid:a\r\n{common}\
         m=video {video} {profile} 96 {COMMON}\r\na=rtpmap:96 VP8/90000\r\na=mid:v\r\n{common}"
    )
}

const GROUP: &str = "a=group:BUNDLE a v\r\n";

struct Scene {
    engine: Engine,
    caller: Endpoint,
    callee: Endpoint,
    /// Where the callee has its video, if not with the audio.
    video: Endpoint,
}

impl Scene {
    fn new() -> Self {
        let engine = Engine::start(Table::Own, &[]).unwrap();
        let bind =
            |netns: &Netns, address: &str| Endpoint::bind_in(netns, address.parse().unwrap(), 0, 1).unwrap();
        let caller = bind(&engine.trio.caller, CALLER);
        let [callee, video] = [(); 2].map(|()| bind(&engine.trio.callee, CALLEE));
        Self { engine, caller, callee, video }
    }

    /// Offers, and points the callee's sockets at what it was offered.
    fn offer(&mut self, body: &str, extra: &Value) -> [Media; 2] {
        let mut keys = left_to_right();
        keys.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let offered = self.engine.ng.offer("c", "a", body, &keys).unwrap();
        let medias: [Media; 2] = sdp::medias(&offered).unwrap().try_into().unwrap();
        self.callee.remote = Some((medias[0].address, medias[0].port).into());
        self.video.remote = Some((medias[1].address, medias[1].port).into());
        medias
    }

    /// Answers, and points the caller at what it was answered.
    fn answer(&mut self, body: &str, extra: &Value) -> [Media; 2] {
        let answered = self.engine.ng.answer("c", "a", "b", body, extra).unwrap();
        let medias: [Media; 2] = sdp::medias(&answered).unwrap().try_into().unwrap();
        assert!(answered.contains(GROUP), "{answered}");
        assert_eq!((medias[0].address, medias[0].port), (medias[1].address, medias[1].port), "{answered}");
        self.caller.remote = Some((medias[0].address, medias[0].port).into());
        medias
    }

    fn port(party: &Endpoint) -> u16 {
        party.local().unwrap().port()
    }

    /// Flows of a party that the kernel forwards.
    fn flows(&self, tag: &str) -> Vec<Flow> {
        let flows = flows::of_call(self.engine.daemon.table(), "c").unwrap();
        flows.into_iter().filter(|flow| flow.tag == tag && flow.path == "kernel").collect()
    }

    /// The flow of a party to an address.
    fn flow(&self, tag: &str, to: SocketAddr) -> Option<Flow> {
        self.flows(tag).into_iter().find(|flow| flow.to == to)
    }

    fn errors(&mut self) -> u64 {
        self.engine.ng.query("c").unwrap()["totals"]["RTP"]["errors"].as_u64().unwrap()
    }

    fn finish(mut self) {
        self.engine.ng.delete("c", "a").unwrap();
        self.engine.daemon.stop().unwrap();
    }
}

/// The next datagram that is RTP or RTCP.
fn media(to: &Endpoint, wait: Duration) -> Option<Vec<u8>> {
    loop {
        let (bytes, _) = to.receive_raw(wait).unwrap()?;
        if bytes[0] >= 128 {
            return Some(bytes);
        }
    }
}

/// What is sent arrives there as it was.
fn heard(from: &Endpoint, packet: &[u8], to: &Endpoint) {
    from.send_raw(packet).unwrap();
    assert_eq!(media(to, WAIT).as_deref(), Some(packet));
}

fn next(stream: &mut Stream) -> Vec<u8> {
    stream.next += 1;
    stream.packet(stream.next - 1).to_bytes()
}

/// The next packet with the name of its m-line in a header extension, in the form with one or two bytes (RFC 8285).
fn named(stream: &mut Stream, mid: u8, two_bytes: bool) -> Vec<u8> {
    let mut packet = next(stream);
    packet[0] |= 0x10;
    let extension =
        if two_bytes { [0x10, 0, 0, 1, MID, 1, mid, 0] } else { [0xbe, 0xde, 0, 1, MID << 4, mid, 0, 0] };
    packet.splice(12..12, extension);
    packet
}

/// Loss of a picture (RFC 4585 section 6.3.1) of this stream.
fn picture_loss(sender: u32, media: u32) -> Vec<u8> {
    let mut bytes = vec![0x81, 206, 0, 2];
    bytes.extend(sender.to_be_bytes());
    bytes.extend(media.to_be_bytes());
    bytes
}

#[test]
fn towards_both_parties() {
    if !available(XDP) {
        return;
    }
    let mut scene = Scene::new();
    let port = Scene::port(&scene.caller);
    let offer = body(&scene.caller, [port, port], GROUP, "RTP/AVP", &[]);
    let offered = scene.offer(&offer, &json!({"bundle": ["accept", "offer"]}));
    assert_ne!(offered[0].port, offered[1].port, "for the case that the callee knows no groups");
    let port = Scene::port(&scene.callee);
    let answer = body(&scene.callee, [port, port], GROUP, "RTP/AVP", &[]);
    scene.answer(&answer, &json!({}));

    let mut near = [stream(CALLER_AUDIO, 8), stream(CALLER_VIDEO, 96)];
    let mut far = [stream(CALLEE_AUDIO, 8), stream(CALLEE_VIDEO, 96)];
    let mut talk = |scene: &Scene| {
        for (near, far) in near.iter_mut().zip(&mut far) {
            heard(&scene.caller, &next(near), &scene.callee);
            heard(&scene.callee, &next(far), &scene.caller);
        }
    };
    flows::wait_until("the kernel forwards both directions", || {
        talk(&scene);
        Ok(["a", "b"].iter().all(|tag| scene.flows(tag).iter().any(|flow| flow.packets > 0)))
    })
    .unwrap();
    let counts = |scene: &Scene| ["a", "b"].map(|tag| scene.flows(tag)[0].packets);
    let before = counts(&scene);
    for _ in 0..PACKETS {
        talk(&scene);
    }
    assert_eq!(counts(&scene), before.map(|before| before + 2 * PACKETS), "the kernel forwards all of it");
    assert_eq!(["a", "b"].map(|tag| scene.flows(tag).len()), [1, 1]);
    // RTCP of either m-line goes the same way, in userspace.
    heard(&scene.caller, &rtcp_sender_report(CALLER_VIDEO, 1, 2), &scene.callee);
    heard(&scene.callee, &picture_loss(CALLEE_AUDIO, CALLER_VIDEO), &scene.caller);
    assert_eq!(scene.errors(), 0);
    scene.finish();
}

#[test]
fn towards_the_caller_alone() {
    if !available(XDP) {
        return;
    }
    let mut scene = Scene::new();
    let port = Scene::port(&scene.caller);
    let offer = body(&scene.caller, [port, port], GROUP, "RTP/AVP", &[]);
    let offered = scene.offer(&offer, &json!({"bundle": ["accept"]}));
    assert_ne!(offered[0].port, offered[1].port);
    let ports = [Scene::port(&scene.callee), Scene::port(&scene.video)];
    let answer = body(&scene.callee, ports, "", "RTP/AVP", &[]);
    scene.answer(&answer, &json!({}));

    let (mut audio, mut video) = (stream(CALLER_AUDIO, 8), stream(CALLER_VIDEO, 96));
    let (mut callees_audio, mut callees_video) = (stream(CALLEE_AUDIO, 8), stream(CALLEE_VIDEO, 96));
    // Payload types that one m-line has.
    heard(&scene.caller, &next(&mut audio), &scene.callee);
    heard(&scene.caller, &next(&mut video), &scene.video);
    // One that both have, of SSRCs that are known by now.
    let mut common = [audio.clone(), video.clone()];
    for stream in &mut common {
        stream.payload_type = COMMON;
    }
    heard(&scene.caller, &next(&mut common[0]), &scene.callee);
    heard(&scene.caller, &next(&mut common[1]), &scene.video);
    // Of one that is not, but has a name; and then it is known.
    for (ssrc, two_bytes) in [(0x77, false), (0x78, true)] {
        let mut unknown = stream(ssrc, COMMON);
        heard(&scene.caller, &named(&mut unknown, b'v', two_bytes), &scene.video);
        heard(&scene.caller, &next(&mut unknown), &scene.video);
    }
    // What belongs to no m-line goes nowhere, and is counted.
    let errors = scene.errors();
    scene.caller.send_raw(&next(&mut stream(0x99, COMMON))).unwrap();
    scene.caller.send_raw(&named(&mut stream(0x9a, 96), b'x', false)).unwrap();
    scene.caller.send_raw(&next(&mut stream(0x9b, 50))).unwrap();
    flows::wait_until("three packets are counted", || Ok(scene.errors() == errors + 3)).unwrap();
    // The callee's come by the one port.
    heard(&scene.callee, &next(&mut callees_audio), &scene.caller);
    heard(&scene.video, &next(&mut callees_video), &scene.caller);
    // RTCP: reports go with their sender, feedback with what it is about, and what nobody knows to both.
    heard(&scene.caller, &rtcp_sender_report(CALLER_AUDIO, 1, 2), &scene.callee);
    heard(&scene.caller, &rtcp_sender_report(CALLER_VIDEO, 1, 2), &scene.video);
    heard(&scene.caller, &picture_loss(CALLER_AUDIO, CALLEE_VIDEO), &scene.video);
    let report = rtcp_sender_report(0x999, 1, 2);
    heard(&scene.caller, &report, &scene.callee);
    assert_eq!(media(&scene.video, WAIT), Some(report));
    heard(&scene.video, &rtcp_sender_report(CALLEE_VIDEO, 1, 2), &scene.caller);

    // The kernel takes over what comes to the caller, and its video.
    let to_video = scene.video.local().unwrap();
    let to_caller = scene.caller.local().unwrap();
    flows::wait_until("the kernel forwards", || {
        heard(&scene.caller, &next(&mut audio), &scene.callee);
        heard(&scene.caller, &next(&mut video), &scene.video);
        heard(&scene.callee, &next(&mut callees_audio), &scene.caller);
        heard(&scene.video, &next(&mut callees_video), &scene.caller);
        let back = scene.flows("b");
        Ok(scene.flow("a", to_video).is_some_and(|flow| flow.packets > 0)
            && back.len() == 2
            && back.iter().all(|flow| flow.packets > 0 && flow.to == to_caller))
    })
    .unwrap();
    let before = scene.flow("a", to_video).unwrap();
    for _ in 0..PACKETS {
        heard(&scene.caller, &next(&mut audio), &scene.callee);
        heard(&scene.caller, &next(&mut video), &scene.video);
    }
    let after = scene.flow("a", to_video).unwrap();
    assert_eq!((after.packets - before.packets, after.punted - before.punted), (PACKETS, PACKETS));
    assert_eq!(media(&scene.callee, QUIET), None);
    assert_eq!(media(&scene.video, QUIET), None);
    scene.finish();
}

#[test]
fn towards_a_caller_with_dtls_and_ice() {
    if !available(XDP) {
        return;
    }
    let mut scene = Scene::new();
    let certificate = Certificate::new().unwrap();
    let mut lines = with_ice(&mut scene.caller, true);
    lines.extend(["a=setup:actpass".to_owned(), certificate.line().unwrap()]);
    let offer = body(&scene.caller, [Scene::port(&scene.caller), 0], GROUP, "UDP/TLS/RTP/SAVPF", &lines);
    // The video is for the group alone: it has no transport.
    let (audio, video) = offer.split_at(offer.find("m=video").unwrap());
    let without = lines.iter().fold(video.to_owned(), |text, line| text.replace(&format!("{line}\r\n"), ""));
    let offer = format!("{audio}{without}a=bundle-only\r\n");
    let extra = json!({
        "transport protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"], "bundle": ["accept"],
    });
    let offered = scene.offer(&offer, &extra);
    assert!(offered.iter().all(|media| media.port != 0 && !media.has("a=bundle-only")), "{offered:?}");
    let ports = [Scene::port(&scene.callee), Scene::port(&scene.video)];
    let answer = body(&scene.callee, ports, "", "RTP/AVP", &[]).replace("a=rtcp-mux\r\n", "");
    let answered = scene.answer(&answer, &json!({"ICE": "force"}));
    scene.caller.ice.as_mut().unwrap().hear(&answered[0].lines).unwrap();
    connect(&mut [&mut scene.caller]);
    flows::wait_until("the daemon has found the way", || {
        scene.caller.receive_ice(Duration::from_millis(5))?;
        let query = scene.engine.ng.query("c")?;
        Ok(query["tags"]["a"]["medias"][0]["streams"][0]["flags"].to_string().contains("confirmed"))
    })
    .unwrap();
    let profiles: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
    let mut keys = Association::new(&scene.caller, Role::Server, &certificate, &profiles).unwrap();

    // One handshake, and one pair of keys for both.
    let (mut audio, mut video) = (stream(CALLER_AUDIO, 8), stream(CALLER_VIDEO, 96));
    let (mut callees_audio, mut callees_video) = (stream(CALLEE_AUDIO, 8), stream(CALLEE_VIDEO, 96));
    flows::wait_until("the handshake is over", || {
        let said = next(&mut audio);
        let sealed = keys.send.protect(&said).unwrap();
        scene.caller.send_raw(&sealed)?;
        Ok(media(&scene.callee, Duration::from_millis(50)) == Some(said))
    })
    .unwrap();
    let mut talk = |scene: &Scene, keys: &mut Association| {
        for (stream, to) in [(&mut audio, &scene.callee), (&mut video, &scene.video)] {
            let said = next(stream);
            scene.caller.send_raw(&keys.send.protect(&said).unwrap()).unwrap();
            assert_eq!(media(to, WAIT), Some(said));
        }
        for (stream, from) in [(&mut callees_audio, &scene.callee), (&mut callees_video, &scene.video)] {
            let said = next(stream);
            from.send_raw(&said).unwrap();
            let sealed = media(&scene.caller, WAIT).unwrap();
            assert_eq!(keys.receive.unprotect(sealed), Some(said));
        }
    };
    let to_video = scene.video.local().unwrap();
    flows::wait_until("the kernel forwards", || {
        talk(&scene, &mut keys);
        let back = scene.flows("b");
        Ok(scene.flow("a", to_video).is_some_and(|flow| flow.packets > 0 && flow.decrypt.is_some())
            && back.len() == 2
            && back.iter().all(|flow| flow.packets > 0 && flow.encrypt.is_some()))
    })
    .unwrap();
    let before = scene.flow("a", to_video).unwrap();
    let back = scene.flows("b");
    for _ in 0..PACKETS {
        talk(&scene, &mut keys);
    }
    let after = scene.flow("a", to_video).unwrap();
    assert_eq!(after.packets - before.packets, PACKETS, "the kernel decrypts the video");
    for (before, after) in back.iter().zip(scene.flows("b")) {
        assert_eq!(after.packets - before.packets, PACKETS, "the kernel encrypts what comes to the caller");
    }
    let shaken = scene.engine.ctl(&["--plain", "list", "dtls"]).unwrap();
    let completed =
        shaken.lines().find(|line| line.trim_start().starts_with("Handshakes completed")).unwrap();
    assert!(completed.trim_end().ends_with(": 1") || completed.trim_end().ends_with(":1"), "{completed}");
    scene.finish();
}
