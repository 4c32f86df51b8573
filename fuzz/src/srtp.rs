//! SRTP and SRTCP from the network: the first byte chooses the suite, the rest is a packet.

use std::sync::Arc;

use rtpengine::srtp::{Context, MAX_GROWTH};
use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Mki, Session, SessionParams, Suite};

/// Unprotecting never panics, refuses what was not protected, and the relay and the code of the XDP program agree on every
/// packet; what is protected is read back, once.
pub fn check(bytes: &[u8]) {
    let Some((choice, packet)) = bytes.split_first() else { return };
    let suite = Suite::ALL[usize::from(*choice) % Suite::ALL.len()];
    let key: [u8; 32] = std::array::from_fn(|at| at as u8);
    let salt: [u8; 14] = std::array::from_fn(|at| 0xa0 + at as u8);
    let (key, salt) = (&key[..suite.key_len()], &salt[..suite.salt_len()]);
    let params = CryptoParams::new(suite, key, salt, Mki::default(), SessionParams::default());
    let Ok(params) = params.map(Arc::new) else { panic!("the key fits its suite") };
    for rtcp in [false, true] {
        received(&params, rtcp, packet);
        round_trip(&params, rtcp, packet);
    }
}

/// The packet as it comes from the network, twice: a replay is refused where packets are authenticated.
fn received(params: &Arc<CryptoParams>, rtcp: bool, packet: &[u8]) {
    let (reference, mut relay) = (Session::new(params), Context::new(Arc::clone(params)));
    if packet.len() < 12 {
        // The relay reads no SSRC off less.
        let mut packet = packet.to_vec();
        let refused = if rtcp {
            reference.unprotect_rtcp(&mut StreamState::default(), &mut packet)
        } else {
            reference.unprotect_rtp(&mut StreamState::default(), &mut packet)
        };
        assert!(refused.is_err());
        return;
    }
    let mut state = StreamState::default();
    let mut taken = 0;
    for _ in 0..2 {
        let (mut one, mut two) = (packet.to_vec(), packet.to_vec());
        let before = state;
        let length = if rtcp {
            reference.unprotect_rtcp(&mut state, &mut one)
        } else {
            reference.unprotect_rtp(&mut state, &mut one)
        };
        let relays = relay.unprotect(rtcp, &mut two);
        assert_eq!(length.is_ok(), relays.is_ok(), "{length:?} {relays:?}");
        match (length, relays) {
            (Ok(length), Ok(relays)) => {
                assert_eq!(one.get(..length), two.get(..relays));
                taken += 1;
            }
            _ => assert!(state == before, "a refused packet changes nothing"),
        }
    }
    assert!(taken <= 1, "a packet was taken twice");
}

/// The packet as one of ours.
fn round_trip(params: &Arc<CryptoParams>, rtcp: bool, packet: &[u8]) {
    if packet.len() < 12 {
        return;
    }
    let (mut ours, mut theirs) = (Context::new(Arc::clone(params)), Context::new(Arc::clone(params)));
    let mut buffer = packet.to_vec();
    buffer.resize(packet.len() + MAX_GROWTH, 0);
    let Ok(length) = ours.protect(rtcp, &mut buffer, packet.len()) else { return };
    buffer.truncate(length);
    let mut again = buffer.clone();
    let back = theirs.unprotect(rtcp, &mut buffer);
    assert!(back.is_ok(), "own packet refused: {back:?}");
    assert_eq!(back.ok().and_then(|length| buffer.get(..length)), Some(packet));
    assert!(theirs.unprotect(rtcp, &mut again).is_err(), "own packet taken twice");
}
