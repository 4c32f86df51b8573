//! Once checks have found a way, media goes there and the kernel may forward it.

use rtpengine_core::{
    io::{Component, MediaEvent, SourceMismatch, SourcePolicy},
    ng::{Flag, IceLite, IceMode, RtcpMux},
};

use crate::{
    pair::{Pair, audio},
    phone::{Phone, connect, run, with_ice},
};

/// A call from a phone with ICE to one without.
fn to_plain(pair: &mut Pair, phone: &mut Phone) -> (crate::pair::Seen, crate::pair::Seen) {
    let callee = pair.offer_with("ft", "", &phone.body(""), |request| request.ice = Some(IceMode::Remove));
    let caller =
        pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.ice = Some(IceMode::Force));
    phone.hear(pair.now, &caller);
    (caller, callee)
}

#[test]
fn of_a_caller_that_controls() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    let (caller, callee) = to_plain(&mut pair, &mut phone);
    assert!(!callee.text.contains("ice-") && !callee.text.contains("candidate"));
    let relay = pair.relay(&caller);
    assert!(relay.ice.len() == 1 && !relay.ice_chosen && !relay.endpoint_settled);
    assert_eq!(
        relay.endpoint,
        Some("192.0.2.1:2000".parse().unwrap()),
        "media goes to the signalled address at first"
    );
    connect(&mut pair, &mut [&mut phone]);
    assert!(phone.agent.controls());
    let relay = pair.relay(&caller);
    assert!(relay.ice_chosen && relay.endpoint_settled);
    assert_eq!(phone.way(), Some(caller.rtp));
    let from_caller = pair.stream(caller.rtp);
    assert!(pair.plane.flows.contains_key(&from_caller), "no packets are needed to learn from");
    let rtcp = pair.stream(caller.rtcp.unwrap());
    assert_eq!(pair.plane.relay[&rtcp].component, Component::Rtcp);
    assert!(pair.plane.relay[&rtcp].ice_chosen);
    pair.delete("ft", "tt");
    pair.assert_empty();
    assert_eq!(pair.engine.next_timeout(), None, "no agent is left");
}

#[test]
fn of_a_callee_that_is_controlled() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.2:3000", false, false, &[1, 2]);
    let callee =
        pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| request.ice = Some(IceMode::Force));
    phone.hear(pair.now, &callee);
    let caller = pair.answer_with("ft", "tt", &phone.body(""), |request| request.ice = Some(IceMode::Force));
    assert!(!caller.text.contains("a=ice-"), "an answer without ICE to an offer without");
    connect(&mut pair, &mut [&mut phone]);
    assert!(!phone.agent.controls());
    assert!(pair.relay(&callee).ice_chosen);
    assert!(!pair.relay(&caller).ice_chosen && pair.relay(&caller).ice.is_empty());
}

#[test]
fn behind_an_address_nobody_signalled() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    // The body tells of an address that is of no use.
    let body = phone.body("").replace("192.0.2.1", "10.0.0.99");
    pair.offer("ft", "", &body);
    let caller =
        pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.ice = Some(IceMode::Force));
    phone.hear(pair.now, &caller);
    connect(&mut pair, &mut [&mut phone]);
    assert_eq!(pair.relay(&caller).endpoint, Some("192.0.2.1:2000".parse().unwrap()));
}

#[test]
fn of_two_phones_with_ice_over_one_port_each() {
    let mut pair = Pair::new();
    let mut one = Phone::new(1, "192.0.2.1:2000", true, false, &[1]);
    let mut two = Phone::new(2, "192.0.2.2:3000", false, false, &[1]);
    let callee = pair.offer_with("ft", "", &one.body("a=rtcp-mux\r\n"), |request| {
        request.rtcp_mux.insert(RtcpMux::Require)
    });
    two.hear(pair.now, &callee);
    let caller = pair.answer("ft", "tt", &two.body("a=rtcp-mux\r\n"));
    one.hear(pair.now, &caller);
    for seen in [&caller, &callee] {
        with_ice(seen, |ice| {
            assert_eq!(ice.candidates.len(), 1);
            assert!(ice.candidates[0].component == 1 && !ice.lite);
        });
    }
    connect(&mut pair, &mut [&mut one, &mut two]);
    assert_eq!(pair.plane.flows.len(), 2);
}

#[test]
fn and_the_rtcp_component_ends_when_the_callee_multiplexes() {
    let mut pair = Pair::new();
    let mut two = Phone::new(2, "192.0.2.2:3000", false, false, &[1]);
    let mux = "a=rtcp-mux\r\n";
    let callee = pair.offer_with("ft", "", &crate::pair::audio_with("192.0.2.1", 2000, mux), |request| {
        request.ice = Some(IceMode::Force);
    });
    assert_eq!(with_ice(&callee, |ice| ice.candidates.len()), 2);
    two.hear(pair.now, &callee);
    pair.answer("ft", "tt", &two.body(mux));
    connect(&mut pair, &mut [&mut two]);
    assert_eq!(pair.relay(&callee).component, Component::Mux);
    assert!(pair.relay(&callee).ice_chosen);
}

#[test]
fn with_lite_agents_of_either_side() {
    for (lite, phone_is_lite) in
        [(Some(IceLite::Backward), false), (Some(IceLite::Both), false), (None, true)]
    {
        let mut pair = Pair::new();
        let mut phone = Phone::new(1, "192.0.2.1:2000", true, phone_is_lite, &[1, 2]);
        pair.offer_with("ft", "", &phone.body(""), |request| {
            request.ice = Some(IceMode::Remove);
            request.ice_lite = lite;
        });
        let caller = pair
            .answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.ice = Some(IceMode::Force));
        assert_eq!(with_ice(&caller, |ice| ice.lite), lite.is_some());
        assert_eq!(caller.text.matches("a=ice-lite\r\n").count(), usize::from(lite.is_some()));
        assert!(
            caller.text.find("a=ice-lite").is_none_or(|at| at < caller.text.find("m=").unwrap()),
            "at session level"
        );
        phone.hear(pair.now, &caller);
        connect(&mut pair, &mut [&mut phone]);
        assert!(pair.relay(&caller).ice_chosen, "{lite:?}");
    }
}

#[test]
fn with_a_lite_agent_towards_the_callee() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.2:3000", false, false, &[1, 2]);
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.ice = Some(IceMode::Force);
        request.ice_lite = Some(IceLite::Forward);
    });
    assert!(with_ice(&callee, |ice| ice.lite));
    phone.hear(pair.now, &callee);
    pair.answer("ft", "tt", &phone.body(""));
    connect(&mut pair, &mut [&mut phone]);
    assert!(phone.agent.controls(), "whoever faces a lite agent");
    // It stays that way until it is switched off, which takes an agent of another kind.
    let again =
        pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), |request| request.ice = Some(IceMode::Force));
    assert!(with_ice(&again, |ice| ice.lite));
    let again = pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), |request| {
        request.ice = Some(IceMode::Force);
        request.ice_lite = Some(IceLite::Off);
    });
    assert!(!with_ice(&again, |ice| ice.lite));
}

#[test]
fn whatever_the_roles_both_believe_to_have() {
    // Both sides made offers: the phone believes to control, and so do we.
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.2:3000", true, false, &[1, 2]);
    let callee =
        pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| request.ice = Some(IceMode::Force));
    phone.hear(pair.now, &callee);
    pair.answer("ft", "tt", &phone.body(""));
    connect(&mut pair, &mut [&mut phone]);
    assert!(pair.relay(&callee).ice_chosen);
}

#[test]
fn and_strangers_change_nothing() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    let (caller, _) = to_plain(&mut pair, &mut phone);
    let stream = pair.stream(caller.rtp);
    let mut stranger = Phone::new(9, "203.0.113.9:2000", true, false, &[1]);
    // It has heard the name, but not the password.
    let forged = crate::pair::Seen {
        text: caller
            .text
            .lines()
            .map(|line| {
                if line.starts_with("a=ice-pwd:") {
                    "a=ice-pwd:AAAAAAAAAAAAAAAAAAAAAAAA\r\n".to_owned()
                } else {
                    format!("{line}\r\n")
                }
            })
            .collect(),
        ..caller.clone()
    };
    stranger.hear(pair.now, &forged);
    connect(&mut pair, &mut [&mut phone]);
    let before = pair.plane.relay[&stream].clone();
    run(&mut pair, &mut [&mut stranger], 2, |_, _| false);
    assert_eq!(pair.plane.relay[&stream], before);
    assert!(stranger.way().is_none());
    let counters = pair.engine.ice_counters();
    assert!(counters.refused > 0 && counters.accepted > 0);
    // Nothing was answered.
    assert!(!pair.plane.reached.contains(&stranger.address));
    // Media from elsewhere is not learned from.
    let epoch = before.epoch;
    let endpoint = stranger.address;
    pair.engine.event(pair.now, MediaEvent::EndpointSettled { stream, endpoint, epoch });
    pair.flush();
    assert_eq!(pair.plane.relay[&stream], before);
}

#[test]
fn and_nothing_is_sent_any_more_once_consent_is_lost() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    let (caller, callee) = to_plain(&mut pair, &mut phone);
    pair.settle(&callee, "192.0.2.2:3000");
    connect(&mut pair, &mut [&mut phone]);
    assert_eq!(pair.plane.flows.len(), 2);
    let stream = pair.stream(caller.rtp);
    // Consent is kept for as long as the phone answers.
    run(&mut pair, &mut [&mut phone], 60, |_, _| false);
    assert!(pair.relay(&caller).ice_chosen);
    phone.silent = true;
    let lost = run(&mut pair, &mut [&mut phone], 60, |pair, _| pair.plane.relay[&stream].endpoint.is_none());
    assert!(lost, "consent ends when nobody answers");
    assert!(pair.plane.flows.is_empty(), "neither from it nor to it");
    // Both start anew.
    phone.silent = false;
    phone.restart();
    pair.offer_with("ft", "tt", &phone.body(""), |request| request.ice = Some(IceMode::Remove));
    let again =
        pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.ice = Some(IceMode::Force));
    phone.hear(pair.now, &again);
    connect(&mut pair, &mut [&mut phone]);
    assert!(pair.relay(&caller).ice_chosen);
    assert_eq!(pair.plane.flows.len(), 2);
}

#[test]
fn and_checks_that_all_fail_leave_the_call_as_it_is_without_ice() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    phone.silent = true;
    let (caller, _) = to_plain(&mut pair, &mut phone);
    run(&mut pair, &mut [&mut phone], 90, |_, _| false);
    let relay = pair.relay(&caller).clone();
    assert_eq!(relay.endpoint, Some("192.0.2.1:2000".parse().unwrap()));
    let stream = pair.settle(&caller, "203.0.113.8:5000");
    assert_eq!(pair.plane.relay[&stream].endpoint, Some("203.0.113.8:5000".parse().unwrap()));
}

#[test]
fn and_a_restart_keeps_the_old_way_until_there_is_a_new_one() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    let (caller, _) = to_plain(&mut pair, &mut phone);
    connect(&mut pair, &mut [&mut phone]);
    let stream = pair.stream(caller.rtp);
    let flow = pair.plane.flows[&stream].clone();
    // The phone moves to another address.
    let mut moved = Phone::new(5, "192.0.2.77:2000", true, false, &[1, 2]);
    pair.offer_with(
        "ft",
        "tt",
        &moved.body("").replace("c=IN IP4 192.0.2.77", "c=IN IP4 192.0.2.1"),
        |request| request.ice = Some(IceMode::Remove),
    );
    let again =
        pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.ice = Some(IceMode::Force));
    assert_eq!(pair.plane.flows[&stream], flow, "media goes on");
    let credentials = |seen: &crate::pair::Seen| with_ice(seen, |ice| ice.ufrag.map(str::to_owned));
    assert_ne!(credentials(&again), credentials(&caller), "our side starts anew too");
    assert_eq!(again.rtp, caller.rtp);
    moved.hear(pair.now, &again);
    connect(&mut pair, &mut [&mut moved]);
    assert_eq!(pair.plane.flows[&stream].source, moved.address);
    // Without a restart nothing changes.
    let configures = pair.plane.configures;
    pair.offer_with(
        "ft",
        "tt",
        &moved.body("").replace("c=IN IP4 192.0.2.77", "c=IN IP4 192.0.2.1"),
        |request| request.ice = Some(IceMode::Remove),
    );
    let same =
        pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.ice = Some(IceMode::Force));
    assert_eq!(credentials(&same), credentials(&again));
    assert_eq!(pair.plane.configures, configures);
}

#[test]
fn by_candidates_that_trickle_in() {
    let mut pair = Pair::new();
    let phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    let trickle = "a=ice-options:trickle\r\na=mid:a\r\n";
    let body = crate::pair::audio_with("192.0.2.1", 9, &(phone.credentials() + trickle));
    pair.offer_with("ft", "", &body, |request| request.flags.insert(Flag::TrickleIce));
    let fragment = |candidate: &str, end: &str| {
        format!("{}m=audio 9 RTP/AVP 0\r\na=mid:a\r\na=candidate:{candidate}\r\n{end}", phone.credentials())
    };
    let send = |pair: &mut Pair, body: &str| {
        pair.send(&Pair::request(rtpengine_core::ng::Command::Offer, "ft", "", body, |request| {
            request.flags.insert(Flag::Fragment);
        }))
    };
    // One comes before the answer, one after it.
    let reply = send(&mut pair, &fragment("1 1 UDP 2130706431 192.0.2.50 2000 typ host", ""));
    assert!(reply.body.get("sdp").is_none() && reply.warnings.is_empty(), "{reply:?}");
    let caller = pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| {
        request.ice = Some(IceMode::Force);
        request.flags.insert(Flag::TrickleIce);
    });
    with_ice(&caller, |ice| assert!(ice.options.trickle && ice.end_of_candidates, "{}", caller.text));
    let asked = |pair: &mut Pair, address: &str| {
        let address = address.parse().unwrap();
        run(pair, &mut [], 1, |pair, _| pair.plane.reached.contains(&address))
    };
    assert!(asked(&mut pair, "192.0.2.50:2000"));
    assert!(pair.plane.reached.iter().all(|to| to.port() != 9));
    let reply =
        send(&mut pair, &fragment("1 1 UDP 2130706431 192.0.2.51 2000 typ host", "a=end-of-candidates\r\n"));
    assert!(reply.warnings.is_empty());
    assert!(asked(&mut pair, "192.0.2.51:2000"));
    // Those of other credentials are not for this session.
    let stale = fragment("1 1 UDP 1 192.0.2.52 2000 typ host", "").replace("a=ice-ufrag:", "a=ice-ufrag:X");
    let reply = send(&mut pair, &stale);
    assert_eq!(reply.warnings.len(), 1);
    let unknown = send(
        &mut pair,
        "m=audio 9 RTP/AVP 0\r\na=mid:zzz\r\na=candidate:1 1 UDP 1 192.0.2.53 2000 typ host\r\n",
    );
    assert_eq!(unknown.warnings.len(), 1);
}

/// A fragment overtakes the offer it belongs to: it is kept for some seconds, a bounded number of them.
#[test]
fn by_candidates_that_come_before_their_offer() {
    for (wait_us, kept) in [(4_000_000, true), (5_000_000, false)] {
        let mut pair = Pair::new();
        let phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
        let send = |pair: &mut Pair, port: u16| {
            let candidate = format!("1 1 UDP 2130706431 192.0.2.50 {port} typ host");
            let body = format!(
                "{}m=audio 9 RTP/AVP 0\r\na=mid:a\r\na=candidate:{candidate}\r\n",
                phone.credentials()
            );
            pair.send(&Pair::request(rtpengine_core::ng::Command::Offer, "ft", "", &body, |request| {
                request.flags.insert(Flag::Fragment);
            }))
        };
        let told = |reply: rtpengine_core::ng::Reply| {
            assert!(!reply.is_error(), "{reply:?}");
            reply.warnings.concat()
        };
        for port in 2000..2016 {
            assert!(told(send(&mut pair, port)).contains("is kept"));
        }
        assert!(told(send(&mut pair, 2016)).contains("is ignored"));
        pair.now.mono_us += wait_us;
        let lines = phone.credentials() + "a=ice-options:trickle\r\na=mid:a\r\n";
        let body = crate::pair::audio_with("192.0.2.1", 9, &lines);
        pair.offer_with("ft", "", &body, |request| request.flags.insert(Flag::TrickleIce));
        pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| {
            request.ice = Some(IceMode::Force);
        });
        let reached = |port: u16| std::net::SocketAddr::new("192.0.2.50".parse().unwrap(), port);
        let asked = run(&mut pair, &mut [], 1, |pair, _| {
            (2000..2016).all(|port| pair.plane.reached.contains(&reached(port)))
        });
        assert_eq!(asked, kept);
        assert!(!pair.plane.reached.contains(&reached(2016)));
    }
}

#[test]
fn strictly_from_there_once_it_is_chosen() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    let strict = |request: &mut rtpengine_core::ng::Request| request.flags.insert(Flag::StrictSource);
    pair.offer_with("ft", "", &phone.body(""), |request| {
        request.ice = Some(IceMode::Remove);
        strict(request);
    });
    let caller = pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| {
        request.ice = Some(IceMode::Force);
    });
    // Checks may succeed anywhere, and media may follow them at once.
    assert_eq!(pair.relay(&caller).source_policy, SourcePolicy::Accept);
    phone.hear(pair.now, &caller);
    connect(&mut pair, &mut [&mut phone]);
    assert_eq!(pair.relay(&caller).source_policy, SourcePolicy::Strict);
    let flow = &pair.plane.flows[&pair.stream(caller.rtp)];
    assert_eq!((flow.mismatch, flow.source), (SourceMismatch::Drop, phone.address));
}

#[test]
fn anew_on_other_ports_without_port_latching() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    let (caller, _) = to_plain(&mut pair, &mut phone);
    connect(&mut pair, &mut [&mut phone]);
    let mut moved = Phone::new(5, "192.0.2.1:2200", true, false, &[1, 2]);
    pair.offer_with("ft", "tt", &moved.body(""), |request| {
        request.ice = Some(IceMode::Remove);
        request.flags.insert(Flag::NoPortLatching);
    });
    let again = pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| {
        request.ice = Some(IceMode::Force);
    });
    assert_ne!(again.rtp, caller.rtp);
    let ufrag = |seen: &crate::pair::Seen| with_ice(seen, |ice| ice.ufrag.map(str::to_owned));
    assert_ne!(ufrag(&again), ufrag(&caller));
    moved.hear(pair.now, &again);
    connect(&mut pair, &mut [&mut moved]);
    assert_eq!(pair.relay(&again).endpoint, Some(moved.address));
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn without_candidates_of_names_and_other_transports() {
    let mut pair = Pair::new();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1, 2]);
    let strange = "a=candidate:8 1 UDP 2113937151 0b4e1c0e-5a5b-4f4f-8f0c-1234567890ab.local 5000 typ host\r\n\
                   a=candidate:9 1 TCP 1518280447 192.0.2.1 9 typ host tcptype active\r\n\
                   a=candidate:x\r\n";
    pair.offer("ft", "", &phone.body(strange));
    let caller = pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| {
        request.ice = Some(IceMode::Force);
    });
    phone.hear(pair.now, &caller);
    connect(&mut pair, &mut [&mut phone]);
    assert!(
        pair.plane.reached.iter().all(|address| address.ip() == phone.address.ip() && address.port() != 9)
    );
}
