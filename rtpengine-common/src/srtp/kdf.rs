//! Session keys from master keys (RFC 3711 section 4.3, RFC 6188 section 3, RFC 7714 section 11).

use zeroize::Zeroize as _;

use super::{CryptoParams, aes::RoundKeys};

/// Bytes of the session key for HMAC-SHA1.
pub const AUTH_KEY: usize = 20;

/// Which packets a set of session keys is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// SRTP.
    Rtp,
    /// SRTCP.
    Rtcp,
}

/// Session keys for one purpose. Wiped when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKeys {
    /// Key of the cipher: the first [`super::Suite::key_len`] bytes, zero behind them.
    pub cipher_key: [u8; 32],
    /// Salt of the cipher: the first [`super::Suite::salt_len`] bytes, zero behind them.
    pub salt: [u8; 14],
    /// Key of HMAC-SHA1; not used by AEAD suites.
    pub auth_key: [u8; AUTH_KEY],
}

impl SessionKeys {
    /// Derives the keys. There is no key derivation rate: keys are derived once.
    pub fn derive(params: &CryptoParams, purpose: Purpose) -> Self {
        let suite = params.suite();
        let mut keys = Self { cipher_key: [0; 32], salt: [0; 14], auth_key: [0; AUTH_KEY] };
        // The length was checked when the parameters were made.
        let Some(mut cipher) = RoundKeys::expand(params.master_key()) else { return keys };
        // RFC 3711 section 4.3.1 and 4.3.2: labels 0 to 2, and 3 to 5.
        let first = match purpose {
            Purpose::Rtp => 0,
            Purpose::Rtcp => 3,
        };
        let salt = params.padded_salt();
        expand(&cipher, salt, first, &mut keys.cipher_key[..suite.key_len()]);
        expand(&cipher, salt, first + 1, &mut keys.auth_key);
        expand(&cipher, salt, first + 2, &mut keys.salt[..suite.salt_len()]);
        cipher.zeroize();
        keys
    }
}

impl Drop for SessionKeys {
    fn drop(&mut self) {
        self.cipher_key.zeroize();
        self.salt.zeroize();
        self.auth_key.zeroize();
    }
}

/// The pseudo-random function: AES in counter mode from the salt with the label in its eighth byte (the index of the
/// packet divided by a rate of zero is zero).
fn expand(cipher: &RoundKeys, salt: &[u8; 14], label: u8, out: &mut [u8]) {
    let mut input = [0; 16];
    input[..14].copy_from_slice(salt);
    input[7] ^= label;
    for (block, chunk) in out.chunks_mut(16).enumerate() {
        input[15] = block as u8;
        let mut stream = cipher.encrypt_bytes(input);
        chunk.copy_from_slice(&stream[..chunk.len()]);
        stream.zeroize();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::{Mki, SessionParams, Suite};

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
    }

    fn derived(suite: Suite, key: &str, salt: &str, purpose: Purpose) -> SessionKeys {
        let params =
            CryptoParams::new(suite, &hex(key), &hex(salt), Mki::NONE, SessionParams::default()).unwrap();
        SessionKeys::derive(&params, purpose)
    }

    fn check(suite: Suite, master: (&str, &str), cipher_key: &str, salt: &str, auth_key: &str) {
        let keys = derived(suite, master.0, master.1, Purpose::Rtp);
        assert_eq!(keys.cipher_key[..suite.key_len()], hex(cipher_key));
        assert_eq!(keys.salt[..suite.salt_len()], hex(salt));
        assert_eq!(keys.auth_key, *hex(auth_key));
    }

    #[test]
    fn rfc_3711_appendix_b_3() {
        check(
            Suite::AesCm128HmacSha1_80,
            ("e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6"),
            "c61e7a93744f39ee10734afe3ff7a087",
            "30cbbc08863d8c85d49db34a9ae1",
            "cebe321f6ff7716b6fd4ab49af256a156d38baa4",
        );
    }

    /// The whole authentication key of RFC 3711 appendix B.3, longer than SRTP's own.
    #[test]
    fn rfc_3711_appendix_b_3_to_the_last_block() {
        let cipher = RoundKeys::expand(&hex("e1f97a0d3e018be0d64fa32c06de4139")).unwrap();
        let mut out = [0; 94];
        expand(&cipher, &hex("0ec675ad498afeebb6960b3aabe6").try_into().unwrap(), 1, &mut out);
        let expected = "cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce\
                        e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25\
                        6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2";
        assert_eq!(out[..], hex(expected));
    }

    #[test]
    fn rfc_6188_section_7_2() {
        check(
            Suite::AesCm256HmacSha1_80,
            (
                "f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6",
                "3b04803de51ee7c96423ab5b78d2",
            ),
            "5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4",
            "fa31791685ca444a9e07c6c64e93",
            "fd9c32d39ed5fbb5a9dc96b30818454d1313dc05",
        );
    }

    #[test]
    fn rfc_6188_section_7_4() {
        check(
            Suite::AesCm192HmacSha1_80,
            ("73edc66c4fa15776fb57f9505c17136550ffda71f3e8e5f1", "c8522f3acd4ce86d5add78edbb11"),
            "31874736a8f1143870c26e4857d8a5b2c4a354407faadabb",
            "2372b82d639b6d8503a47adc0a6c",
            "355b10973cd95b9eacf4061c7e1a7151e7cfbfcb",
        );
    }

    #[test]
    fn srtcp_has_keys_of_its_own() {
        for suite in Suite::ALL {
            let (key, salt) = ("5a".repeat(suite.key_len()), "a5".repeat(suite.salt_len()));
            let rtp = derived(suite, &key, &salt, Purpose::Rtp);
            let rtcp = derived(suite, &key, &salt, Purpose::Rtcp);
            assert_ne!(rtp.cipher_key, rtcp.cipher_key);
            assert_ne!(rtp.salt, rtcp.salt);
            assert_ne!(rtp.auth_key, rtcp.auth_key);
        }
    }
}
