//! A party with DTLS-SRTP (RFC 5764): a certificate, the handshake over its media socket, and the keys that result.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use openssl::asn1::Asn1Time;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{HandshakeError, Ssl, SslContext, SslMethod, SslOptions, SslStream, SslVerifyMode};
use openssl::x509::{X509, X509NameBuilder};
use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Mki, Session, SessionParams, Suite};

use crate::rtp::Endpoint;

/// All profiles the daemon knows, by OpenSSL's names.
pub const PROFILES: &[(&str, Suite)] = &[
    ("SRTP_AEAD_AES_256_GCM", Suite::AeadAes256Gcm),
    ("SRTP_AEAD_AES_128_GCM", Suite::AeadAes128Gcm),
    ("SRTP_AES128_CM_SHA1_80", Suite::AesCm128HmacSha1_80),
    ("SRTP_AES128_CM_SHA1_32", Suite::AesCm128HmacSha1_32),
];

/// Longest wait for close_notify.
const WAIT: Duration = Duration::from_secs(5);
/// Longest wait for a handshake whose flights may be lost.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often retransmission is looked after.
const STEP: Duration = Duration::from_millis(20);
const MTU: u32 = 1200;

/// Who sends the ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// This party.
    Client,
    /// The other one.
    Server,
}

/// A self-signed certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    key: PKey<Private>,
    certificate: X509,
}

impl Certificate {
    /// Makes one, on P-256.
    pub fn new() -> Result<Self> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
        let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
        let mut name = X509NameBuilder::new()?;
        name.append_entry_by_nid(Nid::COMMONNAME, "party")?;
        let name = name.build();
        let mut builder = X509::builder()?;
        builder.set_version(2)?;
        builder.set_subject_name(&name)?;
        builder.set_issuer_name(&name)?;
        builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
        builder.set_not_after(&*Asn1Time::days_from_now(1)?)?;
        builder.set_pubkey(&key)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self { key, certificate: builder.build() })
    }

    /// The `a=fingerprint` line by SHA-256.
    pub fn line(&self) -> Result<String> {
        Ok(format!("a=fingerprint:sha-256 {}", hex(&self.certificate.digest(MessageDigest::sha256())?)))
    }
}

fn hex(digest: &[u8]) -> String {
    let pairs: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    pairs.join(":")
}

/// The socket of a party during the handshake.
#[derive(Debug)]
struct Wire {
    endpoint: Endpoint,
    longest: usize,
    loss: Loss,
    /// Datagrams so far: sent, received.
    count: (usize, usize),
    wait: Duration,
}

/// Datagrams of a handshake that get lost, by their numbers from 0; those that repeat others count as well.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss {
    /// Of those that this party sends.
    pub sent: &'static [usize],
    /// Of those that it is sent.
    pub received: &'static [usize],
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (bytes, source) = loop {
            let received = self.endpoint.receive_raw(self.wait).map_err(io::Error::other)?;
            let Some((bytes, source)) = received else { return Err(io::ErrorKind::WouldBlock.into()) };
            // RFC 7983: not STUN, which may come at any time.
            if !bytes.first().is_some_and(|first| (20..=63).contains(first)) {
                continue;
            }
            self.count.1 += 1;
            if !self.loss.received.contains(&(self.count.1 - 1)) {
                break (bytes, source);
            }
        };
        if Some(source) != self.endpoint.remote {
            return Err(io::Error::other(format!("a datagram from {source}")));
        }
        self.longest = self.longest.max(bytes.len());
        let length = bytes.len().min(buffer.len());
        buffer[..length].copy_from_slice(&bytes[..length]);
        Ok(length)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count.0 += 1;
        if !self.loss.sent.contains(&(self.count.0 - 1)) {
            self.endpoint.send_raw(bytes).map_err(io::Error::other)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps what is sent to nobody.
#[derive(Debug, Default)]
struct Nobody(Vec<u8>);

impl Read for Nobody {
    fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl Write for Nobody {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The first datagram of a client.
pub fn client_hello() -> Result<Vec<u8>> {
    let mut builder = SslContext::builder(SslMethod::dtls())?;
    builder.set_options(SslOptions::NO_QUERY_MTU);
    let names: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
    builder.set_tlsext_use_srtp(&names.join(":"))?;
    let mut ssl = Ssl::new(&builder.build())?;
    ssl.set_mtu(MTU)?;
    match ssl.connect(Nobody::default()) {
        Err(HandshakeError::WouldBlock(stream)) => Ok(stream.get_ref().0.clone()),
        Err(error) => Err(error.into()),
        Ok(_) => anyhow::bail!("nobody answered"),
    }
}

/// A session of OpenSSL with this certificate, that offers these profiles.
fn session(own: &Certificate, profiles: &[&str]) -> Result<Ssl> {
    let mut builder = SslContext::builder(SslMethod::dtls())?;
    builder.set_certificate(&own.certificate)?;
    builder.set_private_key(&own.key)?;
    builder.set_options(SslOptions::NO_QUERY_MTU);
    builder.set_tlsext_use_srtp(&profiles.join(":"))?;
    builder.set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_, _| true);
    let mut ssl = Ssl::new(&builder.build())?;
    ssl.set_mtu(MTU)?;
    Ok(ssl)
}

/// Begins a handshake, with the cookie if one is asked for, and leaves it after the other side's first flight.
pub fn begin_and_leave(endpoint: &Endpoint, own: &Certificate) -> Result<()> {
    let names: Vec<&str> = PROFILES.iter().map(|(name, _)| *name).collect();
    let loss = Loss { sent: &[2, 3, 4, 5, 6, 7, 8, 9], received: &[] };
    let wire = Wire { endpoint: endpoint.duplicate()?, longest: 0, loss, count: (0, 0), wait: STEP };
    let mut done = session(own, &names)?.connect(wire);
    loop {
        done = match done {
            Err(HandshakeError::WouldBlock(stream)) if stream.get_ref().count.0 <= 2 => stream.handshake(),
            Err(HandshakeError::WouldBlock(_)) => return Ok(()),
            Err(HandshakeError::SetupFailure(error)) => return Err(error.into()),
            Err(HandshakeError::Failure(stream)) => anyhow::bail!("{}", stream.error()),
            Ok(_) => anyhow::bail!("the handshake is done"),
        };
    }
}

fn ssrc(packet: &[u8]) -> Option<[u8; 4]> {
    packet.get(8..12)?.try_into().ok()
}

/// One direction of SRTP.
pub struct Direction {
    params: CryptoParams,
    session: Session,
    /// By SSRC.
    rtp: HashMap<[u8; 4], StreamState>,
    rtcp: StreamState,
}

impl Direction {
    /// From master key and salt.
    pub fn new(suite: Suite, key: &[u8], salt: &[u8]) -> Result<Self> {
        let params = CryptoParams::new(suite, key, salt, Mki::default(), SessionParams::default());
        let params = params.ok().context("keys of the suite's length")?;
        Ok(Self::from(params))
    }

    fn from(params: CryptoParams) -> Self {
        let session = Session::new(&params);
        Self { params, session, rtp: HashMap::new(), rtcp: StreamState::default() }
    }

    /// The same key, with streams that have sent nothing yet.
    #[must_use]
    pub fn again(&self) -> Self {
        Self::from(self.params.clone())
    }

    /// SRTP of an RTP packet.
    pub fn protect(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 32, 0);
        let stream = self.rtp.entry(ssrc(packet)?).or_default();
        let length = self.session.protect_rtp(stream, &mut buffer, packet.len()).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// RTP of an SRTP packet.
    pub fn unprotect(&mut self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        let stream = self.rtp.entry(ssrc(&packet)?).or_default();
        let length = self.session.unprotect_rtp(stream, &mut packet).ok()?;
        packet.truncate(length);
        Some(packet)
    }

    /// SRTCP of an RTCP packet.
    pub fn protect_rtcp(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 32, 0);
        let length = self.session.protect_rtcp(&mut self.rtcp, &mut buffer, packet.len()).ok()?;
        buffer.truncate(length);
        Some(buffer)
    }

    /// RTCP of an SRTCP packet.
    pub fn unprotect_rtcp(&mut self, mut packet: Vec<u8>) -> Option<Vec<u8>> {
        let length = self.session.unprotect_rtcp(&mut self.rtcp, &mut packet).ok()?;
        packet.truncate(length);
        Some(packet)
    }
}

/// A finished handshake.
pub struct Association {
    /// What is sent.
    pub send: Direction,
    /// What is received.
    pub receive: Direction,
    /// The protection profile.
    pub suite: Suite,
    /// The other side's `a=fingerprint` line by SHA-256.
    pub peer: String,
    /// The longest datagram of the other side's handshake.
    pub longest: usize,
    stream: SslStream<Wire>,
}

impl Association {
    /// Shakes hands over the socket of `endpoint` with its remote, offering the named profiles.
    pub fn new(endpoint: &Endpoint, role: Role, own: &Certificate, profiles: &[&str]) -> Result<Self> {
        Self::over(Loss::default(), endpoint, role, own, profiles)
    }

    /// The same where datagrams get lost, which both sides send again.
    pub fn over(
        loss: Loss,
        endpoint: &Endpoint,
        role: Role,
        own: &Certificate,
        profiles: &[&str],
    ) -> Result<Self> {
        let ssl = session(own, profiles)?;
        let wire = Wire { endpoint: endpoint.duplicate()?, longest: 0, loss, count: (0, 0), wait: STEP };
        let deadline = Instant::now() + PATIENCE;
        let mut done = match role {
            Role::Client => ssl.connect(wire),
            Role::Server => ssl.accept(wire),
        };
        let mut stream = loop {
            done = match done {
                Ok(stream) => break stream,
                Err(HandshakeError::WouldBlock(stream)) if Instant::now() < deadline => stream.handshake(),
                Err(HandshakeError::SetupFailure(error)) => return Err(error.into()),
                Err(HandshakeError::Failure(stream) | HandshakeError::WouldBlock(stream)) => {
                    anyhow::bail!("{}", stream.error())
                }
            };
        };
        stream.get_mut().wait = WAIT;
        Self::of(stream, role)
    }

    /// Both directions from the beginning: what is sent, what is received.
    #[must_use]
    pub fn directions(&self) -> (Direction, Direction) {
        (self.send.again(), self.receive.again())
    }

    fn of(stream: SslStream<Wire>, role: Role) -> Result<Self> {
        let ssl = stream.ssl();
        let name = ssl.selected_srtp_profile().context("no SRTP profile")?.name();
        let (_, suite) = PROFILES.iter().find(|(known, _)| *known == name).context("an unknown profile")?;
        let (key, salt) = (suite.key_len(), suite.salt_len());
        let mut material = vec![0; 2 * (key + salt)];
        ssl.export_keying_material(&mut material, "EXTRACTOR-dtls_srtp", None)?;
        let (keys, salts) = material.split_at(2 * key);
        let client = Direction::new(*suite, &keys[..key], &salts[..salt])?;
        let server = Direction::new(*suite, &keys[key..], &salts[salt..])?;
        let (send, receive) = match role {
            Role::Client => (client, server),
            Role::Server => (server, client),
        };
        let peer = ssl.peer_certificate().context("no certificate")?;
        let peer = format!("a=fingerprint:sha-256 {}", hex(&peer.digest(MessageDigest::sha256())?));
        let longest = stream.get_ref().longest;
        Ok(Self { send, receive, suite: *suite, peer, longest, stream })
    }

    /// Waits for the other side's close_notify.
    pub fn wait_closed(mut self) -> Result<()> {
        let read = self.stream.read(&mut [0; 64])?;
        ensure!(read == 0, "{read} bytes of application data");
        Ok(())
    }
}
