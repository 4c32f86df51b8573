mod options;
mod transport;

use std::sync::Arc;

use proptest::prelude::*;
use rtpengine_common::srtp::{CryptoParams, Mki, SessionParams, Suite};

use super::*;
use crate::sdp::security::Crypto;

/// 30 bytes, for the 128-bit counter mode suites.
const KEY_A: &str = "inline:WVNfX19zZW1jdGwgKCkgewkyMjA7fQp9CnVubGVz";
const KEY_B: &str = "inline:NzB4d1BINUAvLEw6UzF3WSJ+PSdFcGdUJShpX1Zj";
const KEY_A2: &str = "inline:PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";
const CM_80: &str = "AES_CM_128_HMAC_SHA1_80";
const CM_32: &str = "AES_CM_128_HMAC_SHA1_32";

/// Counts upwards, so that every key made is another one and known.
fn keys() -> impl KeySource {
    let mut next = 0u8;
    move |bytes: &mut [u8]| {
        for byte in bytes {
            next = next.wrapping_add(1);
            *byte = next;
        }
    }
}

fn options(members: &[&str]) -> SdesOptions {
    let mut options = SdesOptions::default();
    for member in members {
        assert!(options.apply(member.as_bytes()), "{member}");
    }
    options
}

fn lines(texts: &[String]) -> Vec<Crypto<'_>> {
    texts.iter().map(|text| Crypto::parse(text).expect("the test writes good lines")).collect()
}

fn line(tag: u32, suite: &str, key: &str) -> String {
    format!("{tag} {suite} {key}")
}

/// Two parties and an exchange between them.
#[derive(Default)]
struct Exchange {
    offerer: Party,
    answerer: Party,
}

impl Exchange {
    fn offer(&mut self, texts: &[String], members: &[&str], keys: &mut dyn KeySource) -> Vec<String> {
        let (lines, options) = (lines(texts), options(members));
        self.offerer.offered(&lines, &options);
        self.answerer.compose_offer(&lines, &options, keys);
        write(&self.answerer, &options)
    }

    fn answer(&mut self, texts: &[String], members: &[&str], keys: &mut dyn KeySource) -> Vec<String> {
        let options = options(members);
        self.answerer.answered(&lines(texts));
        self.offerer.compose_answer(&self.answerer, &options, keys);
        write(&self.offerer, &options)
    }
}

fn write(party: &Party, options: &SdesOptions) -> Vec<String> {
    let format = LineFormat { pad: options.pad, lifetime: options.lifetime };
    party.lines().iter().map(|line| line.write(format).to_string()).collect()
}

/// Tag and suite of written lines.
fn heads(written: &[String]) -> Vec<(u32, Suite)> {
    lines(written).iter().filter_map(Line::received).map(|line| (line.tag, line.suite())).collect()
}

#[test]
fn an_sdes_offer_is_passed_on_and_all_other_suites_are_added() {
    let mut exchange = Exchange::default();
    let given = [line(7, CM_32, KEY_A), line(9, "UNHEARD_OF", KEY_A)];
    let written = exchange.offer(&given, &[], &mut keys());
    assert_eq!(written[0], given[0]);
    let heads = heads(&written);
    assert_eq!(heads.len(), Suite::ALL.len());
    // New tags do not repeat any that the offer used.
    assert_eq!(heads[1], (10, Suite::AeadAes256Gcm));
    let mut suites: Vec<_> = heads.iter().map(|(_, suite)| *suite).collect();
    suites.dedup();
    assert_eq!(suites.len(), Suite::ALL.len());
}

#[test]
fn both_ends_of_sdes_share_keys_where_the_answer_takes_an_offered_line() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    exchange.offer(&[line(1, CM_32, KEY_A), line(2, CM_80, KEY_A)], &[], &mut keys);
    let answer = exchange.answer(&[line(2, CM_80, KEY_B)], &[], &mut keys);
    assert_eq!(answer, [line(2, CM_80, KEY_B)]);
    assert!(same_keys(&exchange.offerer, &exchange.answerer));
}

#[test]
fn another_suite_in_the_answer_means_keys_of_our_own() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    let written = exchange.offer(&[line(1, CM_80, KEY_A)], &[], &mut keys);
    let (tag, _) =
        heads(&written).into_iter().find(|(_, suite)| *suite == Suite::AesCm128HmacSha1_32).unwrap();
    let answer = exchange.answer(&[line(tag, CM_32, KEY_B)], &[], &mut keys);
    assert_eq!(heads(&answer), [(1, Suite::AesCm128HmacSha1_80)]);
    assert!(!same_keys(&exchange.offerer, &exchange.answerer));
    let (a, b) = (exchange.offerer.active().unwrap(), exchange.answerer.active().unwrap());
    assert_eq!(
        (a.receive.suite(), b.receive.suite()),
        (Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32)
    );
    assert!(a.transmit != a.receive && b.transmit != b.receive && a.transmit != b.receive);
}

#[test]
fn towards_plain_rtp_the_offer_is_answered_with_its_first_line() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    let given = [line(3, CM_80, KEY_A), line(4, CM_32, KEY_A)];
    exchange.offerer.offered(&lines(&given), &options(&[]));
    assert!(exchange.offerer.compose_answer(&exchange.answerer, &options(&[]), &mut keys));
    assert_eq!(heads(&write(&exchange.offerer, &options(&[]))), [(3, Suite::AesCm128HmacSha1_80)]);
}

#[test]
fn a_plain_offer_gets_every_suite_with_keys_of_its_own() {
    let written = Exchange::default().offer(&[], &[], &mut keys());
    let heads = heads(&written);
    assert_eq!(heads.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), (1..=12).collect::<Vec<u32>>());
    assert_eq!(heads[0].1, Suite::AeadAes256Gcm);
    let mut secrets: Vec<_> = written.iter().map(|line| line.split_once("inline:").unwrap().1).collect();
    secrets.sort_unstable();
    secrets.dedup();
    assert_eq!(secrets.len(), 12);
}

#[test]
fn excluded_suites_are_neither_passed_on_nor_added() {
    let given = [line(1, CM_80, KEY_A), line(2, CM_32, KEY_A)];
    let mut exchange = Exchange::default();
    let written = exchange.offer(&given, &["no-AES_CM_128_HMAC_SHA1_80", "no-AEAD_AES_256_GCM"], &mut keys());
    assert!(
        !heads(&written)
            .iter()
            .any(|(_, suite)| { matches!(suite, Suite::AesCm128HmacSha1_80 | Suite::AeadAes256Gcm) })
    );
    assert_eq!(written.len(), 10);
    // The offerer is held to the policy as well.
    exchange.offerer.compose_answer(&exchange.answerer, &options(&[]), &mut keys());
    assert_eq!(exchange.offerer.active().unwrap().tag, 2);
}

#[test]
fn only_named_suites_are_offered_whatever_else_is_excluded() {
    let given = [line(1, CM_80, KEY_A), line(2, CM_32, KEY_A)];
    let flags = ["only-AES_CM_128_HMAC_SHA1_32", "only-NULL_HMAC_SHA1_32", "no-AES_CM_128_HMAC_SHA1_32"];
    let written = Exchange::default().offer(&given, &flags, &mut keys());
    assert_eq!(heads(&written), [(2, Suite::AesCm128HmacSha1_32), (3, Suite::NullHmacSha1_32)]);
}

#[test]
fn the_offerer_is_answered_even_where_policy_excludes_all_it_offered() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    let written = exchange.offer(
        &[line(1, CM_80, KEY_A), line(2, CM_32, KEY_A)],
        &["only-AEAD_AES_256_GCM"],
        &mut keys,
    );
    assert_eq!(heads(&written), [(3, Suite::AeadAes256Gcm)]);
    let key = written[0].split_once(' ').unwrap().1;
    let answer = exchange.answer(&[format!("3 {key}")], &[], &mut keys);
    assert_eq!(heads(&answer), [(1, Suite::AesCm128HmacSha1_80)]);
}

#[test]
fn nonew_adds_nothing_and_comes_before_the_filters() {
    let given = [line(1, CM_80, KEY_A), line(2, CM_32, KEY_A)];
    let written = Exchange::default().offer(&given, &["nonew", "no-AES_CM_128_HMAC_SHA1_80"], &mut keys());
    assert_eq!(written, given);
    // Where nothing was offered, keys are needed all the same.
    assert_eq!(Exchange::default().offer(&[], &["nonew"], &mut keys()).len(), 12);
}

#[test]
fn order_moves_suites_to_the_front_and_keeps_their_tags() {
    let given = [line(1, CM_80, KEY_A), line(2, CM_32, KEY_A)];
    let flags = ["order:NULL_HMAC_SHA1_32;AES_CM_128_HMAC_SHA1_32;", "no-AEAD_AES_256_GCM"];
    let heads = heads(&Exchange::default().offer(&given, &flags, &mut keys()));
    assert_eq!(heads[1..3], [(2, Suite::AesCm128HmacSha1_32), (1, Suite::AesCm128HmacSha1_80)]);
    assert_eq!(heads[0].1, Suite::NullHmacSha1_32);
    assert_eq!(heads.len(), 11);
}

#[test]
fn offerer_pref_chooses_for_the_offerer_when_the_offer_is_made() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    let given = [line(1, CM_80, KEY_A), line(2, CM_32, KEY_A)];
    let written =
        exchange.offer(&given, &["offerer_pref:F8_128_HMAC_SHA1_80;AES_CM_128_HMAC_SHA1_32;"], &mut keys);
    assert_eq!(written.len(), 12);
    let answer = exchange.answer(&[line(1, CM_80, KEY_B)], &[], &mut keys);
    assert_eq!(heads(&answer), [(2, Suite::AesCm128HmacSha1_32)]);
    assert!(!same_keys(&exchange.offerer, &exchange.answerer));
}

#[test]
fn session_parameters_are_passed_on_unless_a_flag_says_otherwise() {
    let given = [format!("1 {CM_80} {KEY_A} UNENCRYPTED_SRTCP")];
    let only = "only-AES_CM_128_HMAC_SHA1_80";
    let mut exchange = Exchange::default();
    assert_eq!(exchange.offer(&given, &[only], &mut keys()), given);
    let changed = exchange.offer(&given, &[only, "encrypted_srtcp", "UNAUTHENTICATED_SRTP"], &mut keys());
    assert!(changed[0].ends_with(" UNAUTHENTICATED_SRTP"), "{changed:?}");
    // Another stream, another key.
    assert!(!changed[0].contains(KEY_A));
    let answer = exchange.answer(&[format!("1 {CM_80} {KEY_B} UNAUTHENTICATED_SRTP")], &[], &mut keys());
    assert!(answer[0].ends_with(" UNENCRYPTED_SRTCP"), "{answer:?}");
    assert!(!same_keys(&exchange.offerer, &exchange.answerer));
    assert!(exchange.answerer.active().unwrap().transmit.session().unauthenticated_srtp);
}

#[test]
fn a_parameter_a_suite_cannot_have_is_left_out_for_it() {
    let written = Exchange::default().offer(&[], &["unauthenticated_srtp"], &mut keys());
    for line in written {
        assert_eq!(line.contains("GCM"), !line.contains("UNAUTHENTICATED_SRTP"), "{line}");
    }
}

#[test]
fn the_answer_decides_on_session_parameters() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    let written = exchange.offer(&[], &["only-AES_CM_128_HMAC_SHA1_80", "unencrypted_srtp"], &mut keys);
    assert!(written[0].ends_with(" UNENCRYPTED_SRTP"));
    exchange.answer(&[line(1, CM_80, KEY_B)], &[], &mut keys);
    let active = exchange.answerer.active().unwrap();
    assert!(!active.transmit.session().unencrypted_srtp && !active.receive.session().unencrypted_srtp);
}

#[test]
fn pad_and_lifetime_change_how_lines_are_written() {
    let only = "only-AES_256_CM_HMAC_SHA1_80";
    let plain = Exchange::default().offer(&[], &[only], &mut keys());
    let padded = Exchange::default().offer(&[], &[only, "pad"], &mut keys());
    assert_eq!(padded[0], format!("{}==", plain[0]));
    let lifetime = Exchange::default().offer(&[], &[only, "lifetime"], &mut keys());
    assert_eq!(lifetime[0], format!("{}|2^31", plain[0]));
}

#[test]
fn an_mki_is_passed_on_with_its_key() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    let given = [format!("1 {CM_80} {KEY_A}|2^20|5:4")];
    let written = exchange.offer(&given, &["nonew"], &mut keys);
    assert_eq!(written, [format!("1 {CM_80} {KEY_A}|5:4")]);
    exchange.answer(&[format!("1 {CM_80} {KEY_B}|1:2")], &[], &mut keys);
    assert!(same_keys(&exchange.offerer, &exchange.answerer));
    assert_eq!(exchange.offerer.active().unwrap().receive.mki().as_bytes(), [0, 0, 0, 5]);
    assert_eq!(exchange.offerer.active().unwrap().transmit.mki().as_bytes(), [0, 1]);
}

#[test]
fn keys_of_our_own_survive_a_reinvite_and_new_keys_of_a_party_are_taken_over() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    exchange.offer(&[], &[], &mut keys);
    let tag = 7;
    exchange.answer(&[line(tag, CM_80, KEY_B)], &[], &mut keys);
    let before = exchange.answerer.active().unwrap().clone();
    let written = exchange.offer(&[], &[], &mut keys);
    assert!(written.contains(&exchange.answerer.lines()[6].write(LineFormat::default()).to_string()));
    exchange.answer(&[line(tag, CM_80, KEY_A)], &[], &mut keys);
    let after = exchange.answerer.active().unwrap();
    assert_eq!(after.transmit, before.transmit);
    assert_ne!(after.receive, before.receive);
}

#[test]
fn static_keeps_the_suite_where_the_answer_would_change_it() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    let given = [line(1, CM_80, KEY_A), line(2, CM_32, KEY_A)];
    exchange.offer(&given, &[], &mut keys);
    let first = exchange.answer(&[line(2, CM_32, KEY_B)], &[], &mut keys);
    exchange.offer(&given, &[], &mut keys);
    let kept = exchange.answer(&[line(1, CM_80, KEY_B)], &["static"], &mut keys);
    assert_eq!(kept, first);
    let free = exchange.answer(&[line(1, CM_80, KEY_B)], &[], &mut keys);
    assert_eq!(heads(&free), [(1, Suite::AesCm128HmacSha1_80)]);
}

#[test]
fn static_keeps_no_key_that_media_came_with() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    // Bridged at first, then the answerer takes the offerer's key after all.
    exchange.offer(&[line(1, CM_80, KEY_A)], &[], &mut keys);
    exchange.answer(&[], &[], &mut keys);
    exchange.answer(&[line(1, CM_80, KEY_B)], &["static"], &mut keys);
    assert!(same_keys(&exchange.offerer, &exchange.answerer));
    // Shared at first, then the offerer's new key is not passed on.
    let other = ["only-AES_CM_128_HMAC_SHA1_32"];
    let written = exchange.offer(&[line(1, CM_80, KEY_A2)], &other, &mut keys);
    exchange.answer(&[line(heads(&written)[0].0, CM_32, KEY_B)], &["static"], &mut keys);
    let [offerer, answerer] = [&exchange.offerer, &exchange.answerer].map(|party| party.active().unwrap());
    assert_ne!(answerer.receive.master_key(), offerer.transmit.master_key());
    assert_ne!(offerer.receive.master_key(), answerer.transmit.master_key());
}

#[test]
fn a_fork_gets_keys_of_its_own() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    exchange.offerer.offered(&lines(&[line(1, CM_80, KEY_A)]), &options(&[]));
    let mut fork = exchange.offerer.clone();
    exchange.offerer.compose_answer(&exchange.answerer, &options(&[]), &mut keys);
    fork.forget_own_keys();
    fork.compose_answer(&exchange.answerer, &options(&[]), &mut keys);
    assert_ne!(exchange.offerer.active().unwrap().transmit, fork.active().unwrap().transmit);
}

#[test]
fn lines_that_cannot_be_served_are_not_accepted() {
    for rest in [
        format!("{CM_80} inline:AAAA"),
        format!("AES_256_CM_HMAC_SHA1_80 {KEY_A}"),
        format!("{CM_80} {KEY_A} KDR=1"),
        format!("{CM_80} {KEY_A} FEC_ORDER=SRTP_FEC"),
        format!("{CM_80} {KEY_A} FEC_KEY={KEY_A}"),
        format!("{CM_80} {KEY_A} SOMETHING"),
    ] {
        let text = format!("1 {rest}");
        assert_eq!(Line::received(&Crypto::parse(&text).unwrap()), None, "{rest}");
    }
    let ignored = format!("1 {CM_80} {KEY_A} WSH=100 -anything FEC_ORDER=FEC_SRTP");
    assert!(Line::received(&Crypto::parse(&ignored).unwrap()).is_some());
}

#[test]
fn an_answer_that_takes_nothing_leaves_no_keys() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    exchange.offer(&[], &["only-AES_CM_128_HMAC_SHA1_80"], &mut keys);
    assert!(!exchange.answerer.answered(&lines(&[line(1, CM_32, KEY_B)])));
    assert_eq!(exchange.answerer.active(), None);
    // Our offer is withdrawn with its keys.
    exchange.answerer.decline();
    assert!(exchange.answerer.lines().is_empty());
}

#[test]
fn a_wrong_tag_is_understood_by_its_suite() {
    let (mut exchange, mut keys) = (Exchange::default(), keys());
    exchange.offer(&[], &[], &mut keys);
    assert!(exchange.answerer.answered(&lines(&[line(99, CM_80, KEY_B)])));
    assert_eq!(exchange.answerer.active().unwrap().tag, 7);
}

proptest! {
    /// Whatever is offered, answered and asked for: the lines written can be read, have tags of their own, and no key
    /// is used in both directions.
    #[test]
    fn exchanges_keep_their_rules(
        offer in proptest::collection::vec((0u32..5, 0usize..12, any::<u8>()), 0..6),
        answer in (0usize..14, any::<u8>()),
        flags in proptest::collection::vec("(no|only)-(AES_CM_128_HMAC_SHA1_80|NULL_HMAC_SHA1_32|AEAD_AES_128_GCM)|nonew|unencrypted_srtp|encrypted_srtcp|pad|lifetime|static", 0..4),
    ) {
        let mut keys = keys();
        let text = |tag: u32, suite: Suite, seed: u8| {
            let secret = vec![seed; suite.key_len() + suite.salt_len()];
            let params = CryptoParams::new(suite, &secret[..suite.key_len()], &secret[suite.key_len()..], Mki::NONE, SessionParams::default());
            Line { tag, params: Arc::new(params.unwrap()) }.write(LineFormat::default()).to_string()
        };
        let mut tags = Vec::new();
        let given: Vec<String> = offer
            .into_iter()
            .filter(|(tag, ..)| !tags.contains(tag) && { tags.push(*tag); true })
            .map(|(tag, suite, seed)| text(tag, Suite::ALL[suite], seed))
            .collect();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let mut exchange = Exchange::default();
        let written = exchange.offer(&given, &flags, &mut keys);
        let heads = heads(&written);
        prop_assert_eq!(heads.len(), written.len());
        let mut seen: Vec<u32> = heads.iter().map(|(tag, _)| *tag).collect();
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), written.len());
        let Some((tag, suite)) = heads.get(answer.0).copied() else { return Ok(()) };
        let answered = exchange.answer(&[text(tag, suite, answer.1 | 0x80)], &flags, &mut keys);
        prop_assert_eq!(answered.len(), usize::from(!given.is_empty()));
        for active in [exchange.offerer.active(), exchange.answerer.active()].into_iter().flatten() {
            prop_assert_eq!(active.receive.suite(), active.transmit.suite());
        }
    }
}
