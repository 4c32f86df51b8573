//! The ciphers with prepared keys.

use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore};
use aes::cipher::{consts::U16, inout::InOutBuf};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use rtpengine_common::srtp::kdf::SessionKeys;
use rtpengine_common::srtp::{self, Suite};
use zeroize::Zeroizing;

/// Bytes of an AES-GCM tag.
pub(super) const GCM_TAG: usize = 16;
/// Bytes of an AES-GCM initialisation vector.
const GCM_IV: usize = 12;

/// A cipher of a suite.
pub(super) enum Cipher {
    Null,
    Cm128(Aes128),
    Cm192(Aes192),
    Cm256(Aes256),
    F8 {
        keys: Aes128,
        /// Of the key with the salt added, for the initialisation vector.
        masked: Aes128,
    },
    Gcm128(Aes128Gcm),
    Gcm256(Aes256Gcm),
}

impl Cipher {
    pub(super) fn new(suite: Suite, keys: &SessionKeys) -> Self {
        let key = &keys.cipher_key;
        match (suite.cipher(), suite.key_len()) {
            (srtp::Cipher::Null, _) => Self::Null,
            (srtp::Cipher::Cm, 16) => Self::Cm128(Aes128::new((&*start(key)).into())),
            (srtp::Cipher::Cm, 24) => Self::Cm192(Aes192::new((&*start(key)).into())),
            (srtp::Cipher::Cm, _) => Self::Cm256(Aes256::new(key.into())),
            (srtp::Cipher::Gcm, 16) => Self::Gcm128(Aes128Gcm::new((&*start(key)).into())),
            (srtp::Cipher::Gcm, _) => Self::Gcm256(Aes256Gcm::new(key.into())),
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
        matches!(self, Self::Gcm128(_) | Self::Gcm256(_))
    }

    /// Encrypts or decrypts without authentication. `salt`: the session salt from the first byte on.
    pub(super) fn apply(
        &self,
        salt: u128,
        ssrc: u32,
        index: u64,
        f8_initial: impl FnOnce() -> [u8; 16],
        data: &mut [u8],
    ) {
        // RFC 3711 section 4.1.1.
        let counter = || (salt ^ u128::from(ssrc) << 64 ^ u128::from(index) << 16).to_be_bytes();
        match self {
            Self::Cm128(keys) => count(keys, counter(), data),
            Self::Cm192(keys) => count(keys, counter(), data),
            Self::Cm256(keys) => count(keys, counter(), data),
            Self::F8 { keys, masked } => f8(keys, masked, f8_initial(), data),
            Self::Null | Self::Gcm128(_) | Self::Gcm256(_) => {}
        }
    }

    /// Encrypts with AES-GCM; the tag. `None`: too long, or another cipher.
    pub(super) fn seal(
        &self,
        salt: u128,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        data: &mut [u8],
    ) -> Option<[u8; GCM_TAG]> {
        let iv = Array(gcm_iv(salt, ssrc, index));
        let data = InOutBuf::from(data);
        let tag = match self {
            Self::Gcm128(keys) => keys.encrypt_inout_detached(&iv, associated, data),
            Self::Gcm256(keys) => keys.encrypt_inout_detached(&iv, associated, data),
            Self::Null | Self::Cm128(_) | Self::Cm192(_) | Self::Cm256(_) | Self::F8 { .. } => return None,
        };
        tag.ok().map(Into::into)
    }

    /// Decrypts with AES-GCM. `None`: the tag does not match, nothing has changed.
    pub(super) fn open(
        &self,
        salt: u128,
        ssrc: u32,
        index: u64,
        associated: &[u8],
        data: &mut [u8],
        tag: [u8; GCM_TAG],
    ) -> Option<()> {
        let (iv, tag) = (Array(gcm_iv(salt, ssrc, index)), Array(tag));
        let data = InOutBuf::from(data);
        let result = match self {
            Self::Gcm128(keys) => keys.decrypt_inout_detached(&iv, associated, data, &tag),
            Self::Gcm256(keys) => keys.decrypt_inout_detached(&iv, associated, data, &tag),
            Self::Null | Self::Cm128(_) | Self::Cm192(_) | Self::Cm256(_) | Self::F8 { .. } => return None,
        };
        result.ok()
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
fn gcm_iv(salt: u128, ssrc: u32, index: u64) -> [u8; GCM_IV] {
    let block = (salt ^ u128::from(ssrc) << 80 ^ u128::from(index) << 32).to_be_bytes();
    let mut iv = [0; GCM_IV];
    iv.copy_from_slice(&block[..GCM_IV]);
    iv
}

/// AES in counter mode.
fn count<C>(keys: &C, initial: [u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    CtrCore::<&C, Ctr128BE>::inner_iv_init(keys, &Array(initial)).apply_keystream_partial(data.into());
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
