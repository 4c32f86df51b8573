//! Crypto suites: names, lengths, DTLS-SRTP profiles.

/// How payloads are encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cipher {
    /// Not at all.
    Null,
    /// AES in counter mode (RFC 3711 section 4.1.1, RFC 6188).
    Cm,
    /// AES in f8 mode (RFC 3711 section 4.1.2).
    F8,
    /// AES-GCM, which authenticates as well (RFC 7714).
    Gcm,
}

/// An SRTP crypto suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Suite {
    /// AES-GCM, 256-bit key.
    AeadAes256Gcm,
    /// AES-GCM, 128-bit key.
    AeadAes128Gcm,
    /// 256-bit counter mode, 80-bit tag.
    AesCm256HmacSha1_80,
    /// 256-bit counter mode, 32-bit tag.
    AesCm256HmacSha1_32,
    /// 192-bit counter mode, 80-bit tag.
    AesCm192HmacSha1_80,
    /// 192-bit counter mode, 32-bit tag.
    AesCm192HmacSha1_32,
    /// 128-bit counter mode, 80-bit tag.
    AesCm128HmacSha1_80,
    /// 128-bit counter mode, 32-bit tag.
    AesCm128HmacSha1_32,
    /// f8 mode, 80-bit tag.
    F8_128HmacSha1_80,
    /// f8 mode, 32-bit tag.
    F8_128HmacSha1_32,
    /// No encryption, 80-bit tag.
    NullHmacSha1_80,
    /// No encryption, 32-bit tag.
    NullHmacSha1_32,
}

impl Suite {
    /// All suites in the order in which they are offered.
    pub const ALL: [Self; 12] = [
        Self::AeadAes256Gcm,
        Self::AeadAes128Gcm,
        Self::AesCm256HmacSha1_80,
        Self::AesCm256HmacSha1_32,
        Self::AesCm192HmacSha1_80,
        Self::AesCm192HmacSha1_32,
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::F8_128HmacSha1_80,
        Self::F8_128HmacSha1_32,
        Self::NullHmacSha1_80,
        Self::NullHmacSha1_32,
    ];

    /// Name in SDP (RFC 4568 section 6.2, RFC 6188 section 5, RFC 7714 section 14.1).
    pub const fn name(self) -> &'static str {
        match self {
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
            Self::AesCm256HmacSha1_32 => "AES_256_CM_HMAC_SHA1_32",
            Self::AesCm192HmacSha1_80 => "AES_192_CM_HMAC_SHA1_80",
            Self::AesCm192HmacSha1_32 => "AES_192_CM_HMAC_SHA1_32",
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::F8_128HmacSha1_80 => "F8_128_HMAC_SHA1_80",
            Self::F8_128HmacSha1_32 => "F8_128_HMAC_SHA1_32",
            Self::NullHmacSha1_80 => "NULL_HMAC_SHA1_80",
            Self::NullHmacSha1_32 => "NULL_HMAC_SHA1_32",
        }
    }

    /// The suite of this name in SDP; the case does not matter.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// DTLS-SRTP protection profile (RFC 5764 section 4.1.2, RFC 7714 section 14.2); `None`: SDES only.
    pub const fn dtls_profile(self) -> Option<u16> {
        match self {
            Self::AesCm128HmacSha1_80 => Some(0x0001),
            Self::AesCm128HmacSha1_32 => Some(0x0002),
            Self::NullHmacSha1_80 => Some(0x0005),
            Self::NullHmacSha1_32 => Some(0x0006),
            Self::AeadAes128Gcm => Some(0x0007),
            Self::AeadAes256Gcm => Some(0x0008),
            Self::AesCm256HmacSha1_80
            | Self::AesCm256HmacSha1_32
            | Self::AesCm192HmacSha1_80
            | Self::AesCm192HmacSha1_32
            | Self::F8_128HmacSha1_80
            | Self::F8_128HmacSha1_32 => None,
        }
    }

    /// The suite of a DTLS-SRTP protection profile.
    pub fn from_dtls_profile(profile: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.dtls_profile() == Some(profile))
    }

    /// How payloads are encrypted.
    pub const fn cipher(self) -> Cipher {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => Cipher::Gcm,
            Self::AesCm256HmacSha1_80
            | Self::AesCm256HmacSha1_32
            | Self::AesCm192HmacSha1_80
            | Self::AesCm192HmacSha1_32
            | Self::AesCm128HmacSha1_80
            | Self::AesCm128HmacSha1_32 => Cipher::Cm,
            Self::F8_128HmacSha1_80 | Self::F8_128HmacSha1_32 => Cipher::F8,
            Self::NullHmacSha1_80 | Self::NullHmacSha1_32 => Cipher::Null,
        }
    }

    /// Bytes of the master key, and of the session's encryption key.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AesCm256HmacSha1_80 | Self::AesCm256HmacSha1_32 => 32,
            Self::AesCm192HmacSha1_80 | Self::AesCm192HmacSha1_32 => 24,
            Self::AeadAes128Gcm
            | Self::AesCm128HmacSha1_80
            | Self::AesCm128HmacSha1_32
            | Self::F8_128HmacSha1_80
            | Self::F8_128HmacSha1_32
            | Self::NullHmacSha1_80
            | Self::NullHmacSha1_32 => 16,
        }
    }

    /// Bytes of the master salt, and of the session salt.
    pub const fn salt_len(self) -> usize {
        match self.cipher() {
            Cipher::Gcm => 12,
            Cipher::Cm | Cipher::F8 | Cipher::Null => 14,
        }
    }

    /// Bytes of the authentication tag of an SRTP packet.
    pub const fn srtp_tag_len(self) -> usize {
        match self {
            Self::AeadAes256Gcm | Self::AeadAes128Gcm => 16,
            Self::AesCm256HmacSha1_80
            | Self::AesCm192HmacSha1_80
            | Self::AesCm128HmacSha1_80
            | Self::F8_128HmacSha1_80
            | Self::NullHmacSha1_80 => 10,
            Self::AesCm256HmacSha1_32
            | Self::AesCm192HmacSha1_32
            | Self::AesCm128HmacSha1_32
            | Self::F8_128HmacSha1_32
            | Self::NullHmacSha1_32 => 4,
        }
    }

    /// Bytes of the authentication tag of an SRTCP packet: 80 bits with HMAC-SHA1, also where SRTP has 32 (RFC 4568
    /// section 6.2.2, RFC 5764 section 4.1.2).
    pub const fn srtcp_tag_len(self) -> usize {
        match self.cipher() {
            Cipher::Gcm => 16,
            Cipher::Cm | Cipher::F8 | Cipher::Null => 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_profiles_are_found_again() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_name(suite.name().as_bytes()), Some(suite));
            assert_eq!(Suite::from_name(suite.name().to_lowercase().as_bytes()), Some(suite));
            if let Some(profile) = suite.dtls_profile() {
                assert_eq!(Suite::from_dtls_profile(profile), Some(suite));
            }
        }
        for unknown in ["", "AES_CM_128_HMAC_SHA1_8", "AES_CM_128_HMAC_SHA1_800", "AES_CM_192_HMAC_SHA1_80"] {
            assert_eq!(Suite::from_name(unknown.as_bytes()), None);
        }
        for unknown in [0x0000, 0x0003, 0x0004, 0x0009, 0xffff] {
            assert_eq!(Suite::from_dtls_profile(unknown), None);
        }
    }
}
