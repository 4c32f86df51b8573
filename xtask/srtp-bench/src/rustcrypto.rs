//! RustCrypto.

use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore};
use aes::cipher::{consts::U16, inout::InOutBuf};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use anyhow::{Result, anyhow};
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;
use hmac::{Hmac, Mac as _};
use rtpengine_common::srtp::kdf::SessionKeys;
use rtpengine_common::srtp::{self, Suite};
use sha1::Sha1;

use crate::bare::{GCM_TAG, Primitives};

enum Cipher {
    Null,
    Cm128(Aes128),
    Cm192(Aes192),
    Cm256(Aes256),
    Gcm128(Aes128Gcm),
    Gcm256(Aes256Gcm),
}

pub struct RustCrypto {
    cipher: Cipher,
    hmac: Hmac<Sha1>,
}

impl RustCrypto {
    pub fn new(suite: Suite, keys: &SessionKeys) -> Self {
        let mut block = [0; 64];
        block[..keys.auth_key.len()].copy_from_slice(&keys.auth_key);
        Self { cipher: Cipher::new(suite, keys), hmac: Hmac::new(&block.into()) }
    }
}

impl Cipher {
    fn new(suite: Suite, keys: &SessionKeys) -> Self {
        let key = &keys.cipher_key;
        match (suite.cipher(), suite.key_len()) {
            (srtp::Cipher::Cm, 16) => Self::Cm128(Aes128::new(&start(key).into())),
            (srtp::Cipher::Cm, 24) => Self::Cm192(Aes192::new(&start(key).into())),
            (srtp::Cipher::Cm, _) => Self::Cm256(Aes256::new(key.into())),
            (srtp::Cipher::Gcm, 16) => Self::Gcm128(Aes128Gcm::new(&start(key).into())),
            (srtp::Cipher::Gcm, _) => Self::Gcm256(Aes256Gcm::new(key.into())),
            (srtp::Cipher::Null | srtp::Cipher::F8, _) => Self::Null,
        }
    }
}

/// The first bytes of a key.
fn start<const N: usize>(key: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|at| key[at])
}

fn count<C>(keys: &C, initial: [u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    CtrCore::<&C, Ctr128BE>::inner_iv_init(keys, &Array(initial)).apply_keystream_partial(data.into());
}

impl Primitives for RustCrypto {
    fn count(&mut self, initial: [u8; 16], data: &mut [u8]) -> Result<()> {
        match &self.cipher {
            Cipher::Cm128(keys) => count(keys, initial, data),
            Cipher::Cm192(keys) => count(keys, initial, data),
            Cipher::Cm256(keys) => count(keys, initial, data),
            Cipher::Null | Cipher::Gcm128(_) | Cipher::Gcm256(_) => {}
        }
        Ok(())
    }

    fn authenticate(&mut self, data: &[u8], trailer: [u8; 4]) -> [u8; 20] {
        let mut mac = self.hmac.clone();
        mac.update(data);
        mac.update(&trailer);
        mac.finalize().into_bytes().into()
    }

    fn seal(&mut self, iv: [u8; 12], associated: &[u8], data: &mut [u8]) -> Result<()> {
        let (data, tag) = data.split_at_mut(data.len() - GCM_TAG);
        let data = InOutBuf::from(data);
        let made = match &self.cipher {
            Cipher::Gcm128(keys) => keys.encrypt_inout_detached(&Array(iv), associated, data),
            Cipher::Gcm256(keys) => keys.encrypt_inout_detached(&Array(iv), associated, data),
            Cipher::Null | Cipher::Cm128(_) | Cipher::Cm192(_) | Cipher::Cm256(_) => return Ok(()),
        };
        tag.copy_from_slice(&made.map_err(|_| anyhow!("not encrypted"))?);
        Ok(())
    }

    fn open(&mut self, iv: [u8; 12], associated: &[u8], data: &mut [u8]) -> Result<()> {
        let (data, tag) = data.split_at_mut(data.len() - GCM_TAG);
        let tag = Array(std::array::from_fn(|at| tag[at]));
        let data = InOutBuf::from(data);
        let opened = match &self.cipher {
            Cipher::Gcm128(keys) => keys.decrypt_inout_detached(&Array(iv), associated, data, &tag),
            Cipher::Gcm256(keys) => keys.decrypt_inout_detached(&Array(iv), associated, data, &tag),
            Cipher::Null | Cipher::Cm128(_) | Cipher::Cm192(_) | Cipher::Cm256(_) => return Ok(()),
        };
        opened.map_err(|_| anyhow!("not decrypted"))
    }
}
