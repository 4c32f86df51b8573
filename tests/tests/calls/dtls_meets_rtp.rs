//! A party with DTLS-SRTP and one without encryption: they hear each other whoever starts the handshake, and nobody
//! hears those who have another certificate than signalled, or keeps the parties from each other.

use std::net::IpAddr;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::dtls::{Association, Certificate, PROFILES, Role};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::rtp::{Endpoint, Stream};
use rtpengine_tests::sdp::{self, Media};
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 50;
const WAIT: Duration = Duration::from_secs(5);
const CALLERS_SSRC: u32 = 0x0ca1_1e40;
const CALLEES_SSRC: u32 = 0x0ca1_1ee0;

/// A daemon, and a caller and a callee with their sockets.
struct Scene {
    engine: Engine,
    caller: Endpoint,
    callee: Endpoint,
    caller_ip: IpAddr,
    callee_ip: IpAddr,
}

fn profiles() -> Vec<&'static str> {
    PROFILES.iter().map(|(name, _)| *name).collect()
}

impl Scene {
    fn new(arguments: &[&str]) -> Self {
        let engine = Engine::start(Table::Off, arguments).unwrap();
        let (caller_ip, callee_ip) = (CALLER.parse().unwrap(), CALLEE.parse().unwrap());
        let caller = Endpoint::bind_in(&engine.trio.caller, caller_ip, 0, CALLERS_SSRC).unwrap();
        let callee = Endpoint::bind_in(&engine.trio.callee, callee_ip, 0, CALLEES_SSRC).unwrap();
        Self { engine, caller, callee, caller_ip, callee_ip }
    }

    fn offer(&mut self, lines: &[&str], profile: &str, extra: &Value) -> Media {
        let body = sdp::audio_with(self.caller_ip, self.caller.local().unwrap().port(), lines);
        let mut keys = left_to_right();
        keys.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let offered = self.engine.ng.offer("c", "a", &body.replace("RTP/AVP", profile), &keys).unwrap();
        let media = sdp::first_media(&offered).unwrap();
        self.callee.remote = Some((media.address, media.port).into());
        media
    }

    fn answer(&mut self, lines: &[&str], profile: &str, extra: &Value) -> Media {
        let body = sdp::audio_with(self.callee_ip, self.callee.local().unwrap().port(), lines);
        let answered =
            self.engine.ng.answer("c", "a", "b", &body.replace("RTP/AVP", profile), extra).unwrap();
        let media = sdp::first_media(&answered).unwrap();
        self.caller.remote = Some((media.address, media.port).into());
        media
    }
}

fn line<'m>(media: &'m Media, start: &str) -> &'m str {
    let found = media.lines.iter().find(|line| line.starts_with(start));
    found.unwrap_or_else(|| panic!("no {start} in {media:?}"))
}

/// Everything each of them says reaches the other as it was said.
fn talk(secure: &Endpoint, keys: &mut Association, plain: &Endpoint) {
    let (from_secure, from_plain) = (Stream::new(0x5ec), Stream::new(0x91a));
    for index in 0..PACKETS {
        let said = from_secure.packet(index).to_bytes();
        let sealed = keys.send.protect(&said).unwrap();
        // Before the daemon has heard the last word of the handshake it discards; after that it never does.
        let heard =
            if index == 0 { until_heard(secure, &sealed, plain) } else { once(secure, &sealed, plain) };
        assert_eq!(heard, said, "packet {index} at the plain side");
        let said = from_plain.packet(index).to_bytes();
        let sealed = once(plain, &said, secure);
        assert_ne!(sealed, said);
        assert_eq!(keys.receive.unprotect(sealed).unwrap(), said, "packet {index} at the secure side");
    }
}

fn once(from: &Endpoint, packet: &[u8], to: &Endpoint) -> Vec<u8> {
    from.send_raw(packet).unwrap();
    to.receive_raw(WAIT).unwrap().unwrap().0
}

fn until_heard(from: &Endpoint, packet: &[u8], to: &Endpoint) -> Vec<u8> {
    for _ in 0..100 {
        from.send_raw(packet).unwrap();
        if let Some((heard, _)) = to.receive_raw(Duration::from_millis(50)).unwrap() {
            return heard;
        }
    }
    panic!("nothing of {} packets arrives", 100);
}

fn statistic(engine: &Engine, name: &str) -> u64 {
    let text = engine.ctl(&["--plain", "list", "dtls"]).unwrap();
    let line = text.lines().find(|line| line.trim_start().starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(':').next().unwrap().trim().parse().unwrap()
}

/// The caller has DTLS and leaves the role to the daemon, which takes the active one unless it is told otherwise.
fn a_caller_with_dtls(extra: &Value, setup: &str, role: Role) {
    let mut scene = Scene::new(&[]);
    let certificate = Certificate::new().unwrap();
    let mut keys = json!({"transport protocol": "RTP/AVP"});
    keys.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let lines = ["a=setup:actpass", &certificate.line().unwrap(), "a=tls-id:aaaaaaaaaaaaaaaaaaaaaaaa"];
    let offered = scene.offer(&lines, "UDP/TLS/RTP/SAVPF", &keys);
    assert!(line(&offered, "m=").contains(" RTP/AVP "), "{offered:?}");
    assert!(!offered.lines.iter().any(|line| line.contains("fingerprint") || line.contains("setup")));
    let answered = scene.answer(&[], "RTP/AVP", &json!({}));
    assert!(line(&answered, "m=").contains("UDP/TLS/RTP/SAVPF"), "{answered:?}");
    assert!(answered.has(setup), "{answered:?}");
    line(&answered, "a=tls-id:");

    let mut keys = Association::new(&scene.caller, role, &certificate, &profiles()).unwrap();
    assert_eq!(
        keys.peer,
        line(&answered, "a=fingerprint:sha-256"),
        "the certificate is the one that was signalled"
    );
    talk(&scene.caller, &mut keys, &scene.callee);
    let query = scene.engine.ng.query("c").unwrap().to_string();
    assert!(query.contains("\"DTLS\"") && query.contains("AEAD_AES_256_GCM"), "{query}");
    assert_eq!(statistic(&scene.engine, "Handshakes completed"), 1);
    scene
        .engine
        .ng
        .expect_ok(&json!({"command": "delete", "call-id": "c", "from-tag": "a", "delete delay": 0}))
        .unwrap();
    keys.wait_closed().unwrap();
    scene.engine.daemon.stop().unwrap();
}

#[test]
fn the_daemon_starts_the_handshake() {
    if available(NAMESPACES) {
        a_caller_with_dtls(&json!({}), "a=setup:active", Role::Server);
    }
}

#[test]
fn the_daemon_waits_for_the_handshake() {
    if available(NAMESPACES) {
        a_caller_with_dtls(&json!({"DTLS-reverse": "passive"}), "a=setup:passive", Role::Client);
    }
}

#[test]
fn a_callee_is_offered_dtls_and_may_begin_before_its_answer() {
    if !available(NAMESPACES) {
        return;
    }
    for (name, suite) in PROFILES {
        let mut scene = Scene::new(&[]);
        let certificate = Certificate::new().unwrap();
        let offered = scene.offer(&[], "RTP/AVP", &json!({"transport protocol": "UDP/TLS/RTP/SAVP"}));
        assert!(line(&offered, "m=").contains("UDP/TLS/RTP/SAVP ") && offered.has("a=setup:actpass"));
        let mut keys = Association::new(&scene.callee, Role::Client, &certificate, &[name]).unwrap();
        assert_eq!((keys.suite, keys.peer.as_str()), (*suite, line(&offered, "a=fingerprint:sha-256")));
        let lines = ["a=setup:active", &certificate.line().unwrap()];
        let answered = scene.answer(&lines, "UDP/TLS/RTP/SAVP", &json!({}));
        assert!(line(&answered, "m=").contains(" RTP/AVP "), "{answered:?}");
        talk(&scene.callee, &mut keys, &scene.caller);
        scene.engine.daemon.stop().unwrap();
    }
}

#[test]
fn another_certificate_than_signalled_gets_no_media() {
    if !available(NAMESPACES) {
        return;
    }
    let mut scene = Scene::new(&[]);
    let (signalled, shown) = (Certificate::new().unwrap(), Certificate::new().unwrap());
    scene.offer(&[], "RTP/AVP", &json!({"transport protocol": "UDP/TLS/RTP/SAVP"}));
    let mut keys = Association::new(&scene.callee, Role::Client, &shown, &profiles()).unwrap();
    let lines = ["a=setup:active", &signalled.line().unwrap()];
    scene.answer(&lines, "UDP/TLS/RTP/SAVP", &json!({}));
    flows::wait_until("the certificate is refused", || {
        Ok(statistic(&scene.engine, "Certificates not as signalled") == 1)
    })
    .unwrap();
    let packet = Stream::new(1).packet(0).to_bytes();
    scene.callee.send_raw(&keys.send.protect(&packet).unwrap()).unwrap();
    scene.callee.send_raw(&packet).unwrap();
    scene.caller.send_raw(&packet).unwrap();
    flows::wait_until("all packets are counted as errors", || {
        Ok(scene.engine.ng.query("c")?["totals"]["RTP"]["errors"] == json!(3))
    })
    .unwrap();
    assert_eq!(scene.caller.receive_raw(Duration::ZERO).unwrap(), None);
    let at_callee = scene.callee.receive_raw(Duration::ZERO).unwrap();
    assert!(at_callee.is_none_or(|(bytes, _)| bytes[0] == 21), "nothing but an alert");
    scene.engine.daemon.stop().unwrap();
}
