//! Packets that are replayed or forged are counted and dropped, and change nothing.

mod relay_support;

use relay_support::secure::{Keys, SecurePair};
use relay_support::{Party, rtcp, rtp};
use rtpengine_common::srtp::Suite;
use rtpengine_core::io::{MediaEvent, Reason};

fn drops(pair: &SecurePair) -> Vec<(Reason, u64)> {
    pair.relay.counters(pair.caller.port).drops.to_vec()
}

#[test]
fn a_replayed_packet_is_dropped() {
    for suite in Suite::ALL {
        let mut pair = SecurePair::new(Keys::of(suite, 1), Keys::default());
        for packet in [rtp(1), rtcp()] {
            let sent = pair.caller.outgoing.protect(&packet);
            for _ in 0..3 {
                pair.caller.party.send(pair.caller.port, &sent);
            }
            assert_eq!(pair.callee.receive(), packet);
        }
        pair.caller_reaches_callee(&rtp(2));
        assert_eq!(drops(&pair), [(Reason::SrtpReplay, 4)], "{suite:?}");
        let counters = pair.relay.counters(pair.caller.port);
        assert_eq!((counters.stream.packets, counters.stream.errors), (3, 4));
        assert_eq!(counters.stream.ssrcs[0].duplicates, 0);
        pair.callee.party.receives_nothing();
    }
}

#[test]
fn a_forged_packet_is_dropped_and_moves_neither_endpoint_nor_rollover_counter() {
    for suite in Suite::ALL {
        let mut pair = SecurePair::new(Keys::of(suite, 1), Keys::default());
        let stranger = Party::new();
        let mut forged = 0;
        // The first packet settles the endpoint: none of these must.
        for sequence in [1, 30_000, 60_000, 20_000, 65_535] {
            for packet in [rtp(sequence), rtcp()] {
                let mut packet = [packet, vec![0x41; 10]].concat();
                packet.extend([0x42; 20]);
                stranger.send(pair.caller.port, &packet);
                forged += 1;
            }
        }
        let dropped = [(Reason::SrtpAuthentication, forged)];
        let counters = pair.relay.wait(pair.caller.port, |counters| counters.stream.errors == forged);
        assert_eq!(counters.drops[..], dropped, "{suite:?}");
        assert_eq!((counters.stream.packets, counters.stream.last_packet_unix_us), (0, 0));
        assert!(counters.stream.ssrcs.is_empty());
        pair.relay.no_event();
        pair.callee_reaches_caller(&rtp(1));

        for sequence in 65_000..66_000_u32 {
            pair.caller_reaches_callee(&rtp(sequence as u16));
        }
        let endpoint = pair.caller.party.address;
        let settled = MediaEvent::EndpointSettled { stream: pair.caller.port.stream, endpoint, epoch: 0 };
        // The callee's settled with its packet.
        assert!(matches!(pair.relay.event(), MediaEvent::EndpointSettled { .. }));
        assert_eq!(pair.relay.event(), settled);
        pair.callee.party.receives_nothing();
    }
}

#[test]
fn a_changed_bit_anywhere_is_found() {
    let mut pair = SecurePair::new(Keys::of(Suite::AeadAes256Gcm, 1), Keys::default());
    pair.caller_reaches_callee(&rtp(1));
    let sent = pair.caller.outgoing.protect(&rtp(2));
    // The first two bytes decide on what a packet is at all.
    for at in 2..sent.len() {
        let mut forged = sent.clone();
        forged[at] ^= 0x10;
        pair.caller.party.send(pair.caller.port, &forged);
    }
    pair.caller.party.send(pair.caller.port, &sent);
    assert_eq!(pair.callee.receive(), rtp(2));
    let dropped: u64 = drops(&pair).iter().map(|(_, count)| count).sum();
    assert_eq!(dropped, sent.len() as u64 - 2);
    pair.callee.party.receives_nothing();
}

#[test]
fn plain_packets_are_not_taken_for_encrypted_ones() {
    let mut pair = SecurePair::new(Keys::of(Suite::AesCm128HmacSha1_80, 1), Keys::default());
    pair.caller.party.send(pair.caller.port, &rtp(1));
    pair.caller.party.send(pair.caller.port, &[rtcp(), rtcp(), rtcp()].concat());
    pair.caller_reaches_callee(&rtp(1));
    assert_eq!(drops(&pair), [(Reason::SrtpAuthentication, 2)]);
}

#[test]
fn truncated_packets_are_malformed() {
    let mut pair = SecurePair::new(Keys::of(Suite::AesCm128HmacSha1_80, 1), Keys::default());
    let (media, control) = (pair.caller.outgoing.protect(&rtp(1)), pair.caller.outgoing.protect(&rtcp()));
    let mut sent = 0;
    for packet in [media, control] {
        for length in 0..packet.len() {
            pair.caller.party.send(pair.caller.port, &packet[..length]);
            sent += 1;
        }
    }
    let counters = pair.relay.wait(pair.caller.port, |counters| counters.stream.errors == sent);
    assert_eq!(counters.stream.packets, 0);
    pair.caller_reaches_callee(&rtp(2));
}

#[test]
fn a_packet_that_comes_twice_is_encrypted_once() {
    for suite in Suite::ALL {
        let mut pair = SecurePair::new(Keys::default(), Keys::of(suite, 1));
        pair.caller_reaches_callee(&rtp(1));
        pair.caller.send(&rtp(1));
        pair.caller_reaches_callee(&rtp(2));
        let refused = (Reason::SrtpReplay, 1);
        pair.relay.wait(pair.caller.port, |counters| counters.drops[..] == [refused]);
        pair.callee.party.receives_nothing();
    }
}

#[test]
fn a_flood_of_ssrcs_ends_in_refusals_and_the_known_go_on() {
    let mut pair = SecurePair::new(Keys::default(), Keys::of(Suite::AesCm128HmacSha1_80, 1));
    for sequence in 65_000..66_000_u32 {
        pair.caller_reaches_callee(&rtp(sequence as u16));
    }
    for ssrc in 0..5000_u32 {
        let mut packet = rtp(1);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        pair.caller.send(&packet);
        if ssrc % 50 == 0 {
            let sent = 1001 + u64::from(ssrc);
            pair.relay.wait(pair.caller.port, |counters| counters.stream.packets == sent);
        }
    }
    // The live ones, and the retired.
    let refused = (Reason::SsrcUnknown, 5001 - 16 - 4096);
    pair.relay.wait(pair.caller.port, |counters| counters.drops[..] == [refused]);
    pair.callee.party.discard();
    // The rollover counter of the first stream is still known.
    pair.caller_reaches_callee(&rtp(500));
}
