use proptest::prelude::*;

use super::*;

const NAME: &str = "0123456789abcdef";

fn any_block() -> impl Strategy<Value = Block> {
    let echo =
        (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(ssrc, last, delay)| Echo { ssrc, last, delay });
    (echo, any::<u8>(), -0x80_0000..=0x7f_ffff, any::<u32>(), any::<u32>()).prop_map(
        |(echo, fraction, lost, highest_seq, jitter)| Block { echo, fraction, lost, highest_seq, jitter },
    )
}

fn any_sender() -> impl Strategy<Value = SenderInfo> {
    (any::<u64>(), any::<u32>(), any::<u32>(), any::<u32>())
        .prop_map(|(ntp, timestamp, packets, octets)| SenderInfo { ntp, timestamp, packets, octets })
}

fn feedback(ssrc: u8) -> Vec<u8> {
    vec![0x81, 206, 0, 2, 0, 0, 0, ssrc, 0, 0, 0, 9]
}

#[test]
fn a_receiver_report_is_read_field_by_field() {
    #[rustfmt::skip]
    let bytes = [
        0x81, 201, 0, 7, 0, 0, 0, 1,
        0, 0, 0, 2, 64, 0xff, 0xff, 0xfe, 0, 1, 0, 7, 0, 0, 0, 80, 0x11, 0x22, 0x33, 0x44, 0, 1, 0, 0,
    ];
    let echo = Echo { ssrc: 2, last: 0x1122_3344, delay: 65536 };
    let block = Block { echo, fraction: 64, lost: -2, highest_seq: 65536 + 7, jitter: 80 };
    let expected = Reports { reporter: 1, blocks: [block].into_iter().collect(), ..Reports::default() };
    assert_eq!(Reports::parse(&bytes), Some(expected));
}

#[test]
fn a_report_is_logged_in_the_words_of_the_original() {
    let echo = Echo { ssrc: 17787, last: 7, delay: 9 };
    let block = Block { echo, fraction: 1, lost: -2, highest_seq: 21328, jitter: 3 };
    let sender =
        SenderInfo { ntp: 399 << 32 | 3_491_808_411, timestamp: 3_219_634_551, packets: 19990, octets: 4 };
    let blocks = [block].into_iter().collect();
    let reports = Reports { reporter: 638_124_190, sender: Some(sender), blocks, ..Reports::default() };
    assert_eq!(
        reports.to_string(),
        "ssrc=638124190, ntp_sec=399, ntp_fractions=3491808411, rtp_ts=3219634551, sender_packets=19990, sender_bytes=4, ssrc=17787, fraction_lost=1, packet_loss=-2, last_seq=21328, jitter=3, last_sr=7, delay_since_last_sr=9"
    );
}

#[test]
fn extended_reports_give_reference_times_and_their_echoes() {
    #[rustfmt::skip]
    let bytes = [
        0x80, 201, 0, 1, 0, 0, 0, 1,
        0x80, 207, 0, 8, 0, 0, 0, 1,
        4, 0, 0, 2, 0xaa, 0xaa, 1, 2, 3, 4, 0xbb, 0xbb,
        5, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 5, 0, 0, 0, 6,
    ];
    let reports = Reports::parse(&bytes).unwrap();
    assert_eq!(reports.reference, Some(0x0102_0304));
    assert_eq!(reports.echoes.as_slice(), [Echo { ssrc: 2, last: 5, delay: 6 }]);
}

#[test]
fn other_packets_and_other_reporters_are_skipped() {
    let own = Report { ssrc: 1, sender: None, blocks: &[Block::default()], cname: NAME };
    let mut bytes = write(&own);
    bytes.extend([0x81, 203, 0, 1, 0, 0, 0, 1]);
    bytes.extend(feedback(1));
    bytes.extend(write(&Report { ssrc: 2, ..own }));
    assert_eq!(Reports::parse(&bytes).unwrap().blocks.len(), 1);
    assert_eq!(Reports::parse(&feedback(1)), None);
    assert!(Reports::parse(&[0x80, 201, 0, 1, 0, 0, 0, 1]).unwrap().is_empty());
}

#[test]
fn the_wall_clock_is_that_of_ntp() {
    // 1970, and half a second into 2024.
    assert_eq!(ntp(0) >> 32, 2_208_988_800);
    assert_eq!(ntp(1_704_067_200_500_000), (1_704_067_200 + 2_208_988_800) << 32 | 1 << 31);
}

#[test]
fn feedback_stays_and_reports_go() {
    let report = Report { ssrc: 7, sender: Some(SenderInfo::default()), blocks: &[], cname: NAME };
    let mut bytes = write(&report);
    let length = bytes.len();
    assert_eq!(keep_feedback(&mut bytes), None);
    bytes.extend(feedback(7));
    bytes.extend(feedback(8));
    let left = keep_feedback(&mut bytes).unwrap();
    let expected = [&[0x80, 201, 0, 1, 0, 0, 0, 7][..], &feedback(7), &feedback(8)].concat();
    assert_eq!(bytes[..left], expected);
    assert!(left < length);
    let mut alone = feedback(7);
    assert_eq!(keep_feedback(&mut alone), Some(12));
    assert_eq!(alone, feedback(7));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_here_and_by_another_reader(
        ssrc: u32,
        sender in proptest::option::of(any_sender()),
        blocks in proptest::collection::vec(any_block(), 0..=MAX_BLOCKS),
        cname in "[a-z0-9]{1,255}",
    ) {
        let bytes = write(&Report { ssrc, sender, blocks: &blocks, cname: &cname });
        let expected = Reports { reporter: ssrc, sender, blocks: blocks.into(), ..Reports::default() };
        prop_assert_eq!(Reports::parse(&bytes), Some(expected));
        let mut kinds = Vec::new();
        for packet in rtcp_types::Compound::parse(&bytes).unwrap() {
            match packet.unwrap() {
                rtcp_types::Packet::Sr(sr) => {
                    prop_assert_eq!((sr.ssrc(), sr.ntp_timestamp()), (ssrc, sender.unwrap().ntp));
                    kinds.push("SR");
                }
                rtcp_types::Packet::Rr(rr) => {
                    prop_assert_eq!(rr.ssrc(), ssrc);
                    kinds.push("RR");
                }
                rtcp_types::Packet::Sdes(sdes) => {
                    let chunk = sdes.chunks().next().unwrap();
                    prop_assert_eq!(chunk.ssrc(), ssrc);
                    let item = chunk.items().next().unwrap();
                    prop_assert_eq!((item.type_(), item.value()), (1, cname.as_bytes()));
                    kinds.push("SDES");
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        prop_assert_eq!(kinds, [if sender.is_some() { "SR" } else { "RR" }, "SDES"]);
    }

    #[test]
    fn reports_agree_with_another_reader(
        packet in proptest::collection::vec(any::<u8>(), 28..160),
        kind in 200u8..=201,
        count in 0u8..8,
    ) {
        let mut packet = packet;
        packet.truncate(packet.len() / 4 * 4);
        packet[..2].copy_from_slice(&[0x80 | count, kind]);
        let words = (packet.len() / 4 - 1) as u16;
        packet[2..4].copy_from_slice(&words.to_be_bytes());
        let mut compound = rtcp_types::Compound::parse(&packet).unwrap();
        let (oracle, ssrc): (Vec<_>, u32) = match compound.next().unwrap() {
            Ok(rtcp_types::Packet::Sr(sr)) => (sr.report_blocks().map(fields).collect(), sr.ssrc()),
            Ok(rtcp_types::Packet::Rr(rr)) => (rr.report_blocks().map(fields).collect(), rr.ssrc()),
            _ => return Ok(()),
        };
        let ours = Reports::parse(&packet).unwrap();
        prop_assert_eq!(ours.reporter, ssrc);
        let ours: Vec<_> = ours.blocks.iter().map(|block| {
            let lost = block.lost.cast_unsigned() & 0xff_ffff;
            (block.echo.ssrc, block.fraction, lost, block.highest_seq, block.jitter, block.echo.last, block.echo.delay)
        }).collect();
        prop_assert_eq!(&ours[..], &oracle[..oracle.len().min(MAX_BLOCKS)]);
    }

    #[test]
    fn nothing_is_read_beyond_the_datagram(mut packet in proptest::collection::vec(any::<u8>(), 0..200), kind in 200u8..=207) {
        if let [first, second, ..] = packet.as_mut_slice() {
            (*first, *second) = (*first & 0x3f | 0x80, kind);
        }
        if let Some(reports) = Reports::parse(&packet) {
            prop_assert!(reports.blocks.len() <= MAX_BLOCKS && reports.echoes.len() <= MAX_BLOCKS);
            prop_assert!(!reports.blocks.spilled() && !reports.echoes.spilled());
        }
        let length = packet.len();
        if let Some(left) = keep_feedback(&mut packet) {
            prop_assert!(left <= length);
        }
    }
}

type Fields = (u32, u8, u32, u32, u32, u32, u32);

fn fields(block: rtcp_types::ReportBlock<'_>) -> Fields {
    (
        block.ssrc(),
        block.fraction_lost(),
        block.cumulative_lost(),
        block.extended_sequence_number(),
        block.interarrival_jitter(),
        block.last_sender_report_timestamp(),
        block.delay_since_last_sender_report_timestamp(),
    )
}

/// An extended report with VoIP metrics.
fn voip(rating: u8, listening: u8, conversational: u8) -> Vec<u8> {
    #[rustfmt::skip]
    let bytes = vec![
        0x80, 207, 0, 10, 0, 0, 0, 1,
        7, 0, 0, 8, 0, 0, 0, 2, 26, 13, 1, 2, 0, 3, 0, 4, 0, 120, 0, 60, 0xf0, 0xc0, 55, 16,
        rating, 127, listening, conversational, 0x30, 0, 0, 60, 0, 80, 0, 200,
    ];
    bytes
}

#[test]
fn voip_metrics_are_read_field_by_field() {
    let reports = Reports::parse(&voip(80, 41, 40)).unwrap();
    let metrics = VoipMetrics {
        ssrc: 2,
        lost: 26,
        discarded: 13,
        round_trip_ms: Some(120),
        rating: Some(80),
        mos_listening: Some(41),
        mos_conversational: Some(40),
    };
    assert_eq!(reports.metrics.as_slice(), [metrics]);
    assert!(!reports.is_empty());
    assert!((metrics.loss_percent() - 15.23).abs() < 0.01);
    let unknown = Reports::parse(&voip(127, 127, 9)).unwrap().metrics[0];
    assert_eq!((unknown.rating, unknown.mos_listening, unknown.mos_conversational), (None, None, None));
    // A block that is too short is none.
    let mut short = voip(80, 41, 40);
    short.truncate(short.len() - 4);
    short[3] -= 1;
    short[11] -= 1;
    assert!(Reports::parse(&short).unwrap().metrics.is_empty());
}
