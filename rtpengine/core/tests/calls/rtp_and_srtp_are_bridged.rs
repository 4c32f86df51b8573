//! One side encrypted with keys from SDES, the other in the clear or with other keys.

use rtpengine_common::srtp::Suite;
use rtpengine_core::{
    io::{Component, Path, Reason, RelayStream},
    ng::{Command, RtcpMux, json},
};

use crate::{
    keys::{
        CM_32, CM_80, KEY_A, KEY_A2, KEY_B, accept, crypto, line, lines, params, savp, sdes, to_rtp, to_srtp,
    },
    pair::{Pair, Seen, audio, audio_with, error},
};

/// Nothing is forwarded from this socket, whatever it is.
fn silent(relay: &RelayStream) -> bool {
    relay.discard == Some(Reason::NoKeys) && relay.sinks.is_empty() && relay.rtcp_sinks.is_empty()
}

fn in_the_clear(relay: &RelayStream) -> bool {
    relay.receive_crypto.is_none() && relay.transmit_crypto.is_none() && relay.discard.is_none()
}

/// A plain caller and an encrypted callee: what the caller and the callee were told.
fn plain_to_srtp(pair: &mut Pair) -> (Seen, Seen) {
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), to_srtp);
    let body = savp("192.0.2.2", 3000, &accept(&callee, Suite::AesCm128HmacSha1_80, KEY_B));
    (pair.answer("ft", "tt", &body), callee)
}

#[test]
fn a_plain_caller_reaches_an_encrypted_callee() {
    let mut pair = Pair::new();
    let (caller, callee) = plain_to_srtp(&mut pair);
    assert!(callee.text.contains("RTP/SAVP 8 0 101"), "{}", callee.text);
    assert!(caller.text.contains("RTP/AVP 8 0 101") && lines(&caller).is_empty(), "{}", caller.text);
    let offered: Vec<Suite> = lines(&callee).iter().map(|line| line.suite()).collect();
    assert_eq!(offered, Suite::ALL, "all suites");
    let own = lines(&callee).into_iter().find(|line| line.suite() == Suite::AesCm128HmacSha1_80).unwrap();
    let relay = pair.relay(&callee);
    assert_eq!(relay.receive_crypto, Some(params(CM_80, KEY_B)));
    assert_eq!(relay.transmit_crypto, Some(own.params.clone()));
    assert_eq!(relay.sinks.as_slice(), [pair.stream(caller.rtp)]);
    assert!(in_the_clear(pair.relay(&caller)));
    let rtcp = pair.plane.relay.values().filter(|relay| relay.component == Component::Rtcp);
    let keyed: Vec<_> = rtcp.filter_map(|relay| relay.transmit_crypto.clone()).collect();
    assert_eq!(keyed, [own.params], "RTCP of the callee has the same keys on its own socket");
}

#[test]
fn an_encrypted_caller_reaches_a_plain_callee() {
    let mut pair = Pair::new();
    let body = savp("192.0.2.1", 2000, &(crypto(7, CM_80, KEY_A) + &crypto(8, CM_32, KEY_A2)));
    let callee = pair.offer_with("ft", "", &body, to_rtp);
    assert!(callee.text.contains("RTP/AVP 8 0 101") && lines(&callee).is_empty(), "{}", callee.text);
    assert!(pair.plane.relay.values().all(silent), "nothing before the answer");
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert!(caller.text.contains("RTP/SAVP 8 0 101"), "{}", caller.text);
    let own = line(&caller);
    assert_eq!((own.tag, own.suite()), (7, Suite::AesCm128HmacSha1_80));
    assert_ne!(own.params, params(CM_80, KEY_A), "never the other's key");
    let relay = pair.relay(&caller);
    assert_eq!(relay.receive_crypto, Some(params(CM_80, KEY_A)));
    assert_eq!(relay.transmit_crypto, Some(own.params));
    assert!(in_the_clear(pair.relay(&callee)));
}

#[test]
fn two_encrypted_parties_with_one_suite_share_their_keys() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A)));
    assert_eq!(lines(&callee)[0].params, params(CM_80, KEY_A));
    let caller = pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_B)));
    assert_eq!(line(&caller).params, params(CM_80, KEY_B));
    assert!(pair.plane.relay.values().all(in_the_clear), "packets are forwarded as they are");
    pair.settle(&caller, "192.0.2.1:2000");
    let stream = pair.settle(&callee, "192.0.2.2:3000");
    assert!(pair.plane.flows.contains_key(&stream), "by the kernel too");
}

#[test]
fn two_encrypted_parties_with_different_suites_are_bridged() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A)));
    let taken = accept(&callee, Suite::AesCm128HmacSha1_32, KEY_B);
    let caller = pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &taken));
    assert_eq!(line(&caller).suite(), Suite::AesCm128HmacSha1_80);
    assert_eq!(pair.relay(&caller).receive_crypto, Some(params(CM_80, KEY_A)));
    assert_eq!(pair.relay(&caller).transmit_crypto, Some(line(&caller).params));
    assert_eq!(pair.relay(&callee).receive_crypto, Some(params(CM_32, KEY_B)));
}

#[test]
fn bridged_streams_go_to_the_kernel_with_their_keys() {
    let mut pair = Pair::new();
    let (caller, callee) = plain_to_srtp(&mut pair);
    assert!(pair.plane.flows.is_empty(), "not before the endpoints are known for certain");
    let (near, far) = (pair.settle(&caller, "192.0.2.1:2000"), pair.settle(&callee, "192.0.2.2:3000"));
    let keys = pair.relay(&callee).clone();
    let [outgoing, incoming] = [near, far].map(|stream| pair.plane.flows[&stream].clone());
    assert_eq!((outgoing.crypto, &outgoing.outputs[0].crypto), (None, &keys.transmit_crypto));
    assert_eq!((incoming.crypto, &incoming.outputs[0].crypto), (keys.receive_crypto, &None));
    assert!(!outgoing.inherits_keys && !incoming.inherits_keys);
    let info = pair.engine.call("call1", &pair.plane).unwrap();
    let query = pair.send(&Pair::request(Command::Query, "", "", "", |_| {}));
    let mut shown = Vec::new();
    json::encode(&query.into_dict(), &mut shown);
    let shown = String::from_utf8(shown).unwrap();
    for (party, suite) in info.parties.iter().zip([None, Some(CM_80)]) {
        assert_eq!(party.medias[0].streams[0].crypto_suite, suite);
        assert_eq!(party.medias[0].flags.contains(&"SDES"), suite.is_some());
    }
    assert!(shown.contains(&format!(r#""crypto suite":"{CM_80}""#)), "{shown}");
    assert!(!shown.contains("inline") && !shown.contains(KEY_B), "{shown}");
}

#[test]
fn what_the_program_cannot_do_stays_in_userspace() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), to_srtp);
    let caller =
        pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &accept(&callee, Suite::F8_128HmacSha1_80, KEY_B)));
    pair.settle(&caller, "192.0.2.1:2000");
    pair.settle(&callee, "192.0.2.2:3000");
    assert!(pair.plane.flows.is_empty());
    for party in &pair.engine.call("call1", &pair.plane).unwrap().parties {
        assert_eq!(party.medias[0].streams[0].path, Path::Userspace(Reason::Srtp));
    }
    // The callee has a key for a suite that the program knows, with an identifier longer than it does.
    for (mki, fits) in [("|1:16", true), ("|1:17", false)] {
        let body = savp("192.0.2.2", 3000, &crypto(1, CM_80, &format!("{KEY_B}{mki}")));
        pair.offer_with("tt", "ft", &body, to_rtp);
        pair.answer("tt", "ft", &audio("192.0.2.1", 2000));
        assert_eq!(pair.plane.flows.contains_key(&pair.stream(callee.rtp)), fits, "{mki}");
    }
}

#[test]
fn a_new_key_reaches_the_kernel_with_the_relay() {
    let mut pair = Pair::new();
    let (caller, callee) = plain_to_srtp(&mut pair);
    pair.settle(&caller, "192.0.2.1:2000");
    let stream = pair.settle(&callee, "192.0.2.2:3000");
    let installs = pair.plane.installs;
    let held = pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), to_srtp);
    pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &accept(&held, Suite::AesCm128HmacSha1_80, KEY_B)));
    assert_eq!(pair.plane.installs, installs, "the same keys change nothing");
    let body = savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_A2));
    pair.offer_with("tt", "ft", &body, to_rtp);
    pair.answer("tt", "ft", &audio("192.0.2.1", 2000));
    assert_eq!(pair.plane.flows[&stream].crypto, Some(params(CM_80, KEY_A2)));
    assert_eq!(pair.relay(&callee).receive_crypto, Some(params(CM_80, KEY_A2)));
}

#[test]
fn a_reoffer_keeps_the_keys_and_new_keys_are_taken_over() {
    let mut pair = Pair::new();
    let (caller, callee) = plain_to_srtp(&mut pair);
    let before = pair.relay(&callee).clone();
    let configures = pair.plane.configures;
    let again = pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), to_srtp);
    let kept = lines(&again).into_iter().find(|line| line.suite() == Suite::AesCm128HmacSha1_80).unwrap();
    assert_eq!(Some(kept.params), before.transmit_crypto);
    let body = savp("192.0.2.2", 3000, &accept(&again, Suite::AesCm128HmacSha1_80, KEY_B));
    assert_eq!(pair.answer("ft", "tt", &body).rtp, caller.rtp);
    assert_eq!(pair.plane.configures, configures, "the relay has nothing to do");
    // The callee changes its key.
    let body = savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_A2));
    let offered = pair.offer_with("tt", "ft", &body, to_rtp);
    assert!(offered.text.contains("RTP/AVP 8") && lines(&offered).is_empty(), "{}", offered.text);
    assert_eq!(*pair.relay(&callee), before, "in force until the answer");
    let answer = pair.answer("tt", "ft", &audio("192.0.2.1", 2000));
    assert_eq!(pair.relay(&callee).receive_crypto, Some(params(CM_80, KEY_A2)));
    assert_eq!(pair.relay(&callee).transmit_crypto, before.transmit_crypto);
    assert_eq!(pair.relay(&callee).transmit_crypto, Some(line(&answer).params));
}

#[test]
fn hold_keeps_the_keys() {
    let mut pair = Pair::new();
    let (_, callee) = plain_to_srtp(&mut pair);
    let before = pair.relay(&callee).clone();
    let held = pair.offer_with("ft", "tt", &audio_with("192.0.2.1", 2000, "a=sendonly\r\n"), to_srtp);
    let lines = accept(&held, Suite::AesCm128HmacSha1_80, KEY_B) + "a=recvonly\r\n";
    pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &lines));
    let relay = pair.relay(&callee);
    assert_eq!(relay.discard, Some(Reason::Hold));
    assert_eq!(
        (&relay.receive_crypto, &relay.transmit_crypto),
        (&before.receive_crypto, &before.transmit_crypto)
    );
}

#[test]
fn a_late_offer_is_bridged_the_other_way_round() {
    let mut pair = Pair::new();
    let body = savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_B));
    let caller = pair.offer_with("tt", "ft", &body, to_rtp);
    let callee = pair.answer("tt", "ft", &audio("192.0.2.1", 2000));
    assert!(in_the_clear(pair.relay(&caller)));
    assert_eq!(pair.relay(&callee).receive_crypto, Some(params(CM_80, KEY_B)));
    assert_eq!(pair.relay(&callee).transmit_crypto, Some(line(&callee).params));
}

#[test]
fn an_answer_without_keys_leaves_everything_silent() {
    for answer in [savp("192.0.2.2", 3000, ""), savp("192.0.2.2", 3000, &crypto(1, "ROT13", KEY_B))] {
        let mut pair = Pair::new();
        pair.offer_with("ft", "", &audio("192.0.2.1", 2000), to_srtp);
        assert!(pair.plane.relay.values().all(silent));
        let reply = pair.send(&Pair::request(Command::Answer, "ft", "tt", &answer, |_| {}));
        assert!(reply.warnings.iter().any(|warning| warning.contains("No media can flow")), "{reply:?}");
        assert!(pair.plane.relay.values().all(silent), "RTCP as well");
        assert!(pair.plane.flows.is_empty());
    }
}

#[test]
fn a_refused_media_line_forgets_its_keys() {
    let mut pair = Pair::new();
    let offer = savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A));
    pair.offer_with("ft", "", &offer, to_rtp);
    let refused = pair.answer("ft", "tt", &audio("192.0.2.2", 0));
    assert!(refused.text.contains("m=audio 0 ") && !refused.text.contains("crypto"), "{}", refused.text);
    assert!(pair.plane.open.is_empty());
    let callee = pair.offer_with("ft", "tt", &offer, to_rtp);
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert!(in_the_clear(pair.relay(&callee)));
    assert_eq!(pair.relay(&caller).receive_crypto, Some(params(CM_80, KEY_A)));
}

#[test]
fn every_answer_to_one_offer_gets_a_key_of_its_own() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A)), to_rtp);
    let first = pair.answer("ft", "t1", &audio("192.0.2.2", 3000));
    let second = pair.answer("ft", "t2", &audio("192.0.2.3", 3000));
    assert_ne!(first.rtp, second.rtp);
    assert_ne!(line(&first).params, line(&second).params, "two streams never share a key");
    for seen in [&first, &second] {
        assert_eq!(pair.relay(seen).transmit_crypto, Some(line(seen).params));
        assert_eq!(pair.relay(seen).receive_crypto, Some(params(CM_80, KEY_A)));
    }
    assert!(in_the_clear(pair.relay(&callee)));
}

#[test]
fn parallel_branches_have_keys_of_their_own() {
    let mut pair = Pair::new();
    let mut seen = Vec::new();
    for branch in ["b1", "b2"] {
        seen.push(pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
            to_srtp(request);
            request.via_branch = Some(branch.to_owned());
        }));
    }
    assert!(lines(&seen[0]).iter().zip(lines(&seen[1])).all(|(one, two)| one.params != two.params));
}

#[test]
fn new_sockets_have_new_keys() {
    let mut pair = Pair::new();
    let (_, callee) = plain_to_srtp(&mut pair);
    let before = pair.relay(&callee).transmit_crypto.clone();
    let moved = pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), |request| {
        to_srtp(request);
        request.to_interface = Some("bar".to_owned());
    });
    assert_ne!(moved.rtp, callee.rtp);
    assert!(lines(&moved).iter().all(|line| Some(&line.params) != before.as_ref()));
    assert!(silent(pair.relay(&moved)), "until the other side knows them");
    pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &accept(&moved, Suite::AesCm128HmacSha1_80, KEY_B)));
    assert_ne!(pair.relay(&moved).transmit_crypto, before);
    assert_eq!(pair.relay(&moved).discard, None);
}

#[test]
fn srtcp_is_multiplexed_on_one_side_only() {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        to_srtp(request);
        request.rtcp_mux.insert(RtcpMux::Offer);
    });
    let taken = accept(&callee, Suite::AeadAes128Gcm, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw");
    pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &(taken + "a=rtcp-mux\r\n")));
    let relay = pair.relay(&callee);
    assert_eq!(relay.component, Component::Mux);
    assert_eq!(relay.receive_crypto.as_ref().unwrap().suite(), Suite::AeadAes128Gcm);
    assert_ne!(relay.sinks, relay.rtcp_sinks);
    assert_eq!(pair.plane.open.len(), 3);
}

#[test]
fn what_cannot_be_read_passes_through_or_is_refused_by_name() {
    let mut pair = Pair::new();
    let offer = savp("192.0.2.1", 2000, "a=crypto:1 ROT13 inline:AAAA\r\n");
    let reply = pair.send(&Pair::request(Command::Offer, "ft", "", &offer, to_rtp));
    assert!(reply.warnings.iter().any(|warning| warning.contains("keys of the offered SRTP")), "{reply:?}");
    let callee = crate::pair::seen(&reply);
    assert!(callee.text.contains("RTP/SAVP") && callee.text.contains("ROT13"), "{}", callee.text);
    let caller = pair.answer("ft", "tt", &savp("192.0.2.2", 3000, "a=crypto:1 ROT13 inline:BBBB\r\n"));
    assert!(caller.text.contains("a=crypto:1 ROT13 inline:BBBB"), "{}", caller.text);
    assert!(pair.plane.relay.values().all(in_the_clear));
}

#[test]
fn without_randomness_nothing_changes() {
    let mut pair = Pair::new();
    let (_, callee) = plain_to_srtp(&mut pair);
    let before = pair.relay(&callee).clone();
    let ports = pair.open_ports();
    pair.plane.no_randomness = true;
    let offer = Pair::request(Command::Offer, "ft", "tt", &audio("192.0.2.1", 2000), |request| {
        to_srtp(request);
        request.to_interface = Some("bar".to_owned());
    });
    assert!(error(&pair.send(&offer)).starts_with("no random numbers"));
    let mut other = Pair::request(Command::Offer, "x", "", &audio("192.0.2.1", 2000), to_srtp);
    other.call_id = Some("other".to_owned());
    assert!(error(&pair.send(&other)).starts_with("no random numbers"));
    assert_eq!((pair.relay(&callee), pair.open_ports()), (&before, ports));
}

#[test]
fn an_answer_keeps_its_suite_with_static() {
    let mut pair = Pair::new();
    let both = crypto(1, CM_80, KEY_A) + &crypto(2, CM_32, KEY_A2);
    pair.offer_with("ft", "", &savp("192.0.2.1", 2000, &both), to_rtp);
    let first = line(&pair.answer("ft", "tt", &audio("192.0.2.2", 3000)));
    let turned = crypto(1, CM_32, KEY_A2) + &crypto(2, CM_80, KEY_A);
    pair.offer_with("ft", "tt", &savp("192.0.2.1", 2000, &turned), to_rtp);
    let kept = line(&pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), sdes(&["static"])));
    assert_eq!((kept.tag, kept.params), (2, first.params));
}
