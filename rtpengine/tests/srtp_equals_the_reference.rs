//! The relay's SRTP does to every packet exactly what the reference does, by whatever library: bytes, verdict and state.
#![allow(clippy::expect_used, reason = "helpers of tests: a failed expectation is a failed test")]

use std::sync::Arc;

use proptest::prelude::*;
use rtpengine::srtp::{Context, Denied, Libraries, Library, MAX_GROWTH, Session};
use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{self, CryptoParams, Mki, Refused, SessionParams, Suite};

fn params(suite: Suite, seed: u8, mki: &[u8], session: SessionParams) -> CryptoParams {
    let key: [u8; 32] = std::array::from_fn(|at| seed.wrapping_mul(31).wrapping_add(at as u8 * 7));
    let salt: [u8; 14] = std::array::from_fn(|at| seed.wrapping_mul(17).wrapping_add(at as u8 * 5));
    let unauthenticated_srtp = session.unauthenticated_srtp && suite.salt_len() != 12;
    let session = SessionParams { unauthenticated_srtp, ..session };
    let (key, salt) = (&key[..suite.key_len()], &salt[..suite.salt_len()]);
    CryptoParams::new(suite, key, salt, Mki::new(mki).expect("short"), session).expect("lengths fit")
}

fn suites() -> impl Strategy<Value = Suite> {
    proptest::sample::select(&Suite::ALL[..])
}

fn libraries() -> impl Strategy<Value = Libraries> {
    let cipher = proptest::sample::select(&[Library::RustCrypto, Library::AwsLc][..]);
    let hmac = proptest::sample::select(&[Library::RustCrypto, Library::OpenSsl][..]);
    (cipher, hmac).prop_map(|(cipher, hmac)| Libraries { cipher, hmac })
}

fn sessions() -> impl Strategy<Value = SessionParams> {
    any::<[bool; 3]>().prop_map(|[unencrypted_srtp, unencrypted_srtcp, unauthenticated_srtp]| SessionParams {
        unencrypted_srtp,
        unencrypted_srtcp,
        unauthenticated_srtp,
    })
}

/// Mostly RTP with contributing sources and extension, sometimes rubbish.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(any::<u8>(), 0..300), prop::bool::weighted(0.9), 0..0x20_u8).prop_map(
        |(mut packet, version, bits)| {
            if let (true, Some(first)) = (version, packet.first_mut()) {
                *first = 0x80 | bits;
            }
            if version && packet.len() > 80 && bits & 0x10 != 0 {
                let at = 12 + usize::from(bits & 0x0f) * 4;
                packet[at + 2..at + 4].copy_from_slice(&[0, bits & 3]);
            }
            packet
        },
    )
}

fn states() -> impl Strategy<Value = StreamState> {
    prop_oneof![
        Just(StreamState::default()),
        (0..1_u64 << 48).prop_map(StreamState::resume),
        (0..1_u64 << 20).prop_map(StreamState::resume),
        Just(StreamState::resume((1 << 48) - 2)),
        Just(StreamState::resume((1 << 31) - 2)),
    ]
}

/// What both say, and that they agree on bytes and state.
fn both(
    state: &mut StreamState,
    buffer: &mut [u8],
    reference: impl FnOnce(&mut StreamState, &mut [u8]) -> Result<usize, Refused>,
    ours: impl FnOnce(&mut StreamState, &mut [u8]) -> Result<usize, Refused>,
) -> Result<Result<usize, Refused>, TestCaseError> {
    let (mut other_state, mut other) = (*state, buffer.to_vec());
    let expected = reference(&mut other_state, &mut other);
    let result = ours(state, buffer);
    prop_assert_eq!(result, expected);
    prop_assert_eq!(*state, other_state);
    // Behind the packet's new end anything may stand.
    let end = result.unwrap_or(buffer.len());
    prop_assert_eq!(&buffer[..end], &other[..end]);
    Ok(result)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn packets_there_and_back(
        suite in suites(),
        libraries in libraries(),
        session in sessions(),
        seed: u8,
        mki in prop_oneof![Just(0..0), Just(0..4), Just(0..128)],
        packet in packets(),
        start in states(),
        rtcp: bool,
        room in prop_oneof![9 => Just(MAX_GROWTH), 1 => 0..MAX_GROWTH],
        flip in prop::option::weighted(0.3, any::<prop::sample::Index>()),
    ) {
        let mki: Vec<u8> = mki.map(|n| n as u8 ^ seed).collect();
        let params = params(suite, seed, &mki, session);
        let (reference, ours) = (srtp::Session::new(&params), Session::by(libraries, &params));
        let (mut outgoing, mut incoming) = (start, start);
        let len = packet.len();
        let mut buffer = [&packet[..], &vec![0xa5; room]].concat();
        let protected = both(&mut outgoing, &mut buffer,
            |state, buffer| if rtcp { reference.protect_rtcp(state, buffer, len) } else { reference.protect_rtp(state, buffer, len) },
            |state, buffer| if rtcp { ours.protect_rtcp(state, buffer, len) } else { ours.protect_rtp(state, buffer, len) },
        )?;
        let Ok(protected) = protected else { return Ok(()) };
        buffer.truncate(protected);
        if let Some(flip) = flip {
            let bit = flip.index(protected * 8);
            buffer[bit / 8] ^= 1 << (bit % 8);
        }
        for _ in 0..2 {
            let mut again = buffer.clone();
            let result = both(&mut incoming, &mut again,
                |state, buffer| if rtcp { reference.unprotect_rtcp(state, buffer) } else { reference.unprotect_rtp(state, buffer) },
                |state, buffer| if rtcp { ours.unprotect_rtcp(state, buffer) } else { ours.unprotect_rtp(state, buffer) },
            )?;
            if let (Ok(len), None) = (result, flip) {
                prop_assert_eq!(&again[..len], &packet[..]);
            }
        }
    }

    #[test]
    fn rubbish_is_refused_alike(
        suite in suites(),
        libraries in libraries(),
        session in sessions(),
        packet in packets(),
        state in states(),
        rtcp: bool,
    ) {
        let params = params(suite, 9, b"", session);
        let (reference, ours) = (srtp::Session::new(&params), Session::by(libraries, &params));
        let (mut state, mut packet) = (state, packet);
        let _ = both(&mut state, &mut packet,
            |state, buffer| if rtcp { reference.unprotect_rtcp(state, buffer) } else { reference.unprotect_rtp(state, buffer) },
            |state, buffer| if rtcp { ours.unprotect_rtcp(state, buffer) } else { ours.unprotect_rtp(state, buffer) },
        )?;
    }
}

fn rtp(sequence: u16, ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 9]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0xd5; 160]);
    packet
}

fn protect(context: &mut Context, rtcp: bool, packet: &[u8]) -> Vec<u8> {
    let mut buffer = [packet, &[0; MAX_GROWTH]].concat();
    let len = context.protect(rtcp, &mut buffer, packet.len()).expect("protects");
    buffer.truncate(len);
    buffer
}

#[test]
fn replayed_and_forged_packets_are_refused_and_change_nothing() {
    for suite in Suite::ALL {
        let params = Arc::new(params(suite, 3, b"id", SessionParams::default()));
        let [mut outgoing, mut incoming] = std::array::from_fn(|_| Context::new(params.clone()));
        for sequence in 65_500..65_600_u32 {
            let packet = rtp(sequence as u16, 77);
            let sent = protect(&mut outgoing, false, &packet);
            for at in [2, 11, 12, sent.len() - 1] {
                let mut forged = sent.clone();
                forged[at] ^= 1;
                assert!(incoming.unprotect(false, &mut forged).is_err(), "{suite:?} {at}");
            }
            let mut received = sent.clone();
            let len = incoming.unprotect(false, &mut received).expect("authentic");
            assert_eq!(received[..len], packet, "{suite:?} over the wrap of the sequence number");
            let again = incoming.unprotect(false, &mut sent.clone());
            assert_eq!(again, Err(Denied::Refused(Refused::Replayed)));
        }
    }
}

#[test]
fn rtp_and_rtcp_of_an_ssrc_have_states_of_their_own() {
    let params = Arc::new(params(Suite::AeadAes256Gcm, 3, b"", SessionParams::default()));
    let [mut outgoing, mut incoming] = std::array::from_fn(|_| Context::new(params.clone()));
    let report = [&[0x80, 201, 0, 1][..], &77_u32.to_be_bytes()].concat();
    for sequence in 0..50 {
        for (rtcp, packet) in [(false, rtp(sequence, 77)), (true, report.clone())] {
            let mut sent = protect(&mut outgoing, rtcp, &packet);
            let len = incoming.unprotect(rtcp, &mut sent).expect("authentic");
            assert_eq!(sent[..len], packet);
        }
    }
}
