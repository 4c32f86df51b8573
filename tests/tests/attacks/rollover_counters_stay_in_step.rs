//! Attempts to have the daemon count other rollovers than the parties do (RFC 3711 section 3.3.1).

use rtpengine_tests::require::{XDP, available};
use serde_json::json;

use super::world::{From, SUITES, World, forged};

/// The streams wrap behind their 36th packet.
const BEFORE_THE_WRAP: u64 = 30;

/// Forged sequence numbers go round and round, faster than half a circle at a time.
#[test]
fn when_forged_packets_run_ahead() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({}));
        world.talk(BEFORE_THE_WRAP);
        for from in [From::Spoofed, From::Stranger] {
            for round in 0..40_u16 {
                let packet = forged(&world, round.wrapping_mul(0x7ff0), &[0; 182]);
                world.attack(from, &packet);
            }
            world.talk(5);
        }
        world.nothing_came_of_it();
        world.talk(100);
        world.finish();
    }
}

/// Packets from before the wrap would be of the next rollover, were they not authenticated by their own.
#[test]
fn when_packets_are_replayed_over_the_wrap() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({}));
        world.talk(BEFORE_THE_WRAP);
        let before = world.caller.sent.clone();
        // Half a circle on and over the wrap: the old numbers now look like new ones.
        for step in [0_u64, 20_000, 20_000, 25_000] {
            world.caller.endpoint.stream.next += step;
            world.caller_is_heard();
            for packet in &before {
                world.attack(From::Spoofed, packet);
                world.attack(From::Stranger, packet);
            }
        }
        world.nothing_came_of_it();
        world.talk(100);
        world.finish();
    }
}

/// Authentic packets are held back and delivered late, around the wrap: each is heard once, if its place in the window is
/// not taken.
#[test]
fn when_packets_are_delayed_over_the_wrap() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({}));
        world.talk(BEFORE_THE_WRAP);
        let held: Vec<_> = (0..4).map(|_| world.caller.next()).collect();
        world.talk(20);
        for (plain, sealed) in &held {
            world.caller.endpoint.send_raw(sealed).unwrap();
            assert_eq!(&world.callee.hear(), plain);
            world.attack(From::Spoofed, sealed);
        }
        world.talk(20);
        world.nothing_came_of_it();
        world.finish();
    }
}
