//! What must not be heard during hold is not, what must be is; afterwards the kernel forwards again and counters go on.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const PACKETS: u64 = 100;

/// One party speaks; the other hears everything or nothing.
fn speak(from: &mut Endpoint, to: &mut Endpoint, heard: bool) {
    to.expect(&from.stream);
    for _ in 0..PACKETS {
        from.send().unwrap();
        if heard {
            assert!(to.receive(Duration::from_secs(5)).unwrap());
        }
    }
    if heard {
        assert!(to.tally().is_perfect(PACKETS), "{:?}", to.tally());
    }
}

fn is_silent(endpoint: &Endpoint) -> bool {
    endpoint.receive_raw(Duration::ZERO).unwrap().is_none()
}

/// Talks, holds as `hold` says, speaks both ways, and resumes.
fn hold(
    mut engine: Engine,
    hold: impl FnOnce(&mut Engine, &mut Call),
    (from_caller, from_callee): (bool, bool),
    paths: [Option<&str>; 2],
) {
    let in_kernel = engine.daemon.table() >= 0;
    let talk = |engine: &Engine, call: &mut Call| match in_kernel {
        true => engine.talk_in_kernel(call, PACKETS).unwrap(),
        false => call.talk(PACKETS).unwrap(),
    };
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    talk(&engine, &mut call);
    hold(&mut engine, &mut call);
    for (party, path) in [&call.from, &call.to].into_iter().zip(paths) {
        engine.wait_for_path(&call, party, path).unwrap();
    }
    speak(&mut call.caller, &mut call.callee, from_caller);
    speak(&mut call.callee, &mut call.caller, from_callee);
    // Counted means handled: what has not been forwarded by now never will be.
    engine.wait_for_count(&call, 0).unwrap();
    assert!(is_silent(&call.caller) && is_silent(&call.callee));
    call.renegotiate(&mut engine.ng, &["a=sendrecv"], &["a=sendrecv"]).unwrap();
    talk(&engine, &mut call);
    engine.finish(call).unwrap();
}

fn directions<'a>(caller: &'a str, callee: &'a str) -> impl FnOnce(&mut Engine, &mut Call) + use<'a> {
    move |engine, call| {
        call.renegotiate(&mut engine.ng, &[caller], &[callee]).unwrap();
        assert!(sdp::first_media(&call.offered).unwrap().has(caller), "{}", call.offered);
        assert!(sdp::first_media(&call.answered).unwrap().has(callee), "{}", call.answered);
    }
}

/// The old way: the caller gives an address of zeroes.
fn zero_address(engine: &mut Engine, call: &mut Call) {
    let port = call.caller.local().unwrap().port();
    let remote = call.callee.remote;
    call.offer(&mut engine.ng, &sdp::audio([0, 0, 0, 0].into(), port), &left_to_right()).unwrap();
    call.callee.remote = remote;
    let callee = call.callee.local().unwrap();
    let answer = sdp::audio_with(callee.ip(), callee.port(), &["a=recvonly"]);
    call.answer(&mut engine.ng, &answer, &json!({})).unwrap();
}

#[test]
fn sendonly_in_the_kernel() {
    if !available(XDP) {
        return;
    }
    let engine = Engine::start(Table::Own, &[]).unwrap();
    hold(engine, directions("a=sendonly", "a=recvonly"), (true, false), [None, Some("Hold")]);
}

#[test]
fn inactive_in_the_kernel() {
    if !available(XDP) {
        return;
    }
    let engine = Engine::start(Table::Own, &[]).unwrap();
    hold(engine, directions("a=inactive", "a=inactive"), (false, false), [Some("Hold"); 2]);
}

#[test]
fn zero_address_in_the_kernel() {
    if !available(XDP) {
        return;
    }
    hold(
        Engine::start(Table::Own, &[]).unwrap(),
        zero_address,
        (true, false),
        [Some("NoEndpoint"), Some("Hold")],
    );
}

#[test]
fn sendonly_in_userspace() {
    if !available(NAMESPACES) {
        return;
    }
    let engine = Engine::start(Table::Off, &[]).unwrap();
    hold(engine, directions("a=sendonly", "a=recvonly"), (true, false), [Some("TableOff"); 2]);
}

#[test]
fn inactive_in_userspace() {
    if !available(NAMESPACES) {
        return;
    }
    let engine = Engine::start(Table::Off, &[]).unwrap();
    hold(engine, directions("a=inactive", "a=inactive"), (false, false), [Some("TableOff"); 2]);
}

#[test]
fn zero_address_in_userspace() {
    if !available(NAMESPACES) {
        return;
    }
    hold(Engine::start(Table::Off, &[]).unwrap(), zero_address, (true, false), [Some("TableOff"); 2]);
}
