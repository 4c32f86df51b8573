//! Calls that end by themselves.

use rtpengine_core::{config::CoreConfig, ng::Command};

use crate::pair::{Pair, audio, audio_with, config};

fn limits() -> CoreConfig {
    CoreConfig { timeout: 10, silent_timeout: 30, offer_timeout: 20, ..config() }
}

#[test]
fn an_unanswered_offer_waits_for_the_offer_timeout() {
    let mut pair = Pair::with(limits());
    pair.offer("ft", "", &audio("192.0.2.1", 2000));
    pair.wait(19);
    assert_eq!(pair.engine.calls().count(), 1);
    pair.wait(1);
    pair.assert_empty();
    assert_eq!(pair.engine.statistics_model(pair.now, &pair.plane).total.offer_timeout_sessions, 1);
}

#[test]
fn media_of_either_party_keeps_a_call_alive() {
    let mut pair = Pair::with(limits());
    let (caller, callee) = pair.call();
    for _ in 0..3 {
        pair.wait(8);
        pair.packets(&caller, 1);
        pair.wait(8);
        pair.packets(&callee, 1);
    }
    pair.wait(1);
    assert_eq!(pair.engine.calls().count(), 1);
    pair.wait(10);
    pair.assert_empty();
    assert_eq!(pair.engine.statistics_model(pair.now, &pair.plane).total.timeout_sessions, 1);
}

#[test]
fn a_held_call_has_the_silent_timeout() {
    let mut pair = Pair::with(limits());
    pair.offer("ft", "", &audio_with("192.0.2.1", 2000, "a=inactive\r\n"));
    pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, "a=inactive\r\n"));
    pair.wait(29);
    assert_eq!(pair.engine.calls().count(), 1);
    pair.wait(1);
    pair.assert_empty();
    assert_eq!(pair.engine.statistics_model(pair.now, &pair.plane).total.silent_timeout_sessions, 1);
}

#[test]
fn the_final_timeout_ends_even_a_lively_call() {
    let mut pair = Pair::with(CoreConfig { final_timeout: 15, ..limits() });
    let (caller, _) = pair.call();
    for _ in 0..14 {
        pair.packets(&caller, 50);
        pair.wait(1);
    }
    assert_eq!(pair.engine.calls().count(), 1);
    pair.wait(1);
    pair.assert_empty();
    assert_eq!(pair.engine.statistics_model(pair.now, &pair.plane).total.final_timeout_sessions, 1);
}

#[test]
fn steps_of_the_wall_clock_end_nothing() {
    let mut pair = Pair::with(limits());
    pair.call();
    pair.now.unix_us += 3_600_000_000;
    pair.wait(1);
    assert_eq!(pair.engine.calls().count(), 1);
}

#[test]
fn limits_can_be_changed_while_calls_run() {
    let mut pair = Pair::with(limits());
    pair.call();
    pair.engine.config_mut().timeout = 2;
    pair.wait(2);
    pair.assert_empty();
}

#[test]
fn rtcp_keeps_a_held_call_alive_but_not_a_lively_one() {
    for (direction, survives) in [("a=inactive\r\n", true), ("", false)] {
        let mut pair = Pair::with(limits());
        pair.offer("ft", "", &audio_with("192.0.2.1", 2000, direction));
        let mut rtcp = pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, direction));
        rtcp.rtp = rtcp.rtcp.unwrap();
        for _ in 0..4 {
            if pair.engine.calls().count() == 1 {
                pair.packets(&rtcp, 1);
                pair.wait(9);
            }
        }
        assert_eq!(pair.engine.calls().count() == 1, survives);
    }
}

#[test]
fn the_sip_server_is_told_of_calls_that_a_timeout_ended() {
    let mut pair = Pair::with(CoreConfig { timeout: 3, offer_timeout: 3, ..config() });
    pair.call();
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.call_id = Some("other".to_owned());
        request.xmlrpc_callback = Some("192.0.2.80".parse().unwrap());
    });
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.call_id = Some("third".to_owned())
    });
    let mut delete = Pair::request(Command::Delete, "ft", "", "", |_| {});
    delete.call_id = Some("third".to_owned());
    pair.send(&delete);
    pair.wait(4);
    pair.assert_empty();
    let told: Vec<_> = pair.plane.timed_out.iter().map(|told| &*told.call).collect();
    assert_eq!(told.len(), 2, "nobody asks about what was deleted");
    let of = |call: &str| pair.plane.timed_out.iter().find(|told| &*told.call == call).unwrap();
    assert_eq!(of("call1").server, Some("127.0.0.1".parse().unwrap()), "the proxy's address");
    assert_eq!(of("call1").tags, ["ft", "tt"]);
    assert_eq!(of("call1").dialogues, [("ft".to_owned(), "tt".to_owned())]);
    assert_eq!(of("other").server, Some("192.0.2.80".parse().unwrap()));
    assert_eq!((of("other").tags.len(), of("other").dialogues.len()), (1, 0));
}
