//! Decrypting what a party sends, encrypting what is sent to it.

use std::sync::Arc;

use rtpengine_common::srtp::{CryptoParams, Refused};
use rtpengine_core::io::Reason;

use super::batch::{Batch, Place};
use crate::srtp::{Context, Denied};

/// The keys of a direction: those in use, or those that were before there were none.
#[derive(Default)]
pub(super) struct DirectionKeys {
    context: Option<Box<Context>>,
    in_use: bool,
}

impl DirectionKeys {
    /// Takes over new keys. What is known under the old ones stays if they are the same, so that rollover counters and
    /// replay windows go on, also when they come back after there were none: nothing must be encrypted alike.
    pub(super) fn configure(self, params: Option<Arc<CryptoParams>>) -> Self {
        let Some(params) = params else { return Self { in_use: false, ..self } };
        let context = match self.context.filter(|context| context.is_of(&params)) {
            Some(context) => context,
            None => Box::new(Context::new(params)),
        };
        Self { context: Some(context), in_use: true }
    }

    /// The context in use; `None`: packets stay as they are.
    pub(super) fn context(&mut self) -> Option<&mut Context> {
        self.context.as_deref_mut().filter(|_| self.in_use)
    }
}

/// Encrypts the listed datagrams of a batch, in place or, for a datagram that others still need as it is, in a copy.
/// Lists those to send in `ready`, and in `denied` why others are not.
pub(super) fn protect(
    context: &mut Context,
    rtcp: bool,
    batch: &mut Batch,
    which: &[u8],
    place: Place,
    ready: &mut Vec<u8>,
    denied: &mut Vec<Reason>,
) {
    ready.clear();
    for index in which {
        let slot = match place {
            Place::Received => batch.slot(usize::from(*index)),
            Place::Copy => batch.copy(usize::from(*index)),
        };
        let Some(slot) = slot else { continue };
        match context.protect(rtcp, slot.buffer, *slot.length) {
            Ok(length) => {
                *slot.length = length;
                ready.push(*index);
            }
            Err(error) => denied.push(reason(error)),
        }
    }
}

/// What a packet that was not transformed is counted as.
pub(super) fn reason(denied: Denied) -> Reason {
    match denied {
        Denied::Ssrc => Reason::SsrcUnknown,
        Denied::Refused(Refused::Malformed) => Reason::Malformed,
        Denied::Refused(Refused::NoRoom) => Reason::TooBig,
        Denied::Refused(Refused::Authentication | Refused::Mki) => Reason::SrtpAuthentication,
        Denied::Refused(Refused::Replayed | Refused::NoIndex) => Reason::SrtpReplay,
    }
}
