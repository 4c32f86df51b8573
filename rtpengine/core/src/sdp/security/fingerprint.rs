//! `a=fingerprint` (RFC 8122 §5): the digest of the certificate a DTLS peer will present.

use std::fmt;

use smallvec::SmallVec;

/// The hash functions of RFC 8122 §5 that are still served, weakest first; MD2 and MD5 must not be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HashFunction {
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

impl HashFunction {
    /// All of them, weakest first.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha224, Self::Sha256, Self::Sha384, Self::Sha512];

    /// The one with this name in any case.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hash| hash.as_str().eq_ignore_ascii_case(name))
    }

    /// The name as in SDP.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha-1",
            Self::Sha224 => "sha-224",
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Digest length in bytes.
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
}

/// A certificate's digest. Public by nature: it is not redacted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Hash function.
    pub hash: HashFunction,
    /// Digest, [`HashFunction::digest_len`] bytes.
    pub digest: SmallVec<[u8; 64]>,
}

impl Fingerprint {
    /// Reads `<hash> <HEX:HEX:...>`, in any case. `None` for unknown or forbidden functions and wrong lengths.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let hash = HashFunction::of(fields.next()?)?;
        let mut digest = SmallVec::new();
        for pair in fields.next()?.split(':') {
            let [high, low] = *pair.as_bytes() else { return None };
            let nibble = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            if digest.len() == hash.digest_len() {
                return None;
            }
            digest.push((nibble(high)? << 4) | nibble(low)?);
        }
        (digest.len() == hash.digest_len() && fields.next().is_none()).then_some(Self { hash, digest })
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.as_str())?;
        for (at, byte) in self.digest.iter().enumerate() {
            write!(f, "{}{byte:02X}", if at == 0 { ' ' } else { ':' })?;
        }
        Ok(())
    }
}
