//! The ng control protocol, sans-IO: framing, bencode and JSON, typed requests and replies, statistics.

pub mod bencode;
pub mod cache;
pub mod command;
pub mod edits;
pub mod flags;
pub mod guard;
pub mod json;
pub mod known;
pub mod message;
pub mod parse;
pub mod reply;
pub mod request;
pub mod scope;
pub mod spelling;
pub mod statistics;
pub mod template;
pub mod value;

pub use command::Command;
pub use edits::{BodyEdits, BundleOptions, MediaEcho};
pub use guard::Encoding;
pub use known::{Flag, Key, NameSet, Replace, RtcpMux};
pub use reply::{Outcome, Reply};
pub use request::{
    AddressFamily, AllMode, DropTraffic, IceLite, IceMode, Request, TosRequest, TransportProtocol,
};
pub use template::Templates;
pub use value::{Dict, DictKey, Value};
