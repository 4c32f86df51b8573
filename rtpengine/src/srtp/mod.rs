//! SRTP for the relay (RFC 3711, 6188, 7714): whole packets in place, nothing allocated for a packet.
//!
//! - [`Session`] holds the prepared keys of one direction. It does what
//!   [`rtpengine_common::srtp::Session`] does, by the fastest implementation of each primitive, and is tested against it.
//! - [`Context`] adds what must be known of every SSRC.
//! - [`Row`] is memory for some of that which the XDP program works on as well.
//! - `cipher` and `hmac` are the primitives, `streams` is the bounded memory of SSRCs.
//!
//! # What a packet costs
//!
//! `cargo xtask bench srtp`, 172 bytes, on a shared VM with AES-NI, VAES and SHA-NI: 329 ns for `AES_CM_128_HMAC_SHA1_80`,
//! as by the best of RustCrypto, OpenSSL and AWS-LC; 253 ns for `AEAD_AES_128_GCM` and 359 ns for `AEAD_AES_256_GCM`, where
//! AWS-LC takes 124 and 150 and OpenSSL 323 and 447; 516 ns for `F8_128_HMAC_SHA1_80`. Another library of cryptography,
//! in C that takes minutes to compile, for one hundredth to a fiftieth of what such a packet costs the relay: it was not taken.
//! On a CPU without SHA instructions it was not measured.

mod cipher;
mod context;
mod hmac;
mod row;
mod session;
mod streams;

pub use context::{Context, Denied, Direction};
pub use row::{Row, SharedRow};
pub use session::Session;

/// Bytes that protecting a packet adds at most: the word of SRTCP, a tag of AES-GCM, a master key identifier.
pub const MAX_GROWTH: usize = 4 + 16 + rtpengine_common::srtp::MAX_MKI;
