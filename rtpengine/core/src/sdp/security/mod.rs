//! The attributes of secure media: keys (SDES), certificates (DTLS) and connectivity (ICE).
//!
//! Each type reads the value of one attribute (what follows `a=name:`), borrows from it and writes it again through
//! [`std::fmt::Display`]. Keys and passwords never show in `Debug`.

mod candidate;
mod crypto;
mod fingerprint;
mod ice;
mod osrtp;
mod setup;
#[cfg(test)]
mod tests;
mod view;

pub use candidate::{Candidate, CandidateAddress, CandidateKind, Transport};
pub use crypto::{
    Crypto, FecOrder, InlineKey, MAX_CRYPTO_KEYS, MAX_KEY_LEN, MAX_MKI_LEN, Mki, SecretBytes, SessionParams,
};
pub use fingerprint::{Fingerprint, HashFunction};
pub use ice::{IceOptions, RemoteCandidate, remote_candidates, valid_password, valid_ufrag};
pub use osrtp::{Osrtp, are_alike, are_twins, osrtp};
pub use setup::{ConnectionReuse, Setup, TlsId};
pub use view::{
    Ice, MAX_CANDIDATES, MAX_CRYPTO_LINES, MAX_FINGERPRINTS, MAX_REMOTE_CANDIDATES, MediaSecurity,
    media_security,
};

/// Up to `most` decimal digits and at least one: what Rust's number parsing accepts less a sign.
fn digits(text: &str, most: usize) -> bool {
    !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_digit())
}
