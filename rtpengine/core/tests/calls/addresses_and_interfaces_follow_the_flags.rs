//! Which address is used towards whom, and where media go.

use rtpengine_core::{
    config::CoreConfig,
    io::{Learning, SourcePolicy},
    ng::{AddressFamily, Flag, Request, TosRequest},
};

use crate::pair::{Pair, audio, config};

fn place(from: &str, to: &str) -> impl FnOnce(&mut Request) {
    let of = |name: &str| Some(name.to_owned()).filter(|name| !name.is_empty());
    let (from, to) = (of(from), of(to));
    move |request| (request.from_interface, request.to_interface) = (from, to)
}

#[test]
fn direction_is_remembered_for_answer_and_reoffers() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), place("both", "bar"));
    assert_eq!(callee.rtp.ip().to_string(), "10.9.8.7");
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(caller.rtp.ip().to_string(), "10.9.0.3");
    assert_eq!(pair.offer("tt", "ft", &audio("192.0.2.2", 3000)).rtp, caller.rtp);
    let moved = pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), place("both", "foo"));
    assert_eq!(moved.rtp.ip().to_string(), "10.9.0.1");
    assert_eq!(pair.plane.open.len(), 4);
}

#[test]
fn an_unknown_interface_is_the_default_one_with_a_warning() {
    let mut pair = Pair::new();
    let offer = Pair::request(
        rtpengine_core::ng::Command::Offer,
        "ft",
        "",
        &audio("192.0.2.1", 2000),
        place("", "nowhere"),
    );
    let reply = pair.send(&offer);
    assert!(
        reply.warnings.iter().any(|warning| warning.contains("'nowhere' is not configured")),
        "{reply:?}"
    );
    assert_eq!(crate::pair::seen(&reply).rtp.ip().to_string(), "10.9.0.1");
}

#[test]
fn members_of_a_base_take_turns_and_full_ones_are_skipped() {
    let mut pair = Pair::with(CoreConfig { port_max: 40003, ..config() });
    let mut addresses = Vec::new();
    for call in 0..4 {
        let seen = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
            request.call_id = Some(format!("call{call}"));
            place("bar", "lb")(request);
            if call >= 2 {
                request.from_interface = Some("both".to_owned());
            }
        });
        addresses.push(seen.rtp.ip().to_string());
    }
    assert_eq!(addresses, ["10.9.1.1", "10.9.1.2", "10.9.1.1", "10.9.1.2"]);
    assert!(pair.engine.terminate(pair.now, "call0", &mut pair.plane));
    assert!(pair.engine.terminate(pair.now, "call2", &mut pair.plane));
    pair.flush();
    for _ in 0..2 {
        // lb:2 is full: both go to lb:1.
        let number = pair.engine.calls().count();
        let seen = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
            request.call_id = Some(format!("new{number}"));
            place(if number == 2 { "bar" } else { "both" }, "lb")(request);
        });
        assert_eq!(seen.rtp.ip().to_string(), "10.9.1.1");
    }
}

#[test]
fn ipv4_and_ipv6_are_bridged() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        place("both", "both")(request);
        request.address_family = Some(AddressFamily::Ip6);
    });
    assert!(callee.text.contains("c=IN IP6 fd00::3\r\n"), "{}", callee.text);
    let caller = pair.answer("ft", "tt", &audio("2001:db8::2", 3000));
    assert!(caller.text.contains("c=IN IP4 10.9.0.3\r\n"), "{}", caller.text);
    assert_eq!(pair.relay(&callee).endpoint, Some("[2001:db8::2]:3000".parse().unwrap()));
    assert_eq!(pair.engine.session_counts().mixed, 1);
    let again = pair.offer("tt", "ft", &audio("2001:db8::2", 3000));
    assert_eq!(again.rtp, caller.rtp, "the family of a known party is kept");
}

#[test]
fn the_family_is_the_senders_where_nobody_says_otherwise() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("2001:db8::1", 2000), place("both", "both"));
    assert!(callee.rtp.is_ipv6());
    let mut pair = Pair::new();
    let legacy = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        place("internal", "external")(request);
    });
    assert!(legacy.rtp.is_ipv4(), "the default interface has no IPv6 address");
}

#[test]
fn media_address_is_what_the_peer_is_told() {
    let mut pair = Pair::new();
    let seen = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.media_address = Some("203.0.113.9".parse().unwrap());
    });
    assert_eq!(seen.rtp.ip().to_string(), "203.0.113.9");
}

#[test]
fn the_signalling_address_is_used_where_the_sdp_is_not_trusted() {
    let from = "198.51.100.7";
    let endpoint = |sip_source: bool, flag: Option<Flag>| {
        let mut pair = Pair::with(CoreConfig { sip_source, ..config() });
        pair.offer_with("ft", "", &audio("10.0.0.1", 2000), |request| {
            request.received_from = Some(from.parse().unwrap());
            flag.into_iter().for_each(|flag| request.flags.insert(flag));
        });
        pair.plane.relay.values().filter_map(|relay| relay.endpoint).min().unwrap().to_string()
    };
    assert_eq!(endpoint(false, None), "10.0.0.1:2000");
    assert_eq!(endpoint(false, Some(Flag::SipSourceAddress)), "198.51.100.7:2000");
    assert_eq!(endpoint(true, None), "198.51.100.7:2000");
    assert_eq!(endpoint(true, Some(Flag::TrustAddress)), "10.0.0.1:2000");
}

#[test]
fn source_flags_reach_the_relay() {
    let with = |flag: Flag| {
        let mut pair = Pair::new();
        pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| request.flags.insert(flag));
        let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
        pair.relay(&caller).clone()
    };
    assert_eq!(with(Flag::StrictSource).source_policy, SourcePolicy::Strict);
    assert_eq!(with(Flag::MediaHandover).source_policy, SourcePolicy::Handover);
    assert_eq!(with(Flag::Symmetric).learning, Learning::Delayed);
    let asymmetric = with(Flag::Asymmetric);
    assert_eq!(asymmetric.learning, Learning::Off);
    assert!(asymmetric.endpoint_settled, "as signalled");
}

#[test]
fn tos_and_learning_are_set_per_call() {
    let mut pair = Pair::with(CoreConfig { tos: Some(184), ..config() });
    pair.offer("ft", "", &audio("192.0.2.1", 2000));
    assert!(pair.plane.relay.values().all(|relay| relay.tos == Some(184)));
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.tos = TosRequest::Set(40);
        request.endpoint_learning = Some(Learning::Immediate);
    });
    assert!(
        pair.plane.relay.values().all(|relay| relay.tos == Some(40) && relay.learning == Learning::Immediate)
    );
    pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.tos = TosRequest::Unchanged);
    assert!(pair.plane.relay.values().all(|relay| relay.tos == Some(40)));
    pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    assert!(pair.plane.relay.values().all(|relay| relay.tos == Some(184)));
}
