//! `SDES` and `OSRTP`: what is offered, what is accepted, how it is written.

use rtpengine_common::srtp::Suite;
use rtpengine_core::{io::Reason, ng::Command, ng::Request};

use crate::{
    keys::{
        CM_32, CM_80, KEY_A, KEY_A2, KEY_B, accept, crypto, line, lines, params, savp, sdes, to_rtp, to_srtp,
    },
    pair::{Pair, audio, audio_with},
};

/// The suites offered to the callee for an offer with these crypto lines.
fn offered(body_lines: &str, members: &'static [&'static str]) -> Vec<(u32, Suite)> {
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &savp("192.0.2.1", 2000, body_lines), sdes(members));
    lines(&callee).iter().map(|line| (line.tag, line.suite())).collect()
}

#[test]
fn suites_are_added_removed_and_ordered() {
    let one = crypto(5, CM_80, KEY_A);
    let all = offered(&one, &[]);
    assert_eq!((all.len(), all[0]), (12, (5, Suite::AesCm128HmacSha1_80)));
    assert_eq!(offered(&one, &["nonew"]), [(5, Suite::AesCm128HmacSha1_80)]);
    assert_eq!(offered(&one, &["only-AES_CM_128_HMAC_SHA1_32"]), [(6, Suite::AesCm128HmacSha1_32)]);
    let without = offered(&one, &["no-AES_CM_128_HMAC_SHA1_80", "no-NULL_HMAC_SHA1_32"]);
    assert_eq!(without.len(), 10);
    let both = crypto(1, CM_80, KEY_A) + &crypto(2, CM_32, KEY_A2);
    let ordered = offered(&both, &["nonew", "order:AES_CM_128_HMAC_SHA1_32;AEAD_AES_128_GCM;"]);
    assert_eq!(ordered, [(2, Suite::AesCm128HmacSha1_32), (1, Suite::AesCm128HmacSha1_80)]);
}

#[test]
fn the_offerer_is_answered_with_the_preferred_suite() {
    let both = crypto(1, CM_80, KEY_A) + &crypto(2, CM_32, KEY_A2);
    let mut pair = Pair::new();
    pair.offer_with("ft", "", &savp("192.0.2.1", 2000, &both), |request| {
        to_rtp(request);
        sdes(&["offerer_pref:AES_CM_128_HMAC_SHA1_32;"])(request);
    });
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!((line(&caller).tag, line(&caller).suite()), (2, Suite::AesCm128HmacSha1_32));
    assert_eq!(pair.relay(&caller).receive_crypto, Some(params(CM_32, KEY_A2)));
}

#[test]
fn keys_are_padded_and_given_a_lifetime_on_request() {
    for (members, padded, lifetime) in
        [(&[][..], false, false), (&["pad"], true, false), (&["lifetime"], false, true)]
    {
        let mut pair = Pair::new();
        let callee = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request: &mut Request| {
            to_srtp(request);
            sdes(members)(request);
        });
        // 256 bit keys and their salts are 46 bytes long.
        let own = callee.text.lines().find(|line| line.contains(" AES_256_CM_HMAC_SHA1_80 ")).unwrap();
        assert_eq!((own.contains("=="), own.ends_with("|2^31")), (padded, lifetime), "{own}");
        assert_eq!(lines(&callee).len(), 12);
    }
}

#[test]
fn session_parameters_are_copied_and_overridden() {
    let offer = savp("192.0.2.1", 2000, &crypto(1, CM_80, &format!("{KEY_A} UNENCRYPTED_SRTP")));
    let mut pair = Pair::new();
    let copied = lines(&pair.offer_with("ft", "", &offer, sdes(&["nonew"])));
    assert!(copied[0].params.session().unencrypted_srtp);
    let mut pair = Pair::new();
    let callee = pair.offer_with("ft", "", &offer, sdes(&["nonew", "encrypted_srtp"]));
    let own = line(&callee);
    assert!(!own.params.session().unencrypted_srtp);
    assert_ne!(own.params.master_key(), params(CM_80, KEY_A).master_key(), "other parameters, other key");
    pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_B)));
    assert_eq!(pair.relay(&callee).transmit_crypto, Some(own.params), "bridged");
}

#[test]
fn without_sdes_srtp_is_offered_without_keys_and_warned_of() {
    let mut pair = Pair::new();
    let request = Pair::request(Command::Offer, "ft", "", &audio("192.0.2.1", 2000), |request| {
        to_srtp(request);
        sdes(&["off"])(request);
    });
    let reply = pair.send(&request);
    assert!(
        reply.warnings.iter().any(|warning| warning.contains("SRTP is offered without keys")),
        "{reply:?}"
    );
    let callee = crate::pair::seen(&reply);
    assert!(callee.text.contains("RTP/SAVP") && lines(&callee).is_empty(), "{}", callee.text);
    assert_eq!(pair.relay(&callee).discard, Some(Reason::NoKeys));
}

#[test]
fn an_opportunistic_offer_is_passed_on_and_taken_or_left() {
    let offer = audio_with("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A));
    for (answer, accept_anyway, encrypted) in
        [(crypto(1, CM_80, KEY_B), false, true), (String::new(), false, false), (String::new(), true, true)]
    {
        let mut pair = Pair::new();
        let callee = pair.offer("ft", "", &offer);
        assert!(callee.text.contains("RTP/AVP 8"), "{}", callee.text);
        assert_eq!(lines(&callee)[0].params, params(CM_80, KEY_A));
        assert_eq!(
            pair.relay(&callee).discard,
            Some(Reason::NoKeys),
            "either may come: nothing before the answer"
        );
        let caller = pair.answer_with("ft", "tt", &audio_with("192.0.2.2", 3000, &answer), |request| {
            request.osrtp.accept_rfc = accept_anyway;
        });
        assert!(caller.text.contains("RTP/AVP 8"), "{}", caller.text);
        assert_eq!(lines(&caller).len(), usize::from(encrypted), "{}", caller.text);
        assert_eq!(pair.relay(&caller).discard, None);
        assert_eq!(pair.relay(&caller).receive_crypto.is_some(), accept_anyway, "else as it is");
        assert!(pair.relay(&callee).receive_crypto.is_none());
    }
}

#[test]
fn a_plain_offer_is_made_opportunistic() {
    for encrypted in [true, false] {
        let mut pair = Pair::new();
        let callee =
            pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| request.osrtp.offer_rfc = true);
        assert!(callee.text.contains("RTP/AVP 8") && lines(&callee).len() == 12, "{}", callee.text);
        let taken =
            if encrypted { accept(&callee, Suite::AesCm128HmacSha1_80, KEY_B) } else { String::new() };
        let caller = pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, &taken));
        assert!(lines(&caller).is_empty());
        assert_eq!(pair.relay(&callee).receive_crypto, encrypted.then(|| params(CM_80, KEY_B)));
        assert_eq!(pair.relay(&callee).discard, None);
        assert_eq!(pair.relay(&caller).receive_crypto, None);
    }
}

#[test]
fn fingerprints_do_not_reach_the_other_side_of_a_negotiation() {
    let fingerprint = format!("a=fingerprint:sha-256 {}00\r\na=setup:actpass\r\n", "AB:".repeat(31));
    let mut pair = Pair::new();
    let offer = savp("192.0.2.1", 2000, &(crypto(1, CM_80, KEY_A) + &fingerprint))
        .replace("t=0 0\r\n", &format!("t=0 0\r\n{fingerprint}"));
    let callee = pair.offer("ft", "", &offer);
    assert!(!callee.text.contains("fingerprint") && !callee.text.contains("setup"), "{}", callee.text);
    assert_eq!(lines(&callee).len(), 12);
}

#[test]
fn keys_of_one_party_do_not_reach_the_other_with_recrypt() {
    let mut pair = Pair::new();
    let offer = savp("192.0.2.1", 2000, &crypto(1, CM_80, KEY_A));
    let callee = pair.offer_with("ft", "", &offer, |request| request.sdes.recrypt = true);
    let first = lines(&callee).into_iter().next().unwrap();
    assert_eq!((first.tag, first.suite()), (1, Suite::AesCm128HmacSha1_80));
    assert_ne!(first.params.master_key(), params(CM_80, KEY_A).master_key());
    let caller = pair.answer("ft", "tt", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_B)));
    assert_ne!(line(&caller).params.master_key(), params(CM_80, KEY_B).master_key());
    for (seen, key, own) in [(&caller, KEY_A, line(&caller)), (&callee, KEY_B, first)] {
        let relay = pair.relay(seen);
        assert_eq!(relay.receive_crypto, Some(params(CM_80, key)));
        assert_eq!(relay.transmit_crypto, Some(own.params));
    }
    // Offered again it keeps its keys.
    let again = pair.offer_with("ft", "tt", &offer, |request| request.sdes.recrypt = true);
    assert_eq!(lines(&again)[0].params, pair.relay(&callee).transmit_crypto.clone().unwrap());
}
