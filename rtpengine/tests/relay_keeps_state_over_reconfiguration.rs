//! What signalling changes on a running stream, and what it leaves alone.

mod relay_support;

use std::net::SocketAddr;
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt};
use relay_support::{Pair, Party, Relay, rtcp, rtp, settings};
use rtpengine_core::io::{
    Affinity, Component, MediaEvent, OpenError, OpenPort, Reason, RelayCommand, StreamId,
};

#[test]
fn counters_and_the_learned_endpoint_survive_a_repeated_configuration() {
    let signalled = Party::new();
    let pair = Pair::new(|config| config.endpoint = Some(signalled.address));
    pair.caller.send(pair.near, &rtp(1));
    assert_eq!(pair.callee.receive().0, rtp(1));
    let learned =
        MediaEvent::EndpointSettled { stream: pair.near.stream, endpoint: pair.caller.address, epoch: 0 };
    assert_eq!(pair.relay.event(), learned);

    pair.relay.configure(pair.near, settings(Component::Rtp, Some(signalled.address), &[pair.far]));
    pair.relay.settle(pair.near);
    pair.callee_reaches(&pair.caller, 2);
    pair.caller.send(pair.near, &rtp(2));
    assert_eq!(pair.callee.receive().0, rtp(2));
    assert_eq!(
        pair.relay.wait(pair.near, |counters| counters.stream.packets == 2).stream.ssrcs[0].packets,
        2
    );
    pair.relay.no_event();
}

#[test]
fn a_new_epoch_restarts_learning_and_keeps_the_counters() {
    let pair = Pair::new(|_| ());
    pair.caller.send(pair.near, &rtp(1));
    pair.callee.receive();
    let moved = Party::new();
    let mut config = settings(Component::Rtp, Some(moved.address), &[pair.far]);
    config.epoch = 1;
    pair.relay.configure(pair.near, config);
    pair.relay.settle(pair.near);
    pair.callee_reaches(&moved, 2);
    moved.send(pair.near, &rtp(2));
    pair.callee.receive();
    // What was learned before is still under way, and can be told from what is reported now.
    let settled = |party: &Party, epoch| MediaEvent::EndpointSettled {
        stream: pair.near.stream,
        endpoint: party.address,
        epoch,
    };
    assert_eq!(pair.relay.event(), settled(&pair.caller, 0));
    assert_eq!(pair.relay.event(), settled(&moved, 1));
    assert_eq!(pair.relay.counters(pair.near).stream.packets, 2);
}

#[test]
fn hold_discards_without_calling_it_an_error() {
    let pair = Pair::new(|config| config.discard = Some(Reason::Hold));
    pair.caller.send(pair.near, &rtp(1));
    let counters = pair.relay.wait(pair.near, |counters| !counters.drops.is_empty());
    assert_eq!((counters.stream.packets, counters.stream.errors), (1, 0));
    assert_eq!(counters.drops.as_slice(), [(Reason::Hold, 1)]);
    pair.callee_reaches(&pair.caller, 2);

    pair.relay.configure(pair.near, settings(Component::Rtp, Some(pair.caller.address), &[pair.far]));
    pair.relay.settle(pair.near);
    pair.caller.send(pair.near, &rtp(3));
    assert_eq!(pair.callee.receive().0, rtp(3));
}

#[test]
fn rtcp_goes_on_during_hold() {
    let pair = Pair::new(|config| {
        config.component = Component::Mux;
        config.rtcp_sinks = config.sinks.clone();
        config.discard = Some(Reason::Hold);
    });
    pair.caller.send(pair.near, &rtp(1));
    pair.caller.send(pair.near, &rtcp());
    assert_eq!(pair.callee.receive().0, rtcp());
}

#[test]
fn packets_for_nobody_are_counted() {
    let mut relay = Relay::start();
    let party = Party::new();
    let port = relay.open();
    relay.settle(port);
    party.send(port, &rtp(1));
    let counters = relay.wait(port, |counters| counters.stream.errors == 1);
    assert_eq!(counters.drops.as_slice(), [(Reason::NotEstablished, 1)]);
    assert_eq!(counters.stream.packets, 0);

    relay.configure(port, settings(Component::Rtp, None, &[]));
    relay.settle(port);
    party.send(port, &rtp(2));
    let counters = relay.wait(port, |counters| counters.stream.errors == 2);
    assert_eq!(counters.drops.as_slice(), [(Reason::NotEstablished, 1), (Reason::NoSink, 1)]);
    assert_eq!(counters.stream.packets, 1);
}

#[test]
fn closing_stops_the_stream_and_frees_the_port() {
    let pair = Pair::new(|_| ());
    pair.relay.handle.command(RelayCommand::Close { stream: pair.far.stream });
    // The port can be had again at once, even while the close is queued.
    let again = OpenPort { stream: StreamId(999), local: pair.far.local, affinity: Affinity(7) };
    assert_eq!(pair.relay.handle.open(again), Ok(()));
    assert_eq!(pair.relay.handle.counters(pair.far.stream), None);

    pair.caller.send(pair.near, &rtp(1));
    let counters = pair.relay.wait(pair.near, |counters| !counters.drops.is_empty());
    assert_eq!(counters.drops.as_slice(), [(Reason::NoSink, 1)]);
    pair.callee.receives_nothing();
    pair.relay.handle.abandon(StreamId(999));
}

#[test]
fn a_sink_that_is_opened_later_is_found() {
    let mut relay = Relay::start();
    let (a, b) = (Party::new(), Party::new());
    let near = relay.open();
    // The next socket opened will have this identity.
    let mut config = settings(Component::Rtp, Some(a.address), &[near]);
    config.sinks[0] = StreamId(near.stream.0 + 1);
    relay.configure(near, config);
    relay.settle(near);
    a.send(near, &rtp(1));
    relay.wait(near, |counters| counters.stream.errors == 1);
    let far = relay.open();
    assert_eq!(far.stream.0, near.stream.0 + 1);
    relay.configure(far, settings(Component::Rtp, Some(b.address), &[near]));
    relay.settle(far);
    a.send(near, &rtp(2));
    assert_eq!(b.receive(), (rtp(2), far.local));
}

#[test]
fn ports_and_addresses_that_cannot_be_bound_are_told_apart() {
    let mut relay = Relay::start();
    let port = relay.open();
    let open = |local: SocketAddr| {
        relay.handle.open(OpenPort { stream: StreamId(1000), local, affinity: Affinity(0) })
    };
    assert_eq!(open(port.local), Err(OpenError::InUse));
    let foreign = SocketAddr::from(([192, 0, 2, 1], 40000));
    assert!(matches!(open(foreign), Err(OpenError::Address(address, _)) if address == foreign.ip()));
    assert_eq!(relay.handle.open_sockets(), 1);
}

#[test]
fn tos_is_set_on_what_leaves_the_socket_and_can_be_taken_back() {
    let pair = Pair::new(|config| config.tos = Some(0xb8));
    setsockopt(&pair.caller.socket, sockopt::IpRecvTos, &true).expect("IP_RECVTOS");
    let tos = || {
        pair.callee.send(pair.far, &rtp(1));
        let mut space = cmsg_space!(u8);
        let mut buffer = [0; 2048];
        let mut parts = [std::io::IoSliceMut::new(&mut buffer)];
        let fd = pair.caller.socket.as_raw_fd();
        let message =
            recvmsg::<SockaddrIn>(fd, &mut parts, Some(&mut space), MsgFlags::empty()).expect("a datagram");
        message.cmsgs().expect("control messages").find_map(|message| match message {
            ControlMessageOwned::Ipv4Tos(tos) => Some(tos),
            _ => None,
        })
    };
    assert_eq!(tos(), Some(0xb8));
    pair.relay.configure(pair.near, settings(Component::Rtp, Some(pair.caller.address), &[pair.far]));
    pair.relay.settle(pair.near);
    assert_eq!(tos(), Some(0));
}
