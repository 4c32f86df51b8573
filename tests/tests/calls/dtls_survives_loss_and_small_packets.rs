//! Handshakes succeed in either role although flights are cut into small datagrams and some of those are lost; handshakes
//! that are begun and left are few, and end.

use rtpengine_tests::dtls::{Association, Certificate, Loss, Role, begin_and_leave};
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::rtp::Endpoint;
use serde_json::json;

use crate::dtls_scene::{Scene, profiles, statistic, talk, talk_on};

/// The certificate alone takes several datagrams then.
const SMALL: &[&str] = &["--dtls-mtu=576", "--dtls-cert-cipher=RSA", "--dtls-rsa-key-size=4096"];
/// The headers of IPv4 and UDP.
const HEADERS: usize = 28;
/// Handshakes of sources nobody vouched for that may be half open on one stream.
const MOST: u64 = 4;

/// The caller shakes hands over a way that loses these datagrams.
fn over(loss: Loss, setup: &str, role: Role) {
    let mut scene = Scene::new(SMALL);
    let certificate = Certificate::new().unwrap();
    let plain = json!({"transport protocol": "RTP/AVP"});
    scene.offer(&[setup, &certificate.line().unwrap()], "UDP/TLS/RTP/SAVPF", &plain);
    scene.answer(&[], "RTP/AVP", &json!({}));
    let mut keys = Association::over(loss, &scene.caller, role, &certificate, &profiles()).unwrap();
    assert!(keys.longest > 400 && keys.longest <= 576 - HEADERS, "{}", keys.longest);
    talk(&scene.caller, &mut keys, &scene.callee);
    assert_eq!(statistic(&scene.engine, "Handshakes completed"), 1);
    scene.engine.daemon.stop().unwrap();
}

#[test]
fn where_nothing_is_lost() {
    if available(NAMESPACES) {
        over(Loss::default(), "a=setup:active", Role::Client);
        over(Loss::default(), "a=setup:passive", Role::Server);
    }
}

#[test]
fn where_the_client_of_the_daemon_loses_flights() {
    if available(NAMESPACES) {
        // Its hello; the server's first datagram, one of the middle, and the last flight.
        over(Loss { sent: &[0, 2], received: &[0, 2, 9] }, "a=setup:active", Role::Client);
    }
}

#[test]
fn where_the_server_of_the_daemon_loses_flights() {
    if available(NAMESPACES) {
        over(Loss { sent: &[0, 3], received: &[0, 2, 4] }, "a=setup:passive", Role::Server);
    }
}

/// The callee is offered DTLS; sources that nobody knows begin handshakes with it and go away.
#[test]
fn and_handshakes_that_are_left_are_few_and_end() {
    if !available(NAMESPACES) {
        return;
    }
    let mut scene = Scene::new(&[]);
    let certificate = Certificate::new().unwrap();
    scene.offer(&[], "RTP/AVP", &json!({"transport protocol": "UDP/TLS/RTP/SAVP"}));
    let strangers: Vec<Endpoint> = (0..MOST + 2)
        .map(|host| {
            // Of one host only the latest attempt counts.
            let address = format!("10.77.2.{}", 66 + host);
            let callee = &scene.engine.trio.callee;
            callee.ip(&[format!("addr add {address}/24 dev eth0")]).unwrap();
            let mut stranger = Endpoint::bind_in(callee, address.parse().unwrap(), 0, 0x666).unwrap();
            stranger.remote = scene.callee.remote;
            stranger
        })
        .collect();
    let (kept, refused) = strangers.split_at(MOST as usize);
    for stranger in kept {
        begin_and_leave(stranger, &certificate).unwrap();
    }
    let expected = json!([MOST, 0]);
    assert_eq!(json!([in_progress(&scene), over_limit(&scene)]), expected);
    for stranger in refused {
        begin_and_leave(stranger, &certificate).unwrap();
    }
    assert_eq!(in_progress(&scene), MOST);
    assert!(over_limit(&scene) >= 2, "{}", over_limit(&scene));
    // Whom the answer names gets in all the same.
    scene.answer(&["a=setup:active", &certificate.line().unwrap()], "UDP/TLS/RTP/SAVP", &json!({}));
    let mut keys = Association::new(&scene.callee, Role::Client, &certificate, &profiles()).unwrap();
    talk(&scene.callee, &mut keys, &scene.caller);
    flows::wait_until("those that were left have ended", || Ok(in_progress(&scene) == 0)).unwrap();
    let ended =
        statistic(&scene.engine, "Handshakes timed out") + statistic(&scene.engine, "Handshakes given up");
    assert_eq!(ended, MOST);
    assert_eq!(statistic(&scene.engine, "Handshakes completed"), 1);
    talk_on(1, &scene.callee, &mut keys, &scene.caller);
    scene.engine.daemon.stop().unwrap();
}

fn in_progress(scene: &Scene) -> u64 {
    statistic(&scene.engine, "Handshakes in progress")
}

fn over_limit(scene: &Scene) -> u64 {
    statistic(&scene.engine, "Handshakes refused, too many")
}
