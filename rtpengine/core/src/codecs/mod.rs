//! Codecs in offers and answers: which of them are passed on, in which order, and which are the same.
//!
//! Everything here filters and orders what a party wrote. Packets are not touched, so a payload type means the same to
//! both parties, and no codec is offered that its sender cannot handle.

mod companions;
pub mod fmtp;
mod listing;
mod options;
mod select;
mod spec;

pub use listing::{Listing, Match};
pub use options::{CodecList, CodecOptions};
pub use select::{Entry, Selection};
pub use spec::{CodecSpec, Pattern};
