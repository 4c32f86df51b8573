//! What the relay does to packets besides passing them on: sending them back, holding them for a party behind NAT, dropping
//! those that are too short.

mod relay_support;

use std::num::NonZeroU32;

use relay_support::{Pair, rtcp, rtp, settings};
use rtpengine_core::io::{Component, Handling, Learning, Reason, RelayStream};

const SSRC: u32 = 0xcafe_f00d;

fn echoing(pair: &Pair, bits: u32) -> RelayStream {
    let mut config = settings(Component::Mux, Some(pair.caller.address), &[pair.near]);
    config.rtcp_sinks.clear();
    config.handling = Handling { echo: NonZeroU32::new(bits), no_rtcp: true, ..Handling::default() };
    config
}

#[test]
fn an_echo_goes_back_as_another_stream_and_to_nobody_else() {
    let pair = Pair::new(|_| ());
    pair.relay.configure(pair.near, echoing(&pair, 0x0101_0101));
    pair.relay.settle(pair.near);
    for sequence in 1..50 {
        pair.caller.send(pair.near, &rtp(sequence));
        let (packet, source) = pair.caller.receive();
        let mut expected = rtp(sequence);
        expected[8..12].copy_from_slice(&(SSRC ^ 0x0101_0101).to_be_bytes());
        assert_eq!((packet, source), (expected, pair.near.local));
    }
    pair.caller.send(pair.near, &rtcp());
    let counters = pair.relay.wait(pair.near, |counters| !counters.drops.is_empty());
    assert_eq!(counters.drops.as_slice(), [(Reason::Blackhole, 1)]);
    assert_eq!((counters.stream.packets, counters.stream.packets_out, counters.stream.errors), (50, 49, 0));
    pair.callee.receives_nothing();
    // Forwarded again, it is what it was.
    pair.relay.configure(pair.near, settings(Component::Mux, Some(pair.caller.address), &[pair.far]));
    pair.relay.settle(pair.near);
    pair.caller.send(pair.near, &rtp(60));
    assert_eq!(pair.callee.receive().0, rtp(60));
}

#[test]
fn what_is_discarded_on_request_is_no_error() {
    let pair = Pair::new(|config| {
        config.component = Component::Mux;
        config.discard = Some(Reason::Blackhole);
        config.handling.no_rtcp = true;
    });
    pair.caller.send(pair.near, &rtp(1));
    pair.caller.send(pair.near, &rtcp());
    let counters =
        pair.relay.wait(pair.near, |counters| counters.drops.as_slice() == [(Reason::Blackhole, 2)]);
    assert_eq!((counters.stream.packets, counters.stream.errors), (2, 0));
    pair.callee.receives_nothing();
}

#[test]
fn a_party_behind_nat_hears_nothing_before_it_was_heard() {
    let pair = Pair::new(|_| ());
    let waiting = |epoch: u32| {
        let mut config = settings(Component::Rtp, Some(pair.callee.address), &[pair.near]);
        config.handling.awaits_packets = true;
        (config.learning, config.epoch) = (Learning::Off, epoch);
        config
    };
    for epoch in 1..4 {
        // Another address signalled: the new one has to be heard as well.
        pair.relay.configure(pair.far, waiting(epoch));
        pair.relay.settle(pair.far);
        let before = pair.relay.counters(pair.near).drops.iter().map(|(_, count)| count).sum::<u64>();
        pair.caller.send(pair.near, &rtp(1));
        let counters = pair
            .relay
            .wait(pair.near, |counters| counters.drops.iter().map(|(_, count)| count).sum::<u64>() > before);
        assert_eq!(counters.drops.as_slice(), [(Reason::NatWait, u64::from(epoch))]);
        assert_eq!(counters.stream.errors, 0);
        pair.callee.receives_nothing();
        pair.callee.send(pair.far, &rtp(2));
        assert_eq!(pair.caller.receive().0, rtp(2));
        pair.caller.send(pair.near, &rtp(3));
        assert_eq!(pair.callee.receive().0, rtp(3));
        // The same settings again change nothing.
        pair.relay.configure(pair.far, waiting(epoch));
        pair.relay.settle(pair.far);
        pair.caller.send(pair.near, &rtp(4));
        assert_eq!(pair.callee.receive().0, rtp(4));
    }
}

#[test]
fn packets_shorter_than_usual_are_blocked() {
    let pair = Pair::new(|config| config.handling.block_short = true);
    let short = |sequence: u16| rtp(sequence)[..100].to_vec();
    for sequence in 1..=5 {
        pair.caller.send(pair.near, &rtp(sequence));
        assert_eq!(pair.callee.receive().0, rtp(sequence));
    }
    pair.caller.send(pair.near, &short(6));
    // Neither sources nor extensions are part of the length that counts.
    let mut extended = rtp(7);
    extended[0] |= 0x11;
    extended.splice(12..12, [0, 0, 0, 1, 0xbe, 0xde, 0, 1, 0x10, 0, 0, 0]);
    pair.caller.send(pair.near, &extended);
    assert_eq!(pair.callee.receive().0, extended);
    let mut hidden = short(8);
    hidden[0] |= 0x10;
    hidden.splice(12..12, [0xbe, 0xde, 0, 15].into_iter().chain([0; 60]));
    pair.caller.send(pair.near, &hidden);
    pair.caller.send(pair.near, &rtp(9));
    assert_eq!(pair.callee.receive().0, rtp(9));
    let counters = pair.relay.counters(pair.near);
    assert_eq!(counters.drops.as_slice(), [(Reason::PacketLength, 2)]);
    assert_eq!((counters.stream.packets, counters.stream.errors), (9, 0));
}
