//! From a finished handshake to SRTP keys (RFC 5764 section 4.2).

use openssl::ssl::SslRef;
use rtpengine_common::srtp::{CryptoParams, Mki, SessionParams, Suite};
use zeroize::Zeroizing;

use super::session::{FailureReason, Role};

/// The protection profiles offered and taken, best first.
pub const PROFILES: [Suite; 4] =
    [Suite::AeadAes256Gcm, Suite::AeadAes128Gcm, Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

/// Exporter label of RFC 5764 section 4.2.
const LABEL: &str = "EXTRACTOR-dtls_srtp";
/// Two keys of 32 bytes and two salts of 14.
const MAX_MATERIAL: usize = 2 * (32 + 14);

/// Keys of both directions. Wiped when dropped, never printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// Of what the peer sends.
    pub receive: CryptoParams,
    /// Of what is sent to the peer.
    pub send: CryptoParams,
}

/// What OpenSSL calls the profiles, separated by colons; suites that are no profile of [`PROFILES`] are left out.
pub(super) fn openssl_list(profiles: &[Suite]) -> String {
    let names: Vec<&str> = profiles.iter().copied().filter_map(openssl_name).collect();
    names.join(":")
}

const fn openssl_name(suite: Suite) -> Option<&'static str> {
    match suite {
        Suite::AeadAes256Gcm => Some("SRTP_AEAD_AES_256_GCM"),
        Suite::AeadAes128Gcm => Some("SRTP_AEAD_AES_128_GCM"),
        Suite::AesCm128HmacSha1_80 => Some("SRTP_AES128_CM_SHA1_80"),
        Suite::AesCm128HmacSha1_32 => Some("SRTP_AES128_CM_SHA1_32"),
        Suite::AesCm256HmacSha1_80
        | Suite::AesCm256HmacSha1_32
        | Suite::AesCm192HmacSha1_80
        | Suite::AesCm192HmacSha1_32
        | Suite::F8_128HmacSha1_80
        | Suite::F8_128HmacSha1_32
        | Suite::NullHmacSha1_80
        | Suite::NullHmacSha1_32 => None,
    }
}

/// Exports the keys of a finished handshake. The caller has checked the peer's certificate.
pub(super) fn export(ssl: &SslRef, role: Role) -> Result<SrtpKeys, FailureReason> {
    let suite = ssl
        .selected_srtp_profile()
        .and_then(|profile| PROFILES.into_iter().find(|suite| openssl_name(*suite) == Some(profile.name())))
        .ok_or(FailureReason::NoSrtpProfile)?;
    let mut material = Zeroizing::new([0; MAX_MATERIAL]);
    let length = 2 * (suite.key_len() + suite.salt_len());
    let material = material.get_mut(..length).ok_or(FailureReason::Export)?;
    ssl.export_keying_material(material, LABEL, None).map_err(|_| FailureReason::Export)?;
    split(material, suite, role).ok_or(FailureReason::Export)
}

/// Client key, server key, client salt, server salt: each side sends with its own.
fn split(material: &[u8], suite: Suite, role: Role) -> Option<SrtpKeys> {
    let (keys, salts) = material.split_at_checked(2 * suite.key_len())?;
    let (client_key, server_key) = keys.split_at_checked(suite.key_len())?;
    let (client_salt, server_salt) = salts.split_at_checked(suite.salt_len())?;
    let params = |key, salt| CryptoParams::new(suite, key, salt, Mki::NONE, SessionParams::default()).ok();
    let client = params(client_key, client_salt)?;
    let server = params(server_key, server_salt)?;
    Some(match role {
        Role::Active => SrtpKeys { receive: server, send: client },
        Role::Passive => SrtpKeys { receive: client, send: server },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn material_is_cut_in_the_order_of_the_rfc() {
        for suite in PROFILES {
            let (key, salt) = (suite.key_len(), suite.salt_len());
            let mut material = vec![1; key];
            material.extend(vec![2; key]);
            material.extend(vec![3; salt]);
            material.extend(vec![4; salt]);
            let active = split(&material, suite, Role::Active).unwrap();
            assert_eq!(active.send.master_key(), vec![1; key]);
            assert_eq!(active.send.master_salt(), vec![3; salt]);
            assert_eq!(active.receive.master_key(), vec![2; key]);
            assert_eq!(active.receive.master_salt(), vec![4; salt]);
            let passive = split(&material, suite, Role::Passive).unwrap();
            assert_eq!(passive, SrtpKeys { receive: active.send, send: active.receive });
        }
    }

    #[test]
    fn openssl_gets_the_four_profiles_by_its_own_names() {
        let expected =
            "SRTP_AEAD_AES_256_GCM:SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80:SRTP_AES128_CM_SHA1_32";
        assert_eq!(openssl_list(&PROFILES), expected);
        assert_eq!(openssl_list(&[Suite::AesCm256HmacSha1_80]), "");
    }
}
