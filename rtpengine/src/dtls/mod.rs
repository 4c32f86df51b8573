//! DTLS-SRTP (RFC 5763, RFC 5764): from the ClientHello to SRTP keys.
//!
//! - [`Engine`] holds the handshakes of all streams, sans-IO: datagrams and time in, datagrams and events out.
//! - [`Worker`] is the thread that runs one, [`Feed`] how a stream's datagrams get to it without waiting.
//! - [`IdentityStore`] has the certificate whose fingerprint new SDP carries.
//!
//! `cargo run --release -p rtpengine --example dtls_cost` measures: 0.9 ms of CPU a handshake on each side, 52 KiB
//! while it is half open, 40 KiB for an association (P-256, OpenSSL 3.0, a shared 2-core VM).
//!
//! OpenSSL does the protocol; `openssl_gaps` has the calls the `openssl` crate does not wrap. Its retransmission
//! timers run by its own clock, so they take real time in tests too.
//!
//! # Who may start a handshake
//!
//! Only streams that were opened take part, in the passive role only for a ClientHello.
//! - A source that SDP or ICE named starts at once, unless an association with it exists already: then its
//!   ClientHello may be forged, and it has to return a cookie.
//! - Any other source has to return a cookie (HelloVerifyRequest). That costs no memory and 14 us, and
//!   the answer is shorter than the question.
//! - Datagrams of such sources wait behind all others, and no more than a bounded number is served in a time.
//! - After that [`Limits`] bound how many handshakes are half open, by stream and altogether, how long, and how often
//!   one source or all strangers may start one.
//!
//! A handshake that fails takes nothing from the stream: it goes on waiting, and an address is worth learning only
//! from [`Event::KeysReady`], when the certificate was the one that SDP names.
//!
//! # Association
//!
//! A stream has at most one association whose keys are in use, and handshakes that may replace it. Opening it again
//! (new fingerprint, new role, ICE restart) or a client that starts over begins a new one; the old keys hold until
//! [`Event::KeysReady`]. After the handshake the association stays to repeat its last flight, which the peer may have
//! lost, and to exchange close_notify; application data (SCTP of data channels) is counted and dropped.

mod certificate;
mod cookie;
mod engine;
mod fingerprint;
mod guard;
mod identity;
mod keys;
mod listener;
mod openssl_gaps;
mod rate;
pub mod record;
mod session;
mod statistics;
mod stream;
mod transport;
mod worker;

pub use certificate::{CertCipher, CertSignature, CertificateOptions};
pub use engine::{Association, Engine, Event, Limits, Transmit};
pub use fingerprint::{Fingerprint, FingerprintError};
pub use identity::{DtlsOptions, Identity, IdentityError, IdentityStore};
pub use keys::{PROFILES, SrtpKeys};
pub use rtpengine_core::sdp::security::HashFunction;
pub use session::{FailureReason, Role};
pub use statistics::{Counters, Statistics};
pub use worker::{Feed, Sink, Worker};
