//! The ng protocol of the real daemon: repetition, hostile input, port exhaustion.

use std::path::Path;
use std::time::Duration;

use rtpengine_tests::daemon::Builder;
use rtpengine_tests::ng::{Encoding, NgClient, cookie};
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::sdp;
use serde_json::json;

#[test]
fn a_repeated_command_gets_the_same_reply() {
    if !available(&[Need::Daemon]) {
        return;
    }
    let daemon = Builder::new().arg("--interface=127.0.0.1").start().unwrap();
    let mut ng = daemon.ng().unwrap();
    let body = json!({"command": "offer", "call-id": "repeated", "from-tag": "a",
        "sdp": sdp::audio([127, 0, 0, 1].into(), 4000)});
    let cookie = cookie();
    let first = ng.request_with_cookie(&cookie, &body).unwrap();
    assert_eq!(first["result"], "ok", "{first}");
    assert_eq!(ng.request_with_cookie(&cookie, &body).unwrap(), first);
    assert_eq!(ng.request_with_cookie(&cookie, &json!({"command": "ping"})).unwrap(), first);
    assert_eq!(ng.list().unwrap(), ["repeated"]);
    daemon.stop().unwrap();
}

#[test]
fn json_and_tcp_work_as_bencode_and_udp_do() {
    if !available(&[Need::Daemon]) {
        return;
    }
    let daemon = Builder::new().arg("--interface=127.0.0.1").start().unwrap();
    for encoding in [Encoding::Bencode, Encoding::Json] {
        daemon.ng().unwrap().with_encoding(encoding).ping().unwrap();
        let mut tcp = NgClient::tcp(daemon.tcp_ng_address()).unwrap().with_encoding(encoding);
        tcp.ping().unwrap();
        tcp.ping().unwrap();
    }
    daemon.stop().unwrap();
}

#[test]
fn the_malformed_corpus_changes_nothing() {
    if !available(&[Need::Daemon]) {
        return;
    }
    let daemon = Builder::new().arg("--interface=127.0.0.1").start().unwrap();
    let mut ng = daemon.ng().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/ng");
    let mut sent = 0;
    for entry in std::fs::read_dir(&corpus).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        // Well-formed seeds have effects of their own, and what exceeds a datagram cannot be sent.
        let well_formed =
            bytes.split(|byte| *byte == b' ').nth(1).is_some_and(|body| body.starts_with(b"d7:command"));
        if bytes.len() > 60_000 || well_formed {
            continue;
        }
        ng.send_raw(&bytes).unwrap();
        sent += 1;
        while ng.receive_raw(Duration::from_millis(1)).unwrap().is_some() {}
    }
    assert!(sent > 0, "{} has no inputs", corpus.display());
    ng.ping().unwrap();
    daemon.stop().unwrap();
}

#[test]
fn exhausted_ports_are_an_error_and_come_back() {
    if !available(&[Need::Daemon, Need::Root]) {
        return;
    }
    let netns = rtpengine_tests::netns::Netns::new("ports").unwrap();
    // Each call takes two pairs: there is room for two calls.
    let daemon = Builder::new()
        .netns(&netns)
        .args(["--interface=127.0.0.1", "--port-min=40000", "--port-max=40007"])
        .start()
        .unwrap();
    let mut ng = daemon.ng_in(&netns).unwrap();
    let offer = sdp::audio([127, 0, 0, 1].into(), 4000);
    for round in 0..3 {
        let mut placed = Vec::new();
        let refused = loop {
            let id = format!("call-{round}-{}", placed.len());
            let body = json!({"command": "offer", "call-id": &id, "from-tag": "a", "sdp": &offer});
            let reply = ng.request(&body).unwrap();
            if reply["result"] == "error" {
                break reply;
            }
            assert!(placed.len() < 4, "more calls than ports: {reply}");
            placed.push(id);
        };
        assert!(!placed.is_empty(), "{refused}");
        assert!(refused["error-reason"].as_str().is_some_and(|reason| reason.contains("port")), "{refused}");
        for id in placed {
            ng.delete(&id, "a").unwrap();
        }
    }
    daemon.stop().unwrap();
}
