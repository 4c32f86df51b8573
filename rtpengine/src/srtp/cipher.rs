//! The ciphers with prepared keys.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use rtpengine_common::srtp::kdf::SessionKeys;
use rtpengine_common::srtp::{self, Suite};
use zeroize::Zeroizing;

use super::choice::Library;
use super::counter::Counter;
use super::gcm::{self, Gcm};

/// A cipher of a suite.
pub(super) enum Cipher {
    Null,
    Cm(Counter),
    F8 {
        keys: Aes128,
        /// Of the key with the salt added, for the initialisation vector.
        masked: Aes128,
    },
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
            (srtp::Cipher::F8, _) => {
                let key = start(key);
                // RFC 3711 section 4.1.2.1: the salt is filled up with 0x55.
                let mut mask = Zeroizing::new([0x55; 16]);
                mask[..keys.salt.len()].copy_from_slice(&keys.salt);
                for (byte, key) in mask.iter_mut().zip(key.iter()) {
                    *byte ^= key;
                }
                Self::F8 { keys: Aes128::new((&*key).into()), masked: Aes128::new((&*mask).into()) }
            }
        }
    }

    pub(super) const fn is_gcm(&self) -> bool {
        matches!(self, Self::Gcm(_))
    }

    /// Encrypts or decrypts without authentication. `salt`: the session salt from the first byte on. `None`: the library
    /// did not; nothing has changed.
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
                return key.apply(initial.to_be_bytes(), data);
            }
            Self::F8 { keys, masked } => f8(keys, masked, f8_initial(), data),
            Self::Null | Self::Gcm(_) => {}
        }
        Some(())
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
            Self::Null | Self::Cm(_) | Self::F8 { .. } => None,
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
            Self::Null | Self::Cm(_) | Self::F8 { .. } => None,
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

/// AES in f8 mode (RFC 3711 section 4.1.2.2).
fn f8(keys: &Aes128, masked: &Aes128, initial: [u8; 16], data: &mut [u8]) {
    let encrypt = |keys: &Aes128, block: u128| {
        let mut block = Array(block.to_be_bytes());
        keys.encrypt_block(&mut block);
        u128::from_be_bytes(block.0)
    };
    let mask = encrypt(masked, u128::from_be_bytes(initial));
    let mut stream = 0;
    for (number, chunk) in (0_u128..).zip(data.chunks_mut(16)) {
        stream = encrypt(keys, mask ^ number ^ stream);
        for (byte, stream) in chunk.iter_mut().zip(stream.to_be_bytes()) {
            *byte ^= stream;
        }
    }
}
