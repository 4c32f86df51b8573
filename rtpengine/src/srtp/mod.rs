//! SRTP for the relay (RFC 3711, 6188, 7714): whole packets in place, nothing allocated for a packet.
//!
//! - [`Session`] holds the prepared keys of one direction. It does what
//!   [`rtpengine_common::srtp::Session`] does, by the fastest implementation of each primitive, and is tested against it.
//! - [`Context`] adds what must be known of every SSRC.
//! - [`Row`] is memory for some of that which the XDP program works on as well.
//! - `cipher`, `gcm` and `hmac` are the primitives, `streams` is the bounded memory of SSRCs.
//! - [`choices`] says which [`Library`] is the fastest of AES-GCM on this CPU.
//!
//! # What a packet costs
//!
//! `cargo xtask bench srtp`, 172 bytes, on a shared VM with AES-NI, VAES and SHA-NI: 330 ns for `AES_CM_128_HMAC_SHA1_80`,
//! as by the best of RustCrypto, OpenSSL and AWS-LC; 105 ns for `AEAD_AES_128_GCM` and 110 ns for `AEAD_AES_256_GCM`, where
//! RustCrypto takes 240 and 280 and OpenSSL 325 and 335. On a CPU without SHA instructions it was not measured.

mod choice;
mod cipher;
mod context;
mod gcm;
mod hmac;
mod row;
mod session;
mod streams;

pub use choice::{Library, choices};
pub use context::{Context, Denied, Direction};
pub use row::{Row, SharedRow};
pub use session::Session;

/// Bytes that protecting a packet adds at most: the word of SRTCP, a tag of AES-GCM, a master key identifier.
pub const MAX_GROWTH: usize = 4 + 16 + rtpengine_common::srtp::MAX_MKI;
