//! SRTP and SRTCP (RFC 3711, 6188, 7714; session parameters of RFC 4568).
//!
//! The block functions, the packet index and the replay window work on words of fixed size and are compiled for BPF as
//! well: the XDP program runs them on map memory. Whole packets over slices, master keys and their derivation are for
//! the host alone and need the feature `srtp`.

pub mod abi;
pub mod aes;
pub mod ctr;
pub mod ghash;
pub mod hmac;
pub mod index;
pub mod replay;
pub mod sha1;
pub mod shared;
mod suite;

#[cfg(feature = "srtp")]
mod f8;
#[cfg(feature = "srtp")]
mod gcm;
#[cfg(feature = "srtp")]
pub mod kdf;
#[cfg(feature = "srtp")]
mod params;
#[cfg(feature = "srtp")]
mod protect;
#[cfg(feature = "srtp")]
mod session;
#[cfg(test)]
mod tests;
#[cfg(feature = "srtp")]
mod unprotect;

pub use suite::{Cipher, Suite};

#[cfg(feature = "srtp")]
pub use params::{CryptoParams, InvalidParams, MAX_MKI, Mki, SessionParams};
#[cfg(feature = "srtp")]
pub use session::{Refused, Session};
