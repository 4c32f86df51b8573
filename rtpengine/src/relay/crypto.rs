//! Decrypting what a party sends, encrypting what is sent to it.

use rtpengine_common::srtp::Refused;
use rtpengine_core::io::Reason;

use super::batch::{Batch, Place};
use crate::srtp::{Context, Denied};

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
