//! What happens to established calls while the world around them changes.

use rtpengine_tests::daemon::{Builder, Table};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, Place, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER, Trio};
use serde_json::json;

const PACKETS: u64 = 300;

#[test]
fn an_offer_repeated_within_the_call_keeps_its_ports() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    let before =
        (sdp::first_media(&call.offered).unwrap().port, sdp::first_media(&call.answered).unwrap().port);
    let offer = sdp::audio(CALLER.parse().unwrap(), call.caller.local().unwrap().port());
    call.offer(&mut engine.ng, &offer, &left_to_right()).unwrap();
    let answer = sdp::audio(CALLEE.parse().unwrap(), call.callee.local().unwrap().port());
    call.answer(&mut engine.ng, &answer, &json!({})).unwrap();
    let after =
        (sdp::first_media(&call.offered).unwrap().port, sdp::first_media(&call.answered).unwrap().port);
    assert_eq!(before, after);
    call.talk(PACKETS).unwrap();
    engine.finish(call, 4 * PACKETS).unwrap();
}

#[test]
fn hold_and_resume() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    for (ours, theirs) in [("a=sendonly", "a=recvonly"), ("a=sendrecv", "a=sendrecv")] {
        let port = call.caller.local().unwrap().port();
        let offer = sdp::audio_with(CALLER.parse().unwrap(), port, &[ours]);
        call.offer(&mut engine.ng, &offer, &left_to_right()).unwrap();
        assert!(sdp::first_media(&call.offered).unwrap().has(ours), "{}", call.offered);
        let port = call.callee.local().unwrap().port();
        let answer = sdp::audio_with(CALLEE.parse().unwrap(), port, &[theirs]);
        call.answer(&mut engine.ng, &answer, &json!({})).unwrap();
        assert!(sdp::first_media(&call.answered).unwrap().has(theirs), "{}", call.answered);
    }
    call.talk(PACKETS).unwrap();
    engine.finish(call, 4 * PACKETS).unwrap();
}

#[test]
fn a_caller_behind_nat_is_found_by_its_packets() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let caller = Place::within(&engine.trio.caller, CALLER).unwrap();
    let callee = Place::within(&engine.trio.callee, CALLEE).unwrap();
    let mut call = Call::place(&mut engine.ng, caller, callee, &left_to_right(), &json!({})).unwrap();
    // The same call again with the address that the caller believes to have.
    let offer = sdp::audio([192, 168, 0, 7].into(), 9000);
    call.id.push_str("-nat");
    call.offer(&mut engine.ng, &offer, &left_to_right()).unwrap();
    let answer = sdp::audio(CALLEE.parse().unwrap(), call.callee.local().unwrap().port());
    call.answer(&mut engine.ng, &answer, &json!({})).unwrap();
    // Its first packet tells where it is.
    call.callee.expect(&call.caller.stream.clone());
    call.caller.send().unwrap();
    assert!(call.callee.receive(std::time::Duration::from_secs(2)).unwrap());
    call.talk(PACKETS).unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn two_daemons_share_the_devices_by_table() {
    if !available(XDP) {
        return;
    }
    let mut one = Engine::start(Table::Own, &["--port-min=30000", "--port-max=30999"]).unwrap();
    let two = Builder::new()
        .netns(&one.trio.engine)
        .table(Table::Own)
        .args(Trio::interface_options())
        .args(["--port-min=31000", "--port-max=31999"])
        .control_ports(3223)
        .start()
        .unwrap();
    assert_ne!(one.daemon.table(), two.table());
    let mut ng = two.ng_in(&one.trio.engine).unwrap();
    let mut first = one.call(CALLER, CALLEE).unwrap();
    let caller = Place::within(&one.trio.caller, CALLER).unwrap();
    let callee = Place::within(&one.trio.callee, CALLEE).unwrap();
    let mut second = Call::place(&mut ng, caller, callee, &left_to_right(), &json!({})).unwrap();
    first.talk(PACKETS).unwrap();
    second.talk(PACKETS).unwrap();
    // One leaves, the other's calls go on.
    second.hang_up(&mut ng).unwrap();
    two.stop().unwrap();
    first.talk(PACKETS).unwrap();
    one.finish(first, 4 * PACKETS).unwrap();
}

#[test]
fn a_killed_daemon_is_succeeded_by_one_that_adopts_its_calls() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(PACKETS).unwrap();
    let Engine { daemon, trio, ng } = engine;
    drop(ng);
    let table = daemon.table();
    let lease = daemon.kill_hard().unwrap();
    // Nobody is there, and the audio goes on.
    call.talk(PACKETS).unwrap();
    let mut engine = Engine::on(trio, Table::Number(table), &[]).unwrap();
    assert_eq!(engine.ng.list().unwrap(), [call.id.clone()]);
    call.talk(PACKETS).unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
    drop(lease);
}
