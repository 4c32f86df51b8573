//! Too many packets: the relay loses some, says how many, treats sockets fairly and recovers.

mod relay_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use relay_support::{Pair, Party, rtp};

#[test]
fn a_full_receive_queue_is_counted_and_the_stream_goes_on() {
    let pair = Pair::new(|_| ());
    let resume = pair.hold_up();
    // More than the receive buffer asked for can hold.
    let flood = 20_000;
    for sequence in 0..flood {
        pair.caller.send(pair.near, &rtp(sequence));
    }
    drop(resume);
    pair.relay.settle(pair.near);
    // The count of lost packets comes with the packet after them.
    pair.caller.send(pair.near, &rtp(flood));
    let counters = pair.relay.wait(pair.near, |counters| counters.queue_overflow > 0);
    assert!(counters.stream.packets > 1);
    assert!(counters.stream.packets + counters.queue_overflow <= u64::from(flood) + 1);
    for sequence in 0..10 {
        pair.callee_reaches(&pair.caller, sequence);
    }
}

#[test]
fn a_flooded_socket_does_not_starve_its_neighbours() {
    let pair = Pair::new(|_| ());
    let flooding = Arc::new(AtomicBool::new(true));
    let flood = {
        let (flooding, target) = (flooding.clone(), pair.near);
        std::thread::spawn(move || {
            let stranger = Party::new();
            while flooding.load(Ordering::Relaxed) {
                stranger.send(target, &rtp(1));
            }
        })
    };
    pair.relay.wait(pair.near, |counters| counters.stream.packets > 1000);
    // The first packet of the flood may have been taken for the caller: the callee's direction shows it either way.
    for sequence in 0..200 {
        pair.callee.send(pair.far, &rtp(sequence));
        pair.relay.wait(pair.far, |counters| counters.stream.packets == u64::from(sequence) + 1);
    }
    flooding.store(false, Ordering::Relaxed);
    flood.join().expect("flood ends");
}

#[test]
fn shutdown_ends_under_a_flood() {
    let mut pair = Pair::new(|_| ());
    let flooding = Arc::new(AtomicBool::new(true));
    let flood = {
        let (flooding, target) = (flooding.clone(), pair.near);
        std::thread::spawn(move || {
            let stranger = Party::new();
            while flooding.load(Ordering::Relaxed) {
                stranger.send(target, &rtp(1));
            }
        })
    };
    pair.relay.wait(pair.near, |counters| counters.stream.packets > 1000);
    pair.relay.shutdown();
    assert_eq!(pair.relay.handle.open_sockets(), 0);
    flooding.store(false, Ordering::Relaxed);
    flood.join().expect("flood ends");
}
