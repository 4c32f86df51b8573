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
