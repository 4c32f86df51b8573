//! SRTP and SRTCP made without the keys.

use rtpengine_tests::require::{XDP, available};
use serde_json::json;

use super::world::{From, SUITES, World, forged, goodbye};

const PACKETS: u64 = 50;

#[test]
fn before_and_after_the_first_authentic_packet() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({}));
        // The callee speaks first: where the caller is, only signalling knows yet.
        world.callee_is_heard();
        for from in [From::Stranger, From::Spoofed] {
            for sequence in [0, 1, 30_000, 65_500, 65_535] {
                let packet = forged(&world, sequence, &[0; 182]);
                world.attack(from, &packet);
            }
        }
        world.nothing_came_of_it();
        world.callee_is_heard();
        world.talk(PACKETS);
        for from in [From::Stranger, From::Spoofed] {
            for step in 0..PACKETS as u16 {
                let next = world.caller.endpoint.stream.packet(world.caller.endpoint.stream.next).sequence;
                let packet = forged(&world, next.wrapping_add(step), &[0; 182]);
                world.attack(from, &packet);
                world.talk(1);
            }
        }
        world.nothing_came_of_it();
        world.finish();
    }
}

#[test]
fn with_any_byte_of_an_authentic_packet_changed() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({}));
        world.talk(PACKETS);
        let (plain, sealed) = world.caller.next();
        // The first two bytes decide whether it is SRTP at all.
        for at in 2..sealed.len() {
            let mut packet = sealed.clone();
            packet[at] ^= 0x20;
            world.attack(if at % 2 == 0 { From::Stranger } else { From::Spoofed }, &packet);
        }
        for length in 12..sealed.len() {
            world.attack(From::Spoofed, &sealed[..length]);
        }
        world.nothing_came_of_it();
        world.caller.endpoint.send_raw(&sealed).unwrap();
        assert_eq!(world.callee.hear(), plain, "the authentic packet is taken yet");
        world.talk(PACKETS);
        world.nothing_came_of_it();
        world.finish();
    }
}

#[test]
fn as_rtcp_that_says_goodbye() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({}));
        world.talk(PACKETS);
        let plain = goodbye(world.caller.endpoint.stream.ssrc);
        for from in [From::Stranger, From::Spoofed] {
            world.attack(from, &plain);
            // As long as SRTCP, with an index and a tag that nobody with the key has made.
            let mut sealed = plain.clone();
            sealed.extend([0x80, 0, 0, 1]);
            sealed.extend([0x5a; 16]);
            world.attack(from, &sealed);
        }
        world.nothing_came_of_it();
        world.talk(PACKETS);
        world.nothing_came_of_it();
        world.finish();
    }
}
