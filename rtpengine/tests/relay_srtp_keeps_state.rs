//! What is known of a stream under its keys lasts as long as the keys do.

mod relay_support;

use relay_support::secure::{Crypto, Keys, SecurePair, Side, keys, keys_with};
use relay_support::{Party, Port, rtcp, rtp, settings};
use rtpengine_common::srtp::{CryptoParams, SessionParams, Suite};
use rtpengine_core::io::{Component, Copies, Reason, RelayCommand, RelayStream};

/// Both directions have wrapped their sequence numbers.
fn wrapped(caller: Keys, callee: Keys) -> SecurePair {
    let mut pair = SecurePair::new(caller, callee);
    for sequence in 65_530..65_545_u32 {
        pair.caller_reaches_callee(&rtp(sequence as u16));
        pair.callee_reaches_caller(&rtp(sequence as u16));
        pair.caller_reaches_callee(&rtcp());
        pair.callee_reaches_caller(&rtcp());
    }
    pair
}

fn both_ways(pair: &mut SecurePair, sequence: u16) {
    pair.caller_reaches_callee(&rtp(sequence));
    pair.callee_reaches_caller(&rtp(sequence));
    pair.caller_reaches_callee(&rtcp());
    pair.callee_reaches_caller(&rtcp());
}

#[test]
fn the_same_keys_again_change_nothing() {
    for suite in Suite::ALL {
        let mut pair = wrapped(Keys::of(suite, 1), Keys::of(Suite::AesCm128HmacSha1_80, 3));
        // Equal, not the same object.
        pair.caller.keys = Keys::of(suite, 1);
        pair.configure();
        both_ways(&mut pair, 100);
        let replayed = Crypto::new(pair.caller.keys.receive.as_deref()).protect(&rtp(9));
        pair.caller.party.send(pair.caller.port, &replayed);
        both_ways(&mut pair, 101);
        let [(reason, 1)] = pair.relay.counters(pair.caller.port).drops[..] else {
            panic!("not one drop with {suite:?}");
        };
        assert!(matches!(reason, Reason::SrtpReplay | Reason::SrtpAuthentication));
    }
}

#[test]
fn hold_and_resume_keep_the_rollover_counter() {
    let mut pair = wrapped(Keys::of(Suite::AeadAes128Gcm, 1), Keys::of(Suite::AesCm128HmacSha1_80, 3));
    let mut held = pair.caller.settings(Component::Mux, &[pair.callee.port]);
    held.discard = Some(Reason::Hold);
    pair.relay.configure(pair.caller.port, held);
    pair.relay.settle(pair.caller.port);
    // The counter goes on while the packets are discarded: through another wrap.
    for step in 1..8_u32 {
        pair.caller.send(&rtp((step * 10_000) as u16));
        let expected = [(Reason::Hold, u64::from(step))];
        pair.relay.wait(pair.caller.port, |counters| counters.drops[..] == expected);
    }
    pair.callee_reaches_caller(&rtp(1000));
    pair.configure();
    pair.caller_reaches_callee(&rtp(10_000));
    pair.callee_reaches_caller(&rtp(1001));
}

#[test]
fn keys_that_come_back_after_there_were_none_go_on() {
    let keys = Keys::of(Suite::AesCm128HmacSha1_80, 1);
    let mut pair = wrapped(keys.clone(), Keys::default());
    pair.caller.keys = Keys::default();
    pair.configure();
    pair.caller.keys = keys;
    pair.configure();
    // With the rollover counter they had: the caller would not understand another one.
    for sequence in 100..110 {
        both_ways(&mut pair, sequence);
    }
    assert!(pair.relay.counters(pair.caller.port).drops.is_empty());
}

#[test]
fn keys_that_come_back_after_others_go_on() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let first = Keys::of(suite, 1);
        let mut pair = wrapped(first.clone(), Keys::default());
        let use_keys = |pair: &mut SecurePair, keys: Keys| {
            pair.caller.keys = keys;
            pair.configure();
            let crypto = |keys: &Option<_>| Crypto::new(keys.as_deref());
            let keys = &pair.caller.keys;
            let (outgoing, incoming) = (crypto(&keys.receive), crypto(&keys.transmit));
            (
                std::mem::replace(&mut pair.caller.outgoing, outgoing),
                std::mem::replace(&mut pair.caller.incoming, incoming),
            )
        };
        let before = use_keys(&mut pair, Keys::of(suite, 10));
        both_ways(&mut pair, 100);
        use_keys(&mut pair, Keys::of(suite, 20));
        both_ways(&mut pair, 101);
        use_keys(&mut pair, first);
        (pair.caller.outgoing, pair.caller.incoming) = before;
        both_ways(&mut pair, 102);
        // Nothing is sent under an index that was used, and nothing accepted.
        let replayed = Crypto::new(pair.caller.keys.receive.as_deref()).protect(&rtp(65_535));
        pair.caller.party.send(pair.caller.port, &replayed);
        pair.callee.send(&rtp(8));
        both_ways(&mut pair, 103);
        for port in [pair.caller.port, pair.callee.port] {
            let drops = pair.relay.counters(port).drops;
            assert_eq!(drops[..], [(Reason::SrtpReplay, 1)], "{suite:?}");
        }
    }
}

#[test]
fn the_same_master_key_with_other_parameters_goes_on() {
    let mut pair = wrapped(Keys::of(Suite::AesCm128HmacSha1_80, 1), Keys::default());
    let session = SessionParams { unauthenticated_srtp: true, ..SessionParams::default() };
    pair.caller.keys.transmit = Some(keys_with(Suite::AesCm128HmacSha1_80, 2, b"", session));
    pair.configure();
    pair.callee.send(&rtp(7));
    pair.callee.send(&rtp(8));
    pair.relay.wait(pair.callee.port, |counters| counters.drops[..] == [(Reason::SrtpReplay, 2)]);
    pair.callee.send(&rtp(100));
    let (packet, _) = pair.caller.party.receive();
    assert_eq!(packet.len(), rtp(100).len());
    assert_ne!(packet, rtp(100));
}

/// New keys for one direction of the caller's side.
fn rekey(pair: &mut SecurePair, suite: Suite, receive: bool) {
    let new = keys(suite, 77);
    let params: Option<&CryptoParams> = Some(&new);
    if receive {
        pair.caller.outgoing = Crypto::new(params);
        pair.caller.keys.receive = Some(new);
    } else {
        pair.caller.incoming = Crypto::new(params);
        pair.caller.keys.transmit = Some(new);
    }
    pair.configure();
}

#[test]
fn new_keys_start_anew_in_their_direction_alone() {
    for receive in [true, false] {
        for suite in Suite::ALL {
            let mut pair = wrapped(Keys::of(suite, 1), Keys::default());
            rekey(&mut pair, suite, receive);
            // With rollover counter zero in the new direction, and one in the other.
            for sequence in 100..110 {
                both_ways(&mut pair, sequence);
            }
            assert!(pair.relay.counters(pair.caller.port).drops.is_empty());
        }
    }
}

#[test]
fn a_source_that_comes_back_is_known() {
    let mut pair = wrapped(Keys::of(Suite::AesCm128HmacSha1_80, 1), Keys::of(Suite::AeadAes256Gcm, 3));
    for ssrc in 1..40_u32 {
        let mut packet = rtp(7);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        pair.caller_reaches_callee(&packet);
    }
    both_ways(&mut pair, 200);
    assert!(pair.relay.counters(pair.caller.port).drops.is_empty());
}

/// With ICE the party has several ways: it may send by one and be sent to by another, and change over.
#[test]
fn all_sockets_of_an_m_line_share_what_is_known() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let mut pair = wrapped(Keys::of(suite, 1), Keys::default());
        let first = pair.caller.port;
        let other = pair.relay.open();
        let own = pair.caller.settings(Component::Mux, &[pair.callee.port]);
        assert_eq!(own.keyring, first.stream);
        pair.relay.configure(other, own);
        // Media that comes by the other socket is decrypted and counted there.
        pair.caller.port = other;
        pair.caller_reaches_callee(&rtp(100));
        pair.caller.port = first;
        pair.caller_reaches_callee(&rtp(101));
        assert_eq!(pair.relay.counters(other).stream.packets, 1);
        // What came by one is not taken again by the other.
        let mut repeated = Crypto::new(pair.caller.keys.receive.as_deref());
        repeated.protect(&rtp(65_535));
        let repeated = repeated.protect(&rtp(101));
        pair.caller.party.send(other, &repeated);
        pair.relay.wait(other, |counters| counters.drops[..] == [(Reason::SrtpReplay, 1)]);
        // The way out changes over, and the first socket is given up.
        pair.relay.configure(pair.callee.port, pair.callee.settings(Component::Mux, &[other]));
        pair.caller.port = other;
        pair.callee_reaches_caller(&rtp(102));
        pair.relay.handle.command(RelayCommand::Close { stream: first.stream });
        both_ways(&mut pair, 103);
    }
}

/// The caller's socket passes packets on to the callee as they are, and copies decrypted to a subscriber.
fn copying(caller: &Side, callee: Port, subscriber: Port) -> RelayStream {
    let mut config = caller.settings(Component::Mux, &[callee]);
    config.copies = config.receive_crypto.take().map(|keys| {
        let sinks = [subscriber.stream];
        Box::new(Copies { keys, sinks: sinks.into(), rtcp_sinks: sinks.into(), filter: None })
    });
    config
}

#[test]
fn copies_go_on_where_the_streams_are() {
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes128Gcm] {
        let mut pair = wrapped(Keys { transmit: None, ..Keys::of(suite, 1) }, Keys::default());
        let (caller, callee) = (pair.caller.port, pair.callee.port);
        let subscriber = Party::new();
        let way = pair.relay.open();
        pair.relay.configure(way, settings(Component::Mux, Some(subscriber.address), &[]));
        let passes = |pair: &mut SecurePair, packet: &[u8]| {
            let sealed = pair.caller.outgoing.protect(packet);
            pair.caller.party.send(pair.caller.port, &sealed);
            assert_eq!(pair.callee.party.receive().0, sealed);
            sealed
        };
        let copied = |pair: &mut SecurePair, packet: &[u8]| {
            let sealed = passes(pair, packet);
            assert_eq!(subscriber.receive().0, packet);
            sealed
        };
        pair.relay.configure(caller, copying(&pair.caller, callee, way));
        let known = copied(&mut pair, &rtp(100));
        copied(&mut pair, &rtcp());
        // Another socket of the m-line knows them, and passes on what is there already without a copy of it.
        let other = pair.relay.open();
        pair.relay.configure(other, copying(&pair.caller, callee, way));
        pair.caller.party.send(other, &known);
        assert_eq!(pair.callee.party.receive().0, known);
        pair.relay.wait(other, |counters| counters.drops[..] == [(Reason::SrtpReplay, 1)]);
        pair.caller.port = other;
        copied(&mut pair, &rtp(101));
        // Nobody reads it, and it wraps again and again.
        for port in [caller, other] {
            let unread = RelayStream { copies: None, ..copying(&pair.caller, callee, way) };
            pair.relay.configure(port, unread);
        }
        for step in 2..30_u32 {
            passes(&mut pair, &rtp((step * 10_000) as u16));
        }
        pair.relay.configure(other, copying(&pair.caller, callee, way));
        for sequence in 40_001..40_005 {
            copied(&mut pair, &rtp(sequence));
        }
        // What was learned from it counts when all is decrypted.
        pair.relay.configure(other, pair.caller.settings(Component::Mux, &[callee]));
        pair.caller_reaches_callee(&rtp(40_005));
        pair.caller_reaches_callee(&rtcp());
        assert_eq!(pair.relay.counters(other).drops[..], [(Reason::SrtpReplay, 1)]);
    }
}
