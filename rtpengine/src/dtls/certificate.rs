//! The self-signed certificate (`--dtls-cert-cipher`, `--dtls-signature`, `--dtls-rsa-key-size`).

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::{X509, X509NameBuilder};

/// Valid from this long before it was made, for peers whose clock is behind.
const BACKDATED_SECONDS: i64 = 24 * 3600;
/// Random bits of the serial number: RFC 5280 section 4.1.2.2 allows 20 bytes.
const SERIAL_BITS: i32 = 127;

/// Kind of the private key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertCipher {
    /// ECDSA on NIST P-256.
    #[default]
    Prime256v1,
    /// RSA of [`CertificateOptions::rsa_bits`].
    Rsa,
}

/// Hash function of the certificate's own signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CertSignature {
    /// `SHA-256`
    #[default]
    Sha256,
    /// `SHA-1`
    Sha1,
}

/// What certificate to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateOptions {
    /// `--dtls-cert-cipher`
    pub cipher: CertCipher,
    /// `--dtls-signature`
    pub signature: CertSignature,
    /// `--dtls-rsa-key-size`, in bits.
    pub rsa_bits: u32,
    /// `--dtls-cert-lifetime`, in seconds. Peers check the fingerprint and not the dates, so it only bounds how long one
    /// private key is signalled to new calls.
    pub lifetime: u32,
}

impl CertificateOptions {
    /// Default of `--dtls-cert-lifetime`: 30 days, in seconds.
    pub const LIFETIME: u32 = 30 * 24 * 3600;
    /// A certificate is replaced this long before it expires, in seconds: by default longer than calls that signalled it
    /// are expected to last.
    #[must_use]
    pub const fn renewal(&self) -> u32 {
        self.lifetime / 4
    }
}

impl Default for CertificateOptions {
    fn default() -> Self {
        Self {
            cipher: CertCipher::default(),
            signature: CertSignature::default(),
            rsa_bits: 2048,
            lifetime: Self::LIFETIME,
        }
    }
}

/// Makes a key and a certificate valid at `unix_seconds`.
///
/// An RSA key of 4096 bits takes seconds of CPU: not for a thread that serves packets.
///
/// # Errors
/// OpenSSL refuses the key size or has no randomness or memory.
pub fn generate(
    options: &CertificateOptions,
    unix_seconds: i64,
) -> Result<(PKey<Private>, X509), ErrorStack> {
    let key = match options.cipher {
        CertCipher::Prime256v1 => {
            let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&group)?)?
        }
        CertCipher::Rsa => PKey::from_rsa(Rsa::generate(options.rsa_bits)?)?,
    };
    let digest = match options.signature {
        CertSignature::Sha256 => MessageDigest::sha256(),
        CertSignature::Sha1 => MessageDigest::sha1(),
    };
    let certificate = self_sign(&key, digest, unix_seconds, options.lifetime)?;
    Ok((key, certificate))
}

fn self_sign(
    key: &PKey<Private>,
    digest: MessageDigest,
    unix_seconds: i64,
    lifetime: u32,
) -> Result<X509, ErrorStack> {
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "rtpengine")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(SERIAL_BITS, MsbOption::MAYBE_ZERO, false)?;

    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_not_before(&*Asn1Time::from_unix(unix_seconds.saturating_sub(BACKDATED_SECONDS))?)?;
    builder.set_not_after(&*Asn1Time::from_unix(unix_seconds.saturating_add(lifetime.into()))?)?;
    builder.set_pubkey(key)?;
    builder.sign(key, digest)?;
    Ok(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    #[test]
    fn options_choose_key_and_signature() {
        let (key, certificate) = generate(&CertificateOptions::default(), NOW).unwrap();
        assert_eq!(key.bits(), 256);
        assert_eq!(certificate.signature_algorithm().object().nid(), Nid::ECDSA_WITH_SHA256);
        let rsa = CertificateOptions {
            cipher: CertCipher::Rsa,
            signature: CertSignature::Sha1,
            rsa_bits: 1024,
            lifetime: 60,
        };
        let (key, certificate) = generate(&rsa, NOW).unwrap();
        assert_eq!(key.bits(), 1024);
        assert_eq!(certificate.signature_algorithm().object().nid(), Nid::SHA1WITHRSAENCRYPTION);
        assert!(certificate.verify(&key).unwrap());
    }

    #[test]
    fn it_is_valid_now_and_expires() {
        let (_, certificate) = generate(&CertificateOptions::default(), NOW).unwrap();
        assert!(certificate.not_before() < Asn1Time::from_unix(NOW).unwrap());
        assert!(certificate.not_after() == Asn1Time::from_unix(NOW + 30 * 24 * 3600).unwrap());
    }
}
