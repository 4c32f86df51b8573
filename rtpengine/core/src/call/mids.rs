//! `a=mid` for m-lines whose sender wrote none.

use super::media::Face;
use crate::{
    ng::{Flag, Request},
    sdp::{Media, Session},
};

/// That of the receiver, if it has one: a WebRTC party insists on it (RFC 9429 §5.3.1), and plain parties do not know of
/// it. Where nobody has one, `generate mid` asks for one of ours.
pub(super) fn added(
    request: &Request,
    session: &Session<'_>,
    media: &Media<'_>,
    receiver: &Face,
) -> Option<String> {
    if media.mid.is_some() {
        return None;
    }
    let generate = request.has(Flag::GenerateMid);
    receiver.mid.clone().or_else(|| generate.then(|| unused(session, media.index)))
}

/// A name that no other m-line has.
pub(super) fn unused(session: &Session<'_>, index: usize) -> String {
    let mut mid = index.to_string();
    while session.media_by_mid(&mid).is_some() {
        mid.push('x');
    }
    mid
}
