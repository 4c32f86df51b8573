//! Plain RTP sent into an encrypted call: at the party that encrypts it never counts, whenever it comes.

use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::Stream;
use serde_json::json;

use super::world::{From, SUITES, World};

const PACKETS: u64 = 50;

/// RTP bleed: the attacker is there before anybody else, with packets any plain call would take.
#[test]
fn before_and_after_learning() {
    if !available(XDP) {
        return;
    }
    for callee in [None, Some(SUITES[1])] {
        let mut world = World::call(Some(SUITES[0]), callee, &json!({}));
        let attackers = Stream::new(0x666);
        for index in 0..PACKETS {
            world.attack(From::Stranger, &attackers.packet(index).to_bytes());
            let callers = world.caller.endpoint.stream.packet(index).to_bytes();
            world.attack(From::Spoofed, &callers);
        }
        world.nothing_came_of_it();
        // What the callee says goes to the caller, not to who was there first.
        world.callee_is_heard();
        world.talk(PACKETS);
        for index in 0..PACKETS {
            world.attack(From::Stranger, &attackers.packet(index).to_bytes());
            world.talk(1);
        }
        world.nothing_came_of_it();
        world.finish();
    }
}

/// The same at the plain side of a bridged call: there `strict source` keeps strangers out.
#[test]
fn at_the_plain_side_with_strict_source() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({"flags": ["strict-source"]}));
        world.talk(PACKETS);
        // The attacker's packets would use up indices under the key towards the caller.
        let mut callees = world.callee.endpoint.stream.clone();
        callees.payload_length = 80;
        for index in 0..PACKETS {
            let ahead = callees.packet(world.callee.endpoint.stream.next + index % 5).to_bytes();
            world.stranger_at_callee.send_raw(&ahead).unwrap();
            world.talk(1);
        }
        world.attackers_hear_nothing();
        world.finish();
    }
}
