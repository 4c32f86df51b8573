//! Who takes which DTLS role, what SDP says of it, and which keys are in force when.

use rtpengine_core::{
    io::{DtlsEvent, DtlsRole, Reason, StreamId},
    ng::{Command, Flag, RtcpMux, TransportProtocol},
    sdp::security::HashFunction,
};

use crate::{
    dtls_support::{
        TLS, association, body, identity, key_byte, keys_of, pair, print, remote, tell, tell_of, to_tls, told,
    },
    keys::{CM_80, KEY_A, KEY_B, crypto, lines, savp, to_rtp, to_srtp},
    pair::{Pair, Seen, audio},
};

/// A caller with DTLS in the given setup and a plain callee: what they were told.
fn secure_caller(
    pair: &mut Pair,
    setup: &str,
    change: impl Fn(&mut rtpengine_core::ng::Request),
) -> (Seen, Seen) {
    let offer =
        body(TLS, "192.0.2.1", 2000, 1, &format!("a=setup:{setup}\r\na=tls-id:{}\r\n", "x".repeat(24)));
    let callee = pair.offer_with("ft", "", &offer, |request| {
        to_rtp(request);
        change(request);
    });
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    (caller, callee)
}

/// A plain caller and a callee that answers with DTLS.
fn secure_callee(pair: &mut Pair, lines: &str) -> (Seen, Seen) {
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), to_tls);
    let caller = pair.answer("ft", "tt", &body(TLS, "192.0.2.2", 3000, 2, lines));
    (caller, callee)
}

fn waits(pair: &Pair, stream: StreamId) {
    let relay = &pair.plane.relay[&stream];
    assert!(
        relay.awaits_keys && relay.sinks.is_empty() && relay.discard == Some(Reason::NoKeys),
        "{relay:?}"
    );
}

#[test]
fn our_answer_takes_the_role_the_offer_leaves() {
    for (offered, answered, role) in [
        ("actpass", "active", Some(DtlsRole::Active)),
        ("passive", "active", Some(DtlsRole::Active)),
        ("active", "passive", Some(DtlsRole::Passive)),
        ("holdconn", "holdconn", None),
    ] {
        let mut pair = pair();
        let (caller, callee) = secure_caller(&mut pair, offered, |_| ());
        assert_eq!(told(&callee), (None, None, None), "the callee is plain");
        let (setup, fingerprint, tls_id) = told(&caller);
        assert_eq!(setup, Some(answered));
        assert_eq!(fingerprint.as_ref(), identity(1).fingerprint(HashFunction::Sha256));
        assert!(tls_id.is_some_and(|id| id.len() == 32));
        let known = association(&pair, &caller);
        assert_eq!(known.map(|known| known.role), role);
        if let Some(known) = known {
            assert_eq!(known.fingerprints.as_slice(), [print(1)]);
            assert_eq!(known.remote.map(|remote| remote.peer), Some("192.0.2.1:2000".parse().unwrap()));
        }
    }
}

#[test]
fn flags_and_the_option_choose_the_passive_role() {
    for (option, reverse, setup) in
        [(false, Some(true), "passive"), (true, None, "passive"), (true, Some(false), "active")]
    {
        let mut pair = pair();
        pair.engine.config_mut().dtls_passive = option;
        let (caller, _) =
            secure_caller(&mut pair, "actpass", |request| request.dtls.reverse_passive = reverse);
        assert_eq!(told(&caller).0, Some(setup));
    }
    let mut pair = pair();
    let offered = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        to_tls(request);
        request.dtls.passive = Some(true);
    });
    assert_eq!(told(&offered).0, Some("passive"));
    assert_eq!(association(&pair, &offered).unwrap().role, DtlsRole::Passive);
}

#[test]
fn the_answer_to_our_offer_decides_the_role() {
    for (lines, role) in [
        ("a=setup:active\r\n", DtlsRole::Passive),
        ("a=setup:passive\r\n", DtlsRole::Active),
        ("", DtlsRole::Active),
    ] {
        let mut pair = pair();
        let (caller, callee) = secure_callee(&mut pair, lines);
        assert_eq!(told(&callee).0, Some("actpass"));
        assert_eq!(told(&caller), (None, None, None));
        let known = association(&pair, &callee).unwrap();
        assert_eq!((known.role, known.fingerprints.as_slice()), (role, &[print(2)][..]));
        assert!(association(&pair, &caller).is_none());
    }
}

#[test]
fn media_flows_when_keys_are_there_and_not_before() {
    let mut pair = pair();
    let (caller, callee) = secure_caller(&mut pair, "actpass", |_| ());
    let (secure, plain) = (pair.stream(caller.rtp), pair.stream(callee.rtp));
    waits(&pair, secure);
    assert!(pair.plane.relay[&plain].sinks.is_empty(), "nothing goes out in the clear");
    assert!(!pair.plane.relay[&plain].awaits_keys, "a plain party may be learned meanwhile");
    tell(&mut pair, secure, keys_of(7, "192.0.2.1:2000"));
    assert_eq!(key_byte(&pair, secure), Some(7));
    assert_eq!(pair.plane.relay[&secure].sinks.as_slice(), [plain]);
    assert_eq!(pair.plane.relay[&plain].sinks.as_slice(), [secure]);
    assert_eq!(pair.plane.relay[&plain].discard, None);
    assert!(pair.plane.flows.is_empty());
    // RTCP has a handshake of its own.
    let rtcp = StreamId(secure.0 + 1);
    waits(&pair, rtcp);
    tell(&mut pair, rtcp, keys_of(8, "192.0.2.1:2001"));
    assert_eq!(key_byte(&pair, rtcp), Some(8));
    tell(&mut pair, secure, DtlsEvent::Closed);
    waits(&pair, secure);
    assert_eq!(key_byte(&pair, rtcp), Some(8));
}

#[test]
fn with_rtcp_mux_one_association_serves_both() {
    let mut pair = pair();
    let offer = body(TLS, "192.0.2.1", 2000, 1, "a=setup:actpass\r\na=rtcp-mux\r\n");
    let callee = pair.offer_with("ft", "", &offer, |request| {
        to_rtp(request);
        request.rtcp_mux.insert(RtcpMux::Demux);
    });
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(pair.plane.dtls.len(), 1);
    let (secure, plain) = (pair.stream(caller.rtp), pair.stream(callee.rtp));
    tell(&mut pair, secure, keys_of(7, "192.0.2.1:2000"));
    let plain_rtcp = pair.stream(callee.rtcp.unwrap());
    assert_eq!(pair.plane.relay[&secure].rtcp_sinks.as_slice(), [plain_rtcp]);
    assert_eq!(pair.plane.relay[&plain_rtcp].rtcp_sinks.as_slice(), [secure]);
    assert_eq!(pair.plane.relay[&plain].sinks.as_slice(), [secure]);
}

#[test]
fn a_handshake_may_begin_with_the_offer_and_ends_with_the_answer() {
    let mut pair = pair();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), to_tls);
    let stream = pair.stream(callee.rtp);
    let early = association(&pair, &callee).unwrap().clone();
    assert!(early.role == DtlsRole::Passive && early.fingerprints.is_empty() && early.remote.is_none());
    // Nobody hands out keys without a fingerprint; if somebody did, they would not be used.
    tell(&mut pair, stream, keys_of(9, "192.0.2.2:3000"));
    pair.answer("ft", "tt", &body(TLS, "192.0.2.2", 3000, 2, "a=setup:active\r\n"));
    let known = association(&pair, &callee).unwrap();
    assert_eq!((known.epoch, known.fingerprints.as_slice()), (early.epoch, &[print(2)][..]));
    assert_eq!(known.remote.map(|remote| remote.peer), Some("192.0.2.2:3000".parse().unwrap()));
    waits(&pair, stream);
    tell(&mut pair, stream, keys_of(9, "192.0.2.2:3000"));
    assert_eq!(key_byte(&pair, stream), Some(9));
}

#[test]
fn the_address_that_the_certificate_vouches_for_is_where_media_goes() {
    let mut pair = pair();
    let (caller, _) = secure_caller(&mut pair, "active", |_| ());
    let stream = pair.stream(caller.rtp);
    let before = pair.relay(&caller).clone();
    tell(&mut pair, stream, keys_of(7, "198.51.100.9:4444"));
    let after = pair.relay(&caller);
    assert_eq!(after.endpoint, Some("198.51.100.9:4444".parse().unwrap()));
    assert!(after.epoch != before.epoch && !after.endpoint_settled, "authenticated media may still move it");
    assert_eq!(remote(&pair, &caller), after.endpoint);
    // Learned as it is, it survives a re-offer with the address of old.
    secure_caller(&mut pair, "active", |_| ());
    assert_eq!(pair.relay(&caller).endpoint, Some("198.51.100.9:4444".parse().unwrap()));

    let mut fixed = self::pair();
    let (caller, _) = secure_caller(&mut fixed, "active", |request| request.flags.insert(Flag::Asymmetric));
    let stream = fixed.stream(caller.rtp);
    tell(&mut fixed, stream, keys_of(7, "198.51.100.9:4444"));
    assert_eq!(fixed.relay(&caller).endpoint, Some("192.0.2.1:2000".parse().unwrap()));
}

#[test]
fn reoffers_keep_the_association_and_another_certificate_replaces_it() {
    let mut pair = pair();
    let (caller, _) = secure_caller(&mut pair, "actpass", |_| ());
    let stream = pair.stream(caller.rtp);
    tell(&mut pair, stream, keys_of(7, "192.0.2.1:2000"));
    let (first, opens) = (told(&caller), pair.plane.dtls_opens);
    // The certificate for new calls is renewed meanwhile.
    pair.plane.identity = Some(identity(2));
    for setup in ["actpass", "passive"] {
        let (again, _) = secure_caller(&mut pair, setup, |_| ());
        assert_eq!(told(&again), first, "role, certificate and name stay");
    }
    // The callee re-offers: the caller is offered every role, and its answer keeps the one there is.
    let offered = pair.offer_with("tt", "ft", &audio("192.0.2.2", 3000), to_tls);
    assert_eq!(told(&offered), (Some("actpass"), first.1.clone(), first.2.clone()));
    let again = format!("a=setup:passive\r\na=tls-id:{}\r\n", "x".repeat(24));
    pair.answer("tt", "ft", &body(TLS, "192.0.2.1", 2000, 1, &again));
    assert_eq!((pair.plane.dtls_opens, key_byte(&pair, stream)), (opens, Some(7)));

    let moved =
        body(TLS, "192.0.2.1", 2000, 5, &format!("a=setup:actpass\r\na=tls-id:{}\r\n", "y".repeat(24)));
    pair.offer_with("ft", "tt", &moved, to_rtp);
    assert_eq!(pair.plane.dtls_opens, opens, "not before the answer");
    let old_epoch = association(&pair, &caller).unwrap().epoch;
    let again = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(pair.stream(again.rtp), stream);
    let (setup, fingerprint, tls_id) = told(&again);
    assert_eq!(setup, Some("active"));
    assert_eq!(
        fingerprint.as_ref(),
        identity(2).fingerprint(HashFunction::Sha256),
        "with the new certificate"
    );
    assert_ne!(tls_id, first.2);
    let known = association(&pair, &caller).unwrap();
    assert_eq!((known.fingerprints.as_slice(), known.identity.id), (&[print(5)][..], 2));
    assert_eq!(key_byte(&pair, stream), Some(7), "the old keys hold until the new are there");
    tell_of(&mut pair, stream, old_epoch, keys_of(8, "192.0.2.1:2000"));
    assert_eq!(key_byte(&pair, stream), Some(7), "news of the old association is no news");
    tell(&mut pair, stream, keys_of(9, "192.0.2.1:2000"));
    assert_eq!(key_byte(&pair, stream), Some(9));
}

#[test]
fn without_a_name_an_ice_restart_or_a_new_connection_replaces_the_association() {
    for (before, after, renewed) in [
        ("a=ice-ufrag:aaaa\r\n", "a=ice-ufrag:aaaa\r\n", false),
        ("a=ice-ufrag:aaaa\r\n", "a=ice-ufrag:bbbb\r\n", true),
        ("", "a=connection:existing\r\n", false),
        ("", "a=connection:new\r\n", true),
        (
            "a=tls-id:aaaaaaaaaaaaaaaaaaaa\r\na=ice-ufrag:aaaa\r\n",
            "a=tls-id:aaaaaaaaaaaaaaaaaaaa\r\na=ice-ufrag:bbbb\r\n",
            false,
        ),
        ("a=tls-id:aaaaaaaaaaaaaaaaaaaa\r\n", "a=tls-id:bbbbbbbbbbbbbbbbbbbb\r\n", true),
    ] {
        let mut pair = pair();
        let offer = |lines: &str| body(TLS, "192.0.2.1", 2000, 1, &format!("a=setup:actpass\r\n{lines}"));
        pair.offer_with("ft", "", &offer(before), to_rtp);
        let first = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
        let opens = pair.plane.dtls_opens;
        pair.offer_with("ft", "tt", &offer(after), to_rtp);
        let second = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
        assert_eq!(pair.plane.dtls_opens > opens, renewed, "{before} {after}");
        assert_eq!(first.text.contains("tls-id"), before.contains("tls-id"));
        let written = second.text.lines().find_map(|line| line.trim_end().strip_prefix("a=connection:"));
        let expected = if renewed { "new" } else { "existing" };
        assert_eq!(written, after.contains("connection").then_some(expected));
    }
}

#[test]
fn a_party_that_left_the_roles_open_may_be_the_client_after_all() {
    for (lines, yields) in [("", true), ("a=setup:passive\r\n", false)] {
        let mut pair = pair();
        let (_, callee) = secure_callee(&mut pair, lines);
        let stream = pair.stream(callee.rtp);
        assert_eq!(association(&pair, &callee).unwrap().role, DtlsRole::Active);
        tell(&mut pair, stream, DtlsEvent::RoleConflict);
        let role = if yields { DtlsRole::Passive } else { DtlsRole::Active };
        assert!(pair.plane.dtls.values().all(|known| known.role == role), "{lines}");
    }
}

#[test]
fn both_are_offered_and_the_answer_chooses() {
    let answer = crypto(1, CM_80, KEY_B);
    for (dtls, sdes) in [(true, false), (false, true), (true, true)] {
        let mut pair = pair();
        let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), to_srtp);
        assert!(told(&callee).1.is_some() && !lines(&callee).is_empty(), "{}", callee.text);
        let line = if sdes { answer.replace(":1 ", &format!(":{} ", tag(&callee))) } else { String::new() };
        let reply = if dtls {
            body("RTP/SAVP", "192.0.2.2", 3000, 2, &format!("a=setup:active\r\n{line}"))
        } else {
            savp("192.0.2.2", 3000, &line)
        };
        pair.answer("ft", "tt", &reply);
        let stream = pair.stream(callee.rtp);
        assert_eq!(pair.plane.dtls.contains_key(&stream), dtls, "an unused association ends");
        assert_eq!(pair.relay(&callee).receive_crypto.is_some(), !dtls);
    }
}

/// The tag of the line for the suite of `KEY_B`.
fn tag(seen: &Seen) -> u32 {
    let lines = lines(seen);
    lines.iter().find(|line| line.suite() == rtpengine_common::srtp::Suite::AesCm128HmacSha1_80).unwrap().tag
}

#[test]
fn of_an_offer_with_both_dtls_is_taken_unless_it_is_off() {
    let offer =
        body("RTP/SAVP", "192.0.2.1", 2000, 1, &format!("a=setup:actpass\r\n{}", crypto(1, CM_80, KEY_A)));
    for off in [false, true] {
        let mut pair = pair();
        let callee = pair.offer_with("ft", "", &offer, |request| {
            to_rtp(request);
            request.dtls.off = off;
        });
        assert!(told(&callee).1.is_none() && lines(&callee).is_empty());
        let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
        assert_eq!(
            (told(&caller).1.is_none(), lines(&caller).len()),
            (off, usize::from(off)),
            "{}",
            caller.text
        );
    }
    let mut pair = pair();
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        to_srtp(request);
        request.dtls.off = true;
    });
    assert!(told(&callee).1.is_none() && !lines(&callee).is_empty());
    let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        to_srtp(request);
        request.sdes.apply(b"off");
    });
    assert!(told(&callee).1.is_some() && lines(&callee).is_empty());
}

#[test]
fn switched_off_the_parties_shake_hands_with_each_other() {
    let mut pair = pair();
    let offer = body(TLS, "192.0.2.1", 2000, 1, "a=setup:actpass\r\n");
    let callee = pair.offer_with("ft", "", &offer, |request| request.dtls.off = true);
    assert_eq!(told(&callee), (Some("actpass"), Some(print(1)), None));
    let caller = pair.answer("ft", "tt", &body(TLS, "192.0.2.2", 3000, 2, "a=setup:active\r\n"));
    assert_eq!(told(&caller), (Some("active"), Some(print(2)), None));
    assert!(pair.plane.dtls.is_empty());
    assert!([&caller, &callee].iter().all(|seen| pair.relay(seen).passes_dtls));
    let mut request = Pair::request(Command::Offer, "ft", "tt", &audio("192.0.2.1", 2000), |request| {
        to_tls(request);
        request.dtls.off = true;
    });
    request.call_id = Some("other".to_owned());
    let reply = pair.send(&request);
    assert!(reply.warnings.iter().any(|warning| warning.contains("switched off")), "{reply:?}");
}

#[test]
fn both_parties_have_dtls_each_with_us() {
    let mut pair = pair();
    let offer = body(TLS, "192.0.2.1", 2000, 1, "a=setup:actpass\r\na=rtcp-mux\r\n");
    let callee = pair.offer("ft", "", &offer);
    let caller =
        pair.answer("ft", "tt", &body(TLS, "192.0.2.2", 3000, 2, "a=setup:active\r\na=rtcp-mux\r\n"));
    let (left, right) = (pair.stream(caller.rtp), pair.stream(callee.rtp));
    assert_eq!(pair.plane.dtls[&left].fingerprints.as_slice(), [print(1)]);
    assert_eq!(pair.plane.dtls[&right].fingerprints.as_slice(), [print(2)]);
    tell(&mut pair, left, keys_of(1, "192.0.2.1:2000"));
    assert!(pair.plane.relay[&left].sinks.is_empty(), "the other side has no keys yet");
    assert_eq!(pair.plane.relay[&left].discard, Some(Reason::NoKeys));
    tell(&mut pair, right, keys_of(2, "192.0.2.2:3000"));
    assert_eq!(pair.plane.relay[&left].sinks.as_slice(), [right]);
    assert_eq!((key_byte(&pair, left), key_byte(&pair, right)), (Some(1), Some(2)));
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn every_answer_to_one_offer_has_keys_of_its_own() {
    let mut pair = pair();
    let offer = body(TLS, "192.0.2.1", 2000, 1, "a=setup:actpass\r\n");
    let callee = pair.offer("ft", "", &offer);
    let first = pair.answer("ft", "t1", &body(TLS, "192.0.2.2", 3000, 2, "a=setup:active\r\n"));
    let shared = pair.stream(callee.rtp);
    tell(&mut pair, shared, keys_of(2, "192.0.2.2:3000"));
    let first_stream = pair.stream(first.rtp);
    tell(&mut pair, first_stream, keys_of(1, "192.0.2.1:2000"));
    assert_eq!(key_byte(&pair, shared), Some(2));
    let second = pair.answer("ft", "t2", &body(TLS, "192.0.2.3", 4000, 3, "a=setup:active\r\n"));
    assert_ne!(first.rtp, second.rtp, "the offerer has a socket for each");
    assert_eq!(pair.plane.dtls[&shared].fingerprints.as_slice(), [print(3)]);
    assert_eq!(key_byte(&pair, shared), None, "the first one's keys are not the second one's");
    waits(&pair, shared);
    let second_stream = pair.stream(second.rtp);
    tell(&mut pair, second_stream, keys_of(4, "192.0.2.1:2000"));
    tell(&mut pair, shared, keys_of(3, "192.0.2.3:4000"));
    assert_eq!(pair.plane.relay[&second_stream].sinks.as_slice(), [shared]);
    assert!(pair.plane.relay[&first_stream].sinks.is_empty(), "and the first one's media not for the second");
}

#[test]
fn the_fingerprint_is_made_with_the_function_asked_for_or_the_partys_own() {
    let mut pair = pair();
    let offered = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        to_tls(request);
        request.dtls.fingerprint = Some(HashFunction::Sha512);
    });
    assert_eq!(told(&offered).1.unwrap().hash, HashFunction::Sha512);
    let sha1 = format!("a=fingerprint:sha-1 {}\r\n", vec!["0A"; 20].join(":"));
    let mut pair = self::pair();
    let offer = body(TLS, "192.0.2.1", 2000, 1, "a=setup:actpass\r\n");
    let offer = offer.replace(&format!("a=fingerprint:{}\r\n", print(1)), &sha1);
    pair.offer_with("ft", "", &offer, to_rtp);
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(told(&caller).1.unwrap().hash, HashFunction::Sha1);
}

#[test]
fn no_tls_id_leaves_it_out() {
    let mut pair = pair();
    let change = |request: &mut rtpengine_core::ng::Request| request.flags.insert(Flag::NoTlsId);
    let offered = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        to_tls(request);
        change(request);
    });
    assert_eq!(told(&offered).2, None);
}

#[test]
fn dtls_may_come_and_go_with_reoffers() {
    let mut pair = pair();
    let (_, callee) = pair.call();
    let stream = pair.stream(callee.rtp);
    pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), to_tls);
    assert!(pair.plane.dtls.contains_key(&stream));
    assert_eq!(pair.plane.relay[&stream].discard, None, "plain media goes on until the answer");
    assert!(!pair.plane.relay[&stream].awaits_keys);
    pair.answer("ft", "tt", &body(TLS, "192.0.2.2", 3000, 2, "a=setup:active\r\n"));
    waits(&pair, stream);
    tell(&mut pair, stream, keys_of(3, "192.0.2.2:3000"));
    assert_eq!(key_byte(&pair, stream), Some(3));
    pair.offer_with("ft", "tt", &audio("192.0.2.1", 2000), |request| {
        request.transport_protocol = Some(TransportProtocol::RtpAvp);
    });
    assert_eq!(key_byte(&pair, stream), Some(3));
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert!(pair.plane.dtls.is_empty() && key_byte(&pair, stream).is_none());
    assert_eq!(pair.plane.relay[&stream].discard, None);
}

#[test]
fn a_query_shows_dtls_and_its_suite() {
    let mut pair = pair();
    let (caller, _) = secure_caller(&mut pair, "actpass", |_| ());
    let stream = pair.stream(caller.rtp);
    tell(&mut pair, stream, keys_of(7, "192.0.2.1:2000"));
    let reply = pair.send(&Pair::request(Command::Query, "", "", "", |_| ()));
    let text = format!("{reply:?}");
    let bytes = |name: &str| format!("{:?}", name.as_bytes()).trim_matches(['[', ']']).to_owned();
    assert!(text.contains(&bytes("DTLS")) && text.contains(&bytes("AEAD_AES_128_GCM")));
}

#[test]
fn a_handshake_that_nobody_answers_is_begun_again_and_a_refused_one_is_not() {
    let mut pair = pair();
    let (caller, _) = secure_caller(&mut pair, "passive", |_| ());
    let stream = pair.stream(caller.rtp);
    let failed = |timed_out| {
        let peer = "192.0.2.1:2000".parse().unwrap();
        DtlsEvent::Failed { peer, timed_out, reason: "a reason".to_owned() }
    };
    let opens = pair.plane.dtls_opens;
    tell(&mut pair, stream, failed(false));
    assert_eq!(pair.plane.dtls_opens, opens);
    tell(&mut pair, stream, failed(true));
    assert_eq!(pair.plane.dtls_opens, opens + 1);
    tell(&mut pair, stream, keys_of(7, "192.0.2.1:2000"));
    tell(&mut pair, stream, failed(true));
    assert_eq!((pair.plane.dtls_opens, key_byte(&pair, stream)), (opens + 1, Some(7)));
}
