//! Strangers take no state, no address and not the turn of calls.

mod dtls_support;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use dtls_support::{PATIENCE, Pair, Party, STREAM, identity, random, route, sha256};
use rtpengine::dtls::{Association, Event, Limits, PROFILES, Role, Sink, Transmit, Worker};
use rtpengine_core::io::StreamId;

fn source(n: u64) -> SocketAddr {
    let [.., a, b, c, d] = n.to_be_bytes();
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10 | (a & 0x40), b, c, d)), 1024 + u16::from(d))
}

/// A party at this address has sent its ClientHello.
fn caller(address: SocketAddr, passive: &Party) -> (Party, Transmit) {
    let mut caller = Party::new(&address.to_string(), identity());
    caller.open(Role::Active, passive);
    let hello = caller.outgoing().remove(0);
    (caller, hello)
}

/// A passive party that knows the peer's certificate but not its address, as with a peer behind NAT.
fn passive_behind_nat(pair: &mut Pair) {
    let mut association = pair.passive.association(Role::Passive, &pair.active);
    association.remote = None;
    pair.passive.engine.open(Instant::now(), STREAM, association);
}

#[test]
fn hellos_without_a_cookie_leave_nothing_behind_and_a_good_handshake_succeeds() {
    let mut pair = Pair::new();
    passive_behind_nat(&mut pair);
    let (_, hello) = caller(source(0), &pair.passive);
    let flood = |pair: &mut Pair, range: std::ops::Range<u64>| {
        for n in range {
            pair.passive.receive(source(n), &hello.payload);
            assert_eq!(pair.passive.outgoing().len(), 1);
        }
    };
    flood(&mut pair, 0..2_000);
    let statistics = pair.passive.engine.counters().snapshot();
    assert_eq!((statistics.started, statistics.half_open, statistics.cookies_sent), (0, 0, 2_000));
    assert_eq!(pair.passive.engine.next_timeout(), None);
    pair.active.open(Role::Active, &pair.passive);
    flood(&mut pair, 2_000..3_000);
    pair.settle();
    flood(&mut pair, 3_000..4_000);
    pair.agreed();
}

/// A stranger that owns its address returns its cookie and goes no further.
fn begin(passive: &mut Party, now: Instant, stream: StreamId, address: SocketAddr) {
    let (mut stranger, hello) = caller(address, passive);
    passive.engine.receive(now, stream, route(stream, address), false, &hello.payload);
    let verify = passive.outgoing().remove(0);
    assert_eq!(verify.destination, address);
    stranger.receive(passive.address, &verify.payload);
    let hello = stranger.outgoing().remove(0);
    passive.engine.receive(now, stream, route(stream, address), false, &hello.payload);
    passive.outgoing();
}

#[test]
fn strangers_that_own_their_addresses_are_bounded_by_stream_and_age() {
    let limits = Limits::default();
    let mut pair = Pair::new();
    passive_behind_nat(&mut pair);
    for n in 0..12 {
        begin(&mut pair.passive, Instant::now(), STREAM, source(n));
    }
    let statistics = pair.passive.engine.counters().snapshot();
    let bound = limits.half_open_per_stream as u64;
    assert_eq!((statistics.half_open, statistics.over_limit), (bound, 12 - bound));
    // ICE names the peer: they are not in its way.
    pair.passive.engine.set_remote(Instant::now(), STREAM, route(STREAM, pair.active.address));
    pair.active.open(Role::Active, &pair.passive);
    pair.settle();
    pair.agreed();
    let statistics = pair.passive.engine.counters().snapshot();
    assert_eq!((statistics.half_open, statistics.replaced), (0, bound));
}

#[test]
fn half_open_handshakes_of_strangers_expire() {
    let mut pair = Pair::new();
    passive_behind_nat(&mut pair);
    begin(&mut pair.passive, Instant::now(), STREAM, source(1));
    assert_eq!(pair.passive.engine.counters().snapshot().half_open, 1);
    pair.passive.engine.handle_timeout(Instant::now() + Limits::default().stranger_lifetime);
    pair.passive.outgoing();
    let Some(Event::Failed { verified: false, .. }) = pair.passive.events.pop_front() else {
        panic!("no failure")
    };
    assert_eq!(pair.passive.engine.counters().snapshot().half_open, 0);
    assert_eq!(pair.passive.engine.next_timeout(), None);
}

#[test]
fn half_open_handshakes_are_bounded_altogether_and_half_is_kept_for_calls() {
    let limits = Limits { half_open: 8, ..Limits::default() };
    let mut passive = Party::with_limits("192.0.2.2:5000", identity(), limits);
    let expected = Party::new("192.0.2.1:4000", identity());
    let now = Instant::now();
    for id in 0..20 {
        let association = Association { remote: None, ..passive.association(Role::Passive, &expected) };
        passive.engine.open(now, StreamId(id), association);
        begin(&mut passive, now, StreamId(id), source(1));
    }
    assert_eq!(passive.engine.counters().snapshot().half_open, 4);
    for id in 0..20 {
        let (_, hello) = caller(source(100 + id), &passive);
        passive.engine.receive(
            now,
            StreamId(id),
            route(StreamId(id), source(100 + id)),
            true,
            &hello.payload,
        );
    }
    let statistics = passive.engine.counters().snapshot();
    assert_eq!((statistics.half_open, statistics.over_limit), (8, 32));
}

#[test]
fn one_source_starts_only_so_many_handshakes() {
    let limits = Limits { rate_per_source: 2, ..Limits::default() };
    let mut passive = Party::with_limits("192.0.2.2:5000", identity(), limits);
    let expected = Party::new("192.0.2.1:4000", identity());
    let association = Association { remote: None, ..passive.association(Role::Passive, &expected) };
    let now = Instant::now();
    passive.engine.open(now, STREAM, association);
    for _ in 0..10 {
        begin(&mut passive, now, STREAM, source(1));
    }
    let statistics = passive.engine.counters().snapshot();
    assert_eq!((statistics.started, statistics.over_rate), (4, 6));
    assert_eq!(statistics.half_open, 0, "a host that starts over gives up what it had");
}

#[test]
fn random_bytes_are_counted_and_dropped() {
    let mut pair = Pair::new();
    pair.open();
    let (mut state, address) = (1, pair.active.address);
    for _ in 0..20_000 {
        let length = usize::try_from(random(&mut state) % 80).unwrap();
        let mut junk: Vec<u8> = (0..length).map(|_| random(&mut state).to_be_bytes()[0]).collect();
        let header = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        junk.iter_mut().zip(header).for_each(|(to, from)| *to = from);
        pair.passive.receive(address, &junk);
    }
    pair.passive.outgoing();
    assert_eq!(pair.passive.events, []);
    let statistics = pair.passive.engine.counters().snapshot();
    assert_eq!(statistics.datagrams, 20_000);
    assert!(statistics.malformed > 15_000 && statistics.half_open <= 1, "{statistics:?}");
    pair.settle();
    pair.agreed();
}

#[test]
fn streams_that_expect_no_dtls_take_none() {
    let mut passive = Party::new("192.0.2.2:5000", identity());
    let (_, hello) = caller(source(1), &passive);
    passive.engine.receive(Instant::now(), STREAM, route(STREAM, source(1)), true, &hello.payload);
    assert_eq!(passive.outgoing(), []);
    assert_eq!(passive.engine.counters().snapshot().unexpected, 1);
}

/// Sends everything on to the test.
struct Outlet(Sender<Out>);

enum Out {
    Transmit(Transmit),
    Event(Event),
}

impl Sink for Outlet {
    fn transmit(&mut self, transmit: Transmit) {
        let _ = self.0.send(Out::Transmit(transmit));
    }

    fn event(&mut self, _stream: StreamId, _epoch: u32, event: Event) {
        let _ = self.0.send(Out::Event(event));
    }

    fn closed(&mut self, _stream: StreamId) {}
}

#[test]
fn the_thread_serves_a_call_while_strangers_fill_its_queue() {
    let (to_test, outlet) = channel();
    let worker = Worker::spawn(Limits::default(), Outlet(to_test)).unwrap();
    let identity_here = identity();
    let mut peer = Party::new("192.0.2.1:4000", identity());
    let here: SocketAddr = "192.0.2.2:5000".parse().unwrap();
    let feed = worker.open(
        STREAM,
        Association {
            epoch: 1,
            role: Role::Passive,
            identity: identity_here.clone(),
            remote: Some(route(STREAM, peer.address)),
            fingerprints: vec![sha256(&peer.identity)],
            profiles: PROFILES.to_vec(),
        },
    );
    let stand_in = Party::new(&here.to_string(), identity_here);
    let (_, hello) = caller(source(0), &stand_in);
    peer.open(Role::Active, &stand_in);
    let start = Instant::now();
    let mut n = 0;
    let keys = loop {
        assert!(start.elapsed() < PATIENCE);
        // Far more than it can answer.
        for _ in 0..500 {
            n += 1;
            feed.datagram(source(n), false, &hello.payload);
        }
        for transmit in peer.outgoing() {
            assert!(feed.datagram(peer.address, true, &transmit.payload), "calls are not shed");
        }
        match outlet.recv_timeout(Duration::from_millis(1)) {
            Ok(Out::Transmit(transmit)) if transmit.destination == peer.address => {
                peer.receive(here, &transmit.payload);
            }
            Ok(Out::Event(Event::KeysReady { keys, .. })) => break keys,
            Ok(Out::Event(other)) => panic!("{other:?}"),
            Ok(Out::Transmit(_)) | Err(_) => {}
        }
        peer.engine.handle_timeout(Instant::now());
    };
    // The last flight may still be on its way.
    while peer.events.is_empty() {
        if let Out::Transmit(transmit) = outlet.recv_timeout(PATIENCE).unwrap()
            && transmit.destination == peer.address
        {
            peer.receive(here, &transmit.payload);
            peer.outgoing();
        }
    }
    assert_eq!(peer.keys().send, keys.receive);
    let statistics = worker.statistics();
    assert!(statistics.shed > 0, "{statistics:?}");
    assert_eq!((statistics.started, statistics.completed), (1, 1));
    // Closing is still carried out when the thread ends.
    worker.close(STREAM);
    drop(worker);
    let last = outlet.into_iter().filter_map(|out| match out {
        Out::Transmit(transmit) if transmit.destination == peer.address => Some(transmit),
        Out::Transmit(_) | Out::Event(_) => None,
    });
    peer.receive(here, &last.last().unwrap().payload);
    peer.outgoing();
    assert_eq!(peer.events.pop_back(), Some(Event::Closed { reason: None }));
}
