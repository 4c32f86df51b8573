//! OpenSSL, as well used as its crate allows: cipher contexts keyed once, HMAC from two copies of prepared SHA-1 states.

use anyhow::Result;
use openssl::cipher::Cipher;
use openssl::cipher_ctx::CipherCtx;
use openssl::sha::Sha1;
use rtpengine_common::srtp::kdf::SessionKeys;
use rtpengine_common::srtp::{self, Suite};

use crate::bare::{GCM_TAG, Primitives};

pub struct OpenSsl {
    encrypt: CipherCtx,
    decrypt: CipherCtx,
    inner: Sha1,
    outer: Sha1,
}

impl OpenSsl {
    pub fn new(suite: Suite, keys: &SessionKeys) -> Result<Self> {
        let cipher = match (suite.cipher(), suite.key_len()) {
            (srtp::Cipher::Cm, 16) => Some(Cipher::aes_128_ctr()),
            (srtp::Cipher::Cm, 24) => Some(Cipher::aes_192_ctr()),
            (srtp::Cipher::Cm, _) => Some(Cipher::aes_256_ctr()),
            (srtp::Cipher::Gcm, 16) => Some(Cipher::aes_128_gcm()),
            (srtp::Cipher::Gcm, _) => Some(Cipher::aes_256_gcm()),
            (srtp::Cipher::Null | srtp::Cipher::F8, _) => None,
        };
        let (mut encrypt, mut decrypt) = (CipherCtx::new()?, CipherCtx::new()?);
        if let Some(cipher) = cipher {
            let key = Some(&keys.cipher_key[..suite.key_len()]);
            encrypt.encrypt_init(Some(cipher), key, None)?;
            decrypt.decrypt_init(Some(cipher), key, None)?;
        }
        let padded = |byte: u8| {
            let mut block = [byte; 64];
            for (to, key) in block.iter_mut().zip(keys.auth_key) {
                *to ^= key;
            }
            let mut sha = Sha1::new();
            sha.update(&block);
            sha
        };
        Ok(Self { encrypt, decrypt, inner: padded(0x36), outer: padded(0x5c) })
    }
}

impl Primitives for OpenSsl {
    fn count(&mut self, initial: [u8; 16], data: &mut [u8]) -> Result<()> {
        self.encrypt.encrypt_init(None, None, Some(&initial))?;
        self.encrypt.cipher_update_inplace(data, data.len())?;
        Ok(())
    }

    fn authenticate(&mut self, data: &[u8], trailer: [u8; 4]) -> [u8; 20] {
        let (mut inner, mut outer) = (self.inner.clone(), self.outer.clone());
        inner.update(data);
        inner.update(&trailer);
        outer.update(&inner.finish());
        outer.finish()
    }

    fn seal(&mut self, iv: [u8; 12], associated: &[u8], data: &mut [u8]) -> Result<()> {
        let (data, tag) = data.split_at_mut(data.len() - GCM_TAG);
        self.encrypt.encrypt_init(None, None, Some(&iv))?;
        self.encrypt.cipher_update(associated, None)?;
        self.encrypt.cipher_update_inplace(data, data.len())?;
        self.encrypt.cipher_final(&mut [])?;
        self.encrypt.tag(tag)?;
        Ok(())
    }

    fn open(&mut self, iv: [u8; 12], associated: &[u8], data: &mut [u8]) -> Result<()> {
        let (data, tag) = data.split_at_mut(data.len() - GCM_TAG);
        self.decrypt.decrypt_init(None, None, Some(&iv))?;
        self.decrypt.cipher_update(associated, None)?;
        self.decrypt.cipher_update_inplace(data, data.len())?;
        self.decrypt.set_tag(tag)?;
        self.decrypt.cipher_final(&mut [])?;
        Ok(())
    }
}
