//! What a request wants of the body besides addresses, ports and keys.

use crate::sdp::attributes::{AttributeChanges, ExtmapFilter};

/// Changes to the body for the receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyEdits {
    /// `sdp-attr`.
    pub attributes: AttributeChanges,
    /// `extmap` and `strip extmap`.
    pub extmap: ExtmapFilter,
    /// `ptime`: what an offer says, milliseconds.
    pub ptime: Option<u32>,
    /// `ptime-reverse`: what the answer to this offer is to say, milliseconds.
    pub ptime_reverse: Option<u32>,
}

/// `media echo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaEcho {
    /// `blackhole` or `sinkhole`: media is discarded.
    Blackhole,
    /// `forward`: the receiver of the message hears itself, its sender nothing.
    Forward,
    /// `backwards`: the other way round.
    Backwards,
    /// `both`: each hears itself.
    Both,
}
