//! Cookies that prove a source address without keeping state (RFC 6347 section 4.2.1).

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rand::rand_bytes;
use openssl::sign::Signer;
use rtpengine_core::io::StreamId;
use zeroize::Zeroizing;

/// A cookie is good for at least this long and at most twice as long.
const LIFETIME: Duration = Duration::from_secs(30);

/// What a source has to return: the cookie it gets now or the one it got in the period before.
#[derive(Clone, Copy)]
pub(super) struct CookiePair {
    pub current: [u8; Self::LENGTH],
    pub previous: [u8; Self::LENGTH],
}

impl CookiePair {
    /// HMAC-SHA-256 cut to 128 bits; DTLS 1.0 allowed 32 bytes.
    pub const LENGTH: usize = 16;
}

/// A cookie lets its bearer start a handshake, so it is not shown.
impl fmt::Debug for CookiePair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CookiePair")
    }
}

/// Makes cookies with a secret of this process.
pub(super) struct CookieJar {
    secret: PKey<Private>,
    origin: Instant,
}

impl CookieJar {
    pub fn new(now: Instant) -> Result<Self, ErrorStack> {
        let mut secret = Zeroizing::new([0; 32]);
        rand_bytes(secret.as_mut())?;
        Ok(Self { secret: PKey::hmac(secret.as_ref())?, origin: now })
    }

    pub fn pair(&self, now: Instant, stream: StreamId, source: SocketAddr) -> Result<CookiePair, ErrorStack> {
        let period = now.saturating_duration_since(self.origin).as_secs() / LIFETIME.as_secs();
        let previous = self.cookie(period.wrapping_sub(1), stream, source)?;
        Ok(CookiePair { current: self.cookie(period, stream, source)?, previous })
    }

    fn cookie(
        &self,
        period: u64,
        stream: StreamId,
        source: SocketAddr,
    ) -> Result<[u8; CookiePair::LENGTH], ErrorStack> {
        let address = match source.ip() {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut signer = Signer::new(MessageDigest::sha256(), &self.secret)?;
        signer.update(&period.to_be_bytes())?;
        signer.update(&stream.0.to_be_bytes())?;
        signer.update(&address.octets())?;
        signer.update(&source.port().to_be_bytes())?;
        let mut full = [0; 32];
        signer.sign(&mut full)?;
        let mut cookie = [0; CookiePair::LENGTH];
        cookie.iter_mut().zip(full).for_each(|(to, from)| *to = from);
        Ok(cookie)
    }
}

/// Shows no secret.
impl fmt::Debug for CookieJar {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("CookieJar")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_good_for_its_source_and_stream_and_two_periods() {
        let start = Instant::now();
        let jar = CookieJar::new(start).unwrap();
        let source: SocketAddr = "192.0.2.1:4000".parse().unwrap();
        let pair = |after, stream, source| jar.pair(start + after, StreamId(stream), source).unwrap();
        let given = pair(Duration::ZERO, 1, source).current;
        assert_eq!(pair(LIFETIME - Duration::from_millis(1), 1, source).current, given);
        assert_eq!(pair(LIFETIME, 1, source).previous, given);
        let later = pair(LIFETIME * 2, 1, source);
        assert!(later.current != given && later.previous != given);
        assert_ne!(pair(Duration::ZERO, 2, source).current, given);
        assert_ne!(pair(Duration::ZERO, 1, "192.0.2.1:4001".parse().unwrap()).current, given);
        assert_ne!(CookieJar::new(start).unwrap().cookie(0, StreamId(1), source).unwrap(), given);
    }
}
