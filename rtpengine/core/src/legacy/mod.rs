//! The control protocols that *ng* replaced, sans-IO: rtpproxy's over UDP ([`udp`]) and that of OpenSER's mediaproxy over
//! TCP ([`tcp`]). They carry no SDP: an m-line is an address and a port, and the reply is ours.

mod flags;
mod media;
pub mod tcp;
pub mod udp;

use std::net::SocketAddr;

pub use media::{Line, Stream};

use crate::ng;

/// A request of either protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What it comes to in *ng*: `ping` for the protocol's version, `offer`, `answer`, `delete`, `query`, and `list` for
    /// the daemon's status.
    pub ng: ng::Request,
    /// The m-lines of an offer or answer.
    pub streams: Vec<Stream>,
}

impl Request {
    /// A request without m-lines.
    #[must_use]
    pub fn plain(command: ng::Command) -> Self {
        Self { ng: ng::Request::new(command), streams: Vec::new() }
    }
}

/// What became of a [`Request`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To `ping`.
    Alive,
    /// To `offer` and `answer`: where the other party is to send each m-line. `None` for one that is switched off.
    Addresses(Vec<Option<SocketAddr>>),
    /// To `delete`.
    Deleted,
    /// To `query`.
    Counts {
        /// Seconds after which the call ends if nothing arrives.
        remaining: u64,
        /// RTP packets received from both parties.
        rtp: u64,
        /// RTCP packets received from both parties.
        rtcp: u64,
    },
    /// To `list`.
    Sessions {
        /// Call-IDs.
        calls: Vec<String>,
        /// UDP payload bytes received by all of them.
        bytes: u64,
    },
}

#[cfg(test)]
mod tests;
