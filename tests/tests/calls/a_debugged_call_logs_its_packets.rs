//! The flag `debug`: the daemon's log tells what the kernel does with each packet of the call, and of no other call. Logging is
//! what is tested here, so the log is what is looked at.

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const PACKETS: u64 = 50;

/// Lines about packets that the kernel forwarded.
fn forwarded(engine: &Engine, call: &str) -> u64 {
    let log = engine.daemon.log();
    let of_call = |line: &&str| line.contains(call) && line.contains("in the kernel: Forwarded");
    log.lines().filter(of_call).count() as u64
}

#[test]
fn as_the_kernel_forwards_them() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut quiet = engine.call(CALLER, CALLEE).unwrap();
    let mut call = engine.call_with(CALLER, CALLEE, &json!({"flags": ["debug"]})).unwrap();
    engine.establish(&mut quiet).unwrap();
    engine.establish(&mut call).unwrap();
    engine.talk_in_kernel(&mut quiet, PACKETS).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    flows::wait_until("every packet is in the log", || Ok(forwarded(&engine, &call.id) >= 2 * PACKETS))
        .unwrap();
    assert_eq!(forwarded(&engine, &quiet.id), 0);
    call.hang_up(&mut engine.ng).unwrap();
    engine.finish(quiet).unwrap();
}
