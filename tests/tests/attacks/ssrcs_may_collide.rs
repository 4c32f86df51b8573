//! One SSRC used by several: the parties, or the attacker and a party.

use rtpengine_tests::require::{XDP, available};
use serde_json::json;

use super::world::{From, SUITES, World, forged};

const PACKETS: u64 = 100;

/// Both parties chose the same SSRC: their streams are of different keys, and so are told apart.
#[test]
fn of_both_parties() {
    if !available(XDP) {
        return;
    }
    for callee in [None, Some(SUITES[0]), Some(SUITES[1])] {
        let mut world = World::call_of((7, 7), Some(SUITES[0]), callee, &json!({}));
        world.talk(PACKETS);
        world.finish();
    }
}

/// The attacker takes the SSRC of each party in turn, with numbers just ahead of theirs.
#[test]
fn of_a_party_and_an_attacker() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({}));
        world.talk(1);
        for round in 0..PACKETS {
            let stream = &world.caller.endpoint.stream;
            let sequence = stream.packet(stream.next).sequence;
            let mut packet = forged(&world, sequence, &[0; 182]);
            if round % 2 == 1 {
                packet[8..12].copy_from_slice(&world.callee.endpoint.stream.ssrc.to_be_bytes());
            }
            world.attack(if round % 3 == 0 { From::Stranger } else { From::Spoofed }, &packet);
            world.talk(1);
        }
        world.nothing_came_of_it();
        world.finish();
    }
}

/// More SSRCs than anybody keeps books of, none of them authentic.
#[test]
fn or_be_thousands() {
    if !available(XDP) {
        return;
    }
    let mut world = World::call(Some(SUITES[0]), None, &json!({}));
    world.talk(1);
    for ssrc in 0..5000_u32 {
        let mut packet = forged(&world, 1, &[0; 182]);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        world.attack(From::Spoofed, &packet);
        if ssrc % 100 == 0 {
            world.nothing_came_of_it();
            world.talk(1);
        }
    }
    world.nothing_came_of_it();
    let query = world.engine.ng.query("c").unwrap();
    let stream = &query["tags"]["a"]["medias"][0]["streams"][0];
    assert_eq!(stream["SSRC"], world.caller.endpoint.stream.ssrc, "{query}");
    world.finish();
}
