//! Both sides take the same role of ICE: the greater tie-breaker decides (RFC 8445 sections 7.2.5.1 and 7.3.1.1), and
//! media goes both ways.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

use crate::ice_finds_a_way::{answer, connect, hear, offer, parties, until, with_ice};

const PACKETS: u64 = 500;
/// The daemon's are random: neither of these two.
const LEAST: u64 = 1;
const GREATEST: u64 = u64::MAX;

/// The checks settle who controls, and both sides know.
fn settle(party: &mut Endpoint, controls: bool) {
    connect(&mut [&mut *party]);
    until("both sides agree on the roles", &mut [party], |parties| {
        let ice = parties[0].ice.as_ref().unwrap();
        ice.controls() == controls && ice.peer_controls == Some(!controls)
    });
}

fn conflicts(party: &Endpoint) -> u64 {
    party.ice.as_ref().unwrap().conflicts
}

/// The daemon has made the offer, and so controls; the callee does too.
fn both_control(tie_breaker: u64) {
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = parties(&engine, CALLER, CALLEE);
    offer(&mut engine, &mut call, &[], &json!({"ICE": "force", "rtcp-mux": ["require"]}));
    let lines = with_ice(&mut call.callee, true);
    call.callee.ice.as_mut().unwrap().set_tie_breaker(tie_breaker);
    let offered = call.offered.clone();
    hear(&mut call.callee, &offered);
    // Its first check is there before the daemon knows whom to check.
    call.callee.receive_ice(Duration::from_millis(1)).unwrap();
    assert_eq!(call.callee.ice.as_ref().unwrap().sent, 1);
    answer(&mut engine, &mut call, &lines, &json!({"ICE": "remove"}));
    settle(&mut call.callee, tie_breaker == GREATEST);
    assert_eq!(conflicts(&call.callee) > 0, tie_breaker == LEAST, "{}", conflicts(&call.callee));
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

/// The caller has made the offer, and yet is controlled as the daemon is.
fn both_are_controlled(tie_breaker: u64) {
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = parties(&engine, CALLER, CALLEE);
    let lines = with_ice(&mut call.caller, false);
    call.caller.ice.as_mut().unwrap().set_tie_breaker(tie_breaker);
    offer(&mut engine, &mut call, &lines, &json!({"ICE": "remove", "rtcp-mux": ["demux"]}));
    answer(&mut engine, &mut call, &[], &json!({"ICE": "force"}));
    let answered = call.answered.clone();
    hear(&mut call.caller, &answered);
    settle(&mut call.caller, tie_breaker == GREATEST);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn the_daemon_stays_in_control() {
    if available(XDP) {
        both_control(LEAST);
    }
}

#[test]
fn the_daemon_gives_control_up() {
    if available(XDP) {
        both_control(GREATEST);
    }
}

#[test]
fn the_daemon_takes_control() {
    if available(XDP) {
        both_are_controlled(LEAST);
    }
}

#[test]
fn the_daemon_stays_controlled() {
    if available(XDP) {
        both_are_controlled(GREATEST);
    }
}
