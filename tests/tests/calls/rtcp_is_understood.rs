//! What parties report to each other by RTCP is what `query`, `delete`, `statistics` and the command line tell of their
//! call, encrypted or not; with `generate RTCP` they get reports of the daemon instead.

use std::time::{Duration, Instant};

use rtcp_types::{
    Compound, Packet, ReportBlock, RtcpPacketWriter as _, RtcpPacketWriterExt as _, SenderReport,
};
use rtpengine_common::srtp::Suite;
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::srtp::{Key, Party, SecureCall};
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const MUX: &[&str] = &["a=rtcp-mux"];
const WAIT: Duration = Duration::from_secs(5);
/// Distance of packets that our reports are waited for with.
const PACE: Duration = Duration::from_millis(20);
/// Longest wait for a report, which comes every five seconds.
const PATIENCE: Duration = Duration::from_secs(20);

fn key(seed: u8) -> Key {
    Key::new(Suite::AesCm128HmacSha1_80, seed)
}

/// A call on which both multiplex.
fn place(engine: &mut Engine, caller: Option<Key>, callee: Option<Key>, extra: &Value) -> SecureCall {
    let mut call = SecureCall::place(engine, (CALLER, CALLEE), caller, callee).unwrap();
    let mut offer = left_to_right();
    offer.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    offer["rtcp-mux"] = json!(["offer"]);
    call.negotiate_with(&mut engine.ng, MUX, MUX, offer).unwrap();
    call
}

/// A sender report. `about`: whom it reports on, by which report.
fn report(ssrc: u32, ntp: u64, about: Option<(u32, u64)>) -> Vec<u8> {
    let mut report = SenderReport::builder(ssrc).ntp_timestamp(ntp).packet_count(100).octet_count(16_000);
    if let Some((about, last)) = about {
        let block = ReportBlock::builder(about)
            .fraction_lost(26)
            .cumulative_lost(10)
            .extended_sequence_number(65_600)
            .interarrival_jitter(96)
            .last_sender_report_timestamp((last >> 16) as u32)
            .delay_since_last_sender_report_timestamp(0);
        report = report.add_report_block(block);
    }
    let mut bytes = vec![0; report.calculate_size().unwrap()];
    report.write_into(&mut bytes).unwrap();
    bytes
}

/// A report goes from one to the other, unchanged.
fn pass(from: &mut Party, to: &mut Party, packet: &[u8]) {
    from.send_rtcp(packet).unwrap();
    assert_eq!(to.hear_rtcp(WAIT).unwrap().as_deref(), Some(packet));
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The parties report to each other twice. The round trips are as long as the test takes to answer.
fn rate(caller: Option<Key>, callee: Option<Key>) {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = place(&mut engine, caller, callee, &json!({}));
    call.talk(5).unwrap();
    let (one, two) = (call.caller.endpoint.stream.ssrc, call.callee.endpoint.stream.ssrc);
    let ntps = [0xdead_0001_8000_0000, 0xbeef_0002_4000_0000];
    let began = Instant::now();
    pass(&mut call.caller, &mut call.callee, &report(one, ntps[0], None));
    pass(&mut call.callee, &mut call.caller, &report(two, ntps[1], None));
    let answers = [
        report(one, ntps[0] + (1 << 32), Some((two, ntps[1]))),
        report(two, ntps[1] + (1 << 32), Some((one, ntps[0]))),
    ];
    pass(&mut call.caller, &mut call.callee, &answers[0]);
    pass(&mut call.callee, &mut call.caller, &answers[1]);
    pass(&mut call.caller, &mut call.callee, &report(one, ntps[0] + (2 << 32), Some((two, ntps[1]))));
    let longest = began.elapsed().as_micros() as f64;
    let ssrcs = |reply: &Value| reply["SSRC"].clone();
    flows::wait_until("both have a score", || {
        Ok(ssrcs(&engine.ng.query(&call.id)?).as_object().is_some_and(|ssrcs| ssrcs.len() == 2))
    })
    .unwrap();
    let reply = engine.ng.query(&call.id).unwrap();
    for ssrc in [one, two] {
        let own = &reply["SSRC"][ssrc.to_string()];
        let average = &own["average MOS"];
        assert_eq!(average["samples"], json!(1), "{own}");
        assert_eq!(average["jitter"], json!(12), "{own}");
        assert_eq!(average["packet loss"], json!(10), "{own}");
        assert!(number(&average["round-trip time leg"]) <= longest, "{own}");
        assert!(number(&average["round-trip time"]) <= 2.0 * longest, "{own}");
        assert!(number(&average["round-trip time"]) >= number(&average["round-trip time leg"]), "{own}");
        for which in ["lowest MOS", "highest MOS"] {
            assert_eq!(own[which]["MOS"], average["MOS"]);
            assert!(number(&own[which]["reported at"]) >= number(&reply["created"]));
        }
        assert_eq!(own["MOS progression"]["entries"].as_array().unwrap().len(), 1);
    }
    // From the caller's first report to the callee's answer three others were passed on.
    assert!(number(&reply["SSRC"][two.to_string()]["average MOS"]["round-trip time leg"]) > 0.0);
    let medias = &reply["tags"][&call.from]["medias"][0];
    assert_eq!(medias["streams"][0]["SSRC"], json!(one), "{reply}");
    assert_eq!(engine.statistic("mos", "mos_samples_total").unwrap(), 2);
    assert_eq!(engine.statistic("voip_metrics", "packetloss_samples_total").unwrap(), 3);
    assert_eq!(engine.statistic("voip_metrics", "rtt_dsct_samples_total").unwrap(), 3);
    let totals = engine.ctl(&["list", "totals"]).unwrap();
    assert!(totals.contains("Total number of MOS samples                     :2"), "{totals}");
    let deleted = call.hang_up(&mut engine.ng).unwrap();
    assert_eq!(ssrcs(&deleted), ssrcs(&reply));
    engine.daemon.stop().unwrap();
}

#[test]
fn in_the_clear() {
    rate(None, None);
}

#[test]
fn encrypted_on_one_side() {
    rate(Some(key(1)), None);
}

#[test]
fn encrypted_with_different_keys() {
    let other = Key::new(Suite::AeadAes256Gcm, 2);
    rate(Some(key(1)), Some(other));
}

/// What the daemon reports to a party.
struct Heard {
    ssrc: u32,
    packets: u32,
    octets: u32,
    timestamp: u32,
    ntp: u64,
    /// By SSRC: fraction lost, lost, highest sequence number.
    blocks: Vec<(u32, u8, u32, u32)>,
    cname: String,
}

fn read(packet: &[u8]) -> Heard {
    let mut packets = Compound::parse(packet).unwrap();
    let Packet::Sr(sr) = packets.next().unwrap().unwrap() else { panic!("no sender report: {packet:02x?}") };
    let Packet::Sdes(sdes) = packets.next().unwrap().unwrap() else { panic!("no name: {packet:02x?}") };
    assert!(packets.next().is_none());
    let chunk = sdes.chunks().next().unwrap();
    assert_eq!(chunk.ssrc(), sr.ssrc());
    let cname = String::from_utf8(chunk.items().next().unwrap().value().to_vec()).unwrap();
    let blocks = sr.report_blocks().map(|block| {
        (block.ssrc(), block.fraction_lost(), block.cumulative_lost(), block.extended_sequence_number())
    });
    Heard {
        ssrc: sr.ssrc(),
        packets: sr.packet_count(),
        octets: sr.octet_count(),
        timestamp: sr.rtp_timestamp(),
        ntp: sr.ntp_timestamp(),
        blocks: blocks.collect(),
        cname,
    }
}

/// Both talk until each has a report.
fn talk_until_reported(call: &mut SecureCall) -> [Heard; 2] {
    let deadline = Instant::now() + PATIENCE;
    let mut heard = [None, None];
    while heard.iter().any(Option::is_none) {
        assert!(Instant::now() < deadline, "no report within {PATIENCE:?}");
        for (party, heard) in [&mut call.caller, &mut call.callee].into_iter().zip(&mut heard) {
            let (_, sealed) = party.seal().unwrap();
            party.endpoint.send_raw(&sealed).unwrap();
            if let Some(packet) = party.hear_rtcp(Duration::ZERO).unwrap() {
                *heard = Some(read(&packet));
            }
        }
        std::thread::sleep(PACE);
    }
    heard.map(|heard| heard.unwrap())
}

fn generate(table: Table, caller: Option<Key>) {
    let mut engine = Engine::start(table, &[]).unwrap();
    let mut call = place(&mut engine, caller, None, &json!({"generate RTCP": "on"}));
    let reports = talk_until_reported(&mut call);
    let names = [call.callee.endpoint.stream.clone(), call.caller.endpoint.stream.clone()];
    for (heard, (sent, received)) in reports.iter().zip([(&names[0], &names[1]), (&names[1], &names[0])]) {
        assert_eq!(heard.ssrc, sent.ssrc);
        assert!((1..=sent.next).contains(&heard.packets.into()), "{} of {}", heard.packets, sent.next);
        assert_eq!(heard.octets, heard.packets * 160);
        // The media's clock at the report: after the last packet that it counts, and no more than the wait beyond it.
        let of_last = sent.packet(u64::from(heard.packets) - 1).timestamp;
        let beyond = heard.timestamp.wrapping_sub(of_last);
        assert!(u128::from(beyond) <= 8 * PATIENCE.as_millis(), "{beyond} after the last packet");
        let [(ssrc, fraction, lost, highest)] = heard.blocks[..] else { panic!("{:?}", heard.blocks) };
        assert_eq!((ssrc, fraction, lost), (received.ssrc, 0, 0));
        let first = u64::from(received.first_sequence);
        assert!((first..first + received.next).contains(&highest.into()), "{highest}");
        assert!(heard.cname.len() >= 16, "{}", heard.cname);
    }
    // What parties report themselves stays here, and so does the round trip it measures.
    let (one, two) = (call.caller.endpoint.stream.ssrc, call.callee.endpoint.stream.ssrc);
    call.caller.send_rtcp(&report(one, 1 << 32, Some((two, reports[0].ntp)))).unwrap();
    call.callee.send_rtcp(&report(two, 2 << 32, Some((one, reports[1].ntp)))).unwrap();
    flows::wait_until("the callee has a score", || {
        Ok(engine.ng.query(&call.id)?["SSRC"][two.to_string()].is_object())
    })
    .unwrap();
    let query = engine.ng.query(&call.id).unwrap();
    let average = &query["SSRC"][two.to_string()]["average MOS"];
    assert!(number(&average["round-trip time"]) > 0.0, "{query}");
    for (party, own) in [(&mut call.caller, two), (&mut call.callee, one)] {
        while let Some(packet) = party.hear_rtcp(Duration::from_millis(50)).unwrap() {
            assert_eq!((read(&packet).ssrc, read(&packet).cname.len()), (own, reports[0].cname.len()));
        }
    }
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn reports_of_the_daemon_reach_both_parties() {
    if available(NAMESPACES) {
        generate(Table::Off, None);
    }
}

#[test]
fn reports_of_the_daemon_are_encrypted_while_the_kernel_forwards() {
    if available(XDP) {
        generate(Table::Own, Some(key(3)));
    }
}

#[test]
fn media_is_measured_where_no_reports_come() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &["--mos=LQ", "--measure-rtp"]).unwrap();
    let mut call = place(&mut engine, None, None, &json!({}));
    call.talk(1).unwrap();
    let two = call.callee.endpoint.stream.ssrc;
    let deadline = Instant::now() + PATIENCE;
    let lowest = loop {
        // Every fifth packet of the caller is lost.
        for lost in [false, false, false, false, true] {
            let (_, sealed) = call.caller.seal().unwrap();
            if !lost {
                call.caller.endpoint.send_raw(&sealed).unwrap();
            }
        }
        let (_, sealed) = call.callee.seal().unwrap();
        call.callee.endpoint.send_raw(&sealed).unwrap();
        let reply = engine.ng.query(&call.id).unwrap();
        let lowest = reply["SSRC"][two.to_string()]["lowest MOS"].clone();
        if lowest.is_object() {
            break lowest;
        }
        assert!(Instant::now() < deadline, "nothing is measured: {reply}");
        std::thread::sleep(PACE);
    };
    // A fifth, but for where the interval ends.
    assert!((18.0..=22.0).contains(&number(&lowest["packet loss"])), "{lowest}");
    assert!((20.0..=40.0).contains(&number(&lowest["MOS"])), "{lowest}");
    engine.daemon.stop().unwrap();
}

/// The metrics of an extended report (RFC 3611 section 4.7): a conversational score of 3.2, 200 ms, 64 of 256 lost.
fn own_rating(ssrc: u32, about: u32) -> Vec<u8> {
    let mut bytes = vec![0x80, 207, 0, 10];
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend([7, 0, 0, 8]);
    bytes.extend(about.to_be_bytes());
    bytes.extend([
        64, 0, 0, 0, 0, 0, 0, 0, 0, 200, 0, 60, 127, 127, 127, 16, 127, 127, 33, 32, 0x30, 0, 0, 60, 0, 80,
        0, 200,
    ]);
    bytes
}

#[test]
fn a_partys_own_rating_is_told_and_passed_on() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = place(&mut engine, None, Some(key(7)), &json!({}));
    call.talk(5).unwrap();
    let (one, two) = (call.caller.endpoint.stream.ssrc, call.callee.endpoint.stream.ssrc);
    let mut packet = report(one, 0xdead_0001_8000_0000, Some((two, 0)));
    packet.extend(own_rating(one, two));
    pass(&mut call.caller, &mut call.callee, &packet);
    let rating =
        |engine: &mut Engine| engine.ng.query(&call.id).map(|reply| reply["SSRC"][one.to_string()].clone());
    flows::wait_until("there is a score", || Ok(!rating(&mut engine)?.is_null())).unwrap();
    let average = rating(&mut engine).unwrap()["average MOS"].clone();
    assert_eq!(average["MOS"], json!(32), "{average}");
    assert_eq!(average["samples"], json!(1), "{average}");
    assert_eq!(average["jitter"], json!(12), "{average}");
    assert_eq!(average["round-trip time"], json!(200_000), "{average}");
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}
