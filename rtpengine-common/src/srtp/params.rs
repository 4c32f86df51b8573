//! What two sides agree on, by SDES (RFC 4568) or DTLS (RFC 5764).

use core::fmt;

use zeroize::Zeroize as _;

use super::Suite;

/// Longest master key identifier, bytes (RFC 4568 section 6.1).
pub const MAX_MKI: usize = 128;

/// Master key identifier: sent in each packet, compared in each packet received. Empty: there is none.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Mki {
    bytes: [u8; MAX_MKI],
    len: u8,
}

impl Mki {
    /// No identifier.
    pub const NONE: Self = Self { bytes: [0; MAX_MKI], len: 0 };

    /// `None`: longer than [`MAX_MKI`].
    pub fn new(mki: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_MKI];
        bytes.get_mut(..mki.len())?.copy_from_slice(mki);
        Some(Self { bytes, len: mki.len() as u8 })
    }

    /// The identifier as it stands in a packet.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl Default for Mki {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for Mki {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_bytes(), f)
    }
}

/// Session parameters (RFC 4568 section 6.3) that change what is done with a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SessionParams {
    /// RTP payloads are not encrypted.
    pub unencrypted_srtp: bool,
    /// RTCP packets are not encrypted.
    pub unencrypted_srtcp: bool,
    /// RTP packets carry no authentication tag, and so there is no protection against replay. Has no meaning for AEAD
    /// suites.
    pub unauthenticated_srtp: bool,
}

/// Why [`CryptoParams`] cannot be made of what was negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParams {
    /// Length of the master key.
    #[error("{} wants a master key of {} bytes, not {len}", suite.name(), suite.key_len())]
    KeyLength {
        /// The suite.
        suite: Suite,
        /// Bytes given.
        len: usize,
    },
    /// Length of the master salt.
    #[error("{} wants a master salt of {} bytes, not {len}", suite.name(), suite.salt_len())]
    SaltLength {
        /// The suite.
        suite: Suite,
        /// Bytes given.
        len: usize,
    },
    /// GCM always authenticates.
    #[error("{} cannot be used with UNAUTHENTICATED_SRTP: its cipher authenticates", suite.name())]
    Unauthenticated {
        /// The suite.
        suite: Suite,
    },
}

/// Everything one direction of SRTP and SRTCP is protected with. Wiped when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct CryptoParams {
    suite: Suite,
    /// The first [`Suite::key_len`] bytes.
    master_key: [u8; 32],
    /// The first [`Suite::salt_len`] bytes; zero behind them, as the key derivation wants it.
    master_salt: [u8; 14],
    mki: Mki,
    session: SessionParams,
}

impl CryptoParams {
    /// # Errors
    /// When a length does not fit the suite, or the session parameters do not.
    pub fn new(
        suite: Suite,
        master_key: &[u8],
        master_salt: &[u8],
        mki: Mki,
        session: SessionParams,
    ) -> Result<Self, InvalidParams> {
        if master_key.len() != suite.key_len() {
            return Err(InvalidParams::KeyLength { suite, len: master_key.len() });
        }
        if master_salt.len() != suite.salt_len() {
            return Err(InvalidParams::SaltLength { suite, len: master_salt.len() });
        }
        if session.unauthenticated_srtp && suite.cipher() == super::Cipher::Gcm {
            return Err(InvalidParams::Unauthenticated { suite });
        }
        let mut params = Self { suite, master_key: [0; 32], master_salt: [0; 14], mki, session };
        params.master_key[..master_key.len()].copy_from_slice(master_key);
        params.master_salt[..master_salt.len()].copy_from_slice(master_salt);
        Ok(params)
    }

    /// The suite.
    pub const fn suite(&self) -> Suite {
        self.suite
    }

    /// The master key. Not for logs.
    pub fn master_key(&self) -> &[u8] {
        &self.master_key[..self.suite.key_len()]
    }

    /// The master salt. Not for logs.
    pub fn master_salt(&self) -> &[u8] {
        &self.master_salt[..self.suite.salt_len()]
    }

    /// The master salt, filled up with zeros.
    pub(super) const fn padded_salt(&self) -> &[u8; 14] {
        &self.master_salt
    }

    /// The master key identifier.
    pub const fn mki(&self) -> &Mki {
        &self.mki
    }

    /// The session parameters.
    pub const fn session(&self) -> SessionParams {
        self.session
    }
}

impl Drop for CryptoParams {
    fn drop(&mut self) {
        self.master_key.zeroize();
        self.master_salt.zeroize();
    }
}

impl fmt::Debug for CryptoParams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CryptoParams")
            .field("suite", &self.suite)
            .field("mki", &self.mki)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(
        suite: Suite,
        key: usize,
        salt: usize,
        session: SessionParams,
    ) -> Result<CryptoParams, InvalidParams> {
        CryptoParams::new(suite, &[0xa5; 40][..key], &[0x5a; 40][..salt], Mki::NONE, session)
    }

    #[test]
    fn lengths_must_be_those_of_the_suite() {
        for suite in Suite::ALL {
            let (key, salt) = (suite.key_len(), suite.salt_len());
            let params = of(suite, key, salt, SessionParams::default()).unwrap();
            assert_eq!((params.master_key().len(), params.master_salt().len()), (key, salt));
            for (key, salt) in [(key - 1, salt), (key + 1, salt), (key, salt - 1), (key, salt + 1), (0, 0)] {
                assert!(of(suite, key, salt, SessionParams::default()).is_err(), "{suite:?} {key} {salt}");
            }
        }
    }

    #[test]
    fn gcm_is_never_unauthenticated() {
        let session = SessionParams { unauthenticated_srtp: true, ..SessionParams::default() };
        let suite = Suite::AeadAes128Gcm;
        assert_eq!(of(suite, 16, 12, session), Err(InvalidParams::Unauthenticated { suite }));
        assert!(of(Suite::NullHmacSha1_80, 16, 14, session).is_ok());
    }

    #[test]
    fn keys_are_not_printed() {
        let params = of(Suite::AesCm128HmacSha1_80, 16, 14, SessionParams::default()).unwrap();
        let printed = format!("{params:?}");
        assert!(!printed.contains("165") && !printed.to_lowercase().contains("a5"), "{printed}");
        assert!(!printed.contains("90") && !printed.to_lowercase().contains("5a"), "{printed}");
    }

    #[test]
    fn an_mki_is_at_most_128_bytes() {
        assert_eq!(Mki::new(&[7; 128]).unwrap().as_bytes(), [7; 128]);
        assert!(Mki::new(&[7; 129]).is_none());
        assert!(Mki::new(&[]).unwrap() == Mki::NONE);
    }
}
