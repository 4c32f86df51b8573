//! What a party encrypts is decrypted, and encrypted for the party that hears it, each with its own keys and suite.

mod relay_support;

use relay_support::secure::{Keys, SecurePair, Side, keys, keys_with};
use relay_support::{Relay, rtcp, rtp};
use rtpengine_common::srtp::{SessionParams, Suite};
use rtpengine_core::io::Component;

/// RTP and RTCP both ways, through the wrap of the sequence number.
fn converse(pair: &mut SecurePair) {
    for sequence in 65_530..65_545_u32 {
        let packet = rtp(sequence as u16);
        pair.caller_reaches_callee(&packet);
        pair.callee_reaches_caller(&packet);
        pair.caller_reaches_callee(&rtcp());
        pair.callee_reaches_caller(&rtcp());
    }
}

#[test]
fn srtp_to_rtp_and_back_with_every_suite() {
    for suite in Suite::ALL {
        converse(&mut SecurePair::new(Keys::of(suite, 1), Keys::default()));
    }
}

#[test]
fn srtp_to_srtp_of_every_other_suite() {
    for (suite, other) in Suite::ALL.into_iter().zip(Suite::ALL.into_iter().cycle().skip(5)) {
        converse(&mut SecurePair::new(Keys::of(suite, 1), Keys::of(other, 3)));
    }
}

#[test]
fn identifiers_and_session_parameters_are_kept_to() {
    let session =
        SessionParams { unencrypted_srtp: true, unencrypted_srtcp: true, unauthenticated_srtp: false };
    for suite in Suite::ALL {
        let (receive, transmit) =
            (keys_with(suite, 1, &[7; 128], session), keys_with(suite, 2, b"id", session));
        let open = Keys { receive: Some(receive), transmit: Some(transmit) };
        converse(&mut SecurePair::new(open, Keys::of(Suite::AesCm128HmacSha1_80, 3)));
    }
    let session = SessionParams { unauthenticated_srtp: true, ..SessionParams::default() };
    let unauthenticated = keys_with(Suite::AesCm128HmacSha1_80, 1, b"", session);
    let both = Keys { receive: Some(unauthenticated.clone()), transmit: Some(unauthenticated) };
    converse(&mut SecurePair::new(both, Keys::default()));
}

#[test]
fn what_has_no_keys_passes_as_it_is() {
    let mut pair = SecurePair::new(Keys::default(), Keys::default());
    // Encrypted padding: no length that could be checked.
    let mut packet = rtp(5);
    packet[0] |= 0x20;
    *packet.last_mut().expect("payload") = 0;
    pair.caller_reaches_callee(&packet);
    converse(&mut pair);
}

#[test]
fn padding_is_encrypted_like_the_payload() {
    let mut pair =
        SecurePair::new(Keys::of(Suite::AesCm128HmacSha1_32, 1), Keys::of(Suite::AeadAes128Gcm, 3));
    for sequence in 0..300 {
        let mut packet = rtp(sequence);
        packet[0] |= 0x20;
        *packet.last_mut().expect("payload") = 4;
        pair.caller_reaches_callee(&packet);
    }
}

#[test]
fn the_largest_datagram_that_still_fits_is_encrypted() {
    let mut pair = SecurePair::new(Keys::default(), Keys::of(Suite::AesCm128HmacSha1_80, 1));
    let packet = [rtp(1), vec![0x5a; 65_507 - 10 - 172]].concat();
    pair.caller_reaches_callee(&packet);
}

#[test]
fn every_sink_gets_a_packet_under_its_own_keys() {
    let mut relay = Relay::start();
    let mut speaker = Side::new(&mut relay, Keys::of(Suite::AesCm256HmacSha1_80, 1));
    let mut hearers = [
        Keys::of(Suite::AeadAes128Gcm, 3),
        Keys::default(),
        Keys::of(Suite::AesCm128HmacSha1_80, 5),
        Keys::default(),
        Keys { receive: None, transmit: Some(keys(Suite::F8_128HmacSha1_80, 7)) },
    ]
    .map(|keys| Side::new(&mut relay, keys));
    let sinks: Vec<_> = hearers.iter().map(|side| side.port).collect();
    relay.configure(speaker.port, speaker.settings(Component::Mux, &sinks));
    for side in &hearers {
        relay.configure(side.port, side.settings(Component::Mux, &[]));
    }
    relay.settle(speaker.port);
    // Several in one batch, too.
    let resume = relay.hold_up(speaker.port);
    for sequence in 0..20 {
        speaker.send(&rtp(sequence));
        speaker.send(&rtcp());
    }
    drop(resume);
    for side in &mut hearers {
        let mut received: Vec<_> = (0..40).map(|_| side.receive()).collect();
        received.retain(|packet| *packet != rtcp());
        assert_eq!(received, (0..20).map(rtp).collect::<Vec<_>>());
    }
}

#[test]
fn rtcp_with_a_port_of_its_own_is_translated() {
    let mut relay = Relay::start();
    let keys = Keys::of(Suite::AesCm128HmacSha1_80, 1);
    let mut caller = Side::new(&mut relay, keys.clone());
    let [mut media, mut control] = std::array::from_fn(|_| Side::new(&mut relay, Keys::default()));
    let mut config = caller.settings(Component::Mux, &[media.port]);
    config.rtcp_sinks = [control.port.stream].into_iter().collect();
    relay.configure(caller.port, config);
    relay.configure(media.port, media.settings(Component::Rtp, &[caller.port]));
    relay.configure(control.port, control.settings(Component::Rtcp, &[caller.port]));
    relay.settle(caller.port);
    for sequence in 0..10 {
        caller.send(&rtp(sequence));
        caller.send(&rtcp());
        assert_eq!((media.receive(), control.receive()), (rtp(sequence), rtcp()));
        media.send(&rtp(sequence));
        assert_eq!(caller.receive(), rtp(sequence));
        control.send(&rtcp());
        assert_eq!(caller.receive(), rtcp());
    }
}
