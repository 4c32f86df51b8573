//! STUN on a socket with ICE goes to the core, a bounded number of messages; what the core sends leaves by the socket.

mod relay_support;

use std::sync::Arc;
use std::time::Duration;

use relay_support::{Pair, Party, Relay, rtp, settings};
use rtpengine_core::io::{Component, MediaEvent, Reason, RelayCommand};

/// A Binding request for the agent with this name.
fn request(ufrag: &[u8; 4]) -> Vec<u8> {
    let mut message = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
    message.extend([3; 12]);
    message.extend([0, 6, 0, 6]);
    message.extend(ufrag);
    message.extend(b":x\0\0");
    message
}

/// A success response to nothing.
fn response() -> Vec<u8> {
    let mut message = vec![1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    message.extend([3; 12]);
    message
}

fn stun_drops(pair: &Pair) -> u64 {
    let counters = pair.relay.counters(pair.near);
    counters.drops.iter().find(|(reason, _)| *reason == Reason::Stun).map_or(0, |(_, count)| *count)
}

/// The STUN messages handed up until nothing more comes.
fn handed_up(pair: &Pair) -> usize {
    pair.relay.settle(pair.near);
    std::iter::from_fn(|| pair.relay.events.try_recv().ok())
        .filter(|event| matches!(event, MediaEvent::Stun { .. }))
        .count()
}

#[test]
fn requests_that_know_our_name_with_their_source() {
    let pair = Pair::new(|config| config.ice.push(Arc::from("name")));
    pair.caller.send(pair.near, &request(b"name"));
    let expected =
        MediaEvent::Stun { stream: pair.near.stream, source: pair.caller.address, bytes: request(b"name") };
    assert_eq!(pair.relay.event(), expected);
    let counters = pair.relay.counters(pair.near).stream;
    assert_eq!((counters.packets, counters.errors), (0, 0), "no media, and no error");
    pair.caller.send(pair.near, &request(b"else"));
    pair.caller.send(pair.near, b"\x00\x01 no STUN");
    pair.relay.wait(pair.near, |counters| counters.stream.errors == 2);
    assert_eq!((handed_up(&pair), stun_drops(&pair)), (0, 2));
    // Nothing was learned from any of it.
    pair.callee_reaches(&pair.caller, 1);
}

#[test]
fn none_where_there_is_no_ice() {
    let pair = Pair::new(|_| ());
    pair.caller.send(pair.near, &request(b"name"));
    pair.relay.wait(pair.near, |counters| counters.stream.errors == 1);
    pair.relay.no_event();
}

#[test]
fn a_flood_leaves_room_for_the_peer_and_for_media() {
    let pair = Pair::new(|config| {
        config.ice.push(Arc::from("name"));
        config.endpoint_settled = true;
    });
    let stranger = Party::new();
    for _ in 0..500 {
        stranger.send(pair.near, &response());
        stranger.send(pair.near, &request(b"name"));
    }
    // The clock stands still: each kind has its budget, and no more.
    pair.relay.wait(pair.near, |counters| counters.stream.errors == 800);
    assert_eq!((handed_up(&pair), stun_drops(&pair)), (200, 800));
    pair.caller.send(pair.near, &response());
    pair.caller.send(pair.near, &request(b"name"));
    for _ in 0..2 {
        let MediaEvent::Stun { source, .. } = pair.relay.event() else { panic!("no STUN") };
        assert_eq!(source, pair.caller.address);
    }
    pair.caller.send(pair.near, &rtp(1));
    assert_eq!(pair.callee.receive().0, rtp(1));
    pair.relay.advance(Duration::from_secs(1));
    for _ in 0..100 {
        stranger.send(pair.near, &response());
    }
    pair.relay.wait(pair.near, |counters| counters.stream.errors == 850);
    assert_eq!(handed_up(&pair), 50);
}

#[test]
fn on_sockets_of_unread_media_too() {
    let mut relay = Relay::start();
    let (caller, callee) = (Party::new(), Party::new());
    let (near, far) = (relay.open(), relay.open());
    let mut config = settings(Component::Raw, Some(caller.address), &[far]);
    config.ice.push(Arc::from("name"));
    relay.configure(near, config);
    relay.configure(far, settings(Component::Raw, Some(callee.address), &[near]));
    caller.send(near, &request(b"name"));
    assert!(matches!(relay.event(), MediaEvent::Stun { .. }));
    caller.send(near, b"\x00\x01 anything");
    assert_eq!(callee.receive().0, b"\x00\x01 anything");
}

#[test]
fn what_the_core_answers_leaves_at_once_and_is_no_media() {
    let pair = Pair::new(|config| config.ice.push(Arc::from("name")));
    let stream = pair.near.stream;
    let other = Party::new();
    pair.relay.handle.command(RelayCommand::Send { stream, to: other.address, bytes: response() });
    assert_eq!(other.receive(), (response(), pair.near.local));
    assert_eq!(pair.relay.counters(pair.near).stream.packets_out, 0);
}
