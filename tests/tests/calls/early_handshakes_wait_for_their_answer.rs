//! The branches of a forked call begin their handshakes before they answer, and so do strangers: whose media is heard, the
//! answers decide.

use std::time::Duration;

use rtpengine_tests::dtls::{Association, Certificate, Role};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::rtp::{Endpoint, Stream};
use rtpengine_tests::sdp::{self, Media};
use rtpengine_tests::talk::left_to_right;
use serde_json::json;

use crate::dtls_scene::{Scene, profiles, talk, talk_on};

/// One who is called.
struct Branch {
    endpoint: Endpoint,
    certificate: Certificate,
}

impl Branch {
    fn new(engine: &Engine, remote: &Media) -> Self {
        let address = rtpengine_tests::topology::CALLEE.parse().unwrap();
        let mut endpoint = Endpoint::bind_in(&engine.trio.callee, address, 0, 0x0ca1_1ee1).unwrap();
        endpoint.remote = Some((remote.address, remote.port).into());
        Self { endpoint, certificate: Certificate::new().unwrap() }
    }

    fn begin(&self) -> anyhow::Result<Association> {
        Association::new(&self.endpoint, Role::Client, &self.certificate, &profiles())
    }

    /// Where the caller is to send to, after the answer.
    fn answer(&self, scene: &mut Scene, tag: &str, branch: Option<&str>) -> Media {
        let local = self.endpoint.local().unwrap();
        let lines = ["a=setup:active", &self.certificate.line().unwrap()];
        let body = sdp::audio_with(local.ip(), local.port(), &lines).replace("RTP/AVP", "UDP/TLS/RTP/SAVP");
        let extra = branch.map_or(json!({}), |branch| json!({"via-branch": branch}));
        let answered = scene.engine.ng.answer("c", "a", tag, &body, &extra).unwrap();
        let media = sdp::first_media(&answered).unwrap();
        scene.caller.remote = Some((media.address, media.port).into());
        media
    }

    /// Nothing that is said with these keys or without any, from this sequence number on, reaches the caller.
    fn is_not_heard(&self, from: u16, scene: &Scene, keys: &mut Association) {
        let stream = Stream { first_sequence: from, ..Stream::new(0x0bad) };
        for index in 0..10 {
            let packet = stream.packet(index).to_bytes();
            self.endpoint.send_raw(&packet).unwrap();
            self.endpoint.send_raw(&keys.send.protect(&packet).unwrap()).unwrap();
        }
        assert_eq!(scene.caller.receive_raw(Duration::from_millis(50)).unwrap(), None);
    }
}

/// Offers the caller's RTP to a branch with DTLS.
fn offer(scene: &mut Scene, branch: Option<&str>) -> Media {
    let body = sdp::audio(scene.caller_ip, scene.caller.local().unwrap().port());
    let mut extra = left_to_right();
    extra["transport protocol"] = json!("UDP/TLS/RTP/SAVP");
    if let Some(branch) = branch {
        extra["via-branch"] = json!(branch);
    }
    sdp::first_media(&scene.engine.ng.offer("c", "a", &body, &extra).unwrap()).unwrap()
}

/// The second branch and a stranger at its port begin before its answer, while the first one talks.
fn at_a_port_of_its_own(stranger_is_first: bool) {
    let mut scene = Scene::new(&[]);
    let offered = offer(&mut scene, Some("1"));
    let first = Branch::new(&scene.engine, &offered);
    let offered = offer(&mut scene, Some("2"));
    let second = Branch::new(&scene.engine, &offered);
    let stranger = Branch::new(&scene.engine, &offered);
    first.answer(&mut scene, "b1", Some("1"));
    let mut firsts = first.begin().unwrap();
    talk(&first.endpoint, &mut firsts, &scene.caller);
    let (mut seconds, mut strangers);
    if stranger_is_first {
        strangers = stranger.begin().unwrap();
        seconds = second.begin().unwrap();
    } else {
        seconds = second.begin().unwrap();
        strangers = stranger.begin().unwrap();
    }
    second.is_not_heard(65_000, &scene, &mut seconds);
    stranger.is_not_heard(65_000, &scene, &mut strangers);
    talk_on(1, &first.endpoint, &mut firsts, &scene.caller);
    second.answer(&mut scene, "b2", Some("2"));
    talk(&second.endpoint, &mut seconds, &scene.caller);
    stranger.is_not_heard(65_100, &scene, &mut strangers);
    talk_on(1, &second.endpoint, &mut seconds, &scene.caller);
    scene.engine.daemon.stop().unwrap();
}

#[test]
fn with_a_stranger_after_the_branch() {
    if available(NAMESPACES) {
        at_a_port_of_its_own(false);
    }
}

#[test]
fn with_a_stranger_before_the_branch() {
    if available(NAMESPACES) {
        at_a_port_of_its_own(true);
    }
}

/// Branches that a proxy does not tell apart share a port. The second one's handshake is refused before its answer, which
/// takes nothing from the first one, and comes about after it.
#[test]
fn at_a_port_that_branches_share() {
    if !available(NAMESPACES) {
        return;
    }
    let mut scene = Scene::new(&[]);
    let offered = offer(&mut scene, None);
    let first = Branch::new(&scene.engine, &offered);
    let second = Branch::new(&scene.engine, &offered);
    first.answer(&mut scene, "b1", None);
    let mut firsts = first.begin().unwrap();
    talk(&first.endpoint, &mut firsts, &scene.caller);
    assert!(second.begin().is_err(), "its certificate is not the one that the first one named");
    talk_on(1, &first.endpoint, &mut firsts, &scene.caller);
    second.answer(&mut scene, "b2", None);
    let mut seconds = second.begin().unwrap();
    talk(&second.endpoint, &mut seconds, &scene.caller);
    first.is_not_heard(1_000, &scene, &mut firsts);
    scene.engine.daemon.stop().unwrap();
}
