//! Legacy opportunistic SRTP: an m-line that is two neighbouring sections in the SDP of a party, one plain and one
//! encrypted, of which one is used. Within a call it is a single m-line.

use super::media::{Face, MediaPair, Side};
use crate::sdp::{
    Media, MediaPlan, Protocol, Session, TwinPlan,
    security::{are_alike, are_twins},
};

/// How the two sections stand in the party's SDP. It stays so for the whole dialogue: a number of m-lines that was
/// offered once never shrinks (RFC 3264 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Twin {
    /// The plain section stands in front of the encrypted one.
    plain_first: bool,
    /// Profile of the encrypted one.
    secure: Protocol,
}

/// A body with one section for each pair of twins.
pub(super) struct Folded<'a> {
    pub(super) session: Session<'a>,
    /// By m-line: what stood in the body.
    pub(super) twins: Vec<Option<Twin>>,
}

/// Makes twins of the party `from` one section each: those it is known to have, and with `accept` all it offers.
/// Yields `None` where there are none.
///
/// Of the two the encrypted one is kept, unless it alone is switched off.
pub(super) fn fold<'a>(
    session: &Session<'a>,
    known: &[MediaPair],
    from: Side,
    accept: bool,
) -> Option<Folded<'a>> {
    if !session.medias.windows(2).any(|pair| matches!(pair, [one, two] if are_alike(one, two))) {
        return None;
    }
    let mut medias: Vec<Media<'a>> = Vec::with_capacity(session.medias.len());
    let mut twins = Vec::with_capacity(session.medias.len());
    let mut rest = session.medias.iter().peekable();
    while let Some(one) = rest.next() {
        let is_known = known.get(medias.len()).is_some_and(|pair| pair.faces.get(from).twin.is_some());
        let partner =
            rest.next_if(|two| (is_known && are_alike(one, two)) || (accept && are_twins(one, two)));
        let (kept, twin) = match partner {
            None => (one, None),
            Some(two) => {
                let plain_first = two.protocol.is_srtp();
                let (plain, secure) = if plain_first { (one, two) } else { (two, one) };
                let kept = if secure.is_disabled() && !plain.is_disabled() { plain } else { secure };
                (kept, Some(Twin { plain_first, secure: secure.protocol }))
            }
        };
        let mut media = kept.clone();
        media.index = medias.len();
        medias.push(media);
        twins.push(twin);
    }
    twins.iter().any(Option::is_some).then(|| {
        let mut session = session.clone();
        session.medias = medias;
        Folded { session, twins }
    })
}

/// The second section to write for the party of `face`, next to the one that `plan` makes of `media`: with our port
/// where both are on offer, rejected where the party once had two.
pub(super) fn written(
    face: &mut Face,
    offer: bool,
    media: &Media<'_>,
    plan: &MediaPlan<'_>,
) -> Option<TwinPlan<'static>> {
    let protocol = plan.protocol.map_or(media.protocol, Protocol::of);
    let offered = offer && face.encryption.is_offered_twice() && plan.port != Some(0);
    if offered {
        let plain_first = face.twin.is_none_or(|twin| twin.plain_first);
        face.twin = Some(Twin { plain_first, secure: protocol });
    }
    let twin = face.twin?;
    let secure = protocol.is_srtp();
    let other = if secure { protocol.unencrypted() } else { twin.secure };
    Some(TwinPlan { first: twin.plain_first == secure, protocol: other.name()?, rejected: !offered })
}
