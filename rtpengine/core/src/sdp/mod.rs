//! SDP (RFC 8866): a parser that keeps every line, and a rewriter that changes only what it is told to.
//!
//! [`parse`] yields borrowed views over the body; [`rewrite`] walks the same lines again and writes
//! them out byte for byte except where the [`RewritePlan`] asks for something else. Lines nobody
//! understands travel through unchanged and in order.

mod attribute;
pub mod attributes;
pub mod codec;
mod error;
mod formats;
mod line;
mod media;
mod parse;
mod plan;
mod rewrite;
mod rewrite_connection;
mod rewrite_media;
pub mod security;
mod session;
#[cfg(test)]
mod tests;

pub use attribute::AttributeKind;
pub use codec::Codec;
pub(crate) use codec::{static_encoding, static_number};
pub use error::SdpError;
pub use line::{Line, LineEnding};
pub use media::{Direction, Media, MediaKind, Protocol, RtcpAttribute, RtcpFeedback};
pub use parse::{
    MAX_BODY_LEN, MAX_FORMATS, MAX_LINE_LEN, MAX_LINES, MAX_MEDIAS, ParseOptions, parse, parse_fragment,
};
pub use plan::{
    MediaPlan, OriginPlan, RewritePlan, RtcpMuxPlan, RtcpPlan, SecretLine, SessionPlan, Strip, TwinPlan,
};
pub use rewrite::rewrite;
pub use session::{Connection, Origin, Security, Session};
