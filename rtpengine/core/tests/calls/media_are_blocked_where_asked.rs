//! Whom `block media` and its kin mean, and what follows for relay and kernel.

use rtpengine_core::{
    io::{Filter, MediaRule, SinkRule},
    ng::{AllMode, Command, Flag, Outcome, Request},
};

use crate::pair::{Pair, Seen, audio, error};

fn order(pair: &mut Pair, command: Command, change: impl FnOnce(&mut Request)) {
    let reply = pair.send(&Pair::request(command, "", "", "", change));
    assert_eq!(reply.outcome, Outcome::Ok);
}

/// A settled call, with the caller's label `alice`.
fn call() -> (Pair, Seen, Seen) {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.label = Some("alice".to_owned());
    });
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    pair.settle(&caller, "192.0.2.1:2000");
    pair.settle(&callee, "192.0.2.2:3000");
    (pair, caller, callee)
}

fn rule(pair: &Pair, seen: &Seen) -> SinkRule {
    pair.relay(seen).filter.as_deref().map_or(SinkRule::PASS, |filter: &Filter| filter.rules[0])
}

fn blocked(pair: &Pair, caller: &Seen, callee: &Seen) -> (bool, bool) {
    (rule(pair, caller).media == MediaRule::Drop, rule(pair, callee).media == MediaRule::Drop)
}

/// The payload types that the kernel lets pass, where it does not let all of them: telephone events.
fn passing(pair: &Pair, seen: &Seen) -> Option<u128> {
    let flow = &pair.plane.flows[&pair.stream(seen.rtp)];
    flow.outputs[0].restraint.passing
}

#[test]
fn a_party_is_found_by_tag_label_and_address() {
    let ways: [&dyn Fn(&mut Request); 4] = [
        &|request| request.from_tag = Some("ft".to_owned()),
        &|request| request.label = Some("alice".to_owned()),
        &|request| request.address = Some("192.0.2.1".parse().unwrap()),
        &|request| request.from_tags = vec!["ft".to_owned()],
    ];
    for way in ways {
        let (mut pair, caller, callee) = call();
        order(&mut pair, Command::BlockMedia, way);
        assert_eq!(blocked(&pair, &caller, &callee), (true, false));
        assert_eq!((passing(&pair, &caller), passing(&pair, &callee)), (Some(1 << 101), None));
        order(&mut pair, Command::UnblockMedia, way);
        assert_eq!(blocked(&pair, &caller, &callee), (false, false));
        assert_eq!((passing(&pair, &caller), passing(&pair, &callee)), (None, None));
    }
}

#[test]
fn nobody_named_means_the_whole_call() {
    let (mut pair, caller, callee) = call();
    order(&mut pair, Command::BlockMedia, |_| {});
    assert_eq!(blocked(&pair, &caller, &callee), (true, true));
    assert_eq!((passing(&pair, &caller), passing(&pair, &callee)), (Some(1 << 101), Some(1 << 101)));
    order(&mut pair, Command::UnblockMedia, |_| {});
    assert_eq!(blocked(&pair, &caller, &callee), (false, false));
}

#[test]
fn the_from_tag_of_a_proxy_that_does_not_read_its_flags_counts_with_directional_only() {
    let (mut pair, caller, callee) = call();
    let unread = |request: &mut Request| {
        request.is_unread = true;
        request.from_tag = Some("ft".to_owned());
        request.to_tag = Some("tt".to_owned());
    };
    order(&mut pair, Command::BlockMedia, unread);
    assert_eq!(blocked(&pair, &caller, &callee), (true, true));
    order(&mut pair, Command::UnblockMedia, unread);
    order(&mut pair, Command::BlockMedia, |request| {
        unread(request);
        request.flags.insert(Flag::Directional);
    });
    assert_eq!(blocked(&pair, &caller, &callee), (true, false));
}

#[test]
fn what_is_blocked_for_a_party_or_a_way_needs_all_to_be_unblocked_with_the_call() {
    let (mut pair, caller, callee) = call();
    order(&mut pair, Command::BlockMedia, |request| request.from_tag = Some("ft".to_owned()));
    order(&mut pair, Command::BlockMedia, |request| {
        request.from_tag = Some("tt".to_owned());
        request.to_label = Some("alice".to_owned());
    });
    assert_eq!(blocked(&pair, &caller, &callee), (true, true));
    order(&mut pair, Command::UnblockMedia, |_| {});
    assert_eq!(blocked(&pair, &caller, &callee), (true, true));
    order(&mut pair, Command::UnblockMedia, |request| request.all = AllMode::All);
    assert_eq!(blocked(&pair, &caller, &callee), (false, false));
}

#[test]
fn all_flows_of_a_party_are_those_there_are_now() {
    let (mut pair, caller, callee) = call();
    order(&mut pair, Command::BlockMedia, |request| {
        request.from_tag = Some("ft".to_owned());
        request.all = AllMode::OfferAnswer;
    });
    assert_eq!(blocked(&pair, &caller, &callee), (true, false));
    order(&mut pair, Command::UnblockMedia, |request| {
        request.from_tag = Some("ft".to_owned());
        request.all = AllMode::ExceptOfferAnswer;
    });
    assert_eq!(blocked(&pair, &caller, &callee), (true, false));
    order(&mut pair, Command::UnblockMedia, |request| request.all = AllMode::Flows);
    assert_eq!(blocked(&pair, &caller, &callee), (false, false));
}

#[test]
fn egress_is_the_other_direction() {
    let (mut pair, caller, callee) = call();
    order(&mut pair, Command::BlockMedia, |request| {
        request.from_tag = Some("ft".to_owned());
        request.flags.insert(Flag::Egress);
    });
    assert_eq!(blocked(&pair, &caller, &callee), (false, true));
}

#[test]
fn digits_alone_leave_speech_to_the_kernel() {
    let (mut pair, caller, callee) = call();
    order(&mut pair, Command::BlockDtmf, |request| request.from_tag = Some("ft".to_owned()));
    assert_eq!(rule(&pair, &caller), SinkRule { media: MediaRule::Pass, events: false });
    let (from_caller, from_callee) = (pair.stream(caller.rtp), pair.stream(callee.rtp));
    let types = &pair.plane.flows[&from_caller].payload_types;
    assert!(types.contains(&8) && !types.contains(&101) && types.len() == 127, "{types:?}");
    assert!(pair.plane.flows[&from_callee].payload_types.is_empty());
    // `off` is the mode in which nothing is blocked.
    order(&mut pair, Command::BlockDtmf, |request| {
        request.from_tag = Some("ft".to_owned());
        request.dtmf_security_off = true;
    });
    assert!(pair.plane.flows[&from_caller].payload_types.is_empty());
}

#[test]
fn an_offer_may_block_digits_of_its_sender() {
    let mut pair = Pair::new();
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| request.flags.insert(Flag::BlockDtmf));
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert!(!rule(&pair, &caller).events);
}

#[test]
fn blocking_outlives_a_reinvite_and_blocks_more_than_silence() {
    let (mut pair, caller, _) = call();
    order(&mut pair, Command::SilenceMedia, |request| request.from_tag = Some("ft".to_owned()));
    assert_eq!(rule(&pair, &caller).media, MediaRule::Silence);
    pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(rule(&pair, &caller).media, MediaRule::Silence);
    order(&mut pair, Command::BlockMedia, |_| {});
    assert_eq!(rule(&pair, &caller).media, MediaRule::Drop);
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn whoever_is_not_there_is_an_error() {
    let (mut pair, ..) = call();
    let configures = pair.plane.configures;
    type Case<'c> = (&'c dyn Fn(&mut Request), &'c str);
    let cases: [Case<'_>; 5] = [
        (&|request| request.call_id = None, "No call-id in message"),
        (&|request| request.call_id = Some("else".to_owned()), "Unknown call-id"),
        (&|request| request.from_tag = Some("x".to_owned()), "No call participant has the from-tag given"),
        (&|request| request.label = Some("bob".to_owned()), "No call participant has the label given"),
        (
            &|request| {
                request.from_tag = Some("ft".to_owned());
                request.to_tag = Some("x".to_owned());
            },
            "No call participant has the to-tag given",
        ),
    ];
    for (change, expected) in cases {
        let reply = pair.send(&Pair::request(Command::BlockMedia, "", "", "", change));
        assert_eq!(error(&reply), expected);
    }
    assert_eq!(pair.plane.configures, configures);
}
