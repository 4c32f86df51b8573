//! SRTP and SRTCP (RFC 3711, 6188, 7714; session parameters of RFC 4568).
//!
//! The block functions and the packet index work on words of fixed size and are compiled for BPF as well: the XDP
//! program runs them on map memory. Whole packets over slices, master keys and their derivation are for the host
//! alone and need the feature `srtp`.

pub mod aes;
mod suite;

#[cfg(feature = "srtp")]
pub mod kdf;
#[cfg(feature = "srtp")]
mod params;

pub use suite::{Cipher, Suite};

#[cfg(feature = "srtp")]
pub use params::{CryptoParams, InvalidParams, MAX_MKI, Mki, SessionParams};
