//! Handshakes between two engines yield the same keys on both sides, whatever the network does.

mod dtls_support;

use std::time::Instant;

use dtls_support::{Fate, PATIENCE, Pair, STREAM, identity, large_identity, random};
use rtpengine::dtls::{Event, FailureReason, Limits, PROFILES, Role};

#[test]
fn both_roles_get_the_same_keys() {
    let mut pair = Pair::new();
    pair.open();
    pair.settle();
    pair.agreed();
    let statistics = pair.passive.engine.counters().snapshot();
    assert_eq!((statistics.started, statistics.completed, statistics.half_open), (1, 1, 0));
    assert_eq!(statistics.cookies_sent, 0, "SDP named the peer's address");
    assert_eq!(pair.active.engine.next_timeout(), None);
    assert_eq!(pair.passive.engine.next_timeout(), None);
}

#[test]
fn a_source_that_nobody_named_has_to_return_a_cookie() {
    let mut pair = Pair::new();
    let mut association = pair.passive.association(Role::Passive, &pair.active);
    association.remote = None;
    pair.passive.engine.open(Instant::now(), STREAM, association);
    pair.active.open(Role::Active, &pair.passive);
    pair.settle();
    let Some(Event::KeysReady { peer, .. }) = pair.passive.events.front() else { panic!("no keys") };
    assert_eq!(*peer, pair.active.address);
    pair.agreed();
    let statistics = pair.passive.engine.counters().snapshot();
    assert_eq!((statistics.cookies_sent, statistics.cookies_accepted, statistics.completed), (1, 1, 1));
    let (hello, verify) = (&pair.sent[0], &pair.sent[1]);
    assert!(verify.payload.len() < hello.payload.len(), "an answer must not amplify");
}

#[test]
fn each_profile_can_be_the_only_one() {
    for profile in PROFILES {
        let mut pair = Pair::new();
        pair.passive.open(Role::Passive, &pair.active);
        let mut association = pair.active.association(Role::Active, &pair.passive);
        association.profiles = vec![profile];
        pair.active.engine.open(Instant::now(), STREAM, association);
        pair.settle();
        assert_eq!(pair.agreed().send.suite(), profile);
    }
}

#[test]
fn without_a_common_profile_there_are_no_keys() {
    let mut pair = Pair::new();
    let [first, second, ..] = PROFILES;
    let mut association = pair.passive.association(Role::Passive, &pair.active);
    association.profiles = vec![first];
    pair.passive.engine.open(Instant::now(), STREAM, association);
    let mut association = pair.active.association(Role::Active, &pair.passive);
    association.profiles = vec![second];
    pair.active.engine.open(Instant::now(), STREAM, association);
    pair.settle();
    for party in [&mut pair.active, &mut pair.passive] {
        let Some(Event::Failed { verified: true, .. }) = party.events.pop_front() else {
            panic!("no failure")
        };
        assert_eq!(party.engine.counters().snapshot().half_open, 0);
    }
}

#[test]
fn any_single_loss_repetition_or_delay_is_made_good() {
    let identities = (identity(), identity());
    for fate in [Fate::Lose, Fate::Repeat, Fate::Delay] {
        for victim in 0..8 {
            let mut pair = Pair::with(identities.0.clone(), identities.1.clone());
            pair.open();
            pair.run(|index, _| if index == victim { fate } else { Fate::Deliver });
            pair.agreed();
        }
    }
}

#[test]
fn large_certificates_cross_a_bad_network_in_small_datagrams() {
    const MTU: u16 = 576;
    let identities = (large_identity(MTU), large_identity(MTU));
    for seed in 0..4 {
        let mut state = seed;
        let mut pair = Pair::with(identities.0.clone(), identities.1.clone());
        pair.open();
        pair.run(|_, _| match random(&mut state) % 10 {
            0 => Fate::Lose,
            1 => Fate::Repeat,
            2 | 3 => Fate::Delay,
            _ => Fate::Deliver,
        });
        pair.agreed();
        assert!(pair.sent.len() >= 8, "{} datagrams", pair.sent.len());
        let longest = pair.sent.iter().map(|sent| sent.payload.len()).max().unwrap();
        assert!(longest + 28 <= usize::from(MTU), "{longest} bytes and headers");
    }
}

#[test]
fn the_last_flight_is_repeated_for_a_peer_that_has_lost_it() {
    let mut pair = Pair::new();
    pair.open();
    let passive = pair.passive.address;
    let mut flights = 0;
    // The passive side has its keys when it sends its second flight, which is lost.
    pair.run(|_, sent| {
        flights += usize::from(sent.destination != passive);
        if flights == 2 && sent.destination != passive { Fate::Lose } else { Fate::Deliver }
    });
    pair.agreed();
    assert!(flights >= 3, "the passive side has sent its last flight again");
}

#[test]
fn closing_is_told_to_the_peer() {
    for closes in [Role::Active, Role::Passive] {
        let mut pair = Pair::new();
        pair.open();
        pair.settle();
        pair.agreed();
        let (closer, other) = match closes {
            Role::Active => (&mut pair.active, &mut pair.passive),
            Role::Passive => (&mut pair.passive, &mut pair.active),
        };
        closer.engine.close(STREAM);
        for alert in closer.outgoing() {
            other.receive(closer.address, &alert.payload);
        }
        other.outgoing();
        assert_eq!(other.events.pop_front(), Some(Event::Closed { reason: None }));
        assert_eq!(closer.engine.counters().snapshot().streams, 0);
        assert_eq!(other.engine.counters().snapshot().closed, 1);
    }
}

#[test]
fn junk_does_not_disturb_an_association() {
    let mut pair = Pair::new();
    pair.open();
    pair.settle();
    pair.agreed();
    let address = pair.active.address;
    let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    let encrypted_alert = [21, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    let data = [23, 254, 253, 0, 1, 0, 0, 0, 0, 0, 9, 0, 4, 1, 2, 3, 4];
    for junk in [&alert[..], &encrypted_alert, &data, &data[..10], &[22; 100]] {
        pair.passive.receive(address, junk);
    }
    for earlier in pair.sent.clone() {
        pair.passive.receive(address, &earlier.payload);
    }
    pair.passive.outgoing();
    assert_eq!(pair.passive.events.pop_front(), None);
    pair.active.engine.close(STREAM);
    pair.settle();
    assert_eq!(pair.passive.events.pop_front(), Some(Event::Closed { reason: None }));
}

#[test]
fn a_handshake_without_an_answer_is_repeated_and_then_ends() {
    let mut pair = Pair::new();
    let start = Instant::now();
    pair.active.open(Role::Active, &pair.passive);
    let first = pair.active.outgoing();
    assert_eq!(first.len(), 1);
    std::thread::sleep(pair.active.engine.next_timeout().unwrap().saturating_duration_since(start));
    pair.active.engine.handle_timeout(Instant::now());
    let again = pair.active.outgoing();
    assert_eq!(again.len(), 1);
    assert_ne!(again[0].payload, first[0].payload, "a repeated record has a number of its own");
    pair.active.engine.handle_timeout(Instant::now() + Limits::default().lifetime);
    pair.active.outgoing();
    let expected =
        Event::Failed { peer: pair.passive.address, verified: true, reason: FailureReason::Timeout };
    assert_eq!(pair.active.events.pop_front(), Some(expected));
    let statistics = pair.active.engine.counters().snapshot();
    assert_eq!((statistics.half_open, statistics.timed_out), (0, 1));
    assert!(start.elapsed() < PATIENCE);
}
