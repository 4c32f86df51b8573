//! What parties report in RTCP becomes figures of the call, of its interfaces and of the daemon.

use rtpengine_core::{
    config::{CoreConfig, MosFormula},
    io::{MediaEvent, Now, RtcpUse, SsrcCounters, StreamId},
    media::rtcp::{Block, Echo, Reports, SenderInfo},
    ng::{Command, Dict, Value},
};

use crate::pair::{Pair, Seen, audio_with, config};

/// SSRCs of caller and callee.
pub const CALLER: u32 = 0x0ca1_1e40;
pub const CALLEE: u32 = 0x0ca1_1ee0;

pub fn report(pair: &mut Pair, stream: StreamId, reports: Reports) {
    let arrived = pair.now;
    pair.engine.event(pair.now, MediaEvent::Rtcp { stream, arrived, reports });
    pair.flush();
}

fn advance(pair: &mut Pair, milliseconds: u64) {
    pair.now = Now {
        mono_us: pair.now.mono_us + milliseconds * 1000,
        unix_us: pair.now.unix_us + milliseconds * 1000,
    };
}

pub fn sender(ssrc: u32, compact: u32, blocks: &[Block]) -> Reports {
    let sender = SenderInfo { ntp: u64::from(compact) << 16, ..SenderInfo::default() };
    Reports {
        reporter: ssrc,
        sender: Some(sender),
        blocks: blocks.iter().copied().collect(),
        ..Reports::default()
    }
}

pub fn block(about: u32, last: u32, delay_ms: u32, highest_seq: u32, lost: i32, jitter: u32) -> Block {
    let echo = Echo { ssrc: about, last, delay: delay_ms * 65_536 / 1000 };
    let fraction = if lost == 0 { 0 } else { 5 };
    Block { echo, fraction, lost, highest_seq, jitter }
}

/// Both report every five seconds, 100 ms apart on either leg in each direction: 200 ms a leg.
fn converse(pair: &mut Pair, caller: StreamId, callee: StreamId, rounds: u32) {
    for round in 0..rounds {
        let (seq, stamp) = (250 * round + 250, 2 * round + 2);
        // With the round before, for which there was time to answer.
        let blocks = |about, last| {
            let lost = (5 * round) as i32;
            if round == 0 { vec![] } else { vec![block(about, last, 4700, seq, lost, 160)] }
        };
        report(pair, caller, sender(CALLER, stamp, &blocks(CALLEE, stamp - 1)));
        report(pair, callee, sender(CALLEE, stamp + 1, &blocks(CALLER, stamp - 2)));
        advance(pair, 4900);
    }
}

pub fn query(pair: &mut Pair) -> Dict {
    pair.send(&Pair::request(Command::Query, "", "", "", |_| {})).into_dict()
}

pub fn dict<'d>(dict: &'d Dict, path: &[&str]) -> &'d Dict {
    path.iter().fold(dict, |dict, key| match dict.get(key) {
        Some(Value::Dict(inner)) => inner,
        other => panic!("{key}: {other:?}"),
    })
}

pub fn number(from: &Dict, path: &[&str], key: &str) -> i64 {
    match dict(from, path).get(key) {
        Some(Value::Int(number)) => *number,
        other => panic!("{key}: {other:?}"),
    }
}

pub fn rtcp_stream(pair: &Pair, seen: &Seen) -> StreamId {
    pair.stream(seen.rtcp.expect("an RTCP port"))
}

#[test]
fn query_and_delete_have_scores_by_ssrc() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let [one, two] = [&caller, &callee].map(|seen| rtcp_stream(&pair, seen));
    assert_eq!(pair.plane.relay[&one].rtcp, RtcpUse::Read);
    converse(&mut pair, one, two, 5);
    let expected_at = (pair.now.unix_us - 4_900_000) / 1_000_000;
    let reply = query(&mut pair);
    for (ssrc, samples) in [(CALLER, 3), (CALLEE, 4)] {
        let ssrc = ssrc.to_string();
        let own = dict(&reply, &["SSRC", &ssrc]);
        let average = ["average MOS"];
        // 200 ms each way, 20 ms of jitter and 2 % of loss: R = 93.2 - 5.76 - 6.9 - 7.0.
        assert_eq!(number(own, &average, "MOS"), 38, "{own:?}");
        assert_eq!(number(own, &average, "jitter"), 20);
        assert_eq!(number(own, &average, "packet loss"), 2);
        assert!((number(own, &average, "round-trip time") - 400_000).abs() < 100, "{own:?}");
        assert!((number(own, &average, "round-trip time leg") - 200_000).abs() < 100);
        assert_eq!(number(own, &average, "samples"), samples);
        assert_eq!(number(own, &["highest MOS"], "MOS"), 38);
        assert!(number(own, &["lowest MOS"], "reported at") <= expected_at as i64);
        assert_eq!(number(own, &["MOS progression"], "interval"), 0);
        let Some(Value::List(entries)) = dict(own, &["MOS progression"]).get("entries") else { panic!() };
        assert_eq!(entries.len() as i64, samples);
    }
    // The socket says whose reports came in there.
    let Some(Value::List(medias)) = dict(&reply, &["tags", "ft"]).get("medias") else { panic!() };
    let Value::Dict(media) = &medias[0] else { panic!() };
    let Some(Value::List(streams)) = media.get("streams") else { panic!() };
    let Value::Dict(rtcp) = &streams[1] else { panic!() };
    assert_eq!(rtcp.get("SSRC"), Some(&Value::from(CALLER)));
    let body = pair.delete("ft", "").into_dict();
    assert_eq!(dict(&body, &["SSRC"]), dict(&reply, &["SSRC"]));
    pair.assert_empty();
}

#[test]
fn statistics_sum_up_what_was_reported() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let [one, two] = [&caller, &callee].map(|seen| rtcp_stream(&pair, seen));
    converse(&mut pair, one, two, 5);
    pair.delete("ft", "");
    let statistics = pair.engine.statistics_model(pair.now, &pair.plane);
    let voip = statistics.voip;
    assert_eq!((voip.mos.samples, voip.rtt_e2e.samples, voip.rtt_dsct.samples), (7, 7, 8));
    assert_eq!((voip.jitter.samples, voip.packetloss.samples), (8, 8));
    assert!((voip.jitter.average() - 20.0).abs() < 1e-9);
    assert!((voip.rtt_dsct.average() - 200_000.0).abs() < 100.0);
    assert!((voip.mos.average() - 3.8).abs() < 0.05, "{voip:?}");
    let samples: Vec<u64> =
        statistics.interfaces.iter().map(|interface| interface.voip.packetloss.samples).collect();
    assert_eq!(samples, [8, 0, 0, 0, 0, 0], "both parties are on the first interface");
}

#[test]
fn without_a_round_trip_only_listening_is_rated() {
    for (mos, scores) in [(MosFormula::Conversational, 0), (MosFormula::Listening, 1)] {
        let mut pair = Pair::with(CoreConfig { mos, ..config() });
        let (caller, _) = pair.call();
        let stream = rtcp_stream(&pair, &caller);
        report(&mut pair, stream, sender(CALLER, 1, &[block(CALLEE, 0, 0, 100, 0, 0)]));
        let reply = query(&mut pair);
        assert_eq!(dict(&reply, &["SSRC"]).len(), scores, "{mos:?}");
        let voip = pair.engine.statistics_model(pair.now, &pair.plane).voip;
        assert_eq!((voip.mos.samples, voip.packetloss.samples), (scores as u64, 1));
    }
}

#[test]
fn jitter_is_by_the_clock_of_the_media_that_is_reported_on() {
    let mut pair = Pair::with(CoreConfig { mos: MosFormula::Listening, ..config() });
    let opus = |address, port| {
        audio_with(address, port, "a=rtpmap:96 opus/48000/2\r\n").replace("AVP 8 0 101", "AVP 96 101")
    };
    pair.offer("ft", "", &opus("192.0.2.1", 2000));
    let caller = pair.answer("ft", "tt", &opus("192.0.2.2", 3000));
    let stream = rtcp_stream(&pair, &caller);
    report(&mut pair, stream, sender(CALLER, 1, &[block(CALLEE, 0, 0, 100, 0, 480)]));
    let voip = pair.engine.statistics_model(pair.now, &pair.plane).voip;
    assert_eq!(voip.jitter.average(), 10.0);
}

#[test]
fn reports_that_nobody_here_can_read_are_left_alone() {
    let mut pair = Pair::new();
    let lines = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n";
    let secure = |port| audio_with("192.0.2.1", port, lines).replace("RTP/AVP", "RTP/SAVP");
    let callee = pair.offer("ft", "", &secure(2000));
    let answer = audio_with("192.0.2.2", 3000, lines).replace("RTP/AVP", "RTP/SAVP");
    let caller = pair.answer("ft", "tt", &answer);
    for seen in [&caller, &callee] {
        assert_eq!(pair.relay(seen).rtcp, RtcpUse::Unread);
    }
}

/// Media arrives as counted, and time passes.
pub fn media(pair: &mut Pair, seen: &Seen, ssrc: u32, packets: u64, lost: i64) {
    pair.packets(seen, packets);
    let stream = pair.stream(seen.rtp);
    let (mono, counters) = (pair.now.mono_us, pair.plane.counters.get_mut(&stream).unwrap());
    if counters.ssrcs.is_empty() {
        counters.ssrcs.push(SsrcCounters {
            ssrc,
            payload_type: 8,
            highest_seq: 999,
            ..SsrcCounters::default()
        });
    }
    let counters = &mut counters.ssrcs[0];
    counters.packets += packets;
    counters.bytes += packets * 172;
    counters.lost += lost;
    counters.highest_seq += (packets as i64 + lost) as u32;
    counters.jitter = 80.0;
    (counters.last_timestamp, counters.last_mono_us) = (counters.last_timestamp + 160 * packets as u32, mono);
}

#[test]
fn measured_media_counts_where_nobody_reports() {
    let listening = CoreConfig { mos: MosFormula::Listening, measure_rtp: true, ..config() };
    let mut pair = Pair::with(listening);
    let (caller, callee) = pair.call();
    for _ in 0..16 {
        media(&mut pair, &caller, CALLER, 45, 5);
        media(&mut pair, &callee, CALLEE, 50, 0);
        pair.wait(1);
    }
    let reply = query(&mut pair);
    // The callee hears what the caller's network leaves of it.
    let heard = dict(&reply, &["SSRC", &CALLEE.to_string(), "average MOS"]);
    assert_eq!((number(heard, &[], "packet loss"), number(heard, &[], "samples")), (10, 3), "{heard:?}");
    assert_eq!(number(heard, &[], "jitter"), 10);
    let heard = dict(&reply, &["SSRC", &CALLER.to_string(), "average MOS"]);
    assert_eq!((number(heard, &[], "packet loss"), number(heard, &[], "MOS")), (0, 44));
    assert!(pair.plane.reports.is_empty());
    // Once the callee reports itself, its word counts.
    let stream = rtcp_stream(&pair, &callee);
    report(&mut pair, stream, sender(CALLEE, 1, &[block(CALLER, 0, 0, 100, 0, 0)]));
    media(&mut pair, &caller, CALLER, 45, 5);
    pair.wait(6);
    let reply = query(&mut pair);
    assert_eq!(number(&reply, &["SSRC", &CALLEE.to_string(), "average MOS"], "samples"), 4);
}

#[test]
fn what_the_kernel_forwards_is_measured_by_its_sequence_numbers() {
    let mut pair = Pair::with(CoreConfig { mos: MosFormula::Listening, measure_rtp: true, ..config() });
    let (caller, callee) = pair.call();
    media(&mut pair, &caller, CALLER, 1, 0);
    media(&mut pair, &callee, CALLEE, 1, 0);
    pair.wait(6);
    let stream = pair.stream(caller.rtp);
    for _ in 0..5 {
        media(&mut pair, &callee, CALLEE, 50, 0);
        media(&mut pair, &caller, CALLER, 40, 10);
        let counters = pair.plane.counters.get_mut(&stream).unwrap();
        counters.kernel_packets += 40;
        counters.ssrcs[0].lost = 0;
        pair.wait(1);
    }
    let reply = query(&mut pair);
    let lowest = dict(&reply, &["SSRC", &CALLEE.to_string(), "lowest MOS"]);
    assert_eq!((number(lowest, &[], "packet loss"), number(lowest, &[], "jitter")), (20, 0));
}
