//! What of a batch reaches one sink: blocking, silence, and DTMF apart from the rest.

use rtpengine_common::packet::RtpLayout;
use rtpengine_core::io::{Filter, MediaRule, Payload, SinkRule};

use super::batch::Batch;

/// Picks from `media` what one sink gets, into `kept`. `handshakes`: DTLS is forwarded, and is no media.
pub(super) fn pick(
    filter: &Filter,
    rule: SinkRule,
    handshakes: bool,
    batch: &Batch,
    media: &[u8],
    kept: &mut Vec<u8>,
) {
    kept.clear();
    // RFC 7983 section 7.
    let is_handshake = |packet: &[u8]| handshakes && matches!(packet.first(), Some(20..=63));
    let passes = |packet: &[u8]| match (payload(filter, packet), rule.media) {
        (Some(Payload::Event), _) => rule.events,
        (Some(Payload::Silent(_)), MediaRule::Silence) | (_, MediaRule::Pass) => true,
        (None, MediaRule::Silence) | (_, MediaRule::Drop) => false,
    };
    kept.extend(
        media.iter().copied().filter(|index| {
            batch.received(*index).is_some_and(|packet| is_handshake(packet) || passes(packet))
        }),
    );
}

/// Replaces the payload of all packets for which a pattern of silence is known, where they were received.
pub(super) fn silence(filter: &Filter, batch: &mut Batch, media: &[u8]) {
    for index in media {
        let Some(slot) = batch.slot(usize::from(*index)) else { continue };
        let Some(packet) = slot.buffer.get_mut(..*slot.length) else { continue };
        let Some(Payload::Silent(byte)) = payload(filter, packet) else { continue };
        let (start, end) = RtpLayout::parse(packet).map_or((0, 0), |layout| layout.payload);
        if let Some(payload) = packet.get_mut(start..end) {
            payload.fill(byte);
        }
    }
}

/// What a packet carries; `None` for everything that is not RTP with a payload type that is known.
fn payload(filter: &Filter, packet: &[u8]) -> Option<Payload> {
    RtpLayout::parse(packet)?;
    filter.payload(packet.get(1)? & 0x7f)
}
