//! HMAC-SHA1 with a prepared key, by either of two libraries.

use std::hint::black_box;

use hmac::{Hmac, KeyInit as _, Mac as _};
use rtpengine_common::srtp::kdf::AUTH_KEY;
use zeroize::Zeroizing;

use super::choice::Library;

/// Bytes of a block of SHA-1.
const BLOCK: usize = 64;

/// The states behind the key, copied for each packet.
pub(super) enum Authenticator {
    RustCrypto(Hmac<sha1::Sha1>),
    OpenSsl(States),
}

impl Authenticator {
    /// Who has it.
    pub(super) const LIBRARIES: [Library; 2] = [Library::RustCrypto, Library::OpenSsl];

    pub(super) fn new(library: Library, key: &[u8; AUTH_KEY]) -> Self {
        // RFC 2104: a short key is filled up with zeros to a block.
        let mut block = Zeroizing::new([0; BLOCK]);
        block[..AUTH_KEY].copy_from_slice(key);
        if library == Library::OpenSsl {
            return Self::OpenSsl(States { inner: behind(&block, 0x36), outer: behind(&block, 0x5c) });
        }
        Self::RustCrypto(Hmac::new((&*block).into()))
    }

    /// The code of `data` followed by `trailer`.
    pub(super) fn tag(&self, data: &[u8], trailer: [u8; 4]) -> [u8; 20] {
        match self {
            Self::RustCrypto(mac) => {
                let mut mac = mac.clone();
                mac.update(data);
                mac.update(&trailer);
                mac.finalize().into_bytes().into()
            }
            Self::OpenSsl(states) => {
                let (mut inner, mut outer) = (states.inner.clone(), states.outer.clone());
                inner.update(data);
                inner.update(&trailer);
                outer.update(&inner.finish());
                outer.finish()
            }
        }
    }
}

/// SHA-1 of OpenSSL behind the first block of either hash (RFC 2104 section 4).
pub(super) struct States {
    inner: openssl::sha::Sha1,
    outer: openssl::sha::Sha1,
}

impl Drop for States {
    fn drop(&mut self) {
        for state in [&mut self.inner, &mut self.outer] {
            *state = openssl::sha::Sha1::new();
            // Else nobody reads it, and it need not be written.
            black_box(state);
        }
    }
}

/// The state behind a block of the key with this pad.
fn behind(key: &[u8; BLOCK], pad: u8) -> openssl::sha::Sha1 {
    let mut block = Zeroizing::new(*key);
    for byte in block.iter_mut() {
        *byte ^= pad;
    }
    let mut state = openssl::sha::Sha1::new();
    state.update(&*block);
    state
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 2202 section 3, test case 1.
    #[test]
    fn each_library_makes_the_code_of_the_rfc() {
        for library in Authenticator::LIBRARIES {
            let tag = Authenticator::new(library, &[0x0b; AUTH_KEY]).tag(b"Hi T", *b"here");
            let expected = [
                0xb6, 0x17, 0x31, 0x86, 0x55, 0x05, 0x72, 0x64, 0xe2, 0x8b, 0xc0, 0xb6, 0xfb, 0x37, 0x8c,
                0x8e, 0xf1, 0x46, 0xbe, 0x00,
            ];
            assert_eq!(tag, expected, "{library}");
        }
    }

    proptest! {
        #[test]
        fn the_libraries_agree(
            key: [u8; AUTH_KEY],
            data in prop::collection::vec(any::<u8>(), 0..1500),
            trailer: [u8; 4],
        ) {
            let [one, other] =
                Authenticator::LIBRARIES.map(|library| Authenticator::new(library, &key).tag(&data, trailer));
            prop_assert_eq!(one, other);
        }
    }
}
