//! VoIP metrics of an extended report (RFC 3611 section 4.7): how a receiver rates the speech it gets.

/// Stands for what the reporter does not know.
const UNAVAILABLE: u8 = 127;
/// Scores are sent times ten: 1 to 5.
const SCORES: std::ops::RangeInclusive<u8> = 10..=50;
/// Bytes of the block behind its header.
const LENGTH: usize = 32;

/// One block. Of the receiver's buffer and its levels nothing is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VoipMetrics {
    /// Whose media it is about.
    pub ssrc: u32,
    /// Packets lost since reception began, of 256.
    pub lost: u8,
    /// Packets that came too late or too early to be played, of 256.
    pub discarded: u8,
    /// Between the parties, milliseconds; `None`: not known.
    pub round_trip_ms: Option<u16>,
    /// Rating factor R, 0 to 100.
    pub rating: Option<u8>,
    /// Listening quality, times ten.
    pub mos_listening: Option<u8>,
    /// Conversational quality, times ten.
    pub mos_conversational: Option<u8>,
}

impl VoipMetrics {
    /// Reads a block without its header; `None` where it is too short.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let body = body.first_chunk::<LENGTH>()?;
        let &[
            s0,
            s1,
            s2,
            s3,
            lost,
            discarded,
            _,
            _,
            _,
            _,
            _,
            _,
            trip0,
            trip1,
            _,
            _,
            _,
            _,
            _,
            _,
            rating,
            _,
            listening,
            conversational,
            ..,
        ] = body;
        let score = |value: u8| Some(value).filter(|value| SCORES.contains(value));
        let round_trip_ms = u16::from_be_bytes([trip0, trip1]);
        Some(Self {
            ssrc: u32::from_be_bytes([s0, s1, s2, s3]),
            lost,
            discarded,
            round_trip_ms: (round_trip_ms != 0).then_some(round_trip_ms),
            rating: Some(rating).filter(|rating| *rating != UNAVAILABLE && *rating <= 100),
            mos_listening: score(listening),
            mos_conversational: score(conversational),
        })
    }

    /// What of it does not reach the listener, percent.
    #[must_use]
    pub fn loss_percent(&self) -> f64 {
        let of_256 = f64::from(self.lost) + f64::from(self.discarded);
        (of_256 * 100.0 / 256.0).min(100.0)
    }
}
