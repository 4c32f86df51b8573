//! Several answers to one offer, one after the other or at once.

use crate::pair::{Pair, audio};

fn on_branch(branch: &str) -> impl FnOnce(&mut rtpengine_core::ng::Request) {
    let branch = branch.to_owned();
    move |request| request.via_branch = Some(branch)
}

#[test]
fn every_branch_has_ports_of_its_own_on_both_sides() {
    let mut pair = Pair::new();
    let callee1 = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), on_branch("z9hG4bK1"));
    let callee2 = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), on_branch("z9hG4bK2"));
    assert_ne!(callee1.rtp, callee2.rtp);
    let early = pair.answer_with("ft", "t1", &audio("192.0.2.2", 3000), on_branch("z9hG4bK1"));
    let ringing = pair.answer_with("ft", "t2", &audio("192.0.2.3", 3000), on_branch("z9hG4bK2"));
    assert_ne!(early.rtp, ringing.rtp);
    for (caller, callee, address) in
        [(&early, &callee1, "192.0.2.2:3000"), (&ringing, &callee2, "192.0.2.3:3000")]
    {
        assert_eq!(pair.relay(caller).sinks.as_slice(), [pair.stream(callee.rtp)]);
        assert_eq!(pair.relay(callee).sinks.as_slice(), [pair.stream(caller.rtp)]);
        assert_eq!(pair.relay(callee).endpoint, Some(address.parse().unwrap()));
        assert_eq!(pair.relay(caller).endpoint, Some("192.0.2.1:2000".parse().unwrap()));
    }
    // The second one picks up: its final answer keeps the ports of the early one.
    assert_eq!(
        pair.answer_with("ft", "t2", &audio("192.0.2.3", 3000), on_branch("z9hG4bK2")).rtp,
        ringing.rtp
    );
    let gone = Pair::request(rtpengine_core::ng::Command::Delete, "ft", "", "", on_branch("z9hG4bK1"));
    assert!(pair.send(&gone).warnings.is_empty());
    let left: Vec<u16> = pair.open_ports().iter().map(|open| open.port()).collect();
    assert_eq!(left.len(), 4);
    assert!(left.contains(&ringing.rtp.port()) && left.contains(&callee2.rtp.port()));
    pair.delete("ft", "t2");
    pair.assert_empty();
}

#[test]
fn a_repeated_offer_of_a_branch_keeps_its_ports() {
    let mut pair = Pair::new();
    let first = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), on_branch("b"));
    assert_eq!(pair.offer_with("ft", "", &audio("192.0.2.1", 2000), on_branch("b")).rtp, first.rtp);
    assert_eq!(pair.plane.open.len(), 4);
}

#[test]
fn the_last_tag_to_answer_one_offer_has_the_media() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &audio("192.0.2.1", 2000));
    let early = pair.answer("ft", "t1", &audio("192.0.2.2", 3000));
    assert_eq!(pair.relay(&callee).endpoint, Some("192.0.2.2:3000".parse().unwrap()));
    let final_answer = pair.answer("ft", "t2", &audio("192.0.2.3", 3000));
    assert_ne!(early.rtp, final_answer.rtp, "each dialogue has its own port towards the caller");
    assert_eq!(pair.relay(&callee).endpoint, Some("192.0.2.3:3000".parse().unwrap()));
    assert_eq!(pair.relay(&callee).sinks.as_slice(), [pair.stream(final_answer.rtp)]);
    assert_eq!(pair.relay(&final_answer).sinks.as_slice(), [pair.stream(callee.rtp)]);
    // The first one picks up after all.
    assert_eq!(pair.answer("ft", "t1", &audio("192.0.2.2", 3000)).rtp, early.rtp);
    assert_eq!(pair.relay(&callee).endpoint, Some("192.0.2.2:3000".parse().unwrap()));
    assert_eq!(pair.relay(&callee).sinks.as_slice(), [pair.stream(early.rtp)]);
    pair.delete("ft", "t2");
    assert_eq!(pair.plane.open.len(), 4, "the shared sockets stay with the one that is left");
    pair.delete("t1", "ft");
    pair.assert_empty();
}

#[test]
fn both_early_branches_are_heard() {
    let mut pair = Pair::new();
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), on_branch("1"));
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), on_branch("2"));
    pair.answer_with("ft", "t1", &audio("192.0.2.2", 3000), on_branch("1"));
    pair.answer_with("ft", "t2", &audio("192.0.2.3", 3000), on_branch("2"));
    assert!(pair.plane.relay.values().all(|relay| !relay.sinks.is_empty() && relay.endpoint.is_some()));
}

#[test]
fn a_branch_that_never_answers_goes_after_the_offer_timeout() {
    let mut pair = Pair::with(rtpengine_core::config::CoreConfig {
        offer_timeout: 10,
        timeout: 3600,
        ..crate::pair::config()
    });
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), on_branch("1"));
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), on_branch("2"));
    pair.answer_with("ft", "t2", &audio("192.0.2.3", 3000), on_branch("2"));
    pair.wait(11);
    assert_eq!(pair.plane.open.len(), 4);
    assert_eq!(pair.engine.calls().count(), 1);
}
