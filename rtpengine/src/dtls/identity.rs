//! Our certificate with everything that stays the same over handshakes, and its renewal.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::error::ErrorStack;
use openssl::ssl::{
    Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslVersion,
};
use openssl::x509::X509;

use super::certificate::{CertificateOptions, generate};
use super::fingerprint::Fingerprint;
use super::guard;
use super::keys::{PROFILES, openssl_list};
use super::openssl_gaps;
use rtpengine_core::sdp::security::HashFunction;

/// Largest certificate message taken from a peer, in bytes: bounds what reassembly holds. A chain of three RSA-4096
/// certificates fits.
const MAX_PEER_CERTIFICATES: u32 = 16 * 1024;

/// The `--dtls-*` options that shape certificate and handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsOptions {
    /// What certificate to make.
    pub certificate: CertificateOptions,
    /// `--dtls-ciphers`, an OpenSSL cipher list.
    pub ciphers: String,
    /// `--dtls-mtu`: longest IP datagram sent, in bytes, at least [`DtlsOptions::MIN_MTU`].
    pub mtu: u16,
}

impl DtlsOptions {
    /// Default of `--dtls-ciphers`.
    pub const CIPHERS: &str = "DEFAULT:!NULL:!aNULL:!SHA256:!SHA384:!aECDH:!AESGCM+AES256:!aPSK";
    /// Smallest `--dtls-mtu`: what every host takes over IPv4 (RFC 791 section 3.1).
    pub const MIN_MTU: u16 = 576;
}

impl Default for DtlsOptions {
    fn default() -> Self {
        Self { certificate: CertificateOptions::default(), ciphers: Self::CIPHERS.to_owned(), mtu: 1200 }
    }
}

/// Why there is no certificate to offer.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// `--dtls-mtu` is too small.
    #[error("dtls-mtu is {0}; the smallest allowed is {min}", min = DtlsOptions::MIN_MTU)]
    Mtu(u16),
    /// OpenSSL does not take the key or its size.
    #[error("cannot make the DTLS certificate, check dtls-cert-cipher and dtls-rsa-key-size: {0}")]
    Certificate(#[source] ErrorStack),
    /// OpenSSL knows no cipher in the list.
    #[error("dtls-ciphers names no usable cipher: {0}")]
    Ciphers(#[source] ErrorStack),
    /// Anything else, out of memory most likely.
    #[error("cannot set up DTLS: {0}")]
    Context(#[source] ErrorStack),
}

/// A certificate, its key and the context of all handshakes made with it.
///
/// An association has to use the identity whose fingerprint its SDP carries; calls keep theirs when the store moves
/// on to a new one.
pub struct Identity {
    certificate: X509,
    context: SslContext,
    mtu: u16,
    /// When it is to be replaced, and when its certificate ends.
    due_unix: i64,
    expires_unix: i64,
}

impl Identity {
    /// Makes key, certificate and context. Slow with RSA: seconds for 4096 bits.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn generate(options: &DtlsOptions, unix_seconds: i64) -> Result<Self, IdentityError> {
        if options.mtu < DtlsOptions::MIN_MTU {
            return Err(IdentityError::Mtu(options.mtu));
        }
        let (key, certificate) =
            generate(&options.certificate, unix_seconds).map_err(IdentityError::Certificate)?;
        let mut builder = context().map_err(IdentityError::Context)?;
        builder.set_cipher_list(&options.ciphers).map_err(IdentityError::Ciphers)?;
        builder.set_certificate(&certificate).map_err(IdentityError::Certificate)?;
        builder.set_private_key(&key).map_err(IdentityError::Certificate)?;
        let expires_unix = unix_seconds.saturating_add(options.certificate.lifetime.into());
        let due_unix = expires_unix.saturating_sub(options.certificate.renewal().into());
        Ok(Self { certificate, context: builder.build(), mtu: options.mtu, due_unix, expires_unix })
    }

    /// What to put into SDP.
    ///
    /// # Errors
    /// OpenSSL is out of memory or was told not to compute this digest.
    pub fn fingerprint(&self, hash: HashFunction) -> Result<Fingerprint, ErrorStack> {
        Fingerprint::of(&self.certificate, hash)
    }

    /// Whether new calls should get another certificate.
    #[must_use]
    pub const fn is_due_for_renewal(&self, unix_seconds: i64) -> bool {
        unix_seconds >= self.due_unix
    }

    pub(super) fn ssl(&self) -> Result<Ssl, ErrorStack> {
        Ssl::new(&self.context)
    }

    pub(super) const fn mtu(&self) -> u16 {
        self.mtu
    }
}

/// Shows no key.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Identity").field("expires_unix", &self.expires_unix).finish_non_exhaustive()
    }
}

fn context() -> Result<SslContextBuilder, ErrorStack> {
    let mut builder = SslContext::builder(SslMethod::dtls())?;
    // RFC 8827 section 6.5: 1.2 is the least; OpenSSL 3 implements nothing newer.
    builder.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    builder.set_options(SslOptions::NO_QUERY_MTU | SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION);
    builder.set_mode(SslMode::RELEASE_BUFFERS);
    // A resumed handshake carries no certificate to compare with the fingerprint.
    builder.set_session_cache_mode(SslSessionCacheMode::OFF);
    builder.set_tlsext_use_srtp(&openssl_list(&PROFILES))?;
    openssl_gaps::set_max_peer_certificates(&mut builder, MAX_PEER_CERTIFICATES);
    guard::install(&mut builder);
    Ok(builder)
}

/// The identity for new calls.
#[derive(Debug)]
pub struct IdentityStore {
    options: DtlsOptions,
    current: Mutex<Arc<Identity>>,
}

impl IdentityStore {
    /// Makes the first identity.
    ///
    /// # Errors
    /// See [`IdentityError`].
    pub fn new(options: DtlsOptions, unix_seconds: i64) -> Result<Self, IdentityError> {
        let current = Mutex::new(Arc::new(Identity::generate(&options, unix_seconds)?));
        Ok(Self { options, current })
    }

    /// The identity to signal in new SDP.
    #[must_use]
    pub fn current(&self) -> Arc<Identity> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the identity shortly before it expires; to be called now and then from a thread that may be slow.
    /// The lock is not held while the key is made.
    ///
    /// # Errors
    /// See [`IdentityError`]; the old identity stays.
    pub fn renew_if_due(&self, unix_seconds: i64) -> Result<bool, IdentityError> {
        if !self.current().is_due_for_renewal(unix_seconds) {
            return Ok(false);
        }
        let fresh = Arc::new(Identity::generate(&self.options, unix_seconds)?);
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;
    /// Three quarters of 30 days.
    const DUE: i64 = 30 * 24 * 3600 * 3 / 4;

    fn sha256(identity: &Identity) -> Fingerprint {
        identity.fingerprint(HashFunction::Sha256).unwrap()
    }

    #[test]
    fn a_certificate_is_replaced_before_it_expires_and_old_calls_keep_theirs() {
        let store = IdentityStore::new(DtlsOptions::default(), NOW).unwrap();
        let first = store.current();
        assert!(!store.renew_if_due(NOW + DUE - 1).unwrap());
        assert_eq!(sha256(&store.current()), sha256(&first));
        assert!(store.renew_if_due(NOW + DUE).unwrap());
        assert_ne!(sha256(&store.current()), sha256(&first));
        assert!(!store.renew_if_due(NOW + DUE).unwrap());
    }

    #[test]
    fn wrong_options_are_named() {
        let mtu = DtlsOptions { mtu: 575, ..DtlsOptions::default() };
        assert!(matches!(Identity::generate(&mtu, NOW), Err(IdentityError::Mtu(575))));
        let ciphers = DtlsOptions { ciphers: "ROT13".to_owned(), ..DtlsOptions::default() };
        assert!(matches!(Identity::generate(&ciphers, NOW), Err(IdentityError::Ciphers(_))));
    }

    #[test]
    fn debug_output_holds_no_key() {
        let identity = Identity::generate(&DtlsOptions::default(), NOW).unwrap();
        let expected =
            format!("Identity {{ expires_unix: {}, .. }}", NOW + i64::from(CertificateOptions::LIFETIME));
        assert_eq!(format!("{identity:?}"), expected);
    }
}
