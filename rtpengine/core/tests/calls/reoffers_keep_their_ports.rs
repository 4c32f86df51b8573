//! Re-INVITEs, repeated and crossing offers, offers that begin at the callee.

use rtpengine_core::ng::{Command, Flag};

use crate::pair::{Pair, audio, audio_with};

#[test]
fn from_either_side() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    assert_eq!(pair.offer("ft", "tt", &audio("192.0.2.1", 2000)).rtp, callee.rtp);
    assert_eq!(pair.answer("ft", "tt", &audio("192.0.2.2", 3000)).rtp, caller.rtp);
    assert_eq!(pair.offer("tt", "ft", &audio("192.0.2.2", 3000)).rtp, caller.rtp);
    assert_eq!(pair.answer("tt", "ft", &audio("192.0.2.1", 2000)).rtp, callee.rtp);
    assert_eq!(pair.plane.open.len(), 4);
    assert_eq!(pair.plane.configures, 4 + 2, "told once per socket, and of the callee when it answered");
}

#[test]
fn without_a_to_tag_and_with_new_cookies() {
    let mut pair = Pair::new();
    let first = pair.offer("ft", "", &audio("192.0.2.1", 2000));
    assert_eq!(pair.offer("ft", "", &audio("192.0.2.1", 2000)).rtp, first.rtp);
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(pair.offer("ft", "", &audio("192.0.2.1", 2000)).rtp, first.rtp);
}

#[test]
fn a_new_address_is_followed_on_the_same_port_unless_latching_is_switched_off() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    pair.offer("ft", "tt", &audio("192.0.2.7", 2500));
    assert_eq!(pair.answer("ft", "tt", &audio("192.0.2.2", 3000)).rtp, caller.rtp);
    assert_eq!(pair.relay(&caller).endpoint, Some("192.0.2.7:2500".parse().unwrap()));
    let again = pair.offer_with("ft", "tt", &audio("192.0.2.7", 2600), |request| {
        request.flags.insert(Flag::NoPortLatching);
    });
    assert_eq!(again.rtp, callee.rtp);
    assert_ne!(pair.answer("ft", "tt", &audio("192.0.2.2", 3000)).rtp, caller.rtp);
    assert_eq!(pair.plane.open.len(), 4);
}

#[test]
fn a_learned_address_survives_a_reoffer_with_the_same_sdp_and_not_with_another() {
    let mut pair = Pair::new();
    let (caller, _) = pair.call();
    pair.settle(&caller, "203.0.113.5:61000");
    pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(pair.relay(&caller).endpoint, Some("203.0.113.5:61000".parse().unwrap()));
    assert!(pair.relay(&caller).endpoint_settled);
    pair.offer_with("tt", "ft", &audio("192.0.2.2", 3000), |request| request.flags.insert(Flag::Reset));
    assert_eq!(pair.relay(&caller).endpoint, Some("192.0.2.1:2000".parse().unwrap()), "reset forgets");
    pair.settle(&caller, "203.0.113.5:61000");
    pair.offer("ft", "tt", &audio("192.0.2.1", 2222));
    assert_eq!(pair.relay(&caller).endpoint, Some("192.0.2.1:2222".parse().unwrap()));
    assert!(!pair.relay(&caller).endpoint_settled);
}

#[test]
fn crossing_offers_leave_one_dialogue() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let to_callee = pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    let to_caller = pair.offer("tt", "ft", &audio("192.0.2.2", 3000));
    assert_eq!((to_caller.rtp, to_callee.rtp), (caller.rtp, callee.rtp));
    assert_eq!(pair.answer("tt", "ft", &audio("192.0.2.1", 2000)).rtp, callee.rtp);
    assert_eq!(pair.plane.open.len(), 4);
}

#[test]
fn a_late_offer_begins_at_the_callee() {
    let mut pair = Pair::new();
    let caller = pair.offer("callee", "caller", &audio("192.0.2.2", 3000));
    let callee = pair.answer("callee", "caller", &audio("192.0.2.1", 2000));
    assert_eq!(pair.relay(&caller).endpoint, Some("192.0.2.1:2000".parse().unwrap()));
    assert_eq!(pair.relay(&callee).endpoint, Some("192.0.2.2:3000".parse().unwrap()));
    assert_eq!(
        pair.offer("caller", "callee", &audio("192.0.2.1", 2000)).rtp,
        callee.rtp,
        "re-offer of the caller"
    );
    pair.delete("caller", "callee");
    pair.assert_empty();
}

#[test]
fn the_callee_may_reoffer_before_it_has_answered_with_sdp() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &audio("192.0.2.1", 2000));
    let caller = pair.offer("tt", "ft", &audio("192.0.2.2", 3000));
    assert_eq!(pair.relay(&callee).endpoint, Some("192.0.2.2:3000".parse().unwrap()));
    assert_eq!(pair.answer("tt", "ft", &audio("192.0.2.1", 2000)).rtp, callee.rtp);
    assert_eq!(pair.relay(&caller).sinks.as_slice(), [pair.stream(callee.rtp)]);
    assert_eq!(pair.plane.open.len(), 4);
}

#[test]
fn media_lines_come_and_go_without_touching_their_neighbours() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let video = "m=video 4000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n";
    let with_video = pair.offer("ft", "tt", &audio_with("192.0.2.1", 2000, video));
    assert_eq!(with_video.rtp, callee.rtp);
    assert_eq!(pair.plane.open.len(), 8);
    let answer = pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, "m=video 0 RTP/AVP 96\r\n"));
    assert_eq!(answer.rtp, caller.rtp);
    assert!(answer.text.contains("m=video 0 RTP/AVP 96\r\n"), "{}", answer.text);
    assert_eq!(pair.plane.open.len(), 4, "the rejected line gave its ports back");
    pair.offer("ft", "tt", &audio_with("192.0.2.1", 2000, video));
    pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, "m=video 4000 RTP/AVP 96\r\n"));
    assert_eq!(pair.plane.open.len(), 8, "and got new ones");
    pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    assert_eq!(pair.plane.open.len(), 4, "a line that is missing is a line that is gone");
}

#[test]
fn a_deleted_call_that_is_offered_again_lives_on() {
    let mut pair = Pair::new();
    let (_, callee) = pair.call();
    let delete = Pair::request(Command::Delete, "ft", "tt", "", |request| request.delete_delay = Some(5));
    pair.send(&delete);
    assert!(pair.engine.calls().all(|call| call.deleting));
    pair.wait(2);
    assert_eq!(pair.offer("ft", "tt", &audio("192.0.2.1", 2000)).rtp, callee.rtp);
    pair.wait(10);
    assert_eq!(pair.engine.calls().count(), 1);
    pair.send(&delete);
    pair.wait(4);
    assert_eq!(pair.engine.calls().count(), 1);
    pair.wait(1);
    pair.assert_empty();
}

#[test]
fn an_address_that_was_learned_needs_no_learning_when_it_is_signalled() {
    let mut pair = Pair::new();
    let (caller, _) = pair.call();
    pair.settle(&caller, "203.0.113.5:61000");
    pair.offer("ft", "tt", &audio("203.0.113.5", 61000));
    assert!(pair.relay(&caller).endpoint_settled);
}
