//! Packets that are not authentic, not new or not for the program, which change nothing but the counter of their reason.

use rtpengine_common::abi::{FLOW_BLACKHOLE, FlowValue};
use rtpengine_common::reason::Reason;
use rtpengine_common::srtp::abi::SrtpStreams;
use rtpengine_common::srtp::{SessionParams, Suite};
use rtpengine_tests::xdp::{Rig, UdpFrame, action, key, rtp};

use super::srtp::{RECEIVE, TRANSMIT, Userspace, install, suites};
use super::{LOCAL, SLOT, SSRC, at, expect, frame, rig, usual};

/// A flow with these contexts.
fn flow(contexts: (u32, u32)) -> FlowValue {
    FlowValue { receive_context: contexts.0, transmit_context: contexts.1, ..usual(0, 0) }
}

fn carrying(payload: &[u8]) -> Vec<u8> {
    UdpFrame { payload: payload.to_vec(), ..frame(0) }.bytes()
}

fn forwarded(rig: &mut Rig, payload: &[u8]) -> Vec<u8> {
    let run = rig.run(&carrying(payload)).unwrap();
    assert_eq!(run.action, action::TX, "counted: {:?}", rig.reasons().unwrap());
    run.frame[42..].to_vec()
}

/// What a packet may have changed: streams of both contexts, and the flow's counters by SSRC.
fn memory(rig: &mut Rig) -> (SrtpStreams, SrtpStreams, [rtpengine_common::abi::SsrcStats; 4], u64) {
    let stats = rig.stats(SLOT).unwrap();
    (rig.streams(RECEIVE).unwrap(), rig.streams(TRANSMIT).unwrap(), stats.ssrcs, stats.last_seen_ns)
}

/// Expects `payload` to be refused, and nothing to be remembered of it.
fn refused(rig: &mut Rig, name: &str, payload: &[u8], verdict: u32, reason: Reason) {
    let before = memory(rig);
    expect(rig, name, &carrying(payload), verdict, 0, reason);
    assert_eq!(memory(rig), before, "{name}");
}

#[test]
fn a_forged_bit_anywhere_is_dropped_and_moves_nothing() {
    let Some(mut rig) = rig() else { return };
    for suite in suites() {
        let mut receive = Userspace::new(suite, 1, &[1, 2], SessionParams::default());
        let transmit = Userspace::usual(suite, 2);
        let contexts = install(&mut rig, Some(&receive), Some(&transmit));
        rig.install(key(at(LOCAL[0])), flow(contexts)).unwrap();
        let name = suite.name();
        let first = receive.protect(&rtp(0, 100, SSRC, 20));
        let mut stranger = Userspace::new(suite, 3, &[1, 2], SessionParams::default());
        // Before and after the first packet of the stream.
        for round in 0..2 {
            let sealed = if round == 0 { first.clone() } else { receive.protect(&rtp(0, 101, SSRC, 20)) };
            for at in 1..sealed.len() {
                let mut forged = sealed.clone();
                forged[at] ^= 1 << (at % 8);
                refused(&mut rig, name, &forged, action::DROP, Reason::SrtpAuthentication);
            }
            let another = stranger.protect(&rtp(0, 100 + round, SSRC, 20));
            refused(&mut rig, name, &another, action::DROP, Reason::SrtpAuthentication);
            refused(&mut rig, name, &sealed[..14], action::PASS, Reason::NotRtp);
            if round == 0 {
                forwarded(&mut rig, &sealed);
            }
        }
        rig.set_stats(SLOT, Default::default()).unwrap();
    }
}

#[test]
fn a_packet_passes_once() {
    let Some(mut rig) = rig() else { return };
    for suite in suites() {
        let (mut receive, transmit) = (Userspace::usual(suite, 1), Userspace::usual(suite, 2));
        for both in [true, false] {
            receive.state = Default::default();
            let contexts = install(&mut rig, Some(&receive), both.then_some(&transmit));
            rig.install(key(at(LOCAL[0])), flow(contexts)).unwrap();
            // Out of order, over the end of the sequence numbers.
            let mut sealed: Vec<_> = (0..40_u16)
                .map(|at| receive.protect(&rtp(0, 65_520_u16.wrapping_add(at), SSRC, 33)))
                .collect();
            sealed.swap(3, 7);
            sealed.swap(14, 17);
            for payload in &sealed {
                forwarded(&mut rig, payload);
            }
            for payload in &sealed {
                refused(&mut rig, suite.name(), payload, action::DROP, Reason::SrtpReplay);
            }
            // Further back than the window reaches.
            let late = receive.protect(&rtp(0, 30, SSRC, 33));
            for sequence in (40..200).step_by(16) {
                forwarded(&mut rig, &receive.protect(&rtp(0, sequence, SSRC, 33)));
            }
            refused(&mut rig, suite.name(), &late, action::DROP, Reason::SrtpReplay);
        }
    }
}

/// What is sent twice under one index would give away the key stream.
#[test]
fn an_index_is_encrypted_under_once() {
    let Some(mut rig) = rig() else { return };
    for suite in suites() {
        let mut transmit = Userspace::usual(suite, 2);
        let contexts = install(&mut rig, None, Some(&transmit));
        rig.install(key(at(LOCAL[0])), flow(contexts)).unwrap();
        let first = rtp(0, 9, SSRC, 50);
        assert_eq!(forwarded(&mut rig, &first), transmit.protect(&first));
        let mut other = first.clone();
        other[20] ^= 0xff;
        for payload in [&first, &other] {
            refused(&mut rig, suite.name(), payload, action::DROP, Reason::SrtpReplay);
        }
        let next = rtp(0, 10, SSRC, 50);
        assert_eq!(forwarded(&mut rig, &next), transmit.protect(&next));
    }
}

#[test]
fn indices_before_the_first_and_behind_the_last_are_none() {
    let Some(mut rig) = rig() else { return };
    let (mut receive, transmit) =
        (Userspace::usual(Suite::AesCm128HmacSha1_80, 1), Userspace::usual(Suite::AeadAes128Gcm, 2));
    let contexts = install(&mut rig, Some(&receive), Some(&transmit));
    rig.install(key(at(LOCAL[0])), flow(contexts)).unwrap();
    let before = receive.protect(&rtp(0, 65_000, SSRC, 20));
    receive.state = Default::default();
    forwarded(&mut rig, &receive.protect(&rtp(0, 3, SSRC, 20)));
    refused(&mut rig, "before the first", &before, action::DROP, Reason::SrtpReplay);

    let mut streams = rig.streams(RECEIVE).unwrap();
    streams.streams[0].state = rtpengine_common::srtp::abi::StreamState::resume((1 << 48) - 2);
    receive.state = streams.streams[0].state;
    rig.set_streams(RECEIVE, streams).unwrap();
    let mut sending = rig.streams(TRANSMIT).unwrap();
    sending.streams[0].state = streams.streams[0].state;
    rig.set_streams(TRANSMIT, sending).unwrap();
    forwarded(&mut rig, &receive.protect(&rtp(0, 65_535, SSRC, 20)));
    receive.state = Default::default();
    let behind = receive.protect(&rtp(0, 0, SSRC, 20));
    refused(&mut rig, "behind the last", &behind, action::DROP, Reason::SrtpReplay);
}

#[test]
fn what_the_program_cannot_do_is_handed_up_untouched() {
    let Some(mut rig) = rig() else { return };
    for suite in [Suite::AesCm256HmacSha1_80, Suite::AeadAes256Gcm] {
        let (mut receive, transmit) = (Userspace::usual(suite, 1), Userspace::usual(suite, 2));
        let contexts = install(&mut rig, Some(&receive), Some(&transmit));
        let first = receive.protect(&rtp(0, 100, SSRC, 160));
        let install = |rig: &mut Rig, value| rig.install(key(at(LOCAL[0])), value).unwrap();

        for (name, numbers) in [
            ("no context to receive with", (99, contexts.1)),
            ("no context to send with", (contexts.0, 99)),
            ("a number beyond the maps", (u32::MAX, contexts.1)),
        ] {
            install(&mut rig, flow(numbers));
            let before = rig.reason(0, Reason::NoContext).unwrap();
            let run = rig.run(&carrying(&first)).unwrap();
            assert_eq!((run.action, run.frame), (action::PASS, carrying(&first)), "{name}");
            assert_eq!(rig.reason(0, Reason::NoContext).unwrap(), before + 1, "{name}");
        }
        install(&mut rig, FlowValue { mtu: 199, ..flow(contexts) });
        let run = rig.run(&carrying(&first)).unwrap();
        assert_eq!((run.action, run.frame), (action::PASS, carrying(&first)), "larger than the egress MTU");

        // Handed up after it was found authentic: its index is not used up.
        install(&mut rig, flow(contexts));
        forwarded(&mut rig, &first);

        let mut extended = rtp(0, 101, SSRC, 20);
        extended[0] |= 0x10;
        extended[14..16].copy_from_slice(&[0, 5]);
        extended.extend([0; 64]);
        refused(
            &mut rig,
            "an extension longer than the packet",
            &extended[..36],
            action::PASS,
            Reason::NotRtp,
        );

        for ssrc in 1..4 {
            forwarded(&mut rig, &receive_as(suite, ssrc, 7));
        }
        let fifth = receive_as(suite, 5, 7);
        refused(&mut rig, "a fifth SSRC", &fifth, action::PASS, Reason::SsrcUnknown);
        let streams = rig.streams(RECEIVE).unwrap().streams.map(|stream| stream.ssrc);
        assert_eq!(streams, [SSRC, 1, 2, 3]);
        rig.set_stats(SLOT, Default::default()).unwrap();
    }
    let (mut receive, transmit) =
        (Userspace::usual(Suite::AeadAes128Gcm, 1), Userspace::usual(Suite::AeadAes128Gcm, 2));
    let contexts = install(&mut rig, Some(&receive), Some(&transmit));
    rig.install(key(at(LOCAL[0])), flow(contexts)).unwrap();
    rig.remove_hash_key(RECEIVE).unwrap();
    refused(&mut rig, "no hash key", &receive.protect(&rtp(0, 1, SSRC, 20)), action::PASS, Reason::NoContext);
}

/// The first packet of an SSRC.
fn receive_as(suite: Suite, ssrc: u32, sequence: u16) -> Vec<u8> {
    Userspace::usual(suite, 1).protect(&rtp(0, sequence, ssrc, 20))
}

#[test]
fn a_blackhole_takes_what_is_authentic_and_new() {
    let Some(mut rig) = rig() else { return };
    let mut receive = Userspace::usual(Suite::AesCm128HmacSha1_32, 1);
    let contexts = install(&mut rig, Some(&receive), None);
    let value = flow(contexts);
    rig.install(key(at(LOCAL[0])), FlowValue { flags: value.flags | FLOW_BLACKHOLE, ..value }).unwrap();
    let sealed = receive.protect(&rtp(0, 1, SSRC, 20));
    let mut forged = sealed.clone();
    forged[15] ^= 1;
    refused(&mut rig, "forged", &forged, action::DROP, Reason::SrtpAuthentication);
    expect(&mut rig, "authentic", &carrying(&sealed), action::DROP, 0, Reason::Blackhole);
    refused(&mut rig, "again", &sealed, action::DROP, Reason::SrtpReplay);
    assert_eq!(rig.stats(SLOT).unwrap().packets(), 1);
}
