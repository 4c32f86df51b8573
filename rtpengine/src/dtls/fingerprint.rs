//! Certificate fingerprints as SDP carries them (`a=fingerprint`, RFC 8122 section 5).

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayVec;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::X509Ref;
use rtpengine_core::sdp::security::{self, HashFunction};

/// Longest digest, that of SHA-512.
const MAX_DIGEST: usize = 64;

/// How OpenSSL calls the hash function.
fn digest(hash: HashFunction) -> MessageDigest {
    match hash {
        HashFunction::Sha1 => MessageDigest::sha1(),
        HashFunction::Sha224 => MessageDigest::sha224(),
        HashFunction::Sha256 => MessageDigest::sha256(),
        HashFunction::Sha384 => MessageDigest::sha384(),
        HashFunction::Sha512 => MessageDigest::sha512(),
    }
}

/// Why a fingerprint in SDP cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Not one of [`HashFunction::ALL`].
    #[error("unknown hash function in a=fingerprint; sha-1, sha-224, sha-256, sha-384 and sha-512 are known")]
    Hash,
    /// Not pairs of hexadecimal digits with colons between, as many as the hash has.
    #[error("a=fingerprint is not colon-separated hexadecimal of the length its hash function has")]
    Digest,
}

/// A digest of a certificate in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    hash: HashFunction,
    digest: ArrayVec<u8, MAX_DIGEST>,
}

impl Fingerprint {
    /// The fingerprint of a certificate.
    ///
    /// # Errors
    /// OpenSSL is out of memory or was told not to compute this digest.
    pub fn of(certificate: &X509Ref, hash: HashFunction) -> Result<Self, ErrorStack> {
        let computed = certificate.digest(digest(hash))?;
        Ok(Self { hash, digest: computed.iter().copied().take(MAX_DIGEST).collect() })
    }

    /// The hash function it was made with.
    #[must_use]
    pub const fn hash(&self) -> HashFunction {
        self.hash
    }

    /// Whether the certificate is the one that is meant.
    #[must_use]
    pub fn matches(&self, certificate: &X509Ref) -> bool {
        Self::of(certificate, self.hash).is_ok_and(|actual| actual == *self)
    }
}

impl From<&security::Fingerprint> for Fingerprint {
    fn from(signalled: &security::Fingerprint) -> Self {
        Self { hash: signalled.hash, digest: signalled.digest.iter().copied().take(MAX_DIGEST).collect() }
    }
}

impl From<&Fingerprint> for security::Fingerprint {
    fn from(computed: &Fingerprint) -> Self {
        Self { hash: computed.hash, digest: computed.digest.iter().copied().collect() }
    }
}

/// The value of `a=fingerprint`: hash function, a space, the digest in upper case.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.hash.as_str())?;
        for (index, byte) in self.digest.iter().enumerate() {
            let separator = if index == 0 { ' ' } else { ':' };
            write!(formatter, "{separator}{byte:02X}")?;
        }
        Ok(())
    }
}

/// Reads the value of `a=fingerprint`.
impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let (name, digits) = text.trim().split_once(' ').ok_or(FingerprintError::Digest)?;
        let hash = HashFunction::of(name).ok_or(FingerprintError::Hash)?;
        let mut digest = ArrayVec::new();
        for pair in digits.trim_start().split(':') {
            let valid = pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit());
            let byte = u8::from_str_radix(pair, 16).ok().filter(|_| valid).ok_or(FingerprintError::Digest)?;
            digest.try_push(byte).map_err(|_| FingerprintError::Digest)?;
        }
        if digest.len() != hash.digest_len() {
            return Err(FingerprintError::Digest);
        }
        Ok(Self { hash, digest })
    }
}

/// Whether a certificate satisfies what the peer signalled: one of the fingerprints with the strongest hash function
/// (RFC 8122 section 5.1). With none signalled nothing matches.
#[must_use]
pub fn peer_matches(signalled: &[Fingerprint], certificate: &X509Ref) -> bool {
    let Some(strongest) = signalled.iter().map(Fingerprint::hash).max() else { return false };
    signalled
        .iter()
        .filter(|fingerprint| fingerprint.hash == strongest)
        .any(|fingerprint| fingerprint.matches(certificate))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dtls::certificate::{CertificateOptions, generate};

    #[test]
    fn every_hash_prints_and_parses() {
        let (_, certificate) = generate(&CertificateOptions::default(), 1_700_000_000).unwrap();
        for hash in HashFunction::ALL {
            let fingerprint = Fingerprint::of(&certificate, hash).unwrap();
            let text = fingerprint.to_string();
            assert_eq!(text.len(), hash.as_str().len() + 3 * hash.digest_len());
            assert_eq!(text.parse(), Ok(fingerprint.clone()));
            assert_eq!(text.to_lowercase().parse(), Ok(fingerprint.clone()));
            assert!(fingerprint.matches(&certificate));
        }
    }

    #[test]
    fn the_strongest_hash_decides() {
        let (_, certificate) = generate(&CertificateOptions::default(), 1_700_000_000).unwrap();
        let (_, other) = generate(&CertificateOptions::default(), 1_700_000_000).unwrap();
        let weak = Fingerprint::of(&certificate, HashFunction::Sha1).unwrap();
        let strong = Fingerprint::of(&other, HashFunction::Sha256).unwrap();
        assert!(peer_matches(std::slice::from_ref(&weak), &certificate));
        assert!(!peer_matches(&[weak.clone(), strong.clone()], &certificate));
        assert!(peer_matches(&[weak, strong], &other));
        assert!(!peer_matches(&[], &certificate));
    }

    #[test]
    fn malformed_fingerprints_are_refused() {
        let twenty = ["AB"; 20].join(":");
        assert!(format!("SHA-1 {twenty}").parse::<Fingerprint>().is_ok());
        for text in [
            String::new(),
            "sha-1".to_owned(),
            format!("md5 {twenty}"),
            format!("sha-256 {twenty}"),
            format!("sha-1 {twenty}:AB"),
            format!("sha-1 {}", twenty.replace("AB", "+B")),
            format!("sha-512 {}", ["AB"; 65].join(":")),
            "sha-1 \u{e4}B".to_owned(),
        ] {
            assert!(text.parse::<Fingerprint>().is_err(), "{text}");
        }
    }
}
