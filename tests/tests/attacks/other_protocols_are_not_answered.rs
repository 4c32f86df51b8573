//! STUN and DTLS at the ports of a call that has neither ICE nor DTLS: no reflector, no oracle, no effect.

use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::stun_binding_request;
use serde_json::json;

use super::world::{From, SUITES, World};

const PACKETS: u64 = 100;

/// A ClientHello of DTLS 1.2 (RFC 6347 section 4.2) with one cipher suite and no cookie.
fn client_hello(random: u8) -> Vec<u8> {
    let mut body = vec![254, 253];
    body.extend([random; 32]);
    body.extend([0, 0, 0, 2, 0xc0, 0x2b, 1, 0]);
    let length = (body.len() as u32).to_be_bytes();
    let mut message =
        vec![1, length[1], length[2], length[3], 0, 0, 0, 0, 0, length[1], length[2], length[3]];
    message.extend(body);
    let mut record = vec![22, 254, 253, 0, 0, 0, 0, 0, 0, 0, random];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

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
                world.attack(from, &client_hello(round));
            }
            world.attackers_hear_nothing();
            world.talk(PACKETS);
        }
        world.nothing_came_of_it();
        world.finish();
    }
}
