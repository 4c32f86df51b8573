//! `bundle`: BUNDLE groups (RFC 9143) with one m-line each. Media of several m-lines on one port is not told apart, so the
//! others of a group leave it and have ports of their own (RFC 9143 §7.3.2).

use super::{
    media::{Face, MediaPair, Side},
    wording::MediaWording,
};
use crate::{
    ng::Request,
    sdp::{AttributeKind, Media, Session},
};

/// Notes what the party that offers may be answered, and says what will not be as it wishes.
pub(super) fn on_offer(
    request: &Request,
    session: &Session<'_>,
    media: &Media<'_>,
    sender: &mut Face,
    warnings: &mut Vec<String>,
) {
    sender.bundled = request.bundle.accepts() && is_member(session, media);
    let wanted = request.bundle.accepts() || request.bundle.offers();
    if wanted && media.is_disabled() && is_bundle_only(session, media) {
        let line = media.index + 1;
        warnings.push(format!(
            "m-line {line} is left out: it is for a BUNDLE group alone, which holds one m-line"
        ));
    }
}

/// The group to write for the receiver of a body, and its m-line's `a=mid` where the body has none.
pub(super) fn group(
    request: &Request,
    offer: bool,
    to: Side,
    session: &Session<'_>,
    medias: &[MediaPair],
    plans: &mut [MediaWording],
    warnings: &mut Vec<String>,
) -> Option<String> {
    let offered = offer && request.bundle.offers();
    let mut members = session.medias.iter().zip(medias).zip(plans).filter(|((_, pair), wording)| {
        let face = pair.faces.get(to);
        // A port for RTCP alone has no place in a group (RFC 9143 §9.3).
        let mux = if offer { face.mux.proposed } else { face.mux.active };
        mux && (offered || (!offer && face.bundled)) && wording.plan.port.is_some_and(|port| port != 0)
    });
    let ((media, _), wording) = members.next()?;
    let alone = members.next().is_none();
    if !alone {
        warnings.push("BUNDLE holds the first m-line, the others have ports of their own".into());
    }
    let own = media.mid.map(str::to_owned).or_else(|| wording.mid.clone());
    let mid = own.unwrap_or_else(|| super::mids::unused(session, media.index));
    if media.mid.is_none() {
        wording.mid = Some(mid.clone());
    }
    Some(mid)
}

fn is_member(session: &Session<'_>, media: &Media<'_>) -> bool {
    let groups = || session.bundle_groups.iter().flat_map(|group| group.split_ascii_whitespace());
    media.mid.is_some_and(|mid| groups().any(|member| member == mid))
}

fn is_bundle_only(session: &Session<'_>, media: &Media<'_>) -> bool {
    session.media_lines(media).iter().any(|line| line.attribute == AttributeKind::BundleOnly)
}
