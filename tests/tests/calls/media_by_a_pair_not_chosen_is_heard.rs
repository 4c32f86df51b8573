//! The two sides of ICE need not choose alike: what a party sends by another authentic pair, to another local address, is
//! decrypted with the keys of its m-line, forwarded, and measured.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use rtcp_types::{Compound, Packet};
use rtpengine_tests::browser::BrowserCall;
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::sdp::Media;
use rtpengine_tests::topology::{CALLER_V6, ENGINE_LEFT, ENGINE_LEFT_V6};
use serde_json::json;

const PACKETS: u64 = 100;
/// Longest wait for a report, which comes every five seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Our address of IPv6 among the candidates.
fn ours(media: &Media) -> SocketAddr {
    let found =
        media.lines.iter().find(|line| line.starts_with("a=candidate:") && line.contains(ENGINE_LEFT_V6));
    let port = found.unwrap().split(' ').nth(5).unwrap();
    SocketAddr::new(ENGINE_LEFT_V6.parse().unwrap(), port.parse().unwrap())
}

/// A caller with two addresses whose media goes by IPv4, and our other address.
fn place(engine: &mut Engine, extra: &serde_json::Value) -> (BrowserCall, SocketAddr) {
    let mut call = BrowserCall::unplaced(engine).unwrap();
    let ice = call.caller.ice().unwrap();
    let other = ice.add_other(&engine.trio.caller, CALLER_V6.parse().unwrap(), 50).unwrap();
    call.caller.add_candidate(other);
    let answered = call.negotiate(engine, extra).unwrap();
    call.meet(engine).unwrap();
    let (_, chosen) = call.caller.ice().unwrap().selected.unwrap();
    assert_eq!(chosen.ip().to_string(), ENGINE_LEFT);
    (call, ours(&answered))
}

/// The caller says something by the pair that nobody has chosen.
fn say(call: &mut BrowserCall, remote: SocketAddr) -> Vec<u8> {
    let (plain, sealed) = call.caller.seal().unwrap();
    call.caller.ice().unwrap().send_by_other(&sealed, remote).unwrap();
    plain
}

#[test]
fn and_forwarded_by_the_kernel() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let (mut call, remote) = place(&mut engine, &json!({}));
    let table = engine.daemon.table();
    call.talk_in_kernel(table, PACKETS).unwrap();
    let by_other = |call: &BrowserCall| {
        let flows = flows::of_call(table, &call.id)?;
        let flow = flows.iter().find(|flow| flow.local == remote && flow.path == "kernel");
        anyhow::Ok(flow.map_or(0, |flow| flow.packets))
    };
    flows::wait_until("the kernel forwards from the other pair", || {
        let plain = say(&mut call, remote);
        call.at_callee(&plain)?;
        call.caller.endpoint.receive_ice(Duration::ZERO)?;
        Ok(by_other(&call)? > 0)
    })
    .unwrap();
    let before = by_other(&call).unwrap();
    for _ in 0..PACKETS {
        let plain = say(&mut call, remote);
        call.at_callee(&plain).unwrap();
        let plain = call.callee.stream.packet(call.callee.stream.next).to_bytes();
        call.callee.send().unwrap();
        assert_eq!(call.caller.hear().unwrap(), plain, "what it hears comes by the chosen pair");
    }
    assert_eq!(by_other(&call).unwrap(), before + PACKETS);
    // And back.
    call.talk_in_kernel(table, PACKETS).unwrap();
    let sent = call.caller.endpoint.stream.next + call.callee.stream.next;
    let query = engine.ng.query(&call.id).unwrap();
    let total = |what: &str| query["totals"]["RTP"][what].as_u64().unwrap();
    // Those that came before the daemon had the keys are errors.
    assert_eq!(total("packets") + total("errors"), sent, "{query}");
    call.hang_up(&mut engine).unwrap();
    engine.daemon.stop().unwrap();
}

/// With `generate RTCP` the caller is told what arrived of its media, by whichever pair.
#[test]
fn and_reported_on_in_our_own_reports() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let (mut call, remote) = place(&mut engine, &json!({"generate RTCP": "on"}));
    call.talk(1).unwrap();
    let ssrc = call.caller.endpoint.stream.ssrc;
    let deadline = Instant::now() + PATIENCE;
    let mut blocks = Vec::new();
    while blocks.len() < 2 {
        assert!(Instant::now() < deadline, "no reports on media by the other pair: {blocks:?}");
        let first = call.caller.endpoint.stream.next;
        let plain = say(&mut call, remote);
        call.at_callee(&plain).unwrap();
        call.callee.send().unwrap();
        let Some(packet) = call.caller.hear_rtcp(Duration::from_millis(20)).unwrap() else { continue };
        for part in Compound::parse(&packet).unwrap() {
            let Packet::Sr(report) = part.unwrap() else { continue };
            for block in report.report_blocks() {
                assert_eq!((block.ssrc(), block.cumulative_lost()), (ssrc, 0));
                blocks.push((first, block.extended_sequence_number()));
            }
        }
    }
    // Both intervals had media by the other pair alone: the sequence has gone on, past the rollover.
    let base = u64::from(call.caller.endpoint.stream.first_sequence);
    for (sent, highest) in &blocks {
        assert!((base + sent - 2..=base + sent + 1).contains(&u64::from(*highest)), "{blocks:?}");
    }
    call.hang_up(&mut engine).unwrap();
    engine.daemon.stop().unwrap();
}
