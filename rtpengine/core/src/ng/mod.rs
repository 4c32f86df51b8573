//! The ng control protocol, sans-IO: framing, bencode and JSON, typed requests and replies, statistics.

pub mod command;
pub mod known;
pub mod reply;
pub mod request;
pub mod spelling;
pub mod value;

pub use command::Command;
pub use known::{Flag, Key, NameSet, Replace, RtcpMux};
pub use reply::{Outcome, Reply};
pub use request::{AddressFamily, AllMode, DropTraffic, Request, TosRequest, TransportProtocol};
pub use value::{Dict, Value};
