//! `ICE=remove|force|default|optional|force-relay`, `reject ICE`, `reset`, and the candidates we write.

use rtpengine_core::{
    config::CoreConfig,
    ng::{Flag, IceMode},
    sdp::security::CandidateKind,
};

use crate::{
    pair::{Pair, Seen, audio, config},
    phone::{Phone, connect, with_ice},
};

const RELAY: &str = "a=candidate:77 1 UDP 5000 198.51.100.7 7000 typ relay raddr 192.0.2.1 rport 2000\r\n";

fn phone() -> Phone {
    Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2])
}

fn offered(mode: Option<IceMode>, ice: bool) -> (Pair, Phone, Seen) {
    let mut pair = Pair::new();
    let phone = phone();
    let body = if ice { phone.body(RELAY) } else { audio("192.0.2.1", 2000) };
    let callee = pair.offer_with("ft", "", &body, |request| request.ice = mode);
    (pair, phone, callee)
}

/// Addresses of the candidates, and whether the credentials are the caller's.
fn shown(seen: &Seen, phone: &Phone) -> (Vec<String>, Option<bool>) {
    with_ice(seen, |ice| {
        let own = ice.credentials().map(|(ufrag, _)| ufrag == phone.agent.credentials().ufrag());
        (ice.candidates.iter().map(|candidate| candidate.address.to_string()).collect(), own)
    })
}

#[test]
fn each_mode_does_what_its_name_says() {
    let ours = || vec!["10.9.0.1".to_owned(); 2];
    for (mode, ice, candidates, callers) in [
        (None, true, ours(), Some(false)),
        (None, false, vec![], None),
        (Some(IceMode::Default), true, ours(), Some(false)),
        (Some(IceMode::Remove), true, vec![], None),
        (Some(IceMode::Force), true, ours(), Some(false)),
        (Some(IceMode::Force), false, ours(), Some(false)),
        (Some(IceMode::Optional), false, ours(), Some(false)),
        (Some(IceMode::ForceRelay), false, vec![], None),
    ] {
        let (_, phone, callee) = offered(mode, ice);
        assert_eq!(shown(&callee, &phone), (candidates, callers), "{mode:?}");
        assert_eq!(callee.rtp.ip().to_string(), "10.9.0.1");
    }
}

#[test]
fn optional_adds_us_below_all_others() {
    let (_, phone, callee) = offered(Some(IceMode::Optional), true);
    let (addresses, callers) = shown(&callee, &phone);
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.1", "198.51.100.7", "10.9.0.1", "10.9.0.1"]);
    assert_eq!(callers, Some(true));
    with_ice(&callee, |ice| {
        let ours: Vec<_> = ice.candidates.iter().skip(3).collect();
        assert!(
            ours.iter()
                .all(|candidate| candidate.kind == CandidateKind::Host && candidate.priority < 1 << 24)
        );
        assert!(
            ours.iter()
                .all(|ours| ice.candidates[..3].iter().all(|theirs| theirs.foundation != ours.foundation))
        );
    });
    assert_eq!(callee.rtp.ip().to_string(), "10.9.0.1", "the default candidate is ours");
}

#[test]
fn force_relay_takes_the_place_of_the_relays_and_leaves_the_addresses() {
    let (mut pair, phone, callee) = offered(Some(IceMode::ForceRelay), true);
    let (addresses, callers) = shown(&callee, &phone);
    assert_eq!(addresses, ["192.0.2.1", "192.0.2.1", "10.9.0.1", "10.9.0.1"]);
    assert_eq!(callers, Some(true));
    with_ice(&callee, |ice| {
        let ours = &ice.candidates[2];
        assert_eq!((ours.kind, ours.related.is_some()), (CandidateKind::Relay, true));
    });
    assert_eq!(callee.rtp, phone.address, "c= and m= stay");
    // The callee answers the caller's checks itself, or ours with the caller's credentials.
    let callee_phone = Phone::new(2, "192.0.2.2:3000", false, false, &[1, 2]);
    let caller = pair
        .answer_with("ft", "tt", &callee_phone.body(""), |request| request.ice = Some(IceMode::ForceRelay));
    let (addresses, _) = shown(&caller, &phone);
    assert_eq!(addresses, ["192.0.2.2", "192.0.2.2", "10.9.0.1", "10.9.0.1"]);
    let ufrag = with_ice(&caller, |ice| ice.ufrag.map(str::to_owned));
    assert_eq!(ufrag.as_deref(), Some(callee_phone.agent.credentials().ufrag()));
}

#[test]
fn a_relay_between_two_phones_that_reach_nothing_else() {
    let (mut pair, mut one, callee) = offered(Some(IceMode::ForceRelay), true);
    let mut two = Phone::new(2, "192.0.2.2:3000", false, false, &[1, 2]);
    two.hear(pair.now, &callee);
    let caller =
        pair.answer_with("ft", "tt", &two.body(""), |request| request.ice = Some(IceMode::ForceRelay));
    one.hear(pair.now, &caller);
    connect(&mut pair, &mut [&mut one, &mut two]);
    assert_eq!(pair.plane.flows.len(), 2);
}

#[test]
fn an_answer_keeps_candidates_only_where_the_offer_did() {
    let (mut pair, phone, _) = offered(Some(IceMode::Force), true);
    let callee_phone = Phone::new(2, "192.0.2.2:3000", false, false, &[1, 2]);
    let caller =
        pair.answer_with("ft", "tt", &callee_phone.body(""), |request| request.ice = Some(IceMode::Optional));
    let (addresses, _) = shown(&caller, &phone);
    assert_eq!(addresses, ["10.9.0.1", "10.9.0.1"]);
}

#[test]
fn an_answer_without_ice_is_passed_on_unless_forced() {
    let answered = |mode: Option<IceMode>, flags: &[Flag]| {
        let mut pair = Pair::new();
        let phone = phone();
        pair.offer_with("ft", "", &phone.body(""), |request| {
            flags.iter().for_each(|flag| request.flags.insert(*flag))
        });
        let caller = pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.ice = mode);
        with_ice(&caller, |ice| ice.credentials().is_some())
    };
    assert!(!answered(None, &[]));
    assert!(answered(Some(IceMode::Force), &[]));
    assert!(!answered(Some(IceMode::Remove), &[]));
    assert!(!answered(Some(IceMode::Force), &[Flag::RejectIce]));
}

#[test]
fn rejected_ice_is_not_offered_on_but_may_be_forced() {
    let mut pair = Pair::new();
    let callee =
        pair.offer_with("ft", "", &phone().body(""), |request| request.flags.insert(Flag::RejectIce));
    assert!(!callee.text.contains("a=ice-"));
}

#[test]
fn a_party_that_refused_is_not_asked_again_before_a_reset() {
    let (mut pair, phone, first) = offered(Some(IceMode::Force), true);
    assert!(first.text.contains("a=ice-ufrag"));
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    let mut again = |reset: bool| {
        pair.offer_with("ft", "tt", &phone.body(""), |request| {
            request.ice = Some(IceMode::Force);
            if reset {
                request.flags.insert(Flag::Reset);
            }
        })
    };
    assert!(!again(false).text.contains("a=ice-ufrag"));
    assert!(again(true).text.contains("a=ice-ufrag"));
}

#[test]
fn every_address_of_the_interface_is_a_candidate_in_the_order_given() {
    let mut pair = Pair::new();
    let mut two = Phone::new(2, "[2001:db8::2]:3000", false, false, &[1, 2]);
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.ice = Some(IceMode::Force);
        request.to_interface = Some("both".to_owned());
    });
    with_ice(&callee, |ice| {
        let listed: Vec<_> = ice.candidates.iter().map(|c| (c.address.to_string(), c.component)).collect();
        let expected = [("10.9.0.3", 1), ("10.9.0.3", 2), ("fd00::3", 1), ("fd00::3", 2)];
        assert_eq!(listed, expected.map(|(address, component)| (address.to_owned(), component)));
        assert!(ice.candidates[0].priority > ice.candidates[2].priority);
        assert_ne!(ice.candidates[0].foundation, ice.candidates[2].foundation);
    });
    assert_eq!(pair.ports_used() as usize, pair.plane.open.len());
    assert_eq!(pair.plane.open.len(), 6);
    // The callee has IPv6 alone: media leaves by the second address.
    two.hear(pair.now, &callee);
    let caller = pair.answer("ft", "tt", &two.body(""));
    connect(&mut pair, &mut [&mut two]);
    let way = two.way().unwrap();
    assert_eq!(way.ip().to_string(), "fd00::3");
    let chosen = pair.stream(way);
    assert!(pair.plane.relay[&chosen].ice_chosen);
    assert_eq!(pair.relay(&caller).sinks.as_slice(), [chosen]);
    assert_eq!(pair.plane.relay[&chosen].sinks.as_slice(), [pair.stream(caller.rtp)]);
    let first = pair.stream(callee.rtp);
    assert!(!pair.plane.relay[&first].ice_chosen, "packets to the first address are taken all the same");
    assert_eq!(pair.plane.relay[&first].sinks.as_slice(), [pair.stream(caller.rtp)]);
    pair.settle(&caller, "192.0.2.1:2000");
    assert_eq!(pair.plane.flows.len(), 2);
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn further_addresses_are_given_up_where_the_callee_has_no_ice() {
    let mut pair = Pair::new();
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.ice = Some(IceMode::Force);
        request.to_interface = Some("both".to_owned());
    });
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(pair.plane.open.len(), 4);
}

#[test]
fn saved_ports_leave_one_candidate() {
    let mut pair = Pair::with(CoreConfig { save_interface_ports: true, ..config() });
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.ice = Some(IceMode::Force);
        request.to_interface = Some("both".to_owned());
    });
    assert_eq!(with_ice(&callee, |ice| ice.candidates.len()), 2);
}

#[test]
fn the_advertised_address_is_the_candidate() {
    let mut pair = Pair::new();
    let mut two = Phone::new(2, "192.0.2.2:3000", false, false, &[1, 2]);
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.ice = Some(IceMode::Force);
        request.to_interface = Some("bar".to_owned());
    });
    two.hear(pair.now, &callee);
    pair.answer("ft", "tt", &two.body(""));
    connect(&mut pair, &mut [&mut two]);
    assert_eq!(two.way().unwrap().ip().to_string(), "10.9.8.7");
}

#[test]
fn every_branch_of_a_fork_has_checks_of_its_own() {
    let mut pair = Pair::new();
    let mut caller_phone = phone();
    let callee = pair.offer("ft", "", &caller_phone.body(""));
    let mut first = Phone::new(2, "192.0.2.2:3000", false, false, &[1, 2]);
    let mut second = Phone::new(3, "192.0.2.3:3000", false, false, &[1, 2]);
    for phone in [&mut first, &mut second] {
        phone.hear(pair.now, &callee);
    }
    let to_first = pair.answer("ft", "t1", &first.body(""));
    caller_phone.hear(pair.now, &to_first);
    connect(&mut pair, &mut [&mut caller_phone, &mut first]);
    assert_eq!(pair.relay(&callee).endpoint, Some(first.address));
    // The second branch shares the callees' sockets and takes them over.
    let to_second = pair.answer("ft", "t2", &second.body(""));
    assert_ne!(to_first.rtp, to_second.rtp);
    let ufrags = [&to_first, &to_second].map(|seen| with_ice(seen, |ice| ice.ufrag.map(str::to_owned)));
    assert!(ufrags.iter().all(Option::is_some) && ufrags[0] != ufrags[1], "{ufrags:?}");
    connect(&mut pair, &mut [&mut second]);
    assert_eq!(pair.relay(&callee).endpoint, Some(second.address));
    pair.delete("ft", "");
    pair.assert_empty();
}

#[test]
fn an_answer_may_come_twice() {
    let mut pair = Pair::new();
    let mut one = phone();
    let mut two = Phone::new(2, "192.0.2.2:3000", false, false, &[1, 2]);
    let callee = pair.offer("ft", "", &one.body(""));
    two.hear(pair.now, &callee);
    // 183 and 200.
    let early = pair.answer("ft", "tt", &two.body(""));
    one.hear(pair.now, &early);
    connect(&mut pair, &mut [&mut one, &mut two]);
    let configures = pair.plane.configures;
    let last = pair.answer("ft", "tt", &two.body(""));
    assert_eq!(last.text, early.text);
    assert_eq!(pair.plane.configures, configures, "nothing starts anew");
}

#[test]
fn the_senders_session_level_ice_is_not_passed_on_beside_unrelayed_lines() {
    let mut pair = Pair::new();
    let one = Phone::new(1, "192.0.2.1:2000", true, true, &[1, 2]);
    let body = one.body("m=message 9 TCP/MSRP *\r\na=path:msrp://x\r\n");
    assert!(body.contains("a=ice-lite"));
    let callee = pair.offer("ft", "", &body);
    assert!(!callee.text.contains("a=ice-lite") && callee.text.contains("a=ice-ufrag"));
}
