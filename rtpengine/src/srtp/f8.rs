//! AES in f8 mode (RFC 3711 section 4.1.2) with a prepared key, on the block function of either of two libraries.

use aes::Aes128;
use aes::cipher::{Array, BlockCipherEncrypt, KeyInit};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, UnboundCipherKey};
use zeroize::Zeroizing;

use super::choice::Library;

/// Bytes of a block and of a key.
const BLOCK: usize = 16;

/// A key.
pub(super) struct F8 {
    key: Block,
    /// Of the key with the salt added, for the initialisation vector.
    masked: Block,
}

impl F8 {
    /// Who has the block function.
    pub(super) const LIBRARIES: [Library; 2] = [Library::RustCrypto, Library::AwsLc];

    pub(super) fn new(library: Library, key: &[u8; BLOCK], salt: &[u8; 14]) -> Self {
        // Section 4.1.2.1: the salt is filled up with 0x55.
        let mut mask = Zeroizing::new([0x55; BLOCK]);
        mask[..salt.len()].copy_from_slice(salt);
        for (byte, key) in mask.iter_mut().zip(key) {
            *byte ^= key;
        }
        Self { key: Block::new(library, key), masked: Block::new(library, &mask) }
    }

    /// Encrypts or decrypts. `None`: the library did not; the data are of no use.
    pub(super) fn apply(&self, initial: [u8; BLOCK], data: &mut [u8]) -> Option<()> {
        let mask = self.masked.encrypt(u128::from_be_bytes(initial))?;
        let mut stream = 0;
        for (number, chunk) in (0_u128..).zip(data.chunks_mut(BLOCK)) {
            stream = self.key.encrypt(mask ^ number ^ stream)?;
            for (byte, stream) in chunk.iter_mut().zip(stream.to_be_bytes()) {
                *byte ^= stream;
            }
        }
        Some(())
    }
}

/// The block function with a key. Each library wipes its own when it is dropped.
enum Block {
    RustCrypto(Aes128),
    AwsLc(EncryptingKey),
}

impl Block {
    fn new(library: Library, key: &[u8; BLOCK]) -> Self {
        let aws_lc = || EncryptingKey::ecb(UnboundCipherKey::new(&AES_128, key).ok()?).ok();
        let key_of_aws_lc = if library == Library::AwsLc { aws_lc() } else { None };
        key_of_aws_lc.map_or_else(|| Self::RustCrypto(Aes128::new(key.into())), Self::AwsLc)
    }

    fn encrypt(&self, block: u128) -> Option<u128> {
        let mut block = Array(block.to_be_bytes());
        match self {
            Self::RustCrypto(key) => key.encrypt_block(&mut block),
            Self::AwsLc(key) => {
                key.encrypt(&mut block.0).ok()?;
            }
        }
        Some(u128::from_be_bytes(block.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_libraries_agree(
            key: [u8; 16],
            salt: [u8; 14],
            initial: [u8; 16],
            plain in prop::collection::vec(any::<u8>(), 0..1500),
        ) {
            let [one, other] = F8::LIBRARIES.map(|library| {
                let mut data = plain.clone();
                assert_eq!(F8::new(library, &key, &salt).apply(initial, &mut data), Some(()));
                data
            });
            prop_assert_eq!(one, other);
        }
    }
}
