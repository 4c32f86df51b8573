//! Random sessions with loss, reordering, duplicates, forgeries and several sources, from one end to the other, and every
//! packet compared with what RustCrypto makes of it.
//!
//! `RTPENGINE_SRTP_PACKETS` says how many packets; ten million take some minutes in a release build:
//! `RTPENGINE_SRTP_PACKETS=10000000 cargo test --release -p rtpengine-common --test srtp_agrees_with_rustcrypto`.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

mod srtp_oracle;

use std::{collections::HashMap, env};

use rtpengine_common::srtp::{
    CryptoParams, Mki, Refused, Session, SessionParams, Suite, abi::StreamState, replay::WINDOW,
};
use srtp_oracle::Oracle;

/// Packets where the environment does not say.
const PACKETS: u64 = 6000;
/// How many packets may overtake another on each of two ways.
const MAX_DELAY: u64 = 50;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one_in(&mut self, chances: u64) -> bool {
        self.below(chances) == 0
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| self.next().to_ne_bytes()).collect();
        bytes.truncate(len);
        bytes
    }
}

/// A packet on its way, with the index that its sender had in mind.
#[derive(Clone)]
struct Packet {
    ssrc: u32,
    index: u64,
    header_len: usize,
    bytes: Vec<u8>,
}

fn rtp(random: &mut Random, ssrc: u32, index: u64) -> Packet {
    let sources = if random.one_in(4) { random.below(16) as usize } else { 0 };
    let extension = if random.one_in(4) { Some(random.below(8) as usize) } else { None };
    let payload = match random.below(1000) {
        0 => random.below(9000),
        1..100 => random.below(1400),
        _ => random.below(200),
    };
    let flags = 0x80 | if extension.is_some() { 0x10 } else { 0 } | sources as u8;
    let mut bytes = vec![flags, (random.next() as u8 & 0x9f) | 0x20];
    bytes.extend((index as u16).to_be_bytes());
    bytes.extend(random.bytes(4));
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(random.bytes(4 * sources));
    if let Some(words) = extension {
        bytes.extend([0xbe, 0xde, 0, words as u8]);
        bytes.extend(random.bytes(4 * words));
    }
    let header_len = bytes.len();
    bytes.extend(random.bytes(payload as usize));
    Packet { ssrc, index, header_len, bytes }
}

fn rtcp(random: &mut Random, ssrc: u32) -> Vec<u8> {
    let words = random.below(40) as usize;
    let mut bytes = vec![0x81, 200 + random.below(5) as u8, 0, words as u8];
    bytes.extend(ssrc.to_be_bytes());
    bytes.extend(random.bytes(4 * words));
    bytes
}

/// Loses some packets, and lets the others overtake one another by at most [`MAX_DELAY`].
fn disturb(random: &mut Random, packets: Vec<Packet>) -> Vec<Packet> {
    let (loss, delay) = (2 + random.below(60), 1 + random.below(MAX_DELAY));
    let mut due: Vec<(u64, Packet)> = Vec::new();
    for (at, packet) in (0..).zip(packets) {
        if !random.one_in(loss) {
            due.push((at + if random.one_in(3) { random.below(delay) } else { 0 }, packet));
        }
    }
    due.sort_by_key(|(at, _)| *at);
    due.into_iter().map(|(_, packet)| packet).collect()
}

/// What happened, so that the test can tell that everything did.
#[derive(Debug, Default)]
struct Seen {
    packets: u64,
    rtcp: u64,
    wrapped: u64,
    late: u64,
    too_late: u64,
    replayed: u64,
    forged: u64,
}

fn params(random: &mut Random) -> CryptoParams {
    let suite = Suite::ALL[random.below(Suite::ALL.len() as u64) as usize];
    let gcm = suite.salt_len() == 12;
    let session = SessionParams {
        unencrypted_srtp: random.one_in(6),
        unencrypted_srtcp: random.one_in(6),
        unauthenticated_srtp: !gcm && random.one_in(6),
    };
    let mki = if random.one_in(3) { random.below(20) as usize } else { 0 };
    let mki = Mki::new(&random.bytes(mki)).unwrap();
    let (key, salt) = (random.bytes(suite.key_len()), random.bytes(suite.salt_len()));
    CryptoParams::new(suite, &key, &salt, mki, session).unwrap()
}

/// A few sources with some hundred packets between them.
fn stream(random: &mut Random) -> Vec<Packet> {
    let sources = 1 + random.below(4);
    let mut sources: Vec<(u32, u64)> = (0..sources)
        .map(|_| {
            let near_the_end = 0x1_0000 - 1 - random.below(100);
            (random.next() as u32, if random.one_in(2) { near_the_end } else { random.below(0x1_0000) })
        })
        .collect();
    let mut packets = Vec::new();
    let mut talking = 0;
    for _ in 0..300 + random.below(300) {
        if random.one_in(20) {
            talking = random.below(sources.len() as u64) as usize;
        }
        let (ssrc, index) = &mut sources[talking];
        packets.push(rtp(random, *ssrc, *index));
        *index += 1;
    }
    packets
}

/// One session from sender to receiver.
fn session(random: &mut Random, seen: &mut Seen) {
    let params = params(random);
    let case = format!("{params:?}");
    let oracle = Oracle::new(&params);
    let (sender, receiver) = (Session::new(&params), Session::new(&params));
    let unauthenticated = params.session().unauthenticated_srtp;
    let (mut outgoing, mut incoming) = (HashMap::new(), HashMap::new());
    for gap in 0..1 + random.below(3) {
        let packets = if gap == 0 { stream(random) } else { continued(random, &outgoing, &incoming) };
        let sent = disturb(random, packets);
        let protected = protect(&sender, &oracle, &mut outgoing, sent, seen, &case);
        for (plain, protected) in disturb_pairs(random, protected) {
            receive(random, &receiver, &mut incoming, &plain, &protected, unauthenticated, seen, &case);
        }
    }
    let (mut outgoing, mut incoming) = (StreamState::default(), StreamState::default());
    for index in 0..20 {
        let plain = rtcp(random, 0x1234_5678);
        let mut buffer = [&plain[..], &[0; 64]].concat();
        let len = sender.protect_rtcp(&mut outgoing, &mut buffer, plain.len()).unwrap();
        buffer.truncate(len);
        assert_eq!(buffer, oracle.rtcp(&plain, index), "{case}");
        let mut forged = buffer.clone();
        flip(random, &mut forged);
        assert!(receiver.unprotect_rtcp(&mut incoming, &mut forged).is_err(), "{case}");
        let replay = buffer.clone();
        assert_eq!(receiver.unprotect_rtcp(&mut incoming, &mut buffer), Ok(plain.len()), "{case}");
        assert_eq!(buffer[..plain.len()], plain);
        let again = receiver.unprotect_rtcp(&mut incoming, &mut replay.clone());
        assert_eq!(again, Err(Refused::Replayed), "{case}");
        seen.rtcp += 1;
    }
}

/// The known sources after a gap: what the receiver has not seen is nearly as long as can be told from a step back.
fn continued(
    random: &mut Random,
    sent: &HashMap<u32, StreamState>,
    received: &HashMap<u32, StreamState>,
) -> Vec<Packet> {
    let mut packets = Vec::new();
    for (&ssrc, state) in sent {
        let missed = received.get(&ssrc).map_or(0, |received| state.next - received.next);
        let gap = random.below(0x7fff - 700 - missed.min(0x7000));
        let count = random.below(200);
        packets.extend((0..count).map(|at| rtp(random, ssrc, state.next + gap + at)));
    }
    packets
}

fn protect(
    sender: &Session,
    oracle: &Oracle,
    states: &mut HashMap<u32, StreamState>,
    packets: Vec<Packet>,
    seen: &mut Seen,
    case: &str,
) -> Vec<(Packet, Packet)> {
    let mut protected = Vec::new();
    for packet in packets {
        if !states.contains_key(&packet.ssrc) && packet.index > 0xffff {
            // Who joins after a wrap cannot know of it.
            continue;
        }
        let state = states.entry(packet.ssrc).or_default();
        seen.late += u64::from(packet.index + 1 < state.next);
        seen.wrapped += u64::from(packet.index > 0xffff);
        let expected = oracle.rtp(&packet.bytes, packet.header_len, packet.index);
        let mut buffer = packet.bytes.clone();
        buffer.resize(packet.bytes.len() + 64, 0);
        assert_eq!(sender.protect_rtp(state, &mut buffer, packet.bytes.len()), Ok(expected.len()), "{case}");
        buffer.truncate(expected.len());
        assert_eq!(buffer, expected, "{case} index {:#x}", packet.index);
        seen.packets += 1;
        protected.push((packet.clone(), Packet { bytes: buffer, ..packet }));
    }
    protected
}

/// As [`disturb`], for packets with what they were made of.
fn disturb_pairs(random: &mut Random, pairs: Vec<(Packet, Packet)>) -> Vec<(Packet, Packet)> {
    let places = (0..pairs.len())
        .map(|at| Packet { ssrc: 0, index: at as u64, header_len: 0, bytes: vec![] })
        .collect();
    disturb(random, places).into_iter().map(|place| pairs[place.index as usize].clone()).collect()
}

#[expect(clippy::too_many_arguments, reason = "the state of a whole session")]
fn receive(
    random: &mut Random,
    receiver: &Session,
    states: &mut HashMap<u32, StreamState>,
    plain: &Packet,
    protected: &Packet,
    unauthenticated: bool,
    seen: &mut Seen,
    case: &str,
) {
    if !states.contains_key(&plain.ssrc) && plain.index > 0xffff {
        return;
    }
    let state = states.entry(plain.ssrc).or_default();
    if !unauthenticated && random.one_in(3) {
        let before = *state;
        let mut forged = protected.bytes.clone();
        flip(random, &mut forged);
        assert!(receiver.unprotect_rtp(state, &mut forged).is_err(), "{case}");
        assert_eq!(*state, before, "a forged packet has changed the stream; {case}");
        seen.forged += 1;
    }
    let mut bytes = protected.bytes.clone();
    if plain.index + WINDOW < state.next.saturating_sub(1) {
        // Too late to be told from a replay for sure: whether it is taken depends on what has come since.
        seen.too_late += 1;
        let taken = receiver.unprotect_rtp(state, &mut bytes);
        assert!([Ok(plain.bytes.len()), Err(Refused::Replayed)].contains(&taken), "{taken:?} {case}");
        return;
    }
    assert_eq!(receiver.unprotect_rtp(state, &mut bytes), Ok(plain.bytes.len()), "{case} {:#x}", plain.index);
    assert_eq!(bytes[..plain.bytes.len()], plain.bytes, "{case}");
    if !unauthenticated && random.one_in(3) {
        let mut again = protected.bytes.clone();
        assert_eq!(receiver.unprotect_rtp(state, &mut again), Err(Refused::Replayed), "{case}");
        assert_eq!(again, protected.bytes);
        seen.replayed += 1;
    }
}

/// Changes one bit.
fn flip(random: &mut Random, bytes: &mut [u8]) {
    let at = random.below(bytes.len() as u64) as usize;
    bytes[at] ^= 1 << random.below(8);
}

#[test]
fn every_packet_of_random_sessions() {
    let packets = match env::var("RTPENGINE_SRTP_PACKETS") {
        Ok(packets) => packets.parse().expect("RTPENGINE_SRTP_PACKETS is a number"),
        Err(_) => PACKETS,
    };
    let mut random = Random(packets);
    let mut seen = Seen::default();
    while seen.packets + seen.rtcp < packets {
        session(&mut random, &mut seen);
    }
    println!("{seen:?}");
    assert!(seen.rtcp > 0 && seen.wrapped > 0 && seen.late > 0 && seen.replayed > 0 && seen.forged > 0);
}
