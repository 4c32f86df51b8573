//! A party with DTLS-SRTP and one without encryption: they hear each other whoever starts the handshake, and nobody
//! hears those who have another certificate than signalled, or keeps the parties from each other.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rtpengine_tests::dtls::{Association, Certificate, PROFILES, Role, client_hello};
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::rtp::{Endpoint, Stream, rtcp_receiver_report};
use serde_json::{Value, json};

use crate::dtls_scene::{PACKETS, Scene, line, once, profiles, statistic, talk, until_heard};
use crate::ice_finds_a_way::{connect, with_ice};

/// Time between two hellos of a stranger: 16 of them make some 10,000 a second.
const ROUND: Duration = Duration::from_millis(1);

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

#[test]
fn rtcp_has_a_handshake_of_its_own_unless_it_shares_the_port() {
    if !available(NAMESPACES) {
        return;
    }
    for mux in [false, true] {
        let mut scene = Scene::new(&[]);
        let certificate = Certificate::new().unwrap();
        let print = certificate.line().unwrap();
        let mut lines = vec!["a=setup:active", print.as_str()];
        if mux {
            lines.push("a=rtcp-mux");
        }
        let extra = json!({"transport protocol": "RTP/AVP", "rtcp-mux": ["demux"]});
        let offered = scene.offer(&lines, "UDP/TLS/RTP/SAVPF", &extra);
        let answered = scene.answer(&[], "RTP/AVP", &json!({}));
        let mut keys = Association::new(&scene.caller, Role::Client, &certificate, &profiles()).unwrap();
        talk(&scene.caller, &mut keys, &scene.callee);

        let above = |endpoint: &Endpoint| endpoint.local().unwrap().port() + 1;
        let (caller_ip, callee_ip) = (scene.caller_ip, scene.callee_ip);
        let trio = &scene.engine.trio;
        let mut callee = Endpoint::bind_in(&trio.callee, callee_ip, above(&scene.callee), 1).unwrap();
        callee.remote = Some((offered.address, offered.rtcp_port).into());
        let report = rtcp_receiver_report(0x1234);
        if mux {
            let sealed = keys.send.protect_rtcp(&report).unwrap();
            assert_eq!(once(&scene.caller, &sealed, &callee), report);
            let sealed = once(&callee, &report, &scene.caller);
            assert_eq!(keys.receive.unprotect_rtcp(sealed).unwrap(), report);
        } else {
            let mut caller = Endpoint::bind_in(&trio.caller, caller_ip, above(&scene.caller), 1).unwrap();
            caller.remote = Some((answered.address, answered.rtcp_port).into());
            let mut own = Association::new(&caller, Role::Client, &certificate, &profiles()).unwrap();
            let sealed = own.send.protect_rtcp(&report).unwrap();
            assert_eq!(until_heard(&caller, &sealed, &callee), report);
            let sealed = once(&callee, &report, &caller);
            assert_eq!(own.receive.unprotect_rtcp(sealed).unwrap(), report);
        }
        assert_eq!(statistic(&scene.engine, "Handshakes completed"), if mux { 1 } else { 2 });
        scene.engine.daemon.stop().unwrap();
    }
}

#[test]
fn a_party_with_ice_shakes_hands_on_the_way_that_its_checks_find() {
    if !available(NAMESPACES) {
        return;
    }
    for (setup, role) in [("a=setup:actpass", Role::Server), ("a=setup:active", Role::Client)] {
        let mut scene = Scene::new(&[]);
        let certificate = Certificate::new().unwrap();
        let mut lines = with_ice(&mut scene.caller, true);
        lines.extend([setup.to_owned(), certificate.line().unwrap()]);
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let extra = json!({"transport protocol": "RTP/AVP", "ICE": "remove", "rtcp-mux": ["demux"]});
        scene.offer(&lines, "UDP/TLS/RTP/SAVPF", &extra);
        let answered = scene.answer(&[], "RTP/AVP", &json!({"ICE": "force"}));
        scene.caller.ice.as_mut().unwrap().hear(&answered.lines).unwrap();
        connect(&mut [&mut scene.caller]);
        // The daemon's own checks go on until it has the way too; a first flight that comes meanwhile is lost.
        flows::wait_until("the daemon has found the way", || {
            scene.caller.receive_ice(Duration::from_millis(5))?;
            let query = scene.engine.ng.query("c")?;
            Ok(query["tags"]["a"]["medias"][0]["streams"][0]["flags"].to_string().contains("confirmed"))
        })
        .unwrap();
        let mut keys = Association::new(&scene.caller, role, &certificate, &profiles()).unwrap();
        talk(&scene.caller, &mut keys, &scene.callee);
        scene.engine.daemon.stop().unwrap();
    }
}

#[test]
fn both_parties_may_have_dtls() {
    if !available(NAMESPACES) {
        return;
    }
    let mut scene = Scene::new(&["--dtls-passive"]);
    let [callers, callees] = [Certificate::new().unwrap(), Certificate::new().unwrap()];
    scene.offer(
        &["a=setup:actpass", &callers.line().unwrap(), "a=rtcp-mux"],
        "UDP/TLS/RTP/SAVPF",
        &json!({}),
    );
    let lines = ["a=setup:active", &callees.line().unwrap(), "a=rtcp-mux"];
    let answered = scene.answer(&lines, "UDP/TLS/RTP/SAVPF", &json!({}));
    assert!(answered.has("a=setup:passive"), "{answered:?}");
    let mut left =
        Association::new(&scene.caller, Role::Client, &callers, &["SRTP_AEAD_AES_128_GCM"]).unwrap();
    let mut right =
        Association::new(&scene.callee, Role::Client, &callees, &["SRTP_AES128_CM_SHA1_80"]).unwrap();
    let stream = Stream::new(0x77);
    let mut first = 0;
    // The last word of either handshake may still be under way: until then packets are discarded.
    loop {
        let sealed = left.send.protect(&stream.packet(first).to_bytes()).unwrap();
        scene.caller.send_raw(&sealed).unwrap();
        if let Some((heard, _)) = scene.callee.receive_raw(Duration::from_millis(50)).unwrap() {
            assert_eq!(right.receive.unprotect(heard).unwrap(), stream.packet(first).to_bytes());
            break;
        }
        first += 1;
        assert!(first < 100, "nothing arrives");
    }
    for index in first + 1..first + PACKETS {
        let said = stream.packet(index).to_bytes();
        let heard = once(&scene.caller, &left.send.protect(&said).unwrap(), &scene.callee);
        assert_eq!(right.receive.unprotect(heard).unwrap(), said);
        let heard = once(&scene.callee, &right.send.protect(&said).unwrap(), &scene.caller);
        assert_eq!(left.receive.unprotect(heard).unwrap(), said);
    }
    scene.engine.daemon.stop().unwrap();
}

#[test]
fn switched_off_the_parties_agree_among_themselves() {
    if !available(NAMESPACES) {
        return;
    }
    let mut scene = Scene::new(&[]);
    let [callers, callees] = [Certificate::new().unwrap(), Certificate::new().unwrap()];
    let off = json!({"DTLS": "off"});
    let offered = scene.offer(&["a=setup:actpass", &callers.line().unwrap()], "UDP/TLS/RTP/SAVPF", &off);
    assert!(offered.has(&callers.line().unwrap()));
    scene.answer(&["a=setup:active", &callees.line().unwrap()], "UDP/TLS/RTP/SAVPF", &off);
    let (caller, callee) = (&scene.caller, &scene.callee);
    let (mut left, mut right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| Association::new(caller, Role::Server, &callers, &profiles()).unwrap());
        let right = Association::new(callee, Role::Client, &callees, &profiles()).unwrap();
        (left.join().unwrap(), right)
    });
    assert_eq!(
        (left.peer.as_str(), right.peer.as_str()),
        (&*callees.line().unwrap(), &*callers.line().unwrap())
    );
    let said = Stream::new(0x77).packet(0).to_bytes();
    let heard = once(caller, &left.send.protect(&said).unwrap(), callee);
    assert_eq!(right.receive.unprotect(heard).unwrap(), said);
    scene.engine.daemon.stop().unwrap();
}

#[test]
fn a_new_certificate_replaces_the_keys_when_its_handshake_is_done() {
    if !available(NAMESPACES) {
        return;
    }
    let mut scene = Scene::new(&[]);
    let [first, second] = [Certificate::new().unwrap(), Certificate::new().unwrap()];
    let plain = json!({"transport protocol": "RTP/AVP"});
    scene.offer(&["a=setup:active", &first.line().unwrap()], "UDP/TLS/RTP/SAVP", &plain);
    scene.answer(&[], "RTP/AVP", &json!({}));
    let mut old = Association::new(&scene.caller, Role::Client, &first, &profiles()).unwrap();
    talk(&scene.caller, &mut old, &scene.callee);
    scene.offer(&["a=setup:active", &second.line().unwrap()], "UDP/TLS/RTP/SAVP", &plain);
    scene.answer(&[], "RTP/AVP", &json!({}));
    let packet = Stream::new(0x5ec).packet(PACKETS).to_bytes();
    let heard = once(&scene.caller, &old.send.protect(&packet).unwrap(), &scene.callee);
    assert_eq!(heard, packet, "the old keys hold");
    let mut new = Association::new(&scene.caller, Role::Client, &second, &profiles()).unwrap();
    talk(&scene.caller, &mut new, &scene.callee);
    let late = old.send.protect(&Stream::new(0x5ec).packet(PACKETS + 1).to_bytes()).unwrap();
    scene.caller.send_raw(&late).unwrap();
    let said = Stream::new(0x5ec).packet(PACKETS).to_bytes();
    assert_eq!(once(&scene.caller, &new.send.protect(&said).unwrap(), &scene.callee), said, "no longer");
    scene.engine.daemon.stop().unwrap();
}

#[test]
fn options_shape_certificate_and_handshake() {
    if !available(NAMESPACES) {
        return;
    }
    let options = [
        "--dtls-cert-cipher=RSA",
        "--dtls-rsa-key-size=4096",
        "--dtls-signature=SHA-1",
        "--dtls-ciphers=ECDHE-RSA-AES128-GCM-SHA256",
        "--dtls-mtu=576",
    ];
    let mut scene = Scene::new(&options);
    let certificate = Certificate::new().unwrap();
    let offered = scene.offer(
        &[],
        "RTP/AVP",
        &json!({"transport protocol": "UDP/TLS/RTP/SAVP", "DTLS-fingerprint": "SHA-384"}),
    );
    line(&offered, "a=fingerprint:sha-384 ");
    let lines = ["a=setup:active", &certificate.line().unwrap()];
    scene.answer(&lines, "UDP/TLS/RTP/SAVP", &json!({}));
    let mut keys = Association::new(&scene.callee, Role::Client, &certificate, &profiles()).unwrap();
    // Minus the headers of IP and UDP.
    assert!(keys.longest > 400 && keys.longest <= 576 - 28, "{}", keys.longest);
    talk(&scene.callee, &mut keys, &scene.caller);
    scene.engine.daemon.stop().unwrap();
}

/// Strangers send ClientHellos to the ports of a call before, during and after its handshake.
#[test]
fn a_flood_of_strangers_keeps_nobody_from_talking() {
    if !available(NAMESPACES) {
        return;
    }
    let mut scene = Scene::new(&[]);
    let certificate = Certificate::new().unwrap();
    let hello = client_hello().unwrap();
    scene.offer(
        &["a=setup:actpass", &certificate.line().unwrap()],
        "UDP/TLS/RTP/SAVPF",
        &json!({
            "transport protocol": "RTP/AVP", "DTLS-reverse": "passive",
        }),
    );
    scene.answer(&[], "RTP/AVP", &json!({}));
    let strangers: Vec<Endpoint> = (66..82)
        .map(|host| {
            let address = format!("10.77.1.{host}");
            scene.engine.trio.caller.ip(&[format!("addr add {address}/24 dev eth0")]).unwrap();
            let caller = &scene.engine.trio.caller;
            let mut stranger = Endpoint::bind_in(caller, address.parse().unwrap(), 0, 0x666).unwrap();
            stranger.remote = scene.caller.remote;
            stranger
        })
        .collect();
    let (over, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                std::thread::sleep(ROUND);
                for stranger in &strangers {
                    stranger.send_raw(&hello).unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        // Sees to the end of the flood if something fails.
        let flood = End(&over);
        flows::wait_until("the flood is there", || Ok(sent.load(Ordering::Relaxed) > 5_000)).unwrap();
        let mut keys = Association::new(&scene.caller, Role::Client, &certificate, &profiles()).unwrap();
        talk(&scene.caller, &mut keys, &scene.callee);
        drop(flood);
    });
    assert_eq!(statistic(&scene.engine, "Handshakes started"), 1, "a stranger's hello takes no state");
    assert_eq!(statistic(&scene.engine, "Handshakes completed"), 1);
    assert!(statistic(&scene.engine, "Cookies sent") > 0);
    for stranger in &strangers {
        while let Some((bytes, _)) = stranger.receive_raw(Duration::ZERO).unwrap() {
            assert!(bytes[0] == 22 && bytes.len() < hello.len(), "only a request to come back: {bytes:02x?}");
        }
    }
    scene.engine.daemon.stop().unwrap();
}

/// Ends the flood when dropped.
struct End<'f>(&'f AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
