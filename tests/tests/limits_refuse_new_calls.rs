//! `--max-cpu` and `--max-bandwidth` of the real daemon, changed while it runs: new calls are refused, others go on.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::sdp;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const WAIT: Duration = Duration::from_secs(20);

/// Offers new calls until one ends as `wanted`; what the last reply says.
fn offer_until(engine: &mut Engine, wanted: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + WAIT;
    for number in 0.. {
        let id = format!("new-{number}");
        let sdp = sdp::audio(CALLER.parse().unwrap(), 4000);
        let offer = json!({"command": "offer", "call-id": &id, "from-tag": "a", "sdp": sdp});
        let reply = engine.ng.request(&offer).unwrap();
        if reply["result"] == "ok" {
            engine.ng.delete(&id, "a").unwrap();
        }
        if wanted(&reply) || Instant::now() > deadline {
            return reply;
        }
    }
    Value::Null
}

#[test]
fn and_leave_established_ones_alone() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &["--max-cpu=0.5", "--delete-delay=0"]).unwrap();
    let busy = AtomicBool::new(true);
    let refused = std::thread::scope(|scope| {
        scope.spawn(|| {
            while busy.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        });
        let reply = offer_until(&mut engine, |reply| reply["result"] == "error");
        busy.store(false, Ordering::Relaxed);
        reply
    });
    assert!(refused["error-reason"].as_str().unwrap().contains("CPU usage is above 0.5 %"), "{refused}");
    engine.ctl(&["set", "maxcpu", "0"]).unwrap();

    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.ctl(&["set", "maxbw", "1"]).unwrap();
    let mut refused = Value::Null;
    let deadline = Instant::now() + WAIT;
    while Instant::now() < deadline {
        call.talk(50).unwrap();
        refused = offer_until(&mut engine, |_| true);
        if refused["result"] == "error" {
            break;
        }
    }
    let reason = refused["error-reason"].as_str().unwrap_or_default();
    assert!(reason.contains("more than 1 bytes per second"), "{refused}");
    call.talk(10).unwrap();
    // Silence follows.
    let accepted = offer_until(&mut engine, |reply| reply["result"] == "ok");
    assert_eq!(accepted["result"], "ok", "{accepted}");
    engine.daemon.stop().unwrap();
}
