//! Opportunistic SRTP: encryption offered without being required.

use super::super::{
    media::{Media, Protocol},
    session::Session,
};

/// How a media section takes part in an opportunistic offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Osrtp {
    /// RFC 8643 §3.1: a plain RTP profile together with keys or a fingerprint.
    Rfc,
    /// The older way: the same media twice, here plain; `secure` is the index of its encrypted twin.
    LegacyPlain {
        /// Index of the encrypted section.
        secure: usize,
    },
    /// The same media twice, here encrypted; `plain` is the index of the unencrypted twin.
    LegacySecure {
        /// Index of the unencrypted section.
        plain: usize,
    },
}

/// What `media` is within `session`; `None` for an ordinary section. Twins are neighbours with the same media type and
/// formats, one of them with an RTP and one with an SRTP profile; each section has one twin at most.
#[must_use]
pub fn osrtp(session: &Session<'_>, media: &Media<'_>) -> Option<Osrtp> {
    if let Some(other) = twin(session, media.index) {
        return Some(if media.protocol.is_srtp() {
            Osrtp::LegacySecure { plain: other }
        } else {
            Osrtp::LegacyPlain { secure: other }
        });
    }
    let plain = matches!(media.protocol, Protocol::RtpAvp | Protocol::RtpAvpf);
    (plain && (media.security.sdes || media.security.dtls)).then_some(Osrtp::Rfc)
}

/// Pairs neighbours from the front, so that of three alike the first two are twins.
fn twin(session: &Session<'_>, index: usize) -> Option<usize> {
    let mut at = 0;
    while let (Some(one), Some(two)) = (session.medias.get(at), session.medias.get(at + 1)) {
        if !are_twins(one, two) {
            at += 1;
            continue;
        }
        if index == at {
            return Some(at + 1);
        }
        if index == at + 1 {
            return Some(at);
        }
        at += 2;
    }
    None
}

/// Two sections of an offer are the same media, once plain and once encrypted.
#[must_use]
pub fn are_twins(one: &Media<'_>, two: &Media<'_>) -> bool {
    are_alike(one, two) && one.formats == two.formats
}

/// The same of an answer to twins, where a rejected section may have lost its formats.
#[must_use]
pub fn are_alike(one: &Media<'_>, two: &Media<'_>) -> bool {
    one.protocol.is_rtp()
        && two.protocol.is_rtp()
        && one.protocol.is_srtp() != two.protocol.is_srtp()
        && one.kind == two.kind
}
