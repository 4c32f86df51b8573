//! rtcp-mux on one side, on both, on none.

use rtpengine_core::{
    io::Component,
    ng::{Flag, RtcpMux},
};

use crate::pair::{Pair, audio, audio_with};

const MUX: &str = "a=rtcp-mux\r\n";

#[test]
fn both_sides_multiplex_on_one_port_each() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &audio_with("192.0.2.1", 2000, MUX));
    assert!(callee.text.contains(MUX));
    assert!(callee.text.contains(&format!("a=rtcp:{}\r\n", callee.rtp.port() + 1)), "the callee may refuse");
    assert_eq!(pair.plane.open.len(), 3);
    let caller = pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, MUX));
    assert!(caller.text.contains(MUX));
    assert_eq!(caller.rtcp, Some(caller.rtp));
    assert_eq!(pair.plane.open.len(), 2);
    assert_eq!(pair.ports_used(), 2);
    for seen in [&caller, &callee] {
        assert_eq!(pair.relay(seen).component, Component::Mux);
        assert_eq!(pair.relay(seen).sinks, pair.relay(seen).rtcp_sinks);
    }
    // A re-offer of either side keeps it that way.
    assert_eq!(pair.offer("tt", "ft", &audio_with("192.0.2.2", 3000, MUX)).rtp, caller.rtp);
    pair.answer("tt", "ft", &audio_with("192.0.2.1", 2000, MUX));
    assert_eq!(pair.plane.open.len(), 2);
}

#[test]
fn a_callee_that_refuses_gets_rtcp_on_its_own_port() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &audio_with("192.0.2.1", 2000, MUX));
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert!(caller.text.contains(MUX), "the caller multiplexes all the same");
    let rtcp = pair.stream(callee.rtcp.unwrap_or(callee.rtp));
    let rtcp = if callee.rtcp == Some(callee.rtp) {
        pair.plane.open.values().find(|open| open.local.port() == callee.rtp.port() + 1).unwrap().stream
    } else {
        rtcp
    };
    assert_eq!(pair.relay(&caller).rtcp_sinks.as_slice(), [rtcp]);
    assert_eq!(pair.relay(&caller).sinks.as_slice(), [pair.stream(callee.rtp)]);
    assert_eq!(pair.plane.relay[&rtcp].rtcp_sinks.as_slice(), [pair.stream(caller.rtp)]);
    assert_eq!(pair.plane.relay[&rtcp].endpoint, Some("192.0.2.2:3001".parse().unwrap()));
}

#[test]
fn offer_require_demux_and_reject() {
    let with = |flags: &'static [RtcpMux], body: &str| {
        let mut pair = Pair::new();
        let callee = pair.offer_with("ft", "", body, |request| {
            flags.iter().for_each(|&flag| request.rtcp_mux.insert(flag))
        });
        let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
        (
            callee.text.contains(MUX),
            callee.rtcp == Some(callee.rtp),
            caller.text.contains(MUX),
            pair.plane.open.len(),
        )
    };
    let plain = audio("192.0.2.1", 2000);
    let mux = audio_with("192.0.2.1", 2000, MUX);
    assert_eq!(with(&[RtcpMux::Offer], &plain), (true, true, false, 4));
    assert_eq!(with(&[RtcpMux::Require], &plain), (true, true, false, 3));
    assert_eq!(with(&[RtcpMux::Demux], &mux), (false, false, true, 3));
    assert_eq!(with(&[RtcpMux::Reject], &mux), (false, false, false, 4));
    assert_eq!(with(&[RtcpMux::Reject, RtcpMux::Offer], &mux), (true, true, false, 4));
    assert_eq!(with(&[RtcpMux::Accept], &mux), (true, true, true, 3));
}

#[test]
fn the_rtcp_attribute_flags() {
    let mut pair = Pair::new();
    let full = pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
        request.flags.insert(Flag::FullRtcpAttribute)
    });
    assert!(full.text.contains(&format!("a=rtcp:{} IN IP4 10.9.0.1\r\n", full.rtp.port() + 1)));
    let none = pair.offer_with("ft", "", &audio_with("192.0.2.1", 2000, "a=rtcp:2001\r\n"), |request| {
        request.flags.insert(Flag::NoRtcpAttribute)
    });
    assert!(!none.text.contains("a=rtcp:"));
}

#[test]
fn an_rtcp_address_of_its_own_is_honoured() {
    let mut pair = Pair::new();
    pair.offer("ft", "", &audio_with("192.0.2.1", 2000, "a=rtcp:7777 IN IP4 192.0.2.99\r\n"));
    assert!(
        pair.plane.relay.values().any(|relay| relay.endpoint == Some("192.0.2.99:7777".parse().unwrap()))
    );
}

#[test]
fn mux_given_up_in_a_reoffer_gets_an_rtcp_port_again() {
    let mut pair = Pair::new();
    pair.offer("ft", "", &audio_with("192.0.2.1", 2000, MUX));
    let caller = pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, MUX));
    assert_eq!(pair.plane.open.len(), 2);
    pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    let again = pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, MUX));
    assert!(!again.text.contains(MUX));
    assert_eq!(again.rtp, caller.rtp);
    assert_ne!(again.rtcp, Some(again.rtp));
    assert_eq!(pair.plane.open.len(), 3);
}
