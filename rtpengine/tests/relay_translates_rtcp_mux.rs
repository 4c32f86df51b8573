//! One side sends RTP and RTCP on one port, the other on two.

mod relay_support;

use relay_support::{Party, Port, Relay, rtcp, rtp, settings};
use rtpengine_core::io::{Component, RelayStream};

/// Settings with separate ways for RTP and RTCP.
fn split(component: Component, party: &Party, sinks: &[Port], rtcp_sinks: &[Port]) -> RelayStream {
    let mut config = settings(component, Some(party.address), sinks);
    config.rtcp_sinks = rtcp_sinks.iter().map(|port| port.stream).collect();
    config
}

#[test]
fn rtcp_changes_ports_where_only_one_side_multiplexes() {
    let mut relay = Relay::start();
    let (browser, phone_rtp, phone_rtcp) = (Party::new(), Party::new(), Party::new());
    let (mux, plain_rtp, plain_rtcp) = (relay.open(), relay.open(), relay.open());
    relay.configure(mux, split(Component::Mux, &browser, &[plain_rtp], &[plain_rtcp]));
    relay.configure(plain_rtp, split(Component::Rtp, &phone_rtp, &[mux], &[mux]));
    relay.configure(plain_rtcp, split(Component::Rtcp, &phone_rtcp, &[], &[mux]));
    relay.settle(mux);

    browser.send(mux, &rtp(1));
    browser.send(mux, &rtcp());
    assert_eq!(phone_rtp.receive(), (rtp(1), plain_rtp.local));
    assert_eq!(phone_rtcp.receive(), (rtcp(), plain_rtcp.local));
    phone_rtp.send(plain_rtp, &rtp(2));
    assert_eq!(browser.receive(), (rtp(2), mux.local));
    phone_rtcp.send(plain_rtcp, &rtcp());
    assert_eq!(browser.receive(), (rtcp(), mux.local));

    let counters = relay.wait(mux, |counters| counters.stream.packets_out == 2).stream;
    assert_eq!((counters.packets, counters.errors), (2, 0));
    assert_eq!(counters.payload_types.as_slice(), [(8, 1, 172)], "RTCP has no payload type");
}

#[test]
fn both_sides_multiplex() {
    let mut relay = Relay::start();
    let (a, b) = (Party::new(), Party::new());
    let (near, far) = (relay.open(), relay.open());
    relay.configure(near, settings(Component::Mux, Some(a.address), &[far]));
    relay.configure(far, settings(Component::Mux, Some(b.address), &[near]));
    relay.settle(far);
    for packet in [rtp(1), rtcp(), rtp(2)] {
        a.send(near, &packet);
        assert_eq!(b.receive(), (packet, far.local));
    }
}

#[test]
fn without_mux_payload_types_72_to_76_are_media() {
    let mut relay = Relay::start();
    let (a, b) = (Party::new(), Party::new());
    let (near, far) = (relay.open(), relay.open());
    relay.configure(near, settings(Component::Rtp, Some(a.address), &[far]));
    relay.configure(far, settings(Component::Rtp, Some(b.address), &[near]));
    relay.settle(far);
    let mut packet = rtp(1);
    packet[1] = 0x80 | 73;
    a.send(near, &packet);
    assert_eq!(b.receive(), (packet, far.local));
}
