//! `generate RTCP`: parties get reports of ours instead of each other's, from what was measured here.

use rtpengine_core::{
    io::{RtcpUse, StreamId},
    media::rtcp::{Block, Reports, ntp},
    ng::{Command, Flag, Request},
};

use crate::pair::{Pair, Seen, audio, audio_with};
use crate::quality_follows_the_parties_reports::{
    CALLEE, CALLER, block, dict, media, number, query, report, rtcp_stream, sender,
};

fn generate(request: &mut Request) {
    request.generate_rtcp = Some(true);
}

/// A call with reports of ours: what caller and callee were told.
fn call() -> (Pair, Seen, Seen) {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), generate);
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    (pair, caller, callee)
}

/// What was sent from a socket since the last time.
fn sent(pair: &mut Pair, stream: StreamId) -> Vec<Reports> {
    let all = std::mem::take(&mut pair.plane.reports);
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|(from, _)| *from == stream);
    pair.plane.reports = others;
    own.iter().map(|(_, packet)| Reports::parse(packet).expect("a report")).collect()
}

#[test]
fn every_five_seconds_in_the_name_of_the_media() {
    let (mut pair, caller, callee) = call();
    let [one, two] = [&caller, &callee].map(|seen| rtcp_stream(&pair, seen));
    assert_eq!(pair.plane.relay[&one].rtcp, RtcpUse::Consume);
    for _ in 0..11 {
        media(&mut pair, &caller, CALLER, 45, 5);
        media(&mut pair, &callee, CALLEE, 50, 0);
        pair.wait(1);
    }
    let to_caller = sent(&mut pair, one);
    let to_callee = sent(&mut pair, two);
    assert_eq!((to_caller.len(), to_callee.len()), (2, 2));
    let last = &to_caller[1];
    assert_eq!(last.reporter, CALLEE);
    let info = last.sender.expect("a sender report");
    // The last packet came just before the tick, and so did the clock of the media stop there.
    assert_eq!((info.packets, info.octets), (11 * 50, 11 * 50 * 160));
    assert_eq!(info.ntp, ntp(pair.now.unix_us));
    let [heard] = last.blocks[..] else { panic!("{last:?}") };
    assert_eq!((heard.echo.ssrc, heard.echo.last), (CALLER, 0));
    assert_eq!((heard.fraction, heard.lost, heard.jitter), (25, 55, 80));
    assert_eq!(heard.highest_seq, 999 + 11 * 50);
    let [heard] = to_callee[1].blocks[..] else { panic!() };
    assert_eq!((to_callee[1].reporter, heard.fraction, heard.lost), (CALLER, 0, 0));
}

#[test]
fn the_clock_of_the_media_goes_on_between_packets() {
    let (mut pair, caller, callee) = call();
    media(&mut pair, &caller, CALLER, 1, 0);
    pair.wait(5);
    media(&mut pair, &callee, CALLEE, 10, 0);
    pair.wait(4);
    let one = rtcp_stream(&pair, &caller);
    let reports = sent(&mut pair, one);
    let info = reports[0].sender.expect("a sender report");
    // The report is made a second after the packets.
    assert_eq!(info.timestamp, 10 * 160 + 8000);
}

#[test]
fn a_party_without_media_is_reported_to_as_well() {
    let (mut pair, caller, callee) = call();
    for _ in 0..6 {
        media(&mut pair, &caller, CALLER, 50, 0);
        pair.wait(1);
    }
    let one = rtcp_stream(&pair, &caller);
    let reports = sent(&mut pair, one);
    let [report] = &reports[..] else { panic!("{reports:?}") };
    assert_eq!((report.sender, report.blocks.len()), (None, 1));
    assert!(![CALLER, CALLEE].contains(&report.reporter));
    let two = rtcp_stream(&pair, &callee);
    let reports = sent(&mut pair, two);
    assert_eq!((reports[0].reporter, reports[0].blocks.len()), (CALLER, 0));
}

#[test]
fn echoes_of_our_reports_give_the_round_trip() {
    let (mut pair, caller, callee) = call();
    let [one, two] = [&caller, &callee].map(|seen| rtcp_stream(&pair, seen));
    for _ in 0..6 {
        media(&mut pair, &caller, CALLER, 50, 0);
        media(&mut pair, &callee, CALLEE, 50, 0);
        pair.wait(1);
    }
    let stamps =
        [one, two].map(|stream| sent(&mut pair, stream)[0].sender.expect("a sender report").compact_ntp());
    // A second has passed since.
    pair.wait(1);
    let back = |about, stamp, delay_ms| -> Vec<Block> { vec![block(about, stamp, delay_ms, 100, 0, 0)] };
    report(&mut pair, one, sender(CALLER, 77, &back(CALLEE, stamps[0], 900)));
    report(&mut pair, two, sender(CALLEE, 78, &back(CALLER, stamps[1], 950)));
    let reply = query(&mut pair);
    let average = dict(&reply, &["SSRC", &CALLEE.to_string(), "average MOS"]);
    assert!((number(average, &[], "round-trip time leg") - 50_000).abs() < 100, "{average:?}");
    assert!((number(average, &[], "round-trip time") - 150_000).abs() < 100, "{average:?}");
    // And ours echo theirs.
    media(&mut pair, &caller, CALLER, 50, 0);
    pair.wait(4);
    let reports = sent(&mut pair, one);
    let echo = reports[0].blocks[0].echo;
    assert_eq!((echo.last, echo.delay), (77, 4 * 65_536));
}

#[test]
fn it_is_switched_on_and_off_by_flag_and_key() {
    let mut pair = Pair::new();
    let uses = |pair: &Pair, seen: &Seen| pair.relay(seen).rtcp;
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), generate);
    assert_eq!(uses(&pair, &callee), RtcpUse::Consume);
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(uses(&pair, &caller), RtcpUse::Consume);
    pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), |request| request.generate_rtcp = Some(false));
    assert_eq!((uses(&pair, &caller), uses(&pair, &callee)), (RtcpUse::Read, RtcpUse::Read));
    let mut dict = rtpengine_core::ng::Dict::new().with("command", "offer").with("flags", "generate-RTCP");
    let request = Request::parse(&dict).unwrap();
    assert_eq!((request.command, request.generate_rtcp), (Command::Offer, Some(true)));
    assert!(request.has(Flag::GenerateRtcp) && request.warnings().is_empty());
    dict.push("generate RTCP", "off");
    assert_eq!(Request::parse(&dict).unwrap().generate_rtcp, Some(false));
}

#[test]
fn the_port_is_the_one_for_rtcp() {
    let mut pair = Pair::new();
    let mux = audio_with("192.0.2.1", 2000, "a=rtcp-mux\r\n");
    let callee = pair.offer_with("ft", "", &mux, |request| {
        generate(request);
        request.rtcp_mux.insert(rtpengine_core::ng::RtcpMux::Demux);
    });
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    media(&mut pair, &caller, CALLER, 50, 0);
    media(&mut pair, &callee, CALLEE, 50, 0);
    pair.wait(6);
    let from: Vec<StreamId> = pair.plane.reports.iter().map(|(stream, _)| *stream).collect();
    assert_eq!(from, [pair.stream(caller.rtp), rtcp_stream(&pair, &callee)]);
}
