//! A new association replaces the old one, whose keys hold until then.

mod dtls_support;

use std::sync::Arc;
use std::time::Instant;

use dtls_support::{Fate, Pair, Party, STREAM, identity, random, route};
use rtpengine::dtls::{Event, Role};

fn established() -> (Pair, rtpengine::dtls::SrtpKeys) {
    let mut pair = Pair::new();
    pair.open();
    pair.settle();
    let keys = pair.agreed();
    (pair, keys)
}

#[test]
fn opening_again_makes_new_keys_with_the_same_addresses() {
    let (mut pair, first) = established();
    pair.open();
    assert_eq!(pair.passive.events, [], "the old keys hold meanwhile");
    pair.settle();
    assert_ne!(pair.agreed(), first);
    assert_eq!(pair.passive.engine.counters().snapshot().completed, 2);
}

#[test]
fn a_new_association_survives_a_bad_network_too() {
    let (mut pair, first) = established();
    pair.open();
    let mut state = 3;
    pair.run(|_, _| if random(&mut state).is_multiple_of(4) { Fate::Lose } else { Fate::Deliver });
    assert_ne!(pair.agreed(), first);
}

#[test]
fn a_new_certificate_takes_over_when_its_handshake_is_complete() {
    let (mut pair, first) = established();
    pair.active.identity = identity();
    pair.passive.open(Role::Passive, &pair.active);
    pair.settle();
    assert_eq!((pair.active.events.len(), pair.passive.events.len()), (0, 0));
    pair.active.open(Role::Active, &pair.passive);
    pair.settle();
    assert_ne!(pair.agreed(), first);
}

#[test]
fn the_old_association_lives_on_when_the_new_one_fails() {
    let (mut pair, _) = established();
    // The passive side expects a certificate that the active one does not have.
    let other = Party::new("192.0.2.9:9", identity());
    let mut association = pair.passive.association(Role::Passive, &other);
    association.remote = Some(route(STREAM, pair.active.address));
    pair.passive.engine.open(Instant::now(), STREAM, association);
    pair.active.open(Role::Active, &pair.passive);
    pair.settle();
    assert!(matches!(pair.passive.events.pop_front(), Some(Event::Failed { verified: true, .. })));
    assert_eq!(pair.passive.events, []);
    assert_eq!(pair.passive.engine.counters().snapshot().closed, 0);
}

#[test]
fn a_client_that_starts_over_needs_a_cookie_and_gets_new_keys() {
    let (mut pair, first) = established();
    // The peer has lost everything; its SDP is the same.
    pair.active = Party::new(&pair.active.address.to_string(), Arc::clone(&pair.active.identity));
    pair.active.open(Role::Active, &pair.passive);
    pair.settle();
    assert_ne!(pair.agreed(), first);
    let statistics = pair.passive.engine.counters().snapshot();
    assert_eq!((statistics.cookies_sent, statistics.completed), (1, 2));
}

#[test]
fn a_forged_hello_from_a_known_address_replaces_nothing() {
    let (mut pair, _) = established();
    let mut forger = Party::new(&pair.active.address.to_string(), identity());
    forger.open(Role::Active, &pair.passive);
    let hello = forger.outgoing().remove(0);
    pair.passive.receive(pair.active.address, &hello.payload);
    let statistics = pair.passive.engine.counters().snapshot();
    assert_eq!((statistics.cookies_sent, statistics.half_open, statistics.started), (1, 0, 1));
    // What the forger caused is answered to the peer, which ignores it.
    pair.settle();
    assert_eq!((pair.active.events.len(), pair.passive.events.len()), (0, 0));
    pair.active.engine.close(STREAM);
    pair.settle();
    assert_eq!(pair.passive.events, [Event::Closed { reason: None }]);
}

#[test]
fn roles_can_be_exchanged() {
    let (mut pair, first) = established();
    pair.active.open(Role::Passive, &pair.passive);
    pair.passive.open(Role::Active, &pair.active);
    pair.settle();
    let (one, other) = (pair.active.keys(), pair.passive.keys());
    assert!(one.send == other.receive && one.receive == other.send && one.send != first.send);
}

#[test]
fn two_clients_are_told_of_the_conflict_and_one_gives_way() {
    let mut pair = Pair::new();
    pair.active.open(Role::Active, &pair.passive);
    pair.passive.open(Role::Active, &pair.active);
    pair.settle();
    assert_eq!(pair.passive.events, [Event::RoleConflict { peer: pair.active.address }]);
    assert_eq!(pair.active.events, [Event::RoleConflict { peer: pair.passive.address }]);
    pair.passive.events.clear();
    pair.active.events.clear();
    pair.passive.open(Role::Passive, &pair.active);
    pair.run(|_, _| Fate::Deliver);
    pair.agreed();
}

#[test]
fn an_association_follows_a_peer_that_ice_moves() {
    let (mut pair, _) = established();
    let elsewhere = "198.51.100.7:6000".parse().unwrap();
    pair.passive.engine.set_remote(Instant::now(), STREAM, route(STREAM, elsewhere));
    pair.passive.engine.close(STREAM);
    let sent = pair.passive.outgoing();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].destination, elsewhere);
    // The same seen from the other side: ICE vouches for a source that was not known.
    let now = Instant::now();
    pair.active.engine.receive(now, STREAM, route(STREAM, elsewhere), true, &sent[0].payload);
    pair.active.outgoing();
    assert_eq!(pair.active.events, [Event::Closed { reason: None }]);
}

#[test]
fn the_active_role_waits_for_an_address() {
    let mut pair = Pair::new();
    let mut association = pair.active.association(Role::Active, &pair.passive);
    association.remote = None;
    pair.active.engine.open(Instant::now(), STREAM, association);
    assert_eq!(pair.active.outgoing(), []);
    pair.passive.open(Role::Passive, &pair.active);
    pair.active.engine.set_remote(Instant::now(), STREAM, route(STREAM, pair.passive.address));
    pair.settle();
    pair.agreed();
}
