//! A flow changes between relay and kernel thousands of times while packets pass and its rollover counters move.

use std::{
    net::UdpSocket,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use rtpengine_common::srtp::Suite;
use rtpengine_core::io::{FlowCommand, Reason};

use super::bridge::{Bridge, Keys, by};
use crate::{
    relay_support::secure::{Crypto, keys},
    world::{ENGINE_A, FORWARD, SINK, WAIT, rtp},
};

/// Times into the kernel; as many out of it.
const ROUNDS: u64 = 1000;
/// Distance of two sequence numbers: a counter rolls over every 676 packets.
const STEP: u64 = 97;

/// What the relay has relayed.
fn relayed(bridge: &Bridge) -> u64 {
    bridge.relay.counters(FORWARD).map_or(0, |counters| counters.stream.packets)
}

/// Sends until told to stop; returns how many.
fn talk(from: &UdpSocket, mut outgoing: Crypto, stop: &AtomicBool, sent: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let number = sent.fetch_add(1, Ordering::Relaxed);
        from.send_to(&outgoing.protect(&rtp((number * STEP) as u16)), ENGINE_A).unwrap();
        // Some 4000 packets/s: the relay must keep up on a busy machine.
        thread::sleep(Duration::from_micros(200));
    }
}

/// Hears every packet once, in order, authentic.
fn listen(at: &UdpSocket, mut incoming: Crypto, stop: &AtomicBool, sent: &AtomicU64) -> u64 {
    let mut heard = 0_u64;
    let mut buffer = [0; 2048];
    let mut since = Instant::now();
    at.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    while !stop.load(Ordering::Acquire) || heard < sent.load(Ordering::Relaxed) {
        let Ok((length, _)) = at.recv_from(&mut buffer) else {
            assert!(since.elapsed() < WAIT, "packet {heard} never came");
            continue;
        };
        let packet = incoming.unprotect(&buffer[..length]);
        assert_eq!(packet, Ok(rtp((heard * STEP) as u16)), "packet {heard}");
        heard += 1;
        since = Instant::now();
    }
    heard
}

fn change_hands(keys: Keys) {
    let Some(mut bridge) = Bridge::new(keys) else { return };
    let empty = || Crypto::new(None);
    let outgoing = std::mem::replace(&mut bridge.outgoing, empty());
    let incoming = std::mem::replace(&mut bridge.incoming, empty());
    let (caller, callee) = (bridge.caller.try_clone().unwrap(), bridge.callee.try_clone().unwrap());
    let (stop_talking, stop, sent) = (AtomicBool::new(false), AtomicBool::new(false), AtomicU64::new(0));
    let heard = thread::scope(|scope| {
        let talker = scope.spawn(|| talk(&caller, outgoing, &stop_talking, &sent));
        let listener = scope.spawn(|| listen(&callee, incoming, &stop, &sent));
        let mut lost = false;
        for _ in 0..ROUNDS {
            let before = bridge.kernel_packets();
            bridge.offload();
            while bridge.kernel_packets() == before && !lost {
                lost = listener.is_finished();
                thread::sleep(Duration::from_micros(100));
            }
            let before = relayed(&bridge);
            bridge.manager.handle.command(FlowCommand::Remove { stream: FORWARD });
            while relayed(&bridge) == before && !lost {
                lost = listener.is_finished();
                thread::sleep(Duration::from_micros(100));
            }
        }
        stop_talking.store(true, Ordering::Relaxed);
        talker.join().unwrap();
        // All that was sent is known now.
        stop.store(true, Ordering::Release);
        if lost {
            let (kernel, relay) = (bridge.manager.handle.counters(FORWARD), bridge.relay.counters(FORWARD));
            panic!("{kernel:?} {relay:?}");
        }
        listener.join().unwrap()
    });
    let sent = sent.load(Ordering::Relaxed);
    assert_eq!(heard, sent);
    let (kernel, relay) = (bridge.manager.handle.counters(FORWARD), relayed(&bridge));
    assert_eq!((kernel.packets + relay, kernel.dropped), (sent, 0));
    let drops = bridge.relay.counters(FORWARD).unwrap().drops;
    assert!(drops.is_empty(), "{drops:?}");
    // The relay counts what it has sent after it was sent: the last packet may be heard before.
    let out = || {
        let relay = bridge.relay.counters(SINK).unwrap().stream.packets_out;
        bridge.manager.handle.counters(SINK).packets_out + relay
    };
    let since = Instant::now();
    while out() < sent && since.elapsed() < WAIT {
        thread::sleep(Duration::from_micros(100));
    }
    assert_eq!(out(), sent);
    eprintln!("{sent} packets, {} by the kernel, {} rollovers", kernel.packets, (sent * STEP) >> 16);
    bridge.shutdown();
}

#[test]
fn between_counter_mode_and_gcm() {
    change_hands((Some(keys(Suite::AesCm128HmacSha1_80, 1)), Some(keys(Suite::AeadAes128Gcm, 3))));
}

#[test]
fn from_plain_to_encrypted() {
    change_hands((None, Some(keys(Suite::AesCm128HmacSha1_80, 3))));
}

#[test]
fn from_encrypted_to_plain() {
    change_hands((Some(keys(Suite::AeadAes256Gcm, 1)), None));
}

#[test]
fn forged_and_replayed_packets_are_dropped_by_whoever_has_the_flow() {
    let keys = (Some(keys(Suite::AesCm128HmacSha1_80, 1)), Some(keys(Suite::AesCm128HmacSha1_32, 3)));
    let Some(mut bridge) = Bridge::new(keys) else { return };
    bridge.assert_forwarded(0..10);
    bridge.offload();
    let next = bridge.settle(10);
    for sequence in next..next + 50 {
        let sealed = bridge.outgoing.protect(&rtp(sequence));
        let mut forged = sealed.clone();
        forged[20] ^= 1;
        for packet in [&forged, &sealed, &sealed] {
            bridge.caller.send_to(packet, ENGINE_A).unwrap();
        }
        assert_eq!(bridge.receive(), rtp(sequence));
    }
    bridge
        .manager
        .wait_until("the count of what is dropped", |handle| handle.counters(FORWARD).dropped == 100);
    // What the kernel has had is refused by the relay.
    let sealed = bridge.outgoing.protect(&rtp(next + 50));
    bridge.caller.send_to(&sealed, ENGINE_A).unwrap();
    assert_eq!(bridge.receive(), rtp(next + 50));
    bridge.withdraw();
    bridge.caller.send_to(&sealed, ENGINE_A).unwrap();
    bridge.assert_forwarded(next + 51..next + 60);
    let drops = bridge.relay.counters(FORWARD).unwrap().drops;
    assert_eq!(drops[..], [(Reason::SrtpReplay, 1)]);
    bridge.shutdown();
}

#[test]
fn sources_that_find_no_room_in_the_kernel_are_relayed_and_come_back() {
    let keys = (Some(keys(Suite::AesCm128HmacSha1_80, 1)), Some(keys(Suite::AeadAes128Gcm, 3)));
    let Some(mut bridge) = Bridge::new(keys) else { return };
    for ssrc in 1..=6 {
        bridge.send(&by(ssrc, 65_535));
        assert_eq!(bridge.receive(), by(ssrc, 65_535));
    }
    bridge.offload();
    for round in 0..200_u16 {
        for ssrc in 1..=6 {
            bridge.send(&by(ssrc, round));
            assert_eq!(bridge.receive(), by(ssrc, round));
        }
    }
    let kernel = bridge.kernel_packets();
    assert!((700..=800).contains(&kernel), "{kernel}");
    bridge.shutdown();
}
