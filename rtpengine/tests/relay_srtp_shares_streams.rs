//! What the relay knows of streams is shared with whoever else handles their packets: here with a session of the
//! reference implementation, in the place of the kernel.

#![expect(clippy::expect_used, reason = "helpers of tests fail the test")]

mod relay_support;

use std::sync::{Arc, mpsc};

use relay_support::secure::{Crypto, Keys, SecurePair, keys};
use relay_support::{PATIENCE, Party, Port, rtp, settings};
use rtpengine::relay::SrtpStates;
use rtpengine::srtp::{Direction, Row, SharedRow};
use rtpengine_common::srtp::abi::SrtpStreams;
use rtpengine_common::srtp::shared::SharedStreams;
use rtpengine_common::srtp::{CryptoParams, Session, Suite};
use rtpengine_core::io::{Component, Copies, Reason};

struct Memory(SharedStreams);

impl Row for Memory {
    fn streams(&self) -> &SharedStreams {
        &self.0
    }
}

fn memory() -> Arc<Memory> {
    Arc::new(Memory(SharedStreams::new(&SrtpStreams::default())))
}

/// The other one: both sessions of a direction, and its streams.
struct Kernel {
    receive: Session,
    transmit: Session,
    from: Arc<Memory>,
    to: Arc<Memory>,
}

fn word(packet: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(packet[at..at + 4].try_into().expect("four bytes"))
}

/// One packet by the protocol of the shared words; `None`: refused.
fn process(
    streams: &SharedStreams,
    packet: &[u8],
    work: impl FnOnce(&mut rtpengine_common::srtp::abi::StreamState) -> Option<()>,
) -> Option<()> {
    let place = streams.find(word(packet, 8))?;
    let index = place.guess(word(packet, 0) as u16)?;
    place.check(index).ok()?;
    let mut state = place.stream().map(|stream| stream.snapshot().state).unwrap_or_default();
    work(&mut state)?;
    streams.claim(word(packet, 8))?.accept(index).ok()
}

impl Kernel {
    fn new(pair: &SecurePair) -> Self {
        let session = |params: &Option<Arc<CryptoParams>>| Session::new(params.as_deref().expect("keys"));
        let kernel = Self {
            receive: session(&pair.caller.keys.receive),
            transmit: session(&pair.callee.keys.transmit),
            from: memory(),
            to: memory(),
        };
        let (caller, callee) = (&pair.caller, &pair.callee);
        assert!(share(pair, caller.port, Direction::Receive, &caller.keys.receive, &kernel.from));
        assert!(share(pair, callee.port, Direction::Transmit, &callee.keys.transmit, &kernel.to));
        kernel
    }

    /// Decrypts and encrypts a packet.
    fn forward(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let mut packet = sealed.to_vec();
        let mut length = 0;
        process(self.from.streams(), sealed, |state| {
            length = self.receive.unprotect_rtp(state, &mut packet).ok()?;
            Some(())
        })?;
        packet.truncate(length);
        let plain = packet.clone();
        packet.extend([0; 160]);
        process(self.to.streams(), &plain, |state| {
            length = self.transmit.protect_rtp(state, &mut packet, plain.len()).ok()?;
            Some(())
        })?;
        packet.truncate(length);
        Some(packet)
    }
}

fn share(
    pair: &SecurePair,
    port: Port,
    direction: Direction,
    keys: &Option<Arc<CryptoParams>>,
    row: &Arc<Memory>,
) -> bool {
    let (done, shared) = mpsc::channel();
    let (keys, row) = (keys.clone().expect("keys"), Arc::clone(row) as SharedRow);
    let job = move |states: &mut dyn SrtpStates| {
        done.send(states.share(port.stream, direction, &keys, row)).expect("test waits");
        None
    };
    pair.relay.handle.handover(port.stream, Box::new(job));
    shared.recv_timeout(PATIENCE).expect("the job runs")
}

fn by(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = rtp(sequence);
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet
}

#[test]
fn a_stream_changes_hands_at_any_packet_while_its_counter_rolls_over() {
    for suite in Suite::ALL {
        if suite.cipher() == rtpengine_common::srtp::Cipher::F8 {
            continue;
        }
        let mut pair = SecurePair::new(Keys::of(suite, 1), Keys::of(Suite::AeadAes256Gcm, 3));
        // The relay knows of a rollover before it shares anything.
        for sequence in 65_530..65_540_u32 {
            pair.caller_reaches_callee(&rtp(sequence as u16));
        }
        let kernel = Kernel::new(&pair);
        let mut random = 1_u64;
        for step in 0..4000_u64 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let packet = rtp((4 + step * 131) as u16);
            let sealed = pair.caller.outgoing.protect(&packet);
            if random >> 63 == 0 {
                pair.caller.party.send(pair.caller.port, &sealed);
                assert_eq!(pair.callee.receive(), packet, "step {step} with {suite:?}");
                assert_eq!(kernel.forward(&sealed), None, "the relay has had it");
            } else {
                let sent = kernel.forward(&sealed).unwrap();
                assert_eq!(
                    pair.callee.incoming.unprotect(&sent).unwrap(),
                    packet,
                    "step {step} with {suite:?}"
                );
                if step % 16 == 0 {
                    pair.caller.party.send(pair.caller.port, &sealed);
                }
            }
        }
        pair.relay.settle(pair.caller.port);
        let drops = pair.relay.counters(pair.caller.port).drops;
        let [(Reason::SrtpReplay, replayed)] = drops[..] else { panic!("{drops:?}") };
        assert!(replayed > 50, "what the other one has had is refused by the relay");
        pair.callee.party.receives_nothing();
    }
}

#[test]
fn streams_that_find_no_room_stay_with_the_relay() {
    let mut pair =
        SecurePair::new(Keys::of(Suite::AesCm128HmacSha1_80, 1), Keys::of(Suite::AeadAes128Gcm, 3));
    for ssrc in 1..=6 {
        pair.caller_reaches_callee(&by(ssrc, 65_535));
        pair.caller_reaches_callee(&by(ssrc, 0));
    }
    let kernel = Kernel::new(&pair);
    let mut shared = kernel.from.streams().snapshot().streams.map(|stream| stream.ssrc);
    shared.sort_unstable();
    assert_eq!(shared, [3, 4, 5, 6], "those used last");
    for ssrc in 1..=7 {
        pair.caller_reaches_callee(&by(ssrc, 1));
        let sealed = pair.caller.outgoing.protect(&by(ssrc, 2));
        assert_eq!(kernel.forward(&sealed).is_some(), (3..=6).contains(&ssrc), "{ssrc}");
    }
}

#[test]
fn a_new_stream_takes_room_that_is_left_and_a_forged_one_does_not() {
    let mut pair =
        SecurePair::new(Keys::of(Suite::AesCm128HmacSha1_80, 1), Keys::of(Suite::AeadAes128Gcm, 3));
    let kernel = Kernel::new(&pair);
    let ssrcs = || kernel.from.streams().snapshot().streams.map(|stream| stream.ssrc);
    let mut stranger = Crypto::new(Some(&keys(Suite::AesCm128HmacSha1_80, 99)));
    for ssrc in 100..110 {
        pair.caller.party.send(pair.caller.port, &stranger.protect(&by(ssrc, 1)));
    }
    pair.caller_reaches_callee(&by(1, 7));
    assert_eq!(ssrcs(), [1, 0, 0, 0]);
    // SSRC 0 marks room that is left, so its stream is the relay's.
    pair.caller_reaches_callee(&by(0, 7));
    pair.caller_reaches_callee(&by(0, 8));
    assert_eq!(ssrcs(), [1, 0, 0, 0]);
}

#[test]
fn other_keys_are_not_shared() {
    let mut pair =
        SecurePair::new(Keys::of(Suite::AesCm128HmacSha1_80, 1), Keys::of(Suite::AeadAes128Gcm, 3));
    let (port, row) = (pair.caller.port, memory());
    let other = Some(keys(Suite::AesCm128HmacSha1_80, 9));
    assert!(!share(&pair, port, Direction::Receive, &other, &row));
    assert!(!share(&pair, port, Direction::Transmit, &pair.caller.keys.receive, &row));
    assert!(share(&pair, port, Direction::Receive, &pair.caller.keys.receive, &row));
    pair.caller_reaches_callee(&by(5, 1));
    assert_eq!(row.streams().snapshot().streams[0].ssrc, 5);
    // New keys begin anew, in memory of their own. The old row is given back with the keys after those: then nobody can be
    // at work with it any more.
    let further = Some(keys(Suite::AesCm128HmacSha1_80, 11));
    for (new, sequence, holders) in [(other, 2, 2), (further, 3, 1)] {
        pair.caller.keys.receive = new;
        pair.caller.outgoing = Crypto::new(pair.caller.keys.receive.as_deref());
        pair.configure();
        pair.caller_reaches_callee(&by(5, sequence));
        assert_eq!(row.streams().snapshot().streams[0].state.next, 2);
        assert_eq!(Arc::strong_count(&row), holders);
    }
}

#[test]
fn copies_go_on_ahead_of_what_is_shared() {
    let mut pair =
        SecurePair::new(Keys::of(Suite::AesCm128HmacSha1_80, 1), Keys::of(Suite::AeadAes128Gcm, 3));
    let kernel = Kernel::new(&pair);
    pair.caller_reaches_callee(&rtp(1));
    let subscriber = Party::new();
    let way = pair.relay.open();
    pair.relay.configure(way, settings(Component::Mux, Some(subscriber.address), &[]));
    // Nobody here reads it until after a rollover. Then packets are passed on as they are, and a copy is decrypted.
    for step in 1..14_u32 {
        pair.caller.outgoing.protect(&rtp((step * 10_000) as u16));
    }
    let mut config = pair.caller.settings(Component::Mux, &[]);
    config.copies = config.receive_crypto.take().map(|keys| {
        Box::new(Copies { keys, sinks: [way.stream].into(), rtcp_sinks: Default::default(), filter: None })
    });
    pair.relay.configure(pair.caller.port, config);
    for sequence in 64_465..64_470 {
        let packet = rtp(sequence);
        pair.caller.send(&packet);
        assert_eq!(subscriber.receive().0, packet);
    }
    let shared = kernel.from.streams().snapshot().streams[0];
    assert_eq!(shared.state.next, (1 << 16) + 64_470, "in the memory that is shared");
}
