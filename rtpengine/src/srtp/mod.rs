//! SRTP for the relay (RFC 3711, 6188, 7714): whole packets in place, nothing allocated for a packet.
//!
//! - [`Session`] holds the prepared keys of one direction. It does what
//!   [`rtpengine_common::srtp::Session`] does, by the fastest implementation of each primitive, and is tested against it.
//! - [`Context`] adds what must be known of every SSRC.
//! - `cipher` and `hmac` are the primitives, `streams` is the bounded memory of SSRCs.

mod cipher;
mod context;
mod hmac;
mod session;
mod streams;

pub use context::{Context, Denied};
pub use session::Session;

/// Bytes that protecting a packet adds at most: the word of SRTCP, a tag of AES-GCM, a master key identifier.
pub const MAX_GROWTH: usize = 4 + 16 + rtpengine_common::srtp::MAX_MKI;
