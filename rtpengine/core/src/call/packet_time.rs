//! `ptime` and `ptime-reverse`: what the receiver of a body reads in `a=ptime`.

use super::media::Face;
use crate::{
    ng::Request,
    sdp::{Media, MediaKind},
};

/// Packets are passed on as they come, which the sender of the request is told.
pub(super) const WARNING: &str = "ptime is written into the SDP only: packets are not repacketised";

/// Keeps what the answer to this offer is to say.
pub(super) fn on_offer(request: &Request, sender: &mut Face) {
    sender.ptime = request.edits.ptime_reverse;
}

/// `a=ptime` of an audio section; the keys of an answer count for nothing.
pub(super) fn written(request: &Request, offer: bool, media: &Media<'_>, receiver: &Face) -> Option<u32> {
    let ptime = if offer { request.edits.ptime } else { receiver.ptime };
    ptime.filter(|_| media.kind == MediaKind::Audio)
}
