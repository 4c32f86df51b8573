//! Where ICE chooses the way of media, DTLS takes the same one, and does not choose another.

use rtpengine_core::{
    io::DtlsRole,
    ng::{IceMode, RtcpMux},
};

use crate::{
    dtls_support::{TLS, association, key_byte, keys_of, pair, print, remote, tell},
    keys::to_rtp,
    pair::{Pair, Seen, audio},
    phone::{Phone, connect},
};

/// A phone with ICE and DTLS calls one without either: what it was answered.
fn call(pair: &mut Pair, phone: &mut Phone, setup: &str) -> Seen {
    let lines = format!("a=rtcp-mux\r\na=setup:{setup}\r\na=fingerprint:{}\r\n", print(1));
    let offer = phone.body(&lines).replace("RTP/AVP", TLS);
    pair.offer_with("ft", "", &offer, |request| {
        to_rtp(request);
        request.ice = Some(IceMode::Remove);
        request.rtcp_mux.insert(RtcpMux::Demux);
    });
    let caller =
        pair.answer_with("ft", "tt", &audio("192.0.2.2", 3000), |request| request.ice = Some(IceMode::Force));
    phone.hear(pair.now, &caller);
    caller
}

#[test]
fn the_active_role_waits_for_the_way_that_checks_find() {
    let mut pair = pair();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1]);
    let caller = call(&mut pair, &mut phone, "actpass");
    let known = association(&pair, &caller).unwrap();
    assert_eq!((known.role, known.remote), (DtlsRole::Active, None), "the address in the body is no way yet");
    connect(&mut pair, &mut [&mut phone]);
    assert_eq!(remote(&pair, &caller), Some("192.0.2.1:2000".parse().unwrap()));
    assert!(pair.relay(&caller).awaits_keys);
}

#[test]
fn a_certificate_shown_from_elsewhere_brings_keys_and_no_other_way() {
    let mut pair = pair();
    let mut phone = Phone::new(1, "192.0.2.1:2000", true, false, &[1]);
    let caller = call(&mut pair, &mut phone, "active");
    connect(&mut pair, &mut [&mut phone]);
    let stream = pair.stream(caller.rtp);
    let before = pair.relay(&caller).endpoint;
    tell(&mut pair, stream, keys_of(7, "198.51.100.9:4444"));
    assert_eq!((key_byte(&pair, stream), pair.relay(&caller).endpoint), (Some(7), before));
    pair.delete("ft", "tt");
    pair.assert_empty();
}
