//! Packets pass the relay unchanged in both directions, and every one is counted.

mod relay_support;

use relay_support::{Pair, Party, Relay, rtcp, rtp, settings};
use rtpengine_core::io::{Component, MediaEvent, Reason};

#[test]
fn rtp_passes_both_ways_unchanged_and_is_counted() {
    let pair = Pair::new(|_| ());
    for sequence in 0..50 {
        pair.caller.send(pair.near, &rtp(sequence));
        assert_eq!(pair.callee.receive(), (rtp(sequence), pair.far.local));
        pair.callee_reaches(&pair.caller, sequence);
    }
    for port in [pair.near, pair.far] {
        let counters = pair.relay.wait(port, |counters| counters.stream.packets_out == 50);
        let stream = counters.stream;
        assert_eq!((stream.packets, stream.bytes, stream.errors), (50, 50 * 172, 0));
        assert_eq!((stream.packets_out, stream.bytes_out, stream.errors_out), (50, 50 * 172, 0));
        assert_eq!(stream.last_packet_unix_us, 1_700_000_001_000_000);
        assert_eq!(stream.payload_types.as_slice(), [(8, 50, 50 * 172)]);
        let [ssrc] = stream.ssrcs.as_slice() else { panic!("{stream:?}") };
        assert_eq!((ssrc.ssrc, ssrc.packets, ssrc.lost, ssrc.highest_seq), (0xcafe_f00d, 50, 0, 49));
        assert!(counters.drops.is_empty());
    }
    assert_eq!(
        pair.relay.event(),
        MediaEvent::EndpointSettled { stream: pair.near.stream, endpoint: pair.caller.address, epoch: 0 }
    );
    pair.relay.no_event();
}

#[test]
fn ipv6_and_ipv4_parties_hear_each_other() {
    let mut relay = Relay::start();
    let (four, six) = (Party::new(), Party::on("[::1]:0"));
    let (near, far) = (relay.open(), relay.open_on("[::1]:0"));
    relay.configure(near, settings(Component::Rtp, Some(four.address), &[far]));
    relay.configure(far, settings(Component::Rtp, Some(six.address), &[near]));
    relay.settle(far);
    four.send(near, &rtp(1));
    assert_eq!(six.receive(), (rtp(1), far.local));
    six.send(far, &rtp(2));
    assert_eq!(four.receive(), (rtp(2), near.local));
}

#[test]
fn large_and_empty_datagrams_pass_a_raw_stream() {
    let mut relay = Relay::start();
    let (a, b) = (Party::new(), Party::new());
    let (near, far) = (relay.open(), relay.open());
    relay.configure(near, settings(Component::Raw, Some(a.address), &[far]));
    relay.configure(far, settings(Component::Raw, Some(b.address), &[near]));
    relay.settle(far);
    for size in [0usize, 1, 1473, 20_000, 65_507] {
        let payload: Vec<u8> = (0..size).map(|n| (n % 251) as u8).collect();
        a.send(near, &payload);
        assert_eq!(b.receive(), (payload, far.local));
    }
}

#[test]
fn what_is_not_media_is_dropped_by_name() {
    let pair = Pair::new(|_| ());
    pair.caller.send(pair.near, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42]);
    pair.caller.send(pair.near, &[22, 254, 253, 0]);
    pair.caller.send(pair.near, b"\r\n\r\n");
    pair.caller.send(pair.near, &rtp(1)[..11]);
    pair.caller.send(pair.near, &rtp(2));
    assert_eq!(pair.callee.receive().0, rtp(2));
    let counters = pair.relay.wait(pair.near, |counters| counters.stream.packets == 1);
    assert_eq!(counters.stream.errors, 4);
    let mut drops = counters.drops.to_vec();
    drops.sort_unstable();
    let expected = [(Reason::Malformed, 1), (Reason::Stun, 1), (Reason::Dtls, 1), (Reason::NotRtp, 1)];
    assert_eq!(drops, expected);
    pair.callee.receives_nothing();
}

#[test]
fn several_sinks_each_get_every_packet() {
    let mut relay = Relay::start();
    let (sender, first, second) = (Party::new(), Party::new(), Party::new());
    let (near, one, two) = (relay.open(), relay.open(), relay.open());
    relay.configure(near, settings(Component::Rtp, Some(sender.address), &[one, two]));
    relay.configure(one, settings(Component::Rtp, Some(first.address), &[]));
    relay.configure(two, settings(Component::Rtp, Some(second.address), &[]));
    relay.settle(two);
    for sequence in 0..10 {
        sender.send(near, &rtp(sequence));
        assert_eq!(first.receive(), (rtp(sequence), one.local));
        assert_eq!(second.receive(), (rtp(sequence), two.local));
    }
    assert_eq!(relay.wait(near, |counters| counters.stream.packets == 10).stream.errors, 0);
}

#[test]
fn rtcp_ports_relay_to_each_other() {
    let mut relay = Relay::start();
    let (a, b) = (Party::new(), Party::new());
    let (near, far) = (relay.open(), relay.open());
    relay.configure(near, settings(Component::Rtcp, Some(a.address), &[far]));
    relay.configure(far, settings(Component::Rtcp, Some(b.address), &[near]));
    relay.settle(far);
    a.send(near, &rtcp());
    assert_eq!(b.receive(), (rtcp(), far.local));
    a.send(near, &rtp(1));
    let counters = relay.wait(near, |counters| counters.stream.errors == 1);
    assert_eq!(counters.drops.as_slice(), [(Reason::Malformed, 1)]);
}
