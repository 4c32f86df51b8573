//! No key leaves the engine before the peer's certificate is the one its SDP names.

mod dtls_support;

use std::time::Instant;

use dtls_support::{Pair, STREAM, identity, sha256};
use rtpengine::dtls::{Event, FailureReason, Fingerprint, HashFunction, Role};

#[test]
fn every_hash_function_serves() {
    for hash in HashFunction::ALL {
        let mut pair = Pair::new();
        pair.active.open(Role::Active, &pair.passive);
        let mut association = pair.passive.association(Role::Passive, &pair.active);
        let signalled = pair.active.identity.fingerprint(hash).unwrap().to_string();
        association.fingerprints = vec![signalled.parse::<Fingerprint>().unwrap()];
        pair.passive.engine.open(Instant::now(), STREAM, association);
        pair.settle();
        pair.agreed();
    }
}

#[test]
fn another_certificate_yields_no_keys_on_either_side() {
    let stranger = sha256(&identity());
    for deceived in [Role::Active, Role::Passive] {
        let mut pair = Pair::new();
        let mut passive = pair.passive.association(Role::Passive, &pair.active);
        let mut active = pair.active.association(Role::Active, &pair.passive);
        match deceived {
            Role::Active => active.fingerprints = vec![stranger.clone()],
            Role::Passive => passive.fingerprints = vec![stranger.clone()],
        }
        pair.passive.engine.open(Instant::now(), STREAM, passive);
        pair.active.engine.open(Instant::now(), STREAM, active);
        pair.settle();
        let (deceived, other) = match deceived {
            Role::Active => (&mut pair.active, &mut pair.passive),
            Role::Passive => (&mut pair.passive, &mut pair.active),
        };
        let reason = FailureReason::FingerprintMismatch;
        let expected = Event::Failed { peer: other.address, verified: true, reason };
        assert_eq!(deceived.events, [expected]);
        assert_eq!(deceived.engine.counters().snapshot().mismatched, 1);
        assert_eq!(deceived.engine.counters().snapshot().completed, 0);
        // The other side is told by an alert. It is the passive one that has not finished before.
        let told = other.events.pop_back();
        let names_alert = |reason: &FailureReason| reason.to_string().contains("bad certificate");
        match told {
            Some(Event::Failed { reason, .. }) => assert!(names_alert(&reason), "{reason}"),
            Some(Event::Closed { reason: Some(reason) }) => assert!(names_alert(&reason), "{reason}"),
            told => panic!("not told of the alert: {told:?}"),
        }
    }
}

#[test]
fn keys_wait_for_the_sdp_that_names_the_certificate() {
    let mut pair = Pair::new();
    let mut early = pair.passive.association(Role::Passive, &pair.active);
    early.fingerprints.clear();
    pair.passive.engine.open(Instant::now(), STREAM, early);
    pair.active.open(Role::Active, &pair.passive);
    pair.settle();
    assert_eq!(pair.passive.events, []);
    assert_eq!(pair.passive.engine.counters().snapshot().half_open, 1);
    assert!(pair.passive.engine.next_timeout().is_some(), "it does not wait for ever");
    let fingerprint = sha256(&pair.active.identity);
    pair.passive.engine.set_fingerprints(Instant::now(), STREAM, vec![fingerprint]);
    pair.settle();
    pair.agreed();
    assert_eq!(pair.passive.engine.counters().snapshot().half_open, 0);
}

#[test]
fn a_certificate_that_the_late_sdp_does_not_name_is_refused() {
    let mut pair = Pair::new();
    let mut early = pair.passive.association(Role::Passive, &pair.active);
    early.fingerprints.clear();
    pair.passive.engine.open(Instant::now(), STREAM, early);
    pair.active.open(Role::Active, &pair.passive);
    pair.settle();
    pair.active.keys();
    pair.passive.engine.set_fingerprints(Instant::now(), STREAM, vec![sha256(&identity())]);
    pair.settle();
    let reason = FailureReason::FingerprintMismatch;
    let expected = Event::Failed { peer: pair.active.address, verified: true, reason };
    assert_eq!(pair.passive.events, [expected]);
    assert_eq!(pair.active.events, [Event::Closed { reason: None }]);
}

#[test]
fn keys_are_in_no_debug_output() {
    let mut pair = Pair::new();
    pair.open();
    pair.settle();
    let printed = format!("{:?} {:?}", pair.passive.events, pair.passive.engine);
    let keys = pair.agreed();
    for secret in [keys.send.master_key(), keys.receive.master_key(), keys.send.master_salt()] {
        let decimal = format!("{secret:?}");
        let inner = decimal.trim_matches(['[', ']']);
        let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!printed.contains(inner) && !printed.to_lowercase().contains(&hexadecimal));
    }
}
