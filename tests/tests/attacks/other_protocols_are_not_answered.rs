//! STUN and DTLS at the ports of a call that has neither ICE nor DTLS: no reflector, no oracle, no effect.

use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::{dtls_client_hello, stun_binding_request};
use serde_json::json;

use super::world::{From, SUITES, World};

const PACKETS: u64 = 100;

#[test]
fn stun_and_dtls() {
    if !available(XDP) {
        return;
    }
    for suite in SUITES {
        let mut world = World::call(Some(suite), None, &json!({}));
        for _ in 0..2 {
            for round in 0..PACKETS as u8 {
                let from = if round % 2 == 0 { From::Stranger } else { From::Spoofed };
                world.attack(from, &stun_binding_request([round; 12]));
                world.attack(from, &dtls_client_hello(round));
            }
            world.attackers_hear_nothing();
            world.talk(PACKETS);
        }
        world.nothing_came_of_it();
        world.finish();
    }
}
