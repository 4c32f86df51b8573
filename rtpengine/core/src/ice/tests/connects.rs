use stun_types::{
    attribute::Software,
    message::{Message, ShortTermCredentials},
};

use super::*;

#[test]
fn two_full_agents_find_each_other_and_select_one_pair() {
    let mut net = two_hosts(&[1]);
    net.signal_both();
    net.connect();
    net.run(1);
    assert_eq!(net.peers[0].selected, [(1, address("192.0.2.1:4000"), address("198.51.100.1:6000"))]);
    assert_eq!(net.peers[1].selected, [(1, address("198.51.100.1:6000"), address("192.0.2.1:4000"))]);
    assert!(net.peers[0].agent.controls() && !net.peers[1].agent.controls());
}

#[test]
fn each_component_gets_a_pair_of_its_own() {
    let mut net = two_hosts(&[1, 2]);
    net.signal_both();
    net.connect();
    net.run(1);
    for peer in &net.peers {
        let mut components: Vec<u16> = peer.selected.iter().map(|(component, ..)| *component).collect();
        components.sort_unstable();
        assert_eq!(components, [1, 2]);
    }
    assert_eq!(
        net.peers[0].agent.selected(2),
        Some((address("192.0.2.1:4001"), address("198.51.100.1:6001")))
    );
}

#[test]
fn loss_and_reordering_do_not_keep_them_apart() {
    for seed in 0..8 {
        let mut net = two_hosts(&[1, 2]);
        (net.random, net.loss, net.delay) = (Random(seed), 30, (1_000, 200_000));
        net.signal_both();
        net.connect();
    }
}

#[test]
fn a_role_conflict_is_settled() {
    let mut random = Random(3);
    let one = Peer::new(settings(&mut random, true), &[1], &["192.0.2.1:4000"]);
    let two = Peer::new(settings(&mut random, true), &[1], &["198.51.100.1:6000"]);
    let mut net = Net::new(one, two);
    net.signal_both();
    net.connect();
    net.run(1);
    assert!(net.peers[0].agent.controls() != net.peers[1].agent.controls());
    assert!(net.peers.iter().all(|peer| peer.agent.selected(1).is_some()));
}

#[test]
fn a_lite_side_answers_checks_and_makes_none() {
    for lite in [0, 1] {
        let mut random = Random(5);
        let peers = [(true, "192.0.2.1:4000"), (false, "198.51.100.1:6000")].into_iter().enumerate().map(
            |(index, (offerer, text))| {
                let settings = Settings { lite: index == lite, ..settings(&mut random, offerer) };
                Peer::new(settings, &[1], &[text])
            },
        );
        let [one, two] = peers.collect::<Vec<_>>().try_into().ok().unwrap();
        let mut net = Net::new(one, two);
        net.signal(lite, &Signal { lite: true, ..Signal::default() });
        net.signal(1 - lite, &Signal::default());
        assert_eq!(net.peers[lite].sent, 0);
        net.connect();
        net.run(20);
        assert!(!net.peers[lite].agent.controls() && net.peers[1 - lite].agent.controls());
        assert_eq!(
            net.peers[lite].agent.selected(1).map(|(local, _)| local),
            net.peers[1 - lite].agent.selected(1).map(|(_, remote)| remote)
        );
    }
}

#[test]
fn two_lite_sides_need_no_checks() {
    let mut random = Random(5);
    let mut peer =
        |offerer, text| Peer::new(Settings { lite: true, ..settings(&mut random, offerer) }, &[1], &[text]);
    let (one, two) = (peer(true, "192.0.2.1:4000"), peer(false, "198.51.100.1:6000"));
    let mut net = Net::new(one, two);
    for side in 0..2 {
        net.signal(side, &Signal { lite: true, ..Signal::default() });
    }
    net.run(1);
    assert!(net.peers.iter().all(|peer| peer.agent.is_connected() && peer.sent == 0));
    assert_eq!(net.peers[0].selected, [(1, address("192.0.2.1:4000"), address("198.51.100.1:6000"))]);
}

#[test]
fn candidates_may_trickle_in_later() {
    let mut net = two_hosts(&[1]);
    for side in 0..2 {
        net.signal(side, &Signal { trickle: true, candidates: false, ..Signal::default() });
    }
    net.run(120);
    assert!(net.peers.iter().all(|peer| peer.failed.is_empty() && peer.sent == 0));
    let text = net.peers[1].candidates();
    assert!(net.peers[0].agent.add_remote(at(net.now), &Candidate::parse(&text[0]).unwrap()));
    // The other side learns of its peer by the checks alone.
    net.connect();
    assert_eq!(net.peers[1].agent.selected(1).map(|(_, remote)| remote), Some(address("192.0.2.1:4000")));
}

#[test]
fn no_candidates_and_none_to_come_is_a_failure() {
    let mut net = two_hosts(&[1]);
    net.signal(0, &Signal { trickle: true, candidates: false, ..Signal::default() });
    net.run(60);
    assert!(net.peers[1].failed.is_empty());
    net.peers[1].agent.end_of_candidates(at(net.now));
    net.run(60);
    assert_eq!(net.peers[1].failed, [1]);
}

#[test]
fn unreachable_peers_are_given_up_once() {
    let mut net = two_hosts(&[1]);
    net.dead = vec![address("198.51.100.1:1").ip()];
    net.signal_both();
    net.run(120);
    assert_eq!((net.peers[0].failed.clone(), net.peers[1].failed.clone()), (vec![1], vec![1]));
    assert!(net.peers[0].sent < 40, "{} checks", net.peers[0].sent);
}

#[test]
fn checks_that_fail_while_candidates_may_follow_are_no_failure() {
    let mut net = two_hosts(&[1]);
    net.dead = vec![address("198.51.100.1:1").ip()];
    net.signal(1, &Signal { trickle: true, ..Signal::default() });
    net.run(120);
    assert!(net.peers[0].failed.is_empty());
    net.peers[0].agent.end_of_candidates(at(net.now));
    net.run(1);
    assert_eq!(net.peers[0].failed, [1]);
}

#[test]
fn consent_ends_when_the_peer_falls_silent() {
    let mut net = two_hosts(&[1]);
    net.signal_both();
    net.connect();
    net.run(30);
    assert!(net.peers.iter().all(|peer| peer.failed.is_empty()));
    net.loss = 100;
    let lost_at = net.now;
    while net.peers[0].failed.is_empty() {
        assert!(net.now < lost_at + 45_000_000, "consent outlives its source");
        net.run(1);
    }
    assert_eq!(net.peers[0].agent.selected(1), None);
}

#[test]
fn the_best_address_wins_and_the_next_one_serves_where_it_is_dead() {
    let first = ["192.0.2.1:4000", "192.0.2.2:4000", "[2001:db8::1]:4000"];
    let second = ["198.51.100.1:6000", "[2001:db8::2]:6000"];
    let build = || {
        let mut random = Random(9);
        let one = Peer::new(settings(&mut random, true), &[1], &first);
        let two = Peer::new(settings(&mut random, false), &[1], &second);
        Net::new(one, two)
    };
    let mut net = build();
    net.signal_both();
    net.connect();
    net.run(5);
    assert_eq!(net.peers[0].agent.selected(1), Some((address(first[0]), address(second[0]))));
    let mut net = build();
    net.dead = vec![address(first[0]).ip(), address(first[1]).ip()];
    net.signal_both();
    net.connect();
    net.run(5);
    assert_eq!(net.peers[0].agent.selected(1), Some((address(first[2]), address(second[1]))));
    assert_eq!(net.peers[1].agent.selected(1), Some((address(second[1]), address(first[2]))));
}

#[test]
fn priorities_fall_with_the_order_of_addresses_and_the_component() {
    let mut random = Random(9);
    let peer = Peer::new(settings(&mut random, true), &[1, 2], &["192.0.2.1:4000", "[2001:db8::1]:4000"]);
    let found: Vec<String> = peer.candidates();
    assert_eq!(
        found,
        [
            "1 1 UDP 2130706431 192.0.2.1 4000 typ host",
            "1 2 UDP 2130706430 192.0.2.1 4001 typ host",
            "2 1 UDP 2130706175 2001:db8::1 4000 typ host",
            "2 2 UDP 2130706174 2001:db8::1 4001 typ host",
        ]
    );
    let relay = peer.agent.local_candidates()[0].sdp(CandidateKind::Relay);
    assert_eq!(relay.to_string(), "1 1 UDP 16777215 192.0.2.1 4000 typ relay raddr 192.0.2.1 rport 4000");
}

#[test]
fn a_restart_finds_a_new_way_and_keeps_the_old_one_meanwhile() {
    let mut net = two_hosts(&[1]);
    net.signal_both();
    net.connect();
    net.run(2);
    let before = net.peers[1].agent.selected(1);
    let mut random = Random(77);
    for side in 0..2 {
        net.peers[side].agent.restart(Credentials::generate(&mut random));
    }
    assert!(before.is_some() && net.peers[1].agent.selected(1) == before);
    assert!(!net.peers[1].agent.is_restart(net.peers[0].agent.credentials()));
    net.signal_both();
    assert!(net.peers[1].agent.is_restart(&Credentials::generate(&mut random)));
    net.connect();
    net.run(5);
    assert_eq!(net.peers[1].agent.selected(1), before);
    assert!(net.peers.iter().all(|peer| peer.failed.is_empty()));
}

#[test]
fn an_address_behind_a_nat_is_advertised_and_the_socket_is_used() {
    let mut random = Random(9);
    let mut agent = Agent::new(settings(&mut random, true), &[1]);
    assert!(agent.add_local(1, address("10.0.0.1:4000"), address("192.0.2.1:1").ip()));
    assert_eq!(
        agent.local_candidates()[0].sdp(CandidateKind::Host).to_string(),
        "1 1 UDP 2130706431 192.0.2.1 4000 typ host"
    );
    assert!(!agent.add_local(1, address("10.0.0.1:4000"), address("192.0.2.1:1").ip()));
    assert!(!agent.add_local(2, address("10.0.0.1:4001"), address("192.0.2.1:1").ip()));
}

#[test]
fn checks_carry_the_software_and_stay_authentic() {
    let mut net = two_hosts(&[1]);
    net.signal(1, &Signal::default());
    net.run(0);
    let mut random = Random(7);
    let (_, theirs) = (settings(&mut random, true), settings(&mut random, false));
    let now = at(net.now + 100_000);
    net.peers[0].agent.handle_timeout(now);
    let bytes = loop {
        match net.peers[0].agent.poll() {
            Some(Output::Transmit { bytes, .. }) => break bytes,
            Some(_) => {}
            None => {
                net.now += 1_000_000;
                net.peers[0].agent.handle_timeout(at(net.now));
            }
        }
    };
    // Reading verifies the fingerprint.
    let message = Message::from_bytes(&bytes).unwrap();
    let password = ShortTermCredentials::new(theirs.credentials.password().to_owned()).into();
    assert!(message.validate_integrity(&password).is_ok());
    assert_eq!(message.attribute::<Software>().unwrap().software(), "rtpengine test");
}

#[test]
fn options_of_a_section_make_a_remote() {
    let ice = crate::sdp::security::Ice {
        ufrag: Some("abcd"),
        password: Some("abcdefghijklmnopqrstuv"),
        options: IceOptions { trickle: true, ..IceOptions::default() },
        ..Default::default()
    };
    assert!(Remote::of(&ice).unwrap().trickle);
    let complete = crate::sdp::security::Ice { end_of_candidates: true, ..ice };
    assert!(!Remote::of(&complete).unwrap().trickle);
    assert!(Remote::of(&Default::default()).is_none());
    assert!(we_control(true, false, false) && !we_control(false, false, false));
    assert!(we_control(false, false, true) && !we_control(true, true, false));
}
