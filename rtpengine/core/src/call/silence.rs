//! What silence looks like in the codecs whose frames can be replaced without decoding them.

use smallvec::SmallVec;

use crate::{io::Payload, sdp::Media};

/// By encoding name: the byte that silence consists of. Those of G.711 stand for the smallest sample (ITU-T G.711), that of
/// G.722 is what an encoder makes of zeros (ITU-T G.722).
const SILENCE: [(&str, u8); 3] = [("PCMA", 0xd5), ("PCMU", 0xff), ("G722", 0xfa)];

/// What the payload types of a media section are, as far as it matters here.
pub(super) fn payloads(media: &Media<'_>) -> SmallVec<[(u8, Payload); 4]> {
    let known = media.codecs.iter().filter_map(|codec| {
        if codec.is_telephone_event() {
            return Some((codec.payload_type, Payload::Event));
        }
        let silence = SILENCE.iter().find(|(name, _)| name.eq_ignore_ascii_case(codec.encoding));
        silence.map(|(_, byte)| (codec.payload_type, Payload::Silent(*byte)))
    });
    known.take(32).collect()
}

/// What the payload types between two parties are: those the sender was told by the receiver come first (RFC 3264
/// section 5.1).
pub(super) fn merged(receiver: &[(u8, Payload)], sender: &[(u8, Payload)]) -> SmallVec<[(u8, Payload); 4]> {
    let mut merged = SmallVec::from_slice(receiver);
    for (number, payload) in sender {
        if merged.iter().all(|(known, _)| known != number) {
            merged.push((*number, *payload));
        }
    }
    merged
}
