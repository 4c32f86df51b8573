//! Authentic packets sent again by somebody who has recorded them.

use rtpengine_tests::require::{XDP, available};
use serde_json::json;

use super::world::{From, SUITES, World, goodbye};

/// More than the replay window is long (RFC 3711 section 3.3.2).
const PACKETS: u64 = 200;

#[test]
fn at_once_soon_and_much_later() {
    if !available(XDP) {
        return;
    }
    for (caller, callee) in [(SUITES[0], None), (SUITES[1], Some(SUITES[0]))] {
        let mut world = World::call(Some(caller), callee, &json!({}));
        world.talk(PACKETS);
        let recorded = world.caller.sent.clone();
        for from in [From::Stranger, From::Spoofed] {
            for packet in &recorded {
                world.attack(from, packet);
            }
        }
        world.nothing_came_of_it();
        // Each packet again as soon as it was heard, by both.
        for _ in 0..PACKETS / 4 {
            world.caller_is_heard();
            let packet = world.caller.sent.last().unwrap().clone();
            world.attack(From::Spoofed, &packet);
            world.attack(From::Stranger, &packet);
            world.callee_is_heard();
        }
        world.nothing_came_of_it();
        world.finish();
    }
}

#[test]
fn into_the_other_direction() {
    if !available(XDP) {
        return;
    }
    let mut world = World::call(Some(SUITES[0]), None, &json!({}));
    world.talk(1);
    // What was encrypted for the caller is sent back to where it came from.
    for _ in 0..20 {
        let (_, sealed) = world.callee.next();
        world.callee.endpoint.send_raw(&sealed).unwrap();
        let (packet, _) =
            world.caller.endpoint.receive_raw(std::time::Duration::from_secs(5)).unwrap().unwrap();
        world.attack(From::Spoofed, &packet);
        world.attack(From::Stranger, &packet);
    }
    world.nothing_came_of_it();
    world.caller_is_heard();
    world.nothing_came_of_it();
    world.finish();
}

#[test]
fn as_rtcp() {
    if !available(XDP) {
        return;
    }
    for (caller, callee) in [(SUITES[0], SUITES[1]), (SUITES[1], SUITES[0])] {
        let mut world = World::call(Some(caller), Some(callee), &json!({}));
        world.talk(1);
        let report = goodbye(world.caller.endpoint.stream.ssrc);
        let sealed = world.caller.outgoing.as_mut().unwrap().protect(&report);
        world.caller.endpoint.send_raw(&sealed).unwrap();
        assert_eq!(world.callee.hear(), report);
        world.caller.sent.push(sealed.clone());
        for _ in 0..10 {
            world.attack(From::Stranger, &sealed);
            world.attack(From::Spoofed, &sealed);
        }
        world.nothing_came_of_it();
        world.talk(10);
        world.finish();
    }
}
