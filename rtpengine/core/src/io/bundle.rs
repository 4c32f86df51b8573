//! Several m-lines on one socket (BUNDLE, RFC 9143), whose packets go different ways.

use std::sync::Arc;

use smallvec::SmallVec;

use super::{Copies, Filter, Reason, StreamId};

/// The m-lines of a socket, at most [`Bundle::MAX_LINES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// In the order of the SDP.
    pub lines: SmallVec<[BundleLine; 2]>,
}

/// How one m-line differs from the others of its socket. What is not here is the same for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundleLine {
    /// `a=mid` of the party.
    pub mid: Option<Arc<str>>,
    /// Number of the RTP header extension that carries `mid` (RFC 9143 §15.2), if the party uses it.
    pub mid_extension: Option<u8>,
    /// The SSRCs it has announced.
    pub ssrcs: SmallVec<[u32; 0]>,
    /// Payload types that may come, one bit each.
    pub payload_types: u128,
    /// [`super::RelayStream::sinks`]
    pub sinks: SmallVec<[StreamId; 1]>,
    /// [`super::RelayStream::rtcp_sinks`]
    pub rtcp_sinks: SmallVec<[StreamId; 1]>,
    /// [`super::RelayStream::discard`]
    pub discard: Option<Reason>,
    /// [`super::RelayStream::filter`]
    pub filter: Option<Box<Filter>>,
    /// [`super::RelayStream::copies`]
    pub copies: Option<Box<Copies>>,
}

impl Bundle {
    /// More m-lines are not told apart; media of the rest is discarded.
    pub const MAX_LINES: usize = 32;

    /// The payload types of a line that no other has, one bit each.
    #[must_use]
    pub fn unique(&self, line: usize) -> u128 {
        let others = self.lines.iter().enumerate().filter(|(index, _)| *index != line);
        let taken = others.fold(0, |taken, (_, other)| taken | other.payload_types);
        self.lines.get(line).map_or(0, |line| line.payload_types & !taken)
    }
}
