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

/// What of a flow's media reaches one of its outputs, by payload type. The default is everything, as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restraint {
    /// Bit n set: payload type n gets there; others are counted and dropped. `None`: all get there.
    pub passing: Option<u128>,
    /// Payloads of these types are filled with this byte.
    pub silence: SmallVec<[(u8, u8); 2]>,
}

impl Restraint {
    /// What a rule comes to for payload types of these kinds, telephone events apart where they are not to pass: those are
    /// the relay's to discard.
    #[must_use]
    pub fn of(filter: &Filter, rule: SinkRule) -> Self {
        let mut restraint = Self::default();
        if rule.media == MediaRule::Pass {
            return restraint;
        }
        let mut passing = 0;
        for (number, payload) in filter.payloads.iter().filter(|(number, _)| *number < 128) {
            match payload {
                Payload::Event => passing |= 1 << number,
                Payload::Silent(byte) if rule.media == MediaRule::Silence => {
                    passing |= 1 << number;
                    restraint.silence.push((*number, *byte));
                }
                Payload::Silent(_) => {}
            }
        }
        restraint.passing = Some(passing);
        restraint
    }

    /// The bytes that payloads are filled with, each once, and the payload types: bit n for type n.
    pub fn patterns(&self) -> impl Iterator<Item = (u8, u128)> {
        let types = |byte| {
            let same = self.silence.iter().filter(move |(_, other)| *other == byte);
            same.fold(0, |types, (number, _)| types | 1_u128.checked_shl((*number).into()).unwrap_or(0))
        };
        let mut bytes: SmallVec<[u8; 4]> = self.silence.iter().map(|(_, byte)| *byte).collect();
        bytes.sort_unstable();
        bytes.dedup();
        bytes.into_iter().map(move |byte| (byte, types(byte)))
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
