//! Payload types and what they stand for: `a=rtpmap` with the static table of RFC 3551 §6 behind it.

use std::fmt;

/// What one payload type stands for in one media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codec<'a> {
    /// 0..=127
    pub payload_type: u8,
    /// Encoding name as written in the rtpmap, or the registered one.
    pub encoding: &'a str,
    /// RTP clock rate in Hz.
    pub clock_rate: u32,
    /// Channel count; 1 when not written.
    pub channels: u16,
    /// Whether an `a=rtpmap` line said so; else the static table did.
    pub has_rtpmap: bool,
    /// `a=fmtp` parameters, as written.
    pub fmtp: Option<&'a str>,
}

impl<'a> Codec<'a> {
    /// Reads what follows `a=rtpmap:`: `<pt> <encoding>/<clock>[/<channels>]` (RFC 8866 §6.6).
    pub(crate) fn parse_rtpmap(value: &'a str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let payload_type = payload_type(fields.next()?)?;
        let mut parts = fields.next()?.split('/');
        let encoding = parts.next().filter(|name| !name.is_empty())?;
        let clock_rate = parts.next()?.parse().ok().filter(|rate| *rate != 0)?;
        let channels = match parts.next() {
            None => 1,
            Some(count) => count.parse().ok().filter(|count| *count != 0)?,
        };
        Some(Self { payload_type, encoding, clock_rate, channels, has_rtpmap: true, fmtp: None })
    }

    /// The registered meaning of a static payload type (RFC 3551 §6, tables 4 and 5).
    #[must_use]
    pub fn of_static(payload_type: u8) -> Option<Codec<'static>> {
        let (encoding, clock_rate, channels) = static_encoding(payload_type)?;
        Some(Codec { payload_type, encoding, clock_rate, channels, has_rtpmap: false, fmtp: None })
    }

    /// RFC 4733 telephone events (DTMF).
    #[must_use]
    pub fn is_telephone_event(&self) -> bool {
        self.encoding.eq_ignore_ascii_case("telephone-event")
    }

    /// Comfort noise (RFC 3389).
    #[must_use]
    pub fn is_comfort_noise(&self) -> bool {
        self.encoding.eq_ignore_ascii_case("CN")
    }

    /// Accompanies media rather than being media: DTMF, comfort noise, redundancy, retransmission, FEC.
    #[must_use]
    pub fn is_supplemental(&self) -> bool {
        const NAMES: [&str; 7] = ["telephone-event", "CN", "red", "rtx", "ulpfec", "flexfec", "flexfec-03"];
        NAMES.iter().any(|name| self.encoding.eq_ignore_ascii_case(name))
    }

    /// Whether encoding, clock rate and channels are the same. Encoding names have no case (RFC 4855 §3).
    #[must_use]
    pub fn same_encoding(&self, other: &Codec<'_>) -> bool {
        self.encoding.eq_ignore_ascii_case(other.encoding)
            && (self.clock_rate, self.channels) == (other.clock_rate, other.channels)
    }

    /// The name as statistics show it: `PCMA/8000`, `opus/48000/2`.
    #[must_use]
    pub fn canonical_name(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Codec<'_> {
    /// As in an rtpmap: the channel count only where it is not 1.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.encoding, self.clock_rate)?;
        if self.channels == 1 { Ok(()) } else { write!(f, "/{}", self.channels) }
    }
}

/// Reads a payload type: a decimal number up to 127.
#[must_use]
pub fn payload_type(format: &str) -> Option<u8> {
    if !format.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format.parse().ok().filter(|number| *number < 128)
}

/// Clock rate in Hz of a payload type, for jitter: as the media section says, else the static table.
#[must_use]
pub fn clock_rate(codecs: &[Codec<'_>], payload_type: u8) -> Option<u32> {
    codecs
        .iter()
        .find(|codec| codec.payload_type == payload_type)
        .map(|codec| codec.clock_rate)
        .or_else(|| static_encoding(payload_type).map(|(_, clock_rate, _)| clock_rate))
}

/// The static payload type of a codec, if it has one.
pub(crate) fn static_number(name: &str, clock_rate: u32, channels: u16) -> Option<u8> {
    (0..96).find(|number| {
        static_encoding(*number).is_some_and(|(known, rate, count)| {
            known.eq_ignore_ascii_case(name) && (rate, count) == (clock_rate, channels)
        })
    })
}

/// Encoding name, clock rate in Hz and channels of a static payload type.
pub(crate) const fn static_encoding(payload_type: u8) -> Option<(&'static str, u32, u16)> {
    Some(match payload_type {
        0 => ("PCMU", 8000, 1),
        3 => ("GSM", 8000, 1),
        4 => ("G723", 8000, 1),
        5 => ("DVI4", 8000, 1),
        6 => ("DVI4", 16000, 1),
        7 => ("LPC", 8000, 1),
        8 => ("PCMA", 8000, 1),
        // G.722 samples at 16 kHz, but its RTP clock is 8 kHz for historical reasons (RFC 3551 §4.5.2).
        9 => ("G722", 8000, 1),
        10 => ("L16", 44100, 2),
        11 => ("L16", 44100, 1),
        12 => ("QCELP", 8000, 1),
        13 => ("CN", 8000, 1),
        14 => ("MPA", 90000, 1),
        15 => ("G728", 8000, 1),
        16 => ("DVI4", 11025, 1),
        17 => ("DVI4", 22050, 1),
        18 => ("G729", 8000, 1),
        25 => ("CelB", 90000, 1),
        26 => ("JPEG", 90000, 1),
        28 => ("nv", 90000, 1),
        31 => ("H261", 90000, 1),
        32 => ("MPV", 90000, 1),
        33 => ("MP2T", 90000, 1),
        34 => ("H263", 90000, 1),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rtpmap_with_and_without_channels() {
        let opus = Codec::parse_rtpmap("111 opus/48000/2").unwrap();
        assert_eq!((opus.payload_type, opus.clock_rate, opus.channels), (111, 48000, 2));
        assert_eq!(opus.canonical_name(), "opus/48000/2");
        assert_eq!(Codec::parse_rtpmap("8 PCMA/8000/1").unwrap().canonical_name(), "PCMA/8000");
    }

    #[test]
    fn broken_rtpmaps_are_no_codecs() {
        for value in
            ["", "8", "8 PCMA", "8 /8000", "8 PCMA/0", "8 PCMA/x", "128 a/1", "-1 a/1", "+8 a/1", "8 a/1/0"]
        {
            assert_eq!(Codec::parse_rtpmap(value), None, "{value:?}");
        }
    }

    #[test]
    fn clock_rate_prefers_the_rtpmap_over_the_static_table() {
        let odd = [Codec::parse_rtpmap("8 X/16000").unwrap()];
        assert_eq!(clock_rate(&odd, 8), Some(16000));
        assert_eq!(clock_rate(&odd, 0), Some(8000));
        assert_eq!(clock_rate(&odd, 96), None);
    }

    #[test]
    fn telephone_event_is_recognised_in_any_case() {
        let codec = Codec::parse_rtpmap("101 Telephone-Event/8000").unwrap();
        assert!(codec.is_telephone_event() && codec.is_supplemental());
        assert!(Codec::of_static(13).unwrap().is_comfort_noise());
        assert!(!Codec::of_static(8).unwrap().is_supplemental());
    }
}
