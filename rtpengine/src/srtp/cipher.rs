//! The ciphers with prepared keys.

use rtpengine_common::srtp::kdf::SessionKeys;
use rtpengine_common::srtp::{self, Suite};
use zeroize::Zeroizing;

use super::choice::Library;
use super::counter::Counter;
use super::f8::F8;
use super::gcm::{self, Gcm};

/// A cipher of a suite.
pub(super) enum Cipher {
    Null,
    Cm(Counter),
    F8(Box<F8>),
    Gcm(Gcm),
}

impl Cipher {
    /// `library`: whose it is, if there is a choice.
    pub(super) fn new(suite: Suite, keys: &SessionKeys, library: Library) -> Self {
        let key = &keys.cipher_key;
        match (suite.cipher(), suite.key_len()) {
            (srtp::Cipher::Null, _) => Self::Null,
            (srtp::Cipher::Cm, 16) => Self::Cm(Counter::new_128(library, &start(key))),
            (srtp::Cipher::Cm, 24) => Self::Cm(Counter::new_192(library, &start(key))),
            (srtp::Cipher::Cm, _) => Self::Cm(Counter::new_256(library, key)),
            (srtp::Cipher::Gcm, 16) => Self::Gcm(Gcm::new_128(library, &start(key))),
            (srtp::Cipher::Gcm, _) => Self::Gcm(Gcm::new_256(library, key)),
            (srtp::Cipher::F8, _) => Self::F8(Box::new(F8::new(library, &start(key), &keys.salt))),
        }
    }

    pub(super) const fn is_gcm(&self) -> bool {
        matches!(self, Self::Gcm(_))
    }

    /// Encrypts or decrypts without authentication. `salt`: the session salt from the first byte on. `None`: the library
    /// did not; the data are of no use.
    pub(super) fn apply(
        &self,
        salt: u128,
        ssrc: u32,
        index: u64,
        f8_initial: impl FnOnce() -> [u8; 16],
        data: &mut [u8],
    ) -> Option<()> {
        match self {
            Self::Cm(key) => {
                // RFC 3711 section 4.1.1.
                let initial = salt ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16;
                key.apply(initial.to_be_bytes(), data)
            }
            Self::F8(key) => key.apply(f8_initial(), data),
            Self::Null | Self::Gcm(_) => Some(()),
        }
    }

    /// Encrypts with AES-GCM, and puts the tag there. `None`: too long, or another cipher.
    pub(super) fn seal(
        &self,
        salt: u128,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        data: &mut [u8],
        tag: &mut [u8; gcm::TAG],
    ) -> Option<()> {
        match self {
            Self::Gcm(key) => key.seal(gcm_iv(salt, ssrc, index), associated, data, tag),
            Self::Null | Self::Cm(_) | Self::F8(_) => None,
        }
    }

    /// Decrypts with AES-GCM. `None`: the tag does not match, nothing has changed.
    pub(super) fn open(
        &self,
        salt: u128,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; gcm::TAG],
    ) -> Option<()> {
        match self {
            Self::Gcm(key) => key.open(gcm_iv(salt, ssrc, index), associated, data, tag),
            Self::Null | Self::Cm(_) | Self::F8(_) => None,
        }
    }
}

/// The first bytes of a key.
fn start<const N: usize>(key: &[u8; 32]) -> Zeroizing<[u8; N]> {
    let mut start = Zeroizing::new([0; N]);
    for (to, byte) in start.iter_mut().zip(key) {
        *to = *byte;
    }
    start
}

/// RFC 7714 section 8.1 and 9.1: of SRTP and SRTCP alike, as the latter's index is shorter.
fn gcm_iv(salt: u128, ssrc: u32, index: u64) -> [u8; gcm::IV] {
    let block = (salt ^ u128::from(ssrc) << 80 ^ u128::from(index) << 32).to_be_bytes();
    let mut iv = [0; gcm::IV];
    iv.copy_from_slice(&block[..gcm::IV]);
    iv
}
