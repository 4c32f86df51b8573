//! Certificate fingerprints as SDP carries them (`a=fingerprint`, RFC 8122 section 5).

use std::fmt;
use std::str::FromStr;

use arrayvec::ArrayVec;
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::x509::X509Ref;

/// Longest digest, that of SHA-512.
const MAX_DIGEST: usize = 64;

/// Hash functions *ng*'s `DTLS-fingerprint` knows, weakest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FingerprintHash {
    /// `sha-1`
    Sha1,
    /// `sha-224`
    Sha224,
    /// `sha-256`
    #[default]
    Sha256,
    /// `sha-384`
    Sha384,
    /// `sha-512`
    Sha512,
}

impl FingerprintHash {
    /// All of them, weakest first.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The name in SDP (RFC 8122 section 5).
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Bytes of a digest.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    fn digest(self) -> MessageDigest {
        match self {
            Self::Sha1 => MessageDigest::sha1(),
            Self::Sha224 => MessageDigest::sha224(),
            Self::Sha256 => MessageDigest::sha256(),
            Self::Sha384 => MessageDigest::sha384(),
            Self::Sha512 => MessageDigest::sha512(),
        }
    }
}

impl FromStr for FingerprintHash {
    type Err = FingerprintError;

    /// Names are not case sensitive (RFC 8122 section 5).
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        Self::ALL
            .into_iter()
            .find(|hash| hash.name().eq_ignore_ascii_case(text))
            .ok_or(FingerprintError::Hash)
    }
}

/// Why a fingerprint in SDP cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Not one of [`FingerprintHash::ALL`].
    #[error("unknown hash function in a=fingerprint; sha-1, sha-224, sha-256, sha-384 and sha-512 are known")]
    Hash,
    /// Not pairs of hexadecimal digits with colons between, as many as the hash has.
    #[error("a=fingerprint is not colon-separated hexadecimal of the length its hash function has")]
    Digest,
}

/// A digest of a certificate in DER.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    hash: FingerprintHash,
    digest: ArrayVec<u8, MAX_DIGEST>,
}

impl Fingerprint {
    /// The fingerprint of a certificate.
    ///
    /// # Errors
    /// OpenSSL is out of memory or was told not to compute this digest.
    pub fn of(certificate: &X509Ref, hash: FingerprintHash) -> Result<Self, ErrorStack> {
        let computed = certificate.digest(hash.digest())?;
        Ok(Self { hash, digest: computed.iter().copied().take(MAX_DIGEST).collect() })
    }

    /// The hash function it was made with.
    #[must_use]
    pub const fn hash(&self) -> FingerprintHash {
        self.hash
    }

    /// Whether the certificate is the one that is meant.
    #[must_use]
    pub fn matches(&self, certificate: &X509Ref) -> bool {
        Self::of(certificate, self.hash).is_ok_and(|actual| actual == *self)
    }
}

/// The value of `a=fingerprint`: hash function, a space, the digest in upper case.
impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.hash.name())?;
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
        let hash: FingerprintHash = name.parse()?;
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
        for hash in FingerprintHash::ALL {
            let fingerprint = Fingerprint::of(&certificate, hash).unwrap();
            let text = fingerprint.to_string();
            assert_eq!(text.len(), hash.name().len() + 3 * hash.digest_len());
            assert_eq!(text.parse(), Ok(fingerprint.clone()));
            assert_eq!(text.to_lowercase().parse(), Ok(fingerprint.clone()));
            assert!(fingerprint.matches(&certificate));
        }
    }

    #[test]
    fn the_strongest_hash_decides() {
        let (_, certificate) = generate(&CertificateOptions::default(), 1_700_000_000).unwrap();
        let (_, other) = generate(&CertificateOptions::default(), 1_700_000_000).unwrap();
        let weak = Fingerprint::of(&certificate, FingerprintHash::Sha1).unwrap();
        let strong = Fingerprint::of(&other, FingerprintHash::Sha256).unwrap();
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
