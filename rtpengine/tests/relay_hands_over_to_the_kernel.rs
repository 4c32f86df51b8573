//! A flow changes between relay and kernel with nothing lost or reordered, and its statistics continue.

mod relay_support;

use std::sync::mpsc;

use relay_support::{PATIENCE, Pair, rtp};
use rtpengine::relay::{KernelFold, SrtpStates};
use rtpengine_core::io::{RelayCommand, StreamId};
use rtpengine_core::media::ssrc::KernelSsrc;
use smallvec::smallvec;

#[test]
fn the_job_runs_after_everything_that_waits_and_before_what_comes_later() {
    let pair = Pair::new(|_| ());
    let resume = pair.hold_up();
    // These wait in the socket when the handover begins.
    for sequence in 0..100 {
        pair.caller.send(pair.near, &rtp(sequence));
    }
    let (report, reported) = mpsc::channel();
    let handle = pair.relay.handle.clone();
    let (stream, from, to) =
        (pair.near.stream, pair.caller.socket.try_clone().expect("socket"), pair.near.local);
    pair.relay.handle.handover(
        stream,
        Box::new(move |_| {
            let before = handle.counters(stream).expect("stream is open").stream;
            // Arrives between the job and the second drain.
            from.send_to(&rtp(100), to).expect("send");
            report.send((before.packets, before.ssrcs[0].highest_seq)).expect("test waits");
            None
        }),
    );
    drop(resume);
    assert_eq!(reported.recv_timeout(PATIENCE).expect("the job runs"), (100, 99));
    for sequence in 0..=100 {
        assert_eq!(pair.callee.receive().0, rtp(sequence));
    }
}

#[test]
fn statistics_continue_after_the_kernel_had_the_stream() {
    let pair = Pair::new(|_| ());
    for sequence in 0..10 {
        pair.caller.send(pair.near, &rtp(sequence));
        pair.callee.receive();
    }
    let kernel =
        KernelSsrc { ssrc: 0xcafe_f00d, highest_seq: 1009, packets: 999, bytes: 999 * 172, payload_type: 8 };
    let received = KernelFold {
        packets: 999,
        bytes: 999 * 172,
        last_packet_unix_us: 1_800_000_000_000_000,
        ssrcs: smallvec![kernel],
        ..KernelFold::default()
    };
    let sent = KernelFold { packets_out: 999, bytes_out: 999 * 172, ..KernelFold::default() };
    pair.relay.handle.absorb(pair.near.stream, received);
    pair.relay.handle.absorb(pair.far.stream, sent);
    pair.relay.settle(pair.near);
    assert_eq!(pair.relay.counters(pair.near).stream.last_packet_unix_us, 1_800_000_000_000_000);
    pair.caller.send(pair.near, &rtp(1010));
    pair.callee.receive();

    let counters = pair.relay.wait(pair.near, |counters| counters.stream.packets == 1010).stream;
    assert_eq!((counters.kernel_packets, counters.kernel_bytes), (999, 999 * 172));
    assert_eq!(counters.bytes, 1010 * 172);
    assert_eq!(counters.payload_types.as_slice(), [(8, 1010, 1010 * 172)]);
    let ssrc = counters.ssrcs[0];
    assert_eq!((ssrc.packets, ssrc.highest_seq, ssrc.lost), (1010, 1010, 1));
    assert_eq!((ssrc.skips, ssrc.resets), (0, 0));
    let far = pair.relay.wait(pair.far, |counters| counters.stream.packets_out == 1010).stream;
    assert_eq!(far.bytes_out, 1010 * 172);
}

#[test]
fn jobs_run_in_order_and_not_at_all_for_closed_streams() {
    let mut pair = Pair::new(|_| ());
    let resume = pair.hold_up();
    let (report, reported) = mpsc::channel();
    let job = |number: u32| {
        let report = report.clone();
        Box::new(move |_: &mut dyn SrtpStates| {
            report.send(number).expect("test waits");
            None
        })
    };
    pair.relay.handle.handover(pair.near.stream, job(1));
    pair.relay.handle.command(RelayCommand::Close { stream: pair.near.stream });
    pair.relay.handle.handover(pair.near.stream, job(2));
    pair.relay.handle.handover(StreamId(u64::MAX), job(3));
    drop(resume);
    pair.relay.shutdown();
    pair.relay.handle.handover(pair.far.stream, job(4));
    drop(report);
    assert_eq!(reported.iter().collect::<Vec<_>>(), [1]);
}

#[test]
fn a_burst_of_commands_is_executed_completely_and_in_order() {
    let pair = Pair::new(|_| ());
    let (report, reported) = mpsc::channel();
    for number in 0..10_000 {
        let report = report.clone();
        let job = move |_: &mut dyn SrtpStates| {
            report.send(number).expect("test waits");
            None
        };
        pair.relay.handle.handover(pair.near.stream, Box::new(job));
    }
    for number in 0..10_000 {
        assert_eq!(reported.recv_timeout(PATIENCE), Ok(number));
    }
    pair.relay.settle(pair.near);
    pair.callee_reaches(&pair.caller, 1);
}
