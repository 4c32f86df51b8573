//! What an m-line has of others.

use crate::{
    call::{ice::Wording, media::Face},
    sdp::Media,
};

/// What an m-line takes over from the heads of its groups; nothing, where it is in none, or a head itself.
#[derive(Clone, Copy, Default)]
pub(in crate::call) struct Heads<'a> {
    /// Towards the sender of the body.
    pub(in crate::call) sender: Option<&'a Face>,
    /// Towards its receiver.
    pub(in crate::call) receiver: Option<&'a Face>,
    /// Where the body says what the sender's transport is.
    pub(in crate::call) spoken: Option<&'a Media<'a>>,
    /// How ICE is written for the receiver.
    pub(in crate::call) ice: Wording,
    /// The receiver is told no transport, but `a=bundle-only`.
    pub(in crate::call) only: bool,
    /// The receiver is offered no keys of the sender's: those of one side are for several m-lines, and for one on the other.
    pub(in crate::call) own_keys: bool,
}
