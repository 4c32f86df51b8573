use super::*;
use crate::media::rtcp::SenderInfo;

const A: u32 = 0xa;
const B: u32 = 0xb;
const FORMULA: MosFormula = MosFormula::Conversational;

/// What the party with this SSRC reports at this time.
fn hear(quality: &mut Quality, ssrc: u32, mono_us: u64, reports: Reports) -> Vec<Finding> {
    let arrived = Now { mono_us, unix_us: 1_000_000_000_000_000 + mono_us };
    let origin = Origin { stream: StreamId(ssrc.into()), arrived, passed_on: true, clock_rate: 8000 };
    quality.received(origin, &Reports { reporter: ssrc, ..reports }, FORMULA).to_vec()
}

fn sender_report(compact: u32) -> Reports {
    let sender = SenderInfo { ntp: u64::from(compact) << 16, ..SenderInfo::default() };
    Reports { sender: Some(sender), ..Reports::default() }
}

fn block(ssrc: u32, last: u32, delay_ms: u32, highest_seq: u32, lost: i32) -> Reports {
    let echo = Echo { ssrc, last, delay: delay_ms * 65_536 / 1000 };
    let block = Block { echo, fraction: 64, lost, highest_seq, jitter: 80 };
    Reports { blocks: [block].into_iter().collect(), ..Reports::default() }
}

#[test]
fn round_trips_are_measured_on_both_legs_and_summed() {
    let mut quality = Quality::default();
    hear(&mut quality, A, 1_000_000, sender_report(1));
    hear(&mut quality, B, 1_100_000, sender_report(2));
    // A says that B's report was with it for 50 ms, which it got 150 ms before.
    let found = hear(&mut quality, A, 1_250_000, block(B, 2, 50, 100, 0));
    let [finding] = found[..] else { panic!("{found:?}") };
    assert!((finding.round_trip_leg_us.unwrap() - 100_000.0).abs() < 50.0, "{finding:?}");
    // Of B's leg nothing is known yet.
    assert_eq!((finding.mos, finding.round_trip_us), (None, None));
    assert_eq!((finding.jitter_ms, finding.loss_percent), (Some(10.0), 25.0));
    let found = hear(&mut quality, B, 2_000_000, block(A, 1, 960, 100, 0));
    let between = found[0].round_trip_us.unwrap();
    assert!((between - 140_000.0).abs() < 100.0, "{found:?}");
    assert!(found[0].mos.is_some());
    let snapshot = quality.snapshot();
    assert_eq!(snapshot.iter().map(|quality| quality.ssrc).collect::<Vec<_>>(), [B]);
}

#[test]
fn loss_is_that_of_the_interval() {
    let mut quality = Quality::default();
    let mut loss = |highest_seq, lost| {
        hear(&mut quality, A, 1_000_000, block(B, 0, 0, highest_seq, lost))[0].loss_percent
    };
    // Of the first report the fraction counts, of others the difference.
    assert_eq!(loss(1000, 10), 25.0);
    assert_eq!(loss(1200, 20), 5.0);
    assert_eq!(loss(1400, 20), 0.0);
    // Duplicates are no gain, and a sequence that begins anew tells nothing.
    assert_eq!(loss(1600, 15), 0.0);
    assert_eq!(loss(7, 0), 25.0);
    assert_eq!(loss(107, 1_000_000), 25.0);
}

#[test]
fn echoes_of_what_never_was_measure_nothing() {
    let mut quality = Quality::default();
    hear(&mut quality, B, 1_000_000, sender_report(2));
    for (last, delay_ms, at) in [(0, 0, 1_100_000), (3, 0, 1_100_000), (2, 0, 900_000), (2, 0, 900_000_000)] {
        let found = hear(&mut quality, A, at, block(B, last, delay_ms, 100, 0));
        assert_eq!(found[0].round_trip_leg_us, None, "{last} {delay_ms} {at}");
    }
    // A delay that is longer than the whole trip: the party's clock is coarse.
    assert_eq!(hear(&mut quality, A, 1_100_000, block(B, 2, 101, 100, 0))[0].round_trip_leg_us, Some(0.0));
    // Nobody echoes to itself.
    assert_eq!(hear(&mut quality, B, 1_100_000, block(B, 2, 0, 100, 0))[0].round_trip_leg_us, None);
}

#[test]
fn receivers_are_reached_by_reference_times() {
    let mut quality = Quality::default();
    hear(&mut quality, A, 1_000_000, Reports { reference: Some(9), ..Reports::default() });
    let echoes = [Echo { ssrc: A, last: 9, delay: 0 }].into_iter().collect();
    hear(&mut quality, B, 1_040_000, Reports { echoes, ..Reports::default() });
    assert_eq!(quality.find(B).unwrap().round_trip_us, Some(40_000.0));
}

#[test]
fn invented_sources_do_not_displace_those_with_samples() {
    let mut quality = Quality::default();
    hear(&mut quality, A, 1_000_000, sender_report(1));
    hear(&mut quality, B, 1_000_000, sender_report(2));
    hear(&mut quality, A, 1_010_000, block(B, 2, 0, 100, 0));
    for at in [1_020_000, 1_030_000] {
        hear(&mut quality, B, at, block(A, 1, 0, 100, 0));
        hear(&mut quality, A, at, block(B, 2, 0, 100, 0));
    }
    for ssrc in 100..1000 {
        hear(&mut quality, ssrc, 1_040_000, sender_report(ssrc));
    }
    assert_eq!(quality.sources.len(), MAX_SOURCES);
    assert_eq!(quality.snapshot().len(), 2);
}

fn metrics(ssrc: u32) -> Reports {
    let metrics = VoipMetrics {
        ssrc,
        lost: 64,
        round_trip_ms: Some(200),
        mos_conversational: Some(32),
        ..VoipMetrics::default()
    };
    Reports { metrics: [metrics].into_iter().collect(), ..Reports::default() }
}

#[test]
fn a_partys_own_rating_counts_more_than_ours() {
    let mut quality = Quality::default();
    // No round trip was measured, so there would be no score.
    let reports = Reports { metrics: metrics(B).metrics, ..block(B, 0, 0, 100, 0) };
    let [finding] = hear(&mut quality, A, 1_000_000, reports)[..] else { panic!() };
    assert_eq!(
        (finding.mos, finding.jitter_ms, finding.round_trip_us),
        (Some(3.2), Some(10.0), Some(200_000.0))
    );
    // By itself it tells of its losses; jitter is what was said last.
    let [finding] = hear(&mut quality, A, 6_000_000, metrics(B))[..] else { panic!() };
    assert_eq!((finding.mos, finding.loss_percent, finding.jitter_ms), (Some(3.2), 25.0, None));
    let [snapshot] = &quality.snapshot()[..] else { panic!() };
    assert_eq!(
        (snapshot.ssrc, snapshot.samples, snapshot.average.mos, snapshot.average.jitter_ms),
        (A, 2, 3.2, 10.0)
    );
    // A rating factor will do; nothing at all is no rating.
    let by_rating = VoipMetrics { ssrc: B, rating: Some(80), ..VoipMetrics::default() };
    let nothing = VoipMetrics { rating: None, ..by_rating };
    let of =
        |metrics: VoipMetrics| Reports { metrics: [metrics].into_iter().collect(), ..Reports::default() };
    let found = hear(&mut quality, A, 11_000_000, of(by_rating));
    assert!((found[0].mos.unwrap() - 4.03).abs() < 0.01, "{found:?}");
    assert!(hear(&mut quality, A, 12_000_000, of(nothing)).is_empty());
}
