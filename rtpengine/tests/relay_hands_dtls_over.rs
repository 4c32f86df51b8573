//! The relay gives DTLS datagrams away without learning from them, believes nothing of a party whose keys it has not, and
//! keeps a socket open for as long as somebody sends from it.
#![expect(clippy::unwrap_used, reason = "helpers of tests: a failed expectation is a failed test")]

mod relay_support;

use std::sync::{Arc, mpsc};

use relay_support::{Pair, rtp, settings};
use rtpengine::dtls::{
    Association, DtlsOptions, Event, Identity, Limits, PROFILES, Role, Sink, Transmit, Worker,
};
use rtpengine_core::io::{
    Affinity, Component, OpenError, OpenPort, Reason, RelayCommand, RelayStream, StreamId,
};

/// A DTLS record nobody answers: a handshake message of an unknown kind.
const RECORD: [u8; 25] = [22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, 77, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// Keeps what the thread says of closed streams.
struct Closed(mpsc::Sender<StreamId>);

impl Sink for Closed {
    fn transmit(&mut self, _transmit: Transmit) {}
    fn event(&mut self, _stream: StreamId, _epoch: u32, _event: Event) {}
    fn closed(&mut self, stream: StreamId) {
        let _ = self.0.send(stream);
    }
}

fn worker() -> (Worker, mpsc::Receiver<StreamId>) {
    let (sender, closed) = mpsc::channel();
    (Worker::spawn(Limits::default(), Closed(sender)).unwrap(), closed)
}

fn association() -> Association {
    Association {
        epoch: 1,
        role: Role::Passive,
        identity: Arc::new(Identity::generate(&DtlsOptions::default(), 1_700_000_000).unwrap()),
        remote: None,
        fingerprints: Vec::new(),
        profiles: PROFILES.to_vec(),
    }
}

#[test]
fn dtls_goes_to_its_thread_and_teaches_nothing() {
    let mut pair = Pair::new(|_| ());
    let (worker, _closed) = worker();
    let near = pair.near;
    pair.relay.handle.handshakes(near.stream, Some(worker.open(near.stream, association())));
    let stranger = relay_support::Party::new();
    stranger.send(near, &RECORD);
    pair.caller.send(near, &rtp(1));
    assert_eq!(pair.callee.receive().0, rtp(1), "the record went elsewhere");
    let counters = pair.relay.counters(near);
    assert_eq!((counters.stream.packets, counters.stream.errors), (1, 0));
    while worker.statistics().datagrams != 1 {
        std::thread::yield_now();
    }
    pair.callee_reaches(&pair.caller, 2);
    // Without anybody to give them to they are errors.
    pair.relay.handle.handshakes(near.stream, None);
    stranger.send(near, &RECORD);
    let counters = pair.relay.wait(near, |counters| !counters.drops.is_empty());
    assert_eq!(counters.drops.as_slice(), [(Reason::Dtls, 1)]);
    pair.relay.shutdown();
}

#[test]
fn handshakes_of_the_parties_with_each_other_pass_and_teach_nothing() {
    let pair = Pair::new(|_| ());
    let own = settings(Component::Rtp, Some(pair.caller.address), &[pair.far]);
    pair.relay.configure(pair.near, RelayStream { passes_dtls: true, ..own });
    relay_support::Party::new().send(pair.near, &RECORD);
    assert_eq!(pair.callee.receive().0, RECORD);
    pair.callee_reaches(&pair.caller, 1);
}

#[test]
fn nothing_is_believed_of_a_party_whose_keys_are_missing() {
    let pair = Pair::new(|_| ());
    let own = settings(Component::Rtp, Some(pair.caller.address), &[]);
    let waiting = RelayStream { awaits_keys: true, discard: Some(Reason::NoKeys), ..own };
    pair.relay.configure(pair.near, waiting);
    relay_support::Party::new().send(pair.near, &rtp(1));
    let counters = pair.relay.wait(pair.near, |counters| !counters.drops.is_empty());
    assert_eq!((counters.stream.packets, counters.drops.as_slice()), (0, &[(Reason::NoKeys, 1)][..]));
    pair.relay.no_event();
    pair.callee_reaches(&pair.caller, 2);
}

#[test]
fn a_socket_that_is_still_sent_from_is_not_free() {
    let mut relay = relay_support::Relay::start();
    let port = relay.open();
    let socket = relay.handle.socket(port.stream).unwrap();
    let party = relay_support::Party::new();
    relay.handle.command(RelayCommand::Close { stream: port.stream });
    relay.handle.flush();
    let next = OpenPort { stream: StreamId(900), local: port.local, affinity: Affinity(7) };
    let again = || relay.handle.open(next);
    assert_eq!(again(), Err(OpenError::InUse), "it is still there");
    socket.send_to(b"the last word", party.address);
    assert_eq!(party.receive(), (b"the last word".to_vec(), port.local));
    drop(socket);
    assert_eq!(again(), Ok(()));
    assert!(relay.handle.socket(port.stream).is_none());
    relay.shutdown();
}
