//! The daemon's certificate is replaced in time: associations that were made before go on, and re-INVITEs repeat the
//! certificate that they began with; later associations and later calls get the new one.

use rtpengine_tests::browser::{Browser, BrowserCall};
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp::Media;
use rtpengine_tests::topology::CALLER;
use serde_json::json;

const PACKETS: u64 = 100;

fn fingerprint(media: &Media) -> String {
    media.lines.iter().find(|line| line.starts_with("a=fingerprint:sha-256 ")).unwrap().clone()
}

/// What a call that is placed now is told.
fn of_a_new_call(engine: &mut Engine) -> String {
    let mut call = BrowserCall::unplaced(engine).unwrap();
    let told = fingerprint(&call.negotiate(engine, &json!({})).unwrap());
    call.hang_up(engine).unwrap();
    told
}

fn shown(call: &BrowserCall) -> &str {
    &call.caller.keys.as_ref().unwrap().peer
}

#[test]
fn and_calls_before_it_go_on() {
    if !available(XDP) {
        return;
    }
    // Seconds; a quarter before the end it is replaced.
    let mut engine = Engine::start(Table::Own, &["--dtls-cert-lifetime=8"]).unwrap();
    let table = engine.daemon.table();
    let mut call = BrowserCall::unplaced(&engine).unwrap();
    let first = fingerprint(&call.negotiate(&mut engine, &json!({})).unwrap());
    call.meet(&mut engine).unwrap();
    assert_eq!(shown(&call), first);
    call.talk_in_kernel(table, PACKETS).unwrap();

    flows::wait_until("new calls have another certificate", || Ok(of_a_new_call(&mut engine) != first))
        .unwrap();
    call.talk_in_kernel(table, PACKETS).unwrap();
    // A re-INVITE repeats what was signalled, and the keys go on.
    assert_eq!(fingerprint(&call.negotiate(&mut engine, &json!({})).unwrap()), first);
    call.talk_in_kernel(table, PACKETS).unwrap();
    // One that comes with another certificate of the caller's makes a new association (RFC 8842), with the new one.
    let mut endpoint = Endpoint::bind_in(&engine.trio.caller, CALLER.parse().unwrap(), 0, 1).unwrap();
    endpoint.stream = call.caller.endpoint.stream.clone();
    call.caller = Browser::new(endpoint, true).unwrap();
    let told = fingerprint(&call.negotiate(&mut engine, &json!({})).unwrap());
    call.meet(&mut engine).unwrap();
    assert_ne!(told, first);
    assert_eq!(shown(&call), told);
    call.talk_in_kernel(table, PACKETS).unwrap();

    let mut later = BrowserCall::unplaced(&engine).unwrap();
    let told = fingerprint(&later.negotiate(&mut engine, &json!({})).unwrap());
    later.meet(&mut engine).unwrap();
    assert_ne!(told, first);
    assert_eq!(shown(&later), told);
    later.talk_in_kernel(table, PACKETS).unwrap();
    call.talk_in_kernel(table, PACKETS).unwrap();
    later.hang_up(&mut engine).unwrap();
    call.hang_up(&mut engine).unwrap();
    engine.daemon.stop().unwrap();
}
