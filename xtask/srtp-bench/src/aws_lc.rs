//! AWS-LC, by its crate's interface.

use anyhow::{Context as _, Result};
use aws_lc_rs::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{self, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use rtpengine_common::srtp::kdf::SessionKeys;
use rtpengine_common::srtp::{self, Suite};

use crate::bare::{GCM_TAG, Primitives};

pub struct AwsLc {
    counter: Option<EncryptingKey>,
    gcm: Option<LessSafeKey>,
    hmac: hmac::Key,
}

impl AwsLc {
    pub fn new(suite: Suite, keys: &SessionKeys) -> Result<Self> {
        let key = &keys.cipher_key[..suite.key_len()];
        let (mut counter, mut gcm) = (None, None);
        match (suite.cipher(), suite.key_len()) {
            (srtp::Cipher::Cm, 16) => counter = Some(&cipher::AES_128),
            (srtp::Cipher::Cm, 24) => counter = Some(&cipher::AES_192),
            (srtp::Cipher::Cm, _) => counter = Some(&cipher::AES_256),
            (srtp::Cipher::Gcm, 16) => gcm = Some(&aead::AES_128_GCM),
            (srtp::Cipher::Gcm, _) => gcm = Some(&aead::AES_256_GCM),
            (srtp::Cipher::Null | srtp::Cipher::F8, _) => {}
        }
        let prepared = |algorithm| EncryptingKey::ctr(UnboundCipherKey::new(algorithm, key)?);
        let gcm = gcm.map(|algorithm| UnboundKey::new(algorithm, key)).transpose()?;
        Ok(Self {
            counter: counter.map(prepared).transpose()?,
            gcm: gcm.map(LessSafeKey::new),
            hmac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &keys.auth_key),
        })
    }
}

impl Primitives for AwsLc {
    fn count(&mut self, initial: [u8; 16], data: &mut [u8]) -> Result<()> {
        let context = EncryptionContext::Iv128(FixedLength::from(initial));
        self.counter.as_ref().context("no such cipher")?.less_safe_encrypt(data, context)?;
        Ok(())
    }

    fn authenticate(&mut self, data: &[u8], trailer: [u8; 4]) -> [u8; 20] {
        let mut context = hmac::Context::with_key(&self.hmac);
        context.update(data);
        context.update(&trailer);
        let tag = context.sign();
        std::array::from_fn(|at| tag.as_ref()[at])
    }

    fn seal(&mut self, iv: [u8; 12], associated: &[u8], data: &mut [u8]) -> Result<()> {
        let (data, tag) = data.split_at_mut(data.len() - GCM_TAG);
        let key = self.gcm.as_ref().context("no such cipher")?;
        let nonce = Nonce::assume_unique_for_key(iv);
        tag.copy_from_slice(key.seal_in_place_separate_tag(nonce, Aad::from(associated), data)?.as_ref());
        Ok(())
    }

    fn open(&mut self, iv: [u8; 12], associated: &[u8], data: &mut [u8]) -> Result<()> {
        let key = self.gcm.as_ref().context("no such cipher")?;
        key.open_in_place(Nonce::assume_unique_for_key(iv), Aad::from(associated), data)?;
        Ok(())
    }
}
