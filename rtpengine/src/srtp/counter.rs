//! AES in counter mode with a prepared key, by either of two libraries.

use aes::cipher::consts::U16;
use aes::cipher::{Array, BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit, StreamCipherCore};
use aes::{Aes128, Aes192, Aes256};
use aws_lc_rs::cipher::{
    AES_128, AES_192, AES_256, Algorithm, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use ctr::CtrCore;
use ctr::flavors::Ctr128BE;

use super::choice::Library;

/// A key. Each library wipes its own when it is dropped.
pub(super) enum Counter {
    RustCrypto128(Aes128),
    RustCrypto192(Aes192),
    RustCrypto256(Aes256),
    AwsLc(EncryptingKey),
}

impl Counter {
    /// Who has it.
    pub(super) const LIBRARIES: [Library; 2] = [Library::RustCrypto, Library::AwsLc];

    pub(super) fn new_128(library: Library, key: &[u8; 16]) -> Self {
        aws_lc(library, &AES_128, key).unwrap_or_else(|| Self::RustCrypto128(Aes128::new(key.into())))
    }

    pub(super) fn new_192(library: Library, key: &[u8; 24]) -> Self {
        aws_lc(library, &AES_192, key).unwrap_or_else(|| Self::RustCrypto192(Aes192::new(key.into())))
    }

    pub(super) fn new_256(library: Library, key: &[u8; 32]) -> Self {
        aws_lc(library, &AES_256, key).unwrap_or_else(|| Self::RustCrypto256(Aes256::new(key.into())))
    }

    /// Encrypts or decrypts. `None`: the library did not; nothing has changed.
    pub(super) fn apply(&self, initial: [u8; 16], data: &mut [u8]) -> Option<()> {
        match self {
            Self::RustCrypto128(key) => count(key, initial, data),
            Self::RustCrypto192(key) => count(key, initial, data),
            Self::RustCrypto256(key) => count(key, initial, data),
            Self::AwsLc(key) => {
                let initial = EncryptionContext::Iv128(FixedLength::from(initial));
                key.less_safe_encrypt(data, initial).ok()?;
            }
        }
        Some(())
    }
}

/// The key for AWS-LC, if that is the library and it takes it, which it does unless it has no memory.
fn aws_lc(library: Library, algorithm: &'static Algorithm, key: &[u8]) -> Option<Counter> {
    if library != Library::AwsLc {
        return None;
    }
    let key = UnboundCipherKey::new(algorithm, key).ok()?;
    Some(Counter::AwsLc(EncryptingKey::ctr(key).ok()?))
}

fn count<C>(key: &C, initial: [u8; 16], data: &mut [u8])
where
    C: BlockCipherEncrypt + BlockSizeUser<BlockSize = U16>,
{
    CtrCore::<&C, Ctr128BE>::inner_iv_init(key, &Array(initial)).apply_keystream_partial(data.into());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(library: Library, len: usize) -> Counter {
        let bytes: [u8; 32] = std::array::from_fn(|at| at as u8);
        let key = match len {
            16 => Counter::new_128(library, bytes.first_chunk().unwrap()),
            24 => Counter::new_192(library, bytes.first_chunk().unwrap()),
            _ => Counter::new_256(library, &bytes),
        };
        assert_eq!(matches!(key, Counter::AwsLc(_)), library == Library::AwsLc);
        key
    }

    /// RFC 3711 appendix B.2.
    #[test]
    fn each_library_makes_the_key_stream_of_the_rfc() {
        let bytes = 0x2b7e1516_28aed2a6_abf71588_09cf4f3c_u128.to_be_bytes();
        for library in Counter::LIBRARIES {
            let mut stream = [0; 48];
            let initial = 0xf0f1f2f3_f4f5f6f7_f8f9fafb_fcfd0000_u128.to_be_bytes();
            assert_eq!(Counter::new_128(library, &bytes).apply(initial, &mut stream), Some(()));
            let expected = [
                0xe03ead09_35c95e80_e166b16d_d92b4eb4_u128,
                0xd23513162b02d0f72a43a2fe4a5f97ab,
                0x41e95b3bb0a2e8dd477901e4fca894c0,
            ];
            assert_eq!(stream[..], expected.map(u128::to_be_bytes).concat(), "{library}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_libraries_agree(
            len in prop::sample::select(&[16, 24, 32][..]),
            initial: [u8; 16],
            plain in prop::collection::vec(any::<u8>(), 0..1500),
        ) {
            let [one, other] = Counter::LIBRARIES.map(|library| {
                let mut data = plain.clone();
                assert_eq!(key(library, len).apply(initial, &mut data), Some(()));
                data
            });
            prop_assert_eq!(one, other);
        }
    }
}
