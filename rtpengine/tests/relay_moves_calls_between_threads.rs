//! A call that becomes a part of another one is served by the thread of that one from then on: nothing is lost on the way,
//! neither packets nor what is known of keys.

mod relay_support;

use std::sync::atomic::Ordering;

use relay_support::secure::{Keys, Side};
use relay_support::{Relay, rtp};
use rtpengine::relay::SrtpStates;
use rtpengine_common::srtp::Suite;
use rtpengine_core::io::{Affinity, Bundle, BundleLine, Component, Reason, RelayStream};
use smallvec::smallvec;

const FIRST: Affinity = Affinity(7);
const SECOND: Affinity = Affinity(8);

/// Makes the thread of a socket so busy that calls are placed elsewhere.
fn tire(relay: &mut Relay, side: &Side) {
    let clock = relay.clock_us.clone();
    let job = move |_: &mut dyn SrtpStates| {
        clock.fetch_add(2_000_000, Ordering::SeqCst);
        None
    };
    relay.handle.handover(side.port.stream, Box::new(job));
    // The thread measures itself after each round, and these are two.
    relay.settle(side.port);
    relay.settle(side.port);
}

#[test]
fn with_what_waits_in_their_sockets_and_their_keys() {
    let mut relay = Relay::start();
    let mut caller = Side::new(&mut relay, Keys::of(Suite::AeadAes128Gcm, 1));
    relay.configure(caller.port, caller.settings(Component::Rtp, &[]));
    tire(&mut relay, &caller);
    relay.affinity = SECOND;
    let mut one = Side::new(&mut relay, Keys::of(Suite::AesCm128HmacSha1_80, 5));
    let mut two = Side::new(&mut relay, Keys::default());
    relay.configure(one.port, one.settings(Component::Rtp, &[two.port]));
    relay.configure(two.port, two.settings(Component::Rtp, &[one.port]));
    // Served by different threads.
    let resume = relay.hold_up(caller.port);
    relay.settle(two.port);
    drop(resume);
    let first = one.outgoing.protect(&rtp(65_500));
    one.party.send(one.port, &first);
    assert_eq!(two.receive(), rtp(65_500));
    for sequence in 65_501..65_600_u32 {
        if sequence == 65_550 {
            let resume = relay.hold_up(one.port);
            one.send(&rtp(sequence as u16));
            relay.handle.unite(SECOND, FIRST);
            drop(resume);
        } else {
            one.send(&rtp(sequence as u16));
        }
        assert_eq!(two.receive(), rtp(sequence as u16));
        two.send(&rtp(sequence as u16));
        assert_eq!(one.receive(), rtp(sequence as u16));
    }
    // Now by the same one.
    let resume = relay.hold_up(caller.port);
    two.send(&rtp(64));
    one.party.receives_nothing();
    drop(resume);
    assert_eq!(one.receive(), rtp(64));
    one.party.send(one.port, &first);
    let counters = relay.wait(one.port, |counters| !counters.drops.is_empty());
    assert_eq!(counters.drops.as_slice(), [(Reason::SrtpReplay, 1)]);
    // And so they can hear each other.
    relay.configure(caller.port, caller.settings(Component::Rtp, &[one.port]));
    relay.configure(one.port, one.settings(Component::Rtp, &[caller.port]));
    relay.settle(one.port);
    for sequence in 100..120 {
        caller.send(&rtp(sequence));
        assert_eq!(one.receive(), rtp(sequence));
        one.send(&rtp(sequence));
        assert_eq!(caller.receive(), rtp(sequence));
    }
    assert_eq!(relay.handle.open_sockets(), 3);
    relay.shutdown();
}

#[test]
fn with_m_lines_that_share_a_port() {
    let mut relay = Relay::start();
    let caller = Side::new(&mut relay, Keys::default());
    relay.configure(caller.port, caller.settings(Component::Rtp, &[]));
    tire(&mut relay, &caller);
    relay.affinity = SECOND;
    let [mut one, mut audio, mut video] = std::array::from_fn(|_| Side::new(&mut relay, Keys::default()));
    let line = |payload_types: u128, sink: &Side| BundleLine {
        mid: None,
        mid_extension: None,
        ssrcs: smallvec![],
        payload_types,
        sinks: smallvec![sink.port.stream],
        rtcp_sinks: smallvec![sink.port.stream],
        discard: None,
        filter: None,
        copies: None,
    };
    let lines = smallvec![line(1, &audio), line(1 << 96, &video)];
    let bundled =
        RelayStream { bundle: Some(Box::new(Bundle { lines })), ..one.settings(Component::Mux, &[]) };
    relay.configure(one.port, bundled);
    for side in [&audio, &video] {
        relay.configure(side.port, side.settings(Component::Mux, &[one.port]));
    }
    relay.settle(video.port);
    let mut talk = |sequence: u16| {
        for (payload_type, ssrc, side) in [(0, 1, &mut audio), (96, 2, &mut video)] {
            let mut packet = rtp(sequence);
            (packet[1], packet[11]) = (payload_type, ssrc);
            one.send(&packet);
            assert_eq!(side.receive(), packet);
        }
        one.party.receives_nothing();
    };
    talk(1);
    relay.handle.unite(SECOND, FIRST);
    talk(2);
    caller.party.receives_nothing();
    relay.shutdown();
}
