//! The harness itself: packets cross its network, and nothing of it stays behind.

use std::path::Path;
use std::time::Duration;

use rtpengine_tests::netns::Netns;
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::talk::exchange;
use rtpengine_tests::topology::{CALLEE, CALLER, Trio, address};

#[test]
fn namespaces_are_gone_after_use() {
    if !available(&[Need::Root, Need::Iproute]) {
        return;
    }
    let netns = Netns::new("gone").unwrap();
    let path = Path::new("/run/netns").join(netns.name());
    assert!(path.exists());
    drop(netns);
    assert!(!path.exists());
}

#[test]
fn packets_cross_the_network_unharmed() {
    if !available(&[Need::Root, Need::Iproute]) {
        return;
    }
    let trio = Trio::new().unwrap();
    trio.engine.sysctl("net/ipv4/ip_forward", "1").unwrap();
    let mut caller = Endpoint::bind_in(&trio.caller, address(CALLER).unwrap(), 0, 1).unwrap();
    let mut callee = Endpoint::bind_in(&trio.callee, address(CALLEE).unwrap(), 0, 2).unwrap();
    caller.remote = Some(callee.local().unwrap());
    callee.remote = Some(caller.local().unwrap());
    let (at_caller, at_callee) = exchange(&mut caller, &mut callee, 100, Duration::from_micros(200)).unwrap();
    assert!(at_caller.is_perfect(100) && at_callee.is_perfect(100), "{at_caller:?} {at_callee:?}");
    assert_eq!(trio.engine.xdp("left").unwrap(), None);
}
