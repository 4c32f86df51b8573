//! AES-GCM with a prepared key, by either of two libraries.

use aes_gcm::aead::{AeadInOut, inout::InOutBuf};
use aes_gcm::{Aes128Gcm, Aes256Gcm, KeyInit as _};
use arrayvec::ArrayVec;
use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::choice::Library;

/// Bytes of a tag.
pub(super) const TAG: usize = 16;
/// Bytes of an initialisation vector.
pub(super) const IV: usize = 12;

/// Bytes that are kept on the stack while they are decrypted: of a packet of any usual MTU, and of the longest one.
const USUAL: usize = 2048;
const LONGEST: usize = 65_536;

/// A key. Each library wipes its own when it is dropped, AWS-LC as it frees any memory.
pub(super) enum Gcm {
    RustCrypto128(Aes128Gcm),
    RustCrypto256(Aes256Gcm),
    AwsLc(LessSafeKey),
}

impl Gcm {
    /// Who has it.
    pub(super) const LIBRARIES: [Library; 2] = [Library::RustCrypto, Library::AwsLc];

    pub(super) fn new_128(library: Library, key: &[u8; 16]) -> Self {
        aws_lc(library, &AES_128_GCM, key).unwrap_or_else(|| Self::RustCrypto128(Aes128Gcm::new(key.into())))
    }

    pub(super) fn new_256(library: Library, key: &[u8; 32]) -> Self {
        aws_lc(library, &AES_256_GCM, key).unwrap_or_else(|| Self::RustCrypto256(Aes256Gcm::new(key.into())))
    }

    /// Encrypts, and puts the tag there. `None`: too long.
    pub(super) fn seal(
        &self,
        iv: [u8; IV],
        associated: &[u8],
        data: &mut [u8],
        tag: &mut [u8; TAG],
    ) -> Option<()> {
        let made = match self {
            Self::RustCrypto128(key) => key.encrypt_inout_detached(&iv.into(), associated, data.into()),
            Self::RustCrypto256(key) => key.encrypt_inout_detached(&iv.into(), associated, data.into()),
            Self::AwsLc(key) => {
                let (nonce, associated) = (Nonce::assume_unique_for_key(iv), Aad::from(associated));
                let made = key.seal_in_place_separate_tag(nonce, associated, data).ok()?;
                *tag = *made.as_ref().first_chunk()?;
                return Some(());
            }
        };
        *tag = made.ok()?.into();
        Some(())
    }

    /// Decrypts. `None`: the tag does not match, or too long; nothing has changed.
    pub(super) fn open(
        &self,
        iv: [u8; IV],
        associated: &[u8],
        data: &mut [u8],
        tag: &[u8; TAG],
    ) -> Option<()> {
        let buffer = InOutBuf::from(&mut *data);
        let opened = match self {
            Self::RustCrypto128(key) => {
                key.decrypt_inout_detached(&iv.into(), associated, buffer, tag.into())
            }
            Self::RustCrypto256(key) => {
                key.decrypt_inout_detached(&iv.into(), associated, buffer, tag.into())
            }
            Self::AwsLc(key) if data.len() <= USUAL => {
                return open_aws_lc::<USUAL>(key, iv, associated, data, tag);
            }
            Self::AwsLc(key) => return open_long(key, iv, associated, data, tag),
        };
        opened.ok()
    }
}

/// The key for AWS-LC, if that is the library and it takes it, which it does unless it has no memory.
fn aws_lc(library: Library, algorithm: &'static aws_lc_rs::aead::Algorithm, key: &[u8]) -> Option<Gcm> {
    if library != Library::AwsLc {
        return None;
    }
    Some(Gcm::AwsLc(LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?)))
}

/// AWS-LC overwrites what it cannot authenticate with zeros, so the packet is kept until it is known to be authentic.
fn open_aws_lc<const MOST: usize>(
    key: &LessSafeKey,
    iv: [u8; IV],
    associated: &[u8],
    data: &mut [u8],
    tag: &[u8; TAG],
) -> Option<()> {
    let mut kept = ArrayVec::<u8, MOST>::new();
    kept.try_extend_from_slice(data).ok()?;
    let (nonce, associated) = (Nonce::assume_unique_for_key(iv), Aad::from(associated));
    let opened = key.open_separate_gather(nonce, associated, &kept, tag, data);
    if opened.is_err() {
        data.copy_from_slice(&kept);
    }
    opened.ok()
}

/// Of its own, as the stack is touched for every call of a function with so large a frame.
#[cold]
#[inline(never)]
fn open_long(
    key: &LessSafeKey,
    iv: [u8; IV],
    associated: &[u8],
    data: &mut [u8],
    tag: &[u8; TAG],
) -> Option<()> {
    open_aws_lc::<LONGEST>(key, iv, associated, data, tag)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    fn key(library: Library, long: bool) -> Gcm {
        let key: [u8; 32] = std::array::from_fn(|at| at as u8);
        let key = if long {
            Gcm::new_256(library, &key)
        } else {
            Gcm::new_128(library, key.first_chunk().unwrap())
        };
        assert_eq!(matches!(key, Gcm::AwsLc(_)), library == Library::AwsLc);
        key
    }

    /// RFC 7714 section 16: key, initialisation vector and header are those of all its packets.
    #[test]
    fn each_library_makes_the_packets_of_the_rfc() {
        let iv: [u8; IV] = hex("51753c6580c2726f20718414").try_into().unwrap();
        let header = hex("8040f17b8041f8d35501a0b2");
        let plain = hex("47616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573");
        for (long, encrypted, tag, of_all_in_the_clear) in [
            (
                false,
                "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833",
                "899d7f27beb16a9152cf765ee4390cce",
                "22493f82d2bce397e9d79e3b19aa4216",
            ),
            (
                true,
                "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b",
                "7aa3db36dfffd6b0f9bb7878d7a76c13",
                "a866d5910f887463067ceefec45215d4",
            ),
        ] {
            for library in Gcm::LIBRARIES {
                let key = key(library, long);
                let mut data = plain.clone();
                let mut made = [0; TAG];
                assert_eq!(key.seal(iv, &header, &mut data, &mut made), Some(()), "{library}");
                assert_eq!((&data, &made[..]), (&hex(encrypted), &hex(tag)[..]), "{library}");
                assert_eq!(key.open(iv, &header, &mut data, &made), Some(()), "{library}");
                assert_eq!(data, plain, "{library}");
                let all = [&header[..], &plain].concat();
                assert_eq!(key.seal(iv, &all, &mut [], &mut made), Some(()), "{library}");
                assert_eq!(made[..], hex(of_all_in_the_clear), "{library}");
                assert_eq!(key.open(iv, &all, &mut [], &made), Some(()), "{library}");
            }
        }
    }

    fn lengths() -> impl Strategy<Value = usize> {
        prop_oneof![0..400_usize, USUAL - 20..USUAL + 20, LONGEST - 20..=LONGEST]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]

        #[test]
        fn the_libraries_agree(
            long: bool,
            iv: [u8; IV],
            associated in prop::collection::vec(any::<u8>(), 0..80),
            len in lengths(),
            seed: u8,
            flip in prop::option::of(any::<prop::sample::Index>()),
        ) {
            let plain: Vec<u8> = (0..len).map(|at| (at as u8).wrapping_mul(seed)).collect();
            let keys = Gcm::LIBRARIES.map(|library| key(library, long));
            let [mut one, mut other] = [plain.clone(), plain.clone()];
            let [mut tag, mut other_tag] = [[0; TAG]; 2];
            prop_assert_eq!(keys[0].seal(iv, &associated, &mut one, &mut tag), Some(()));
            prop_assert_eq!(keys[1].seal(iv, &associated, &mut other, &mut other_tag), Some(()));
            prop_assert!(one == other && tag == other_tag);
            let mut forged = [&one[..], &tag].concat();
            if let Some(flip) = flip {
                let bit = flip.index(forged.len() * 8);
                forged[bit / 8] ^= 1 << (bit % 8);
            }
            let (encrypted, tag) = forged.split_at(len);
            for key in &keys {
                let mut data = encrypted.to_vec();
                let opened = key.open(iv, &associated, &mut data, tag.try_into().unwrap());
                prop_assert_eq!(opened.is_some(), flip.is_none());
                let expected = if flip.is_none() { &plain[..] } else { encrypted };
                prop_assert!(data == expected);
            }
        }
    }
}
