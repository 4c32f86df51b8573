//! One handshake and the association it leads to, without sockets or threads.

use std::fmt;
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::ssl::{ErrorCode, Ssl, SslRef, SslStream};
use rtpengine_common::srtp::Suite;
use rtpengine_core::io::DtlsRoute;

use super::fingerprint::{Fingerprint, peer_matches};
use super::guard::Guard;
use super::identity::Identity;
use super::keys::{self, SrtpKeys};
use super::openssl_gaps;
use super::transport::DatagramQueue;

/// IPv4 and UDP headers in front of a datagram, in bytes.
const IPV4_OVERHEAD: u16 = 28;
/// IPv6 and UDP headers.
const IPV6_OVERHEAD: u16 = 48;
/// Longest text of an OpenSSL error that is passed on.
const MAX_REASON: usize = 200;

/// Who starts the handshake: what `a=setup` settled (RFC 5763 section 5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// We are the client and send the first flight.
    Active,
    /// We are the server and wait for it.
    Passive,
}

/// Why a handshake or an association ended without being closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FailureReason {
    /// No answer, or no progress in the time allowed.
    #[error("the DTLS handshake was not finished in time")]
    Timeout,
    /// The peer's certificate is not the one its SDP names.
    #[error("the peer's certificate does not match a=fingerprint")]
    FingerprintMismatch,
    /// No protection profile in common, or the peer does not speak DTLS-SRTP.
    #[error("no SRTP protection profile in common")]
    NoSrtpProfile,
    /// Too many handshakes are half open, see [`super::Limits`].
    #[error("too many DTLS handshakes at once")]
    Overloaded,
    /// Keys could not be exported.
    #[error("SRTP keys could not be exported")]
    Export,
    /// OpenSSL gave up, mostly because of an alert.
    #[error("DTLS failed: {0}")]
    Protocol(String),
}

/// What an association is made with.
pub(super) struct Terms<'a> {
    pub fingerprints: &'a [Fingerprint],
    pub profiles: &'a [Suite],
    pub mtu: u16,
    pub route: DtlsRoute,
}

/// How far a session has come after a step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// Nothing to tell.
    Pending,
    /// The handshake is finished; nothing is checked yet.
    Finished,
    /// The peer closed the association.
    Closed,
    /// It is of no further use.
    Failed(FailureReason),
}

/// A handshake, later an association.
pub(super) struct Session {
    stream: SslStream<DatagramQueue>,
    guard: Guard,
    role: Role,
    finished: bool,
    /// Where its datagrams go to and come from.
    pub route: DtlsRoute,
    /// Random of the peer's ClientHello; `None` in the active role.
    pub hello: Option<[u8; 32]>,
    /// Whether ICE or SDP named the peer, or only a cookie proves its address.
    pub verified: bool,
    /// When it began.
    pub started: Instant,
    /// Records of application data received since it was last asked.
    pub application_data: u64,
}

impl Session {
    /// Starts a handshake in the active role and makes its first flight.
    pub fn connect(identity: &Identity, terms: &Terms<'_>, now: Instant) -> Result<Self, ErrorStack> {
        let mut ssl = identity.ssl()?;
        ssl.set_connect_state();
        let mut session = Self::new(ssl, Role::Active, terms, now)?;
        session.drive();
        Ok(session)
    }

    /// Waits for the ClientHello that will be given next.
    pub fn accept(identity: &Identity, terms: &Terms<'_>, now: Instant) -> Result<Self, ErrorStack> {
        let mut ssl = identity.ssl()?;
        ssl.set_accept_state();
        Self::new(ssl, Role::Passive, terms, now)
    }

    fn new(mut ssl: Ssl, role: Role, terms: &Terms<'_>, now: Instant) -> Result<Self, ErrorStack> {
        let guard = Guard::attach(&mut ssl)?;
        let stream = SslStream::new(ssl, DatagramQueue::default())?;
        Self::adopt(stream, guard, role, terms, now)
    }

    /// Takes over a stream whose ClientHello has proved its source by a cookie.
    pub fn adopt(
        mut stream: SslStream<DatagramQueue>,
        guard: Guard,
        role: Role,
        terms: &Terms<'_>,
        now: Instant,
    ) -> Result<Self, ErrorStack> {
        let ssl = openssl_gaps::ssl_mut(&mut stream);
        configure(ssl, terms)?;
        guard.expect_fingerprints(terms.fingerprints);
        Ok(Self {
            stream,
            guard,
            role,
            finished: false,
            route: terms.route,
            hello: None,
            verified: false,
            started: now,
            application_data: 0,
        })
    }

    /// Takes a datagram of the peer.
    pub fn receive(&mut self, datagram: &[u8]) -> Progress {
        self.stream.get_mut().push(datagram);
        self.drive()
    }

    /// Goes on with what OpenSSL has buffered.
    pub fn drive(&mut self) -> Progress {
        if self.finished {
            return self.read();
        }
        match self.stream.do_handshake() {
            Ok(()) => {
                self.finished = true;
                // Records behind the last flight in the same datagram.
                match self.read() {
                    Progress::Pending => Progress::Finished,
                    other => other,
                }
            }
            Err(error) => self.judge(&error),
        }
    }

    /// Repeats the current flight if its time has come.
    pub fn handle_timeout(&mut self) -> Progress {
        match openssl_gaps::handle_timeout(&mut self.stream) {
            Ok(()) => Progress::Pending,
            Err(_) => Progress::Failed(FailureReason::Timeout),
        }
    }

    /// Time until [`Session::handle_timeout`] has something to do.
    pub fn timeout(&self) -> Option<Duration> {
        openssl_gaps::timeout(&self.stream)
    }

    /// Changes what the certificate is checked against; effective for a certificate that has not been read.
    pub fn expect_fingerprints(&mut self, fingerprints: &[Fingerprint]) {
        self.guard.expect_fingerprints(fingerprints);
    }

    /// Whether the handshake is finished.
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Checks the peer's certificate and only then exports the keys.
    pub fn keys(&self, fingerprints: &[Fingerprint]) -> Result<SrtpKeys, FailureReason> {
        let certificate = self.stream.ssl().peer_certificate();
        if !certificate.is_some_and(|certificate| peer_matches(fingerprints, &certificate)) {
            return Err(FailureReason::FingerprintMismatch);
        }
        keys::export(self.stream.ssl(), self.role)
    }

    /// Says close_notify; whatever the peer answers is not waited for.
    pub fn close(&mut self) {
        if self.finished {
            // Takes back the record buffers that `shrink` gave away.
            let _ = self.read();
            // Only the alert matters, which is in the queue now; there is nobody left to report to.
            let _ = self.stream.shutdown();
            drop(ErrorStack::get());
        }
    }

    /// Gives back what only a handshake needs.
    pub fn shrink(&mut self) {
        openssl_gaps::free_buffers(&mut self.stream);
    }

    /// Datagrams to send to the peer.
    pub fn take_outgoing(&mut self) -> Vec<Box<[u8]>> {
        self.stream.get_mut().take_outgoing()
    }

    /// Reads records after the handshake: OpenSSL repeats its last flight, answers alerts, decrypts data.
    fn read(&mut self) -> Progress {
        // A record holds at most 2^14 bytes; what is not read of one would be handed out by the next call.
        let mut sink = [0; 2048];
        loop {
            match self.stream.ssl_read(&mut sink) {
                Ok(_) => self.application_data += 1,
                Err(error) => return self.judge(&error),
            }
        }
    }

    fn judge(&self, error: &openssl::ssl::Error) -> Progress {
        let code = error.code();
        if code == ErrorCode::WANT_READ || code == ErrorCode::WANT_WRITE {
            return Progress::Pending;
        }
        if code == ErrorCode::ZERO_RETURN {
            return Progress::Closed;
        }
        if self.guard.saw_mismatch() {
            return Progress::Failed(FailureReason::FingerprintMismatch);
        }
        let mut text = error
            .ssl_error()
            .and_then(|stack| stack.errors().first())
            .and_then(|first| first.reason())
            .unwrap_or("transport error")
            .to_owned();
        text.truncate(text.floor_char_boundary(MAX_REASON));
        Progress::Failed(FailureReason::Protocol(text))
    }
}

fn configure(ssl: &mut SslRef, terms: &Terms<'_>) -> Result<(), ErrorStack> {
    let overhead = if terms.route.peer.is_ipv4() { IPV4_OVERHEAD } else { IPV6_OVERHEAD };
    ssl.set_mtu(u32::from(terms.mtu.saturating_sub(overhead)))?;
    ssl.set_tlsext_use_srtp(&keys::openssl_list(terms.profiles))?;
    openssl_gaps::set_timer(ssl);
    Ok(())
}

/// Shows no key.
impl fmt::Debug for Session {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Session")
            .field("role", &self.role)
            .field("finished", &self.finished)
            .field("verified", &self.verified)
            .finish_non_exhaustive()
    }
}
