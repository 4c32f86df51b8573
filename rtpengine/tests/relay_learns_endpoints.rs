//! Where packets to a party go follows the packets it sends, as `--endpoint-learning` and the source policy say.

mod relay_support;

use std::time::Duration;

use relay_support::{Pair, Party, rtp};
use rtpengine_core::io::{Learning, MediaEvent, Reason, SourcePolicy};

const DELAY: Duration = Duration::from_secs(3);

/// A pair whose caller signalled an address nobody listens on.
fn behind_nat(learning: Learning, policy: SourcePolicy) -> (Pair, Party) {
    let signalled = Party::new();
    let pair = Pair::new(|config| {
        config.endpoint = Some(signalled.address);
        config.learning = learning;
        config.source_policy = policy;
    });
    (pair, signalled)
}

/// Sends a packet from the caller's side and sees it through.
fn passes(pair: &Pair, from: &Party, sequence: u16) {
    from.send(pair.near, &rtp(sequence));
    assert_eq!(pair.callee.receive(), (rtp(sequence), pair.far.local));
}

fn settled_at(pair: &Pair, party: &Party) {
    let expected =
        MediaEvent::EndpointSettled { stream: pair.near.stream, endpoint: party.address, epoch: 0 };
    assert_eq!(pair.relay.event(), expected);
}

#[test]
fn until_the_first_packet_the_signalled_address_is_used() {
    let (pair, signalled) = behind_nat(Learning::Delayed, SourcePolicy::Accept);
    pair.callee_reaches(&signalled, 1);
}

#[test]
fn immediate_learning_takes_the_first_source() {
    let (pair, _signalled) = behind_nat(Learning::Immediate, SourcePolicy::Accept);
    passes(&pair, &pair.caller, 1);
    settled_at(&pair, &pair.caller);
    let stranger = Party::new();
    passes(&pair, &stranger, 2);
    pair.callee_reaches(&pair.caller, 3);
    pair.relay.no_event();
}

#[test]
fn delayed_learning_commits_after_three_seconds() {
    let (pair, _signalled) = behind_nat(Learning::Delayed, SourcePolicy::Accept);
    let second = Party::new();
    passes(&pair, &pair.caller, 1);
    pair.callee_reaches(&pair.caller, 2);
    pair.relay.advance(DELAY - Duration::from_micros(1));
    passes(&pair, &second, 3);
    pair.callee_reaches(&second, 4);
    pair.relay.no_event();
    pair.relay.advance(Duration::from_micros(1));
    passes(&pair, &pair.caller, 5);
    settled_at(&pair, &pair.caller);
    passes(&pair, &second, 6);
    pair.callee_reaches(&pair.caller, 7);
    pair.relay.no_event();
}

#[test]
fn without_learning_the_signalled_address_stays() {
    let (pair, signalled) = behind_nat(Learning::Off, SourcePolicy::Accept);
    passes(&pair, &pair.caller, 1);
    settled_at(&pair, &signalled);
    pair.relay.advance(DELAY);
    passes(&pair, &pair.caller, 2);
    pair.callee_reaches(&signalled, 3);
    pair.relay.no_event();
}

#[test]
fn heuristic_learning_prefers_the_signalled_address_over_others() {
    let (pair, signalled) = behind_nat(Learning::Heuristic, SourcePolicy::Accept);
    passes(&pair, &signalled, 1);
    passes(&pair, &pair.caller, 2);
    pair.callee_reaches(&signalled, 3);
    pair.relay.advance(DELAY);
    passes(&pair, &pair.caller, 4);
    settled_at(&pair, &signalled);
    pair.callee_reaches(&signalled, 5);
}

#[test]
fn strict_source_drops_strangers_once_the_endpoint_is_settled() {
    let (pair, _signalled) = behind_nat(Learning::Immediate, SourcePolicy::Strict);
    passes(&pair, &pair.caller, 1);
    let stranger = Party::new();
    for sequence in 2..7 {
        stranger.send(pair.near, &rtp(sequence));
    }
    passes(&pair, &pair.caller, 7);
    let counters = pair.relay.wait(pair.near, |counters| counters.stream.packets == 2);
    assert_eq!(counters.stream.errors, 5);
    assert_eq!(counters.drops.as_slice(), [(Reason::SourceDrop, 5)]);
    pair.callee.receives_nothing();
}

#[test]
fn media_handover_follows_a_new_source() {
    let (pair, _signalled) = behind_nat(Learning::Immediate, SourcePolicy::Handover);
    passes(&pair, &pair.caller, 1);
    settled_at(&pair, &pair.caller);
    let moved = Party::new();
    passes(&pair, &moved, 2);
    settled_at(&pair, &moved);
    pair.callee_reaches(&moved, 3);
    pair.relay.no_event();
}

#[test]
fn an_endpoint_nobody_signalled_is_learned() {
    let pair = Pair::new(|config| config.endpoint = None);
    pair.callee.send(pair.far, &rtp(1));
    let counters = pair.relay.wait(pair.far, |counters| counters.stream.errors == 1);
    assert_eq!(counters.drops.as_slice(), [(Reason::NoEndpoint, 1)]);
    passes(&pair, &pair.caller, 2);
    settled_at(&pair, &pair.caller);
    pair.callee_reaches(&pair.caller, 3);
}
