//! RTCP reaches the other party's RTCP port, or its RTP port where that side multiplexes, while the kernel forwards RTP.

use std::net::SocketAddr;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::{Endpoint, rtcp_receiver_report, rtcp_sender_report};
use rtpengine_tests::sdp::{self, Media};
use rtpengine_tests::talk::{Call, Place, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::json;

const PACKETS: u64 = 50;
const MUX: &str = "a=rtcp-mux";

/// Which sides multiplex.
struct Case {
    caller: bool,
    callee: bool,
    /// The `rtcp-mux` key of the offer.
    key: &'static [&'static str],
}

fn run(case: &Case) {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = place(&mut engine, case);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let caller = rtcp_socket(&engine, &call.caller, case.caller, true);
    let callee = rtcp_socket(&engine, &call.callee, case.callee, false);
    let (caller, callee) = (caller.as_ref().unwrap_or(&call.caller), callee.as_ref().unwrap_or(&call.callee));
    let caller_to = rtcp_address(&sdp::first_media(&call.answered).unwrap(), case.caller);
    let callee_to = rtcp_address(&sdp::first_media(&call.offered).unwrap(), case.callee);
    for round in 0..3 {
        for report in [rtcp_sender_report(7 + round, 1, 160), rtcp_receiver_report(7 + round)] {
            pass(&report, (caller, caller_to), (callee, callee_to));
            pass(&report, (callee, callee_to), (caller, caller_to));
        }
    }
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    // What comes to a port shared with RTP counts there.
    let reports: u64 = [case.caller, case.callee].map(|mux| if mux { 6 } else { 0 }).iter().sum();
    let packets = call.sent();
    let totals = call.hang_up(&mut engine.ng).unwrap();
    assert_eq!(totals["totals"]["RTP"]["packets"], json!(packets + reports), "{totals}");
    assert_eq!(totals["totals"]["RTCP"]["packets"], json!(12 - reports), "{totals}");
    engine.daemon.stop().unwrap();
}

fn place(engine: &mut Engine, case: &Case) -> Call {
    let caller = Place::within(&engine.trio.caller, CALLER).unwrap();
    let callee = Place::within(&engine.trio.callee, CALLEE).unwrap();
    let lines = |mux: bool| if mux { vec![MUX] } else { vec![] };
    let mut call = Call {
        id: "rtcp".to_owned(),
        from: "a".to_owned(),
        to: "b".to_owned(),
        caller: caller.endpoint(1).unwrap(),
        callee: callee.endpoint(2).unwrap(),
        offered: String::new(),
        answered: String::new(),
    };
    let mut extra = left_to_right();
    extra["rtcp-mux"] = json!(case.key);
    let port = call.caller.local().unwrap().port();
    let offer = sdp::audio_with(caller.address, port, &lines(case.caller));
    call.offer(&mut engine.ng, &offer, &extra).unwrap();
    assert_eq!(sdp::first_media(&call.offered).unwrap().has(MUX), case.callee, "{}", call.offered);
    let port = call.callee.local().unwrap().port();
    let answer = sdp::audio_with(callee.address, port, &lines(case.callee));
    call.answer(&mut engine.ng, &answer, &json!({})).unwrap();
    assert_eq!(sdp::first_media(&call.answered).unwrap().has(MUX), case.caller, "{}", call.answered);
    call
}

/// A socket next to the one for RTP, unless the side multiplexes.
fn rtcp_socket(engine: &Engine, rtp: &Endpoint, mux: bool, caller: bool) -> Option<Endpoint> {
    let netns = if caller { &engine.trio.caller } else { &engine.trio.callee };
    let local = rtp.local().unwrap();
    (!mux).then(|| Endpoint::bind_in(netns, local.ip(), local.port() + 1, 9).unwrap())
}

fn rtcp_address(media: &Media, mux: bool) -> SocketAddr {
    SocketAddr::new(media.address, if mux { media.port } else { media.rtcp_port })
}

/// A packet arrives unchanged, from the address that the receiver sends its own to.
fn pass(packet: &[u8], (from, to): (&Endpoint, SocketAddr), (at, source): (&Endpoint, SocketAddr)) {
    from.socket().send_to(packet, to).unwrap();
    let received = at.receive_raw(Duration::from_secs(5)).unwrap();
    assert_eq!(received, Some((packet.to_vec(), source)));
}

#[test]
fn between_parties_with_rtcp_ports() {
    run(&Case { caller: false, callee: false, key: &[] });
}

#[test]
fn between_parties_that_multiplex() {
    run(&Case { caller: true, callee: true, key: &["offer"] });
}

#[test]
fn from_a_caller_that_multiplexes_to_a_callee_that_does_not() {
    run(&Case { caller: true, callee: false, key: &["demux"] });
}

#[test]
fn from_a_caller_that_does_not_multiplex_to_a_callee_that_does() {
    run(&Case { caller: false, callee: true, key: &["offer"] });
}
