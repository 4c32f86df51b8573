//! What a handshake is held against while OpenSSL runs it: the cookies of its source, the signalled certificate.
//!
//! The callbacks belong to the context that all handshakes share; what they compare with hangs on each `Ssl`.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use openssl::error::ErrorStack;
use openssl::ex_data::Index;
use openssl::memcmp;
use openssl::ssl::{Ssl, SslContextBuilder, SslRef, SslVerifyMode};
use openssl::x509::{X509StoreContext, X509StoreContextRef, X509VerifyResult};

use super::cookie::CookiePair;
use super::fingerprint::{Fingerprint, peer_matches};
use super::openssl_gaps;

/// State of one `Ssl` that its callbacks read.
#[derive(Debug, Default)]
struct Expectation {
    cookies: Option<CookiePair>,
    fingerprints: Vec<Fingerprint>,
    mismatch: bool,
}

/// Handle on the expectation of one handshake.
#[derive(Clone, Debug, Default)]
pub(super) struct Guard(Arc<Mutex<Expectation>>);

impl Guard {
    /// Hangs a new guard on the handshake.
    pub fn attach(ssl: &mut SslRef) -> Result<Self, ErrorStack> {
        let guard = Self::default();
        ssl.set_ex_data(index()?, guard.clone());
        Ok(guard)
    }

    fn of(ssl: &SslRef) -> Option<&Self> {
        ssl.ex_data(index().ok()?)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Expectation) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Cookies for the source of the next ClientHello.
    pub fn expect_cookies(&self, cookies: CookiePair) {
        self.with(|expectation| expectation.cookies = Some(cookies));
    }

    /// Certificates that may be presented. Empty: any, because the SDP that names them has not come yet; the caller
    /// checks again before it uses a key.
    pub fn expect_fingerprints(&self, fingerprints: &[Fingerprint]) {
        self.with(|expectation| expectation.fingerprints = fingerprints.to_vec());
    }

    /// Whether another certificate was presented than expected.
    pub fn saw_mismatch(&self) -> bool {
        self.with(|expectation| expectation.mismatch)
    }
}

fn index() -> Result<Index<Ssl, Guard>, ErrorStack> {
    static INDEX: OnceLock<Index<Ssl, Guard>> = OnceLock::new();
    if let Some(index) = INDEX.get() {
        return Ok(*index);
    }
    let fresh = Ssl::new_ex_index()?;
    Ok(*INDEX.get_or_init(|| fresh))
}

/// Sets the callbacks on a context.
pub(super) fn install(builder: &mut SslContextBuilder) {
    builder
        .set_verify_callback(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT, |_trusted, chain| {
            verify(chain)
        });
    builder.set_cookie_generate_cb(|ssl, out| {
        let cookie = Guard::of(ssl).and_then(|guard| guard.with(|expectation| expectation.cookies));
        let (Some(pair), Some(out)) = (cookie, out.get_mut(..CookiePair::LENGTH)) else { return Ok(0) };
        out.copy_from_slice(&pair.current);
        Ok(CookiePair::LENGTH)
    });
    builder.set_cookie_verify_cb(|ssl, cookie| {
        let pair = Guard::of(ssl).and_then(|guard| guard.with(|expectation| expectation.cookies));
        pair.is_some_and(|pair| {
            cookie.len() == CookiePair::LENGTH
                && (memcmp::eq(cookie, &pair.current) || memcmp::eq(cookie, &pair.previous))
        })
    });
}

/// Certificates are self-signed, so neither chain nor dates count, only the fingerprint (RFC 5763 section 5).
fn verify(chain: &mut X509StoreContextRef) -> bool {
    if chain.error_depth() != 0 {
        return true;
    }
    let accepted = leaf_matches(chain).unwrap_or(false);
    // Becomes the alert bad_certificate, as RFC 8122 section 6.2 wants.
    chain.set_error(if accepted { X509VerifyResult::OK } else { openssl_gaps::certificate_rejected() });
    accepted
}

fn leaf_matches(chain: &X509StoreContextRef) -> Option<bool> {
    let certificate = chain.current_cert()?;
    let guard = Guard::of(chain.ex_data(X509StoreContext::ssl_idx().ok()?)?)?;
    Some(guard.with(|expectation| {
        let fits =
            expectation.fingerprints.is_empty() || peer_matches(&expectation.fingerprints, certificate);
        expectation.mismatch |= !fits;
        fits
    }))
}
