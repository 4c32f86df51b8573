//! SRTP for the relay (RFC 3711, 6188, 7714): whole packets in place, nothing allocated for a packet.
//!
//! - [`Session`] holds the prepared keys of one direction. It does what
//!   [`rtpengine_common::srtp::Session`] does, by the fastest implementation of each primitive, and is tested against it.
//! - [`Context`] adds what must be known of every SSRC.
//! - [`Row`] is memory for some of that which the XDP program works on as well.
//! - `cipher`, `counter`, `f8`, `gcm` and `hmac` are the primitives, `streams` is the bounded memory of SSRCs.
//! - [`choices`] says which [`Library`] is the fastest of each on this CPU.
//!
//! # What a packet costs
//!
//! `cargo xtask bench srtp`, 172 bytes, on a shared VM with AES-NI, VAES and SHA-NI: 290 ns for `AES_CM_128_HMAC_SHA1_80`,
//! by AWS-LC's AES and OpenSSL's SHA-1, where RustCrypto alone takes 325, OpenSSL 350 and AWS-LC 395; 105 ns for
//! `AEAD_AES_128_GCM` and `AEAD_AES_256_GCM`, where RustCrypto takes 240 and 280 and OpenSSL 325 and 330. Made to do
//! without those instructions: 810 and 900 ns, where RustCrypto takes 1,820 and 2,480, and OpenSSL 1,040 and 1,330.

mod choice;
mod cipher;
mod context;
mod counter;
mod f8;
mod gcm;
mod hmac;
mod row;
mod session;
mod streams;

pub use choice::{Libraries, Library, Primitive, choices};
pub use context::{Context, Denied, Direction};
pub use row::{Row, SharedRow};
pub use session::Session;

/// Bytes that protecting a packet adds at most: the word of SRTCP, a tag of AES-GCM, a master key identifier.
pub const MAX_GROWTH: usize = 4 + 16 + rtpengine_common::srtp::MAX_MKI;
