//! Two parties of aiortc, without the daemon.

use rtpengine_tests::require::{Need, available};
use rtpengine_tests::topology::Trio;

use crate::aiortc::{Aiortc, Role};

const PACKETS: u64 = 100;

fn talk(one: &mut Aiortc, two: &mut Aiortc) {
    for _ in 0..2 {
        let (from_one, from_two) = (one.send(PACKETS), two.send(PACKETS));
        two.hears(&from_one);
        one.hears(&from_two);
    }
}

/// What the others build on: aiortc works in the namespaces, and payloads go through it untouched.
#[test]
fn directly() {
    if !available(&[Need::Root, Need::Iproute, Need::Peers]) {
        return;
    }
    let trio = Trio::new().unwrap();
    trio.engine.sysctl("net/ipv4/ip_forward", "1").unwrap();
    let (mut caller, mut callee) = (Aiortc::start(&trio.caller, 1), Aiortc::start(&trio.callee, 2));
    let answer = callee.answer(&caller.offer());
    caller.answered(&answer);
    assert_eq!((caller.connected(), callee.connected()), (Role::Server, Role::Client));
    talk(&mut caller, &mut callee);
    caller.hang_up();
}
