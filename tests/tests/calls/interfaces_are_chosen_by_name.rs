//! Each party is told an address of the interface asked for, and media pass through sockets there.

use rtpengine_tests::daemon::Builder;
use rtpengine_tests::ng::NgClient;
use rtpengine_tests::require::{NAMESPACES, available};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, Place, exchange};
use rtpengine_tests::topology::{CALLEE, CALLER, ENGINE_LEFT, ENGINE_RIGHT, Trio};
use serde_json::{Value, json};

const PACKETS: u64 = 50;
const SECOND_LEFT: &str = "10.77.1.5";
/// What the world calls our address on the right.
const ADVERTISED: &str = "203.0.113.9";

fn place(trio: &Trio, ng: &mut NgClient, extra: &Value) -> Call {
    let caller = Place::within(&trio.caller, CALLER).unwrap();
    let callee = Place::within(&trio.callee, CALLEE).unwrap();
    Call::place(ng, caller, callee, extra, &json!({})).unwrap()
}

/// Addresses that caller and callee were told.
fn told(call: &Call) -> [String; 2] {
    [&call.answered, &call.offered].map(|sdp| sdp::first_media(sdp).unwrap().address.to_string())
}

#[test]
fn and_media_use_them() {
    if !available(NAMESPACES) {
        return;
    }
    let trio = Trio::new().unwrap();
    trio.engine.ip(&[format!("addr add {SECOND_LEFT}/24 dev left")]).unwrap();
    let daemon = Builder::new()
        .netns(&trio.engine)
        .arg(format!("--interface=right/{ENGINE_RIGHT}"))
        .arg(format!("--interface=left/{ENGINE_LEFT}"))
        .arg(format!("--interface=second/{SECOND_LEFT}"))
        .arg(format!("--interface=nat/{ENGINE_RIGHT}!{ADVERTISED}"))
        .start()
        .unwrap();
    let mut ng = daemon.ng_in(&trio.engine).unwrap();
    for (extra, expected) in [
        (json!({"direction": ["left", "right"]}), [ENGINE_LEFT, ENGINE_RIGHT]),
        (json!({"direction": ["second", "right"]}), [SECOND_LEFT, ENGINE_RIGHT]),
        (json!({"from-interface": "left", "to-interface": "right"}), [ENGINE_LEFT, ENGINE_RIGHT]),
        (json!({"direction": ["second", "nat"]}), [SECOND_LEFT, ADVERTISED]),
    ] {
        let mut call = place(&trio, &mut ng, &extra);
        assert_eq!(told(&call), expected, "{extra}");
        if expected[1] == ADVERTISED {
            // A router in front of us would translate.
            let port = sdp::first_media(&call.offered).unwrap().port;
            call.callee.remote = Some((ENGINE_RIGHT.parse::<std::net::IpAddr>().unwrap(), port).into());
        }
        call.talk(PACKETS).unwrap();
        let totals = call.hang_up(&mut ng).unwrap();
        assert_eq!(totals["totals"]["RTP"]["packets"], json!(2 * PACKETS));
    }
    daemon.stop().unwrap();
}

#[test]
fn and_an_unknown_name_is_warned_of() {
    if !available(NAMESPACES) {
        return;
    }
    let trio = Trio::new().unwrap();
    let daemon = Builder::new().netns(&trio.engine).args(Trio::interface_options()).start().unwrap();
    let mut ng = daemon.ng_in(&trio.engine).unwrap();
    let body = json!({
        "command": "offer", "call-id": "x", "from-tag": "a", "direction": ["left", "nowhere"],
        "sdp": sdp::audio(CALLER.parse().unwrap(), 4000),
    });
    let reply = ng.expect_ok(&body).unwrap();
    assert!(reply["warning"].as_str().is_some_and(|warning| warning.contains("nowhere")), "{reply}");
    // The default is the first interface.
    let media = sdp::first_media(reply["sdp"].as_str().unwrap()).unwrap();
    assert_eq!(media.address.to_string(), ENGINE_LEFT);
    daemon.stop().unwrap();
}

#[test]
fn and_two_calls_on_one_interface_do_not_hear_each_other() {
    if !available(NAMESPACES) {
        return;
    }
    let trio = Trio::new().unwrap();
    let daemon = Builder::new().netns(&trio.engine).args(Trio::interface_options()).start().unwrap();
    let mut ng = daemon.ng_in(&trio.engine).unwrap();
    let extra = json!({"direction": ["left", "right"]});
    let (mut one, mut two) = (place(&trio, &mut ng, &extra), place(&trio, &mut ng, &extra));
    two.caller.expect(&two.callee.stream);
    two.callee.expect(&two.caller.stream);
    let interval = std::time::Duration::from_micros(300);
    let (at_caller, at_callee) = exchange(&mut one.caller, &mut one.callee, PACKETS, interval).unwrap();
    assert!(at_caller.is_perfect(PACKETS) && at_callee.is_perfect(PACKETS), "{at_caller:?} {at_callee:?}");
    for endpoint in [&two.caller, &two.callee] {
        assert!(endpoint.receive_raw(std::time::Duration::ZERO).unwrap().is_none());
    }
    two.talk(PACKETS).unwrap();
    daemon.stop().unwrap();
}
