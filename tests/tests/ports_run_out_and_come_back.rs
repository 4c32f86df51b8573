//! A port range that is used up is an error for the call that comes too late, and for no other.

use rtpengine_tests::daemon::Builder;
use rtpengine_tests::netns::Netns;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::sdp;
use serde_json::json;

#[test]
fn exhausted_ports_are_an_error_and_come_back() {
    if !available(NAMESPACES) {
        return;
    }
    let netns = Netns::new("ports").unwrap();
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
