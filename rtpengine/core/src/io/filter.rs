//! What of a stream's media reaches each of its sinks: blocking, silence, and DTMF apart from the rest; and those sinks that
//! read what others get unread.

use std::sync::Arc;

use rtpengine_common::srtp::CryptoParams;
use smallvec::SmallVec;

use super::StreamId;

/// What is known of a payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// Telephone events (RFC 4733).
    Event,
    /// Audio that is silence when every byte of the payload is this one.
    Silent(u8),
}

/// What becomes of media other than telephone events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MediaRule {
    /// It is forwarded.
    #[default]
    Pass,
    /// It is forwarded with silence for its payload, where a pattern for that is known, and discarded where none is.
    Silence,
    /// It is discarded.
    Drop,
}

/// What of a stream's media reaches one sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SinkRule {
    /// Everything but telephone events.
    pub media: MediaRule,
    /// Telephone events are forwarded.
    pub events: bool,
}

impl SinkRule {
    /// Everything is forwarded.
    pub const PASS: Self = Self { media: MediaRule::Pass, events: true };
}

/// The rules for all sinks of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What the payload types are; of others nothing is known.
    pub payloads: SmallVec<[(u8, Payload); 4]>,
    /// One for each of [`super::RelayStream::sinks`], in their order. Those that silence come last: what was replaced for
    /// one sink is not there any more for the next.
    pub rules: SmallVec<[SinkRule; 2]>,
}

impl Filter {
    /// What a payload type is, if that is known.
    #[must_use]
    pub fn payload(&self, payload_type: u8) -> Option<Payload> {
        self.payloads.iter().find(|(known, _)| *known == payload_type).map(|(_, payload)| *payload)
    }

    /// Payload types of telephone events.
    pub fn events(&self) -> impl Iterator<Item = u8> {
        self.payloads.iter().filter(|(_, payload)| *payload == Payload::Event).map(|(number, _)| *number)
    }
}

/// Copies of a stream that is passed on encrypted as it came, for others than its sinks: they are decrypted first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    /// What the party encrypts with. It may have done so for long already.
    pub keys: Arc<CryptoParams>,
    /// Where the copies go, like [`super::RelayStream::sinks`].
    pub sinks: SmallVec<[StreamId; 1]>,
    /// Like [`super::RelayStream::rtcp_sinks`].
    pub rtcp_sinks: SmallVec<[StreamId; 1]>,
    /// Like [`super::RelayStream::filter`], for these sinks.
    pub filter: Option<Box<Filter>>,
}
