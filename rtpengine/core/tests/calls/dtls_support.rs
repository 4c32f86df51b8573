//! Bodies with certificates, and what the DTLS thread is told and tells.

use std::{net::SocketAddr, sync::Arc};

use rtpengine_common::srtp::{CryptoParams, Mki, SessionParams, Suite};
use rtpengine_core::{
    io::{DtlsAssociation, DtlsEvent, DtlsIdentity, MediaEvent, StreamId},
    ng::{Request, TransportProtocol},
    sdp::{
        self,
        security::{Fingerprint, HashFunction, media_security},
    },
};

use crate::pair::{Pair, Seen, audio_with};

/// The fingerprint of a party: all its bytes alike.
pub fn print(byte: u8) -> Fingerprint {
    Fingerprint { hash: HashFunction::Sha256, digest: [byte; 32].into_iter().collect() }
}

/// A certificate of the daemon.
pub fn identity(id: u64) -> Arc<DtlsIdentity> {
    let byte = u8::try_from(id).unwrap() | 0xc0;
    let digest =
        |hash: HashFunction| Fingerprint { hash, digest: (0..hash.digest_len()).map(|_| byte).collect() };
    Arc::new(DtlsIdentity { id, fingerprints: HashFunction::ALL.map(digest).into_iter().collect() })
}

pub fn pair() -> Pair {
    let mut pair = Pair::new();
    pair.plane.identity = Some(identity(1));
    pair
}

/// A body in `profile` with the fingerprint of a party.
pub fn body(profile: &str, address: &str, port: u16, byte: u8, lines: &str) -> String {
    let lines = format!("a=fingerprint:{}\r\n{lines}", print(byte));
    audio_with(address, port, &lines).replace("RTP/AVP", profile)
}

pub const TLS: &str = "UDP/TLS/RTP/SAVPF";

/// `transport protocol` `UDP/TLS/RTP/SAVPF`.
pub fn to_tls(request: &mut Request) {
    request.transport_protocol = Some(TransportProtocol::DtlsSavpf);
}

/// What a body says of DTLS: `a=setup`, the fingerprint and `a=tls-id`.
pub fn told(seen: &Seen) -> (Option<&'static str>, Option<Fingerprint>, Option<String>) {
    let session = sdp::parse(seen.text.as_bytes(), sdp::ParseOptions::default()).unwrap();
    let security = media_security(&session, &session.medias[0]);
    assert_eq!(security.ignored, 0, "{}", seen.text);
    assert!(security.fingerprints.len() <= 1, "{}", seen.text);
    let setup = security.setup.map(|setup| setup.as_str());
    (setup, security.fingerprints.first().cloned(), security.tls_id.map(|id| id.as_str().to_owned()))
}

/// The association of the RTP socket a party was told of.
pub fn association<'p>(pair: &'p Pair, seen: &Seen) -> Option<&'p DtlsAssociation> {
    pair.plane.dtls.get(&pair.stream(seen.rtp))
}

/// Where its handshakes go.
pub fn remote(pair: &Pair, seen: &Seen) -> Option<SocketAddr> {
    association(pair, seen)?.remote.map(|remote| remote.peer)
}

fn params(byte: u8) -> Arc<CryptoParams> {
    let suite = Suite::AeadAes128Gcm;
    let (key, salt) = (vec![byte; suite.key_len()], vec![byte; suite.salt_len()]);
    Arc::new(CryptoParams::new(suite, &key, &salt, Mki::NONE, SessionParams::default()).unwrap())
}

/// The event a finished handshake of a stream leads to.
pub fn keys_of(byte: u8, peer: &str) -> DtlsEvent {
    DtlsEvent::Keys { peer: peer.parse().unwrap(), receive: params(byte), transmit: params(byte | 0x80) }
}

/// The byte the keys of a stream were made from, as [`keys_of`] makes them.
pub fn key_byte(pair: &Pair, stream: StreamId) -> Option<u8> {
    let relay = &pair.plane.relay[&stream];
    let (receive, transmit) = relay.receive_crypto.as_ref().zip(relay.transmit_crypto.as_ref())?;
    let byte = receive.master_key()[0];
    assert_eq!(transmit.master_key()[0], byte | 0x80);
    Some(byte)
}

pub fn tell(pair: &mut Pair, stream: StreamId, event: DtlsEvent) {
    let epoch = pair.plane.dtls[&stream].epoch;
    tell_of(pair, stream, epoch, event);
}

pub fn tell_of(pair: &mut Pair, stream: StreamId, epoch: u32, event: DtlsEvent) {
    pair.engine.event(pair.now, MediaEvent::Dtls { stream, epoch, event });
    pair.flush();
}
