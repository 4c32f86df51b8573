//! Codecs as a request names them: `PCMA`, `opus/48000/2`, `iLBC/8000/1///mode=30`, `101`.

use super::fmtp;
use crate::{ng::spelling, sdp::Codec, sdp::codec::payload_type};

/// One member of a list of the key `codec`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecSpec {
    /// As sent.
    pub text: String,
    /// What it stands for.
    pub pattern: Pattern,
}

/// Which codecs a [`CodecSpec`] stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// `all`, or `any`.
    All,
    /// `full`: all, and `transcode` brings none of them back.
    Full,
    /// A payload type by its number.
    Number(u8),
    /// Those of a name.
    Named {
        /// Encoding name; case does not matter.
        name: String,
        /// Clock rate in Hz.
        clock_rate: Option<u32>,
        /// Channels: 1 where a clock rate is given and they are not.
        channels: Option<u16>,
        /// `fmtp` parameters that have to be in effect.
        fmtp: Option<String>,
    },
}

impl CodecSpec {
    /// Reads `NAME[/RATE[/CHANNELS[/BITRATE[/PTIME[/FMTP[/OPTIONS]]]]]]`, where fields may be empty and `--` in the last
    /// two stands for an equals sign. Bitrate, ptime and options are an encoder's, and choose no codec.
    ///
    /// `None`: no name, or a clock rate or a number of channels that is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let pattern = match text {
            _ if spelling::same(text.as_bytes(), b"all") || spelling::same(text.as_bytes(), b"any") => {
                Pattern::All
            }
            _ if spelling::same(text.as_bytes(), b"full") => Pattern::Full,
            _ => match payload_type(text).filter(|_| !text.is_empty()) {
                Some(number) => Pattern::Number(number),
                None => named(text)?,
            },
        };
        Some(Self { text: text.to_owned(), pattern })
    }

    /// Whether it is about a codec of its own, not about all of them.
    #[must_use]
    pub const fn is_explicit(&self) -> bool {
        matches!(self.pattern, Pattern::Number(_) | Pattern::Named { .. })
    }

    /// Whether it names this format of an m-line. A payload type of unknown meaning goes by its number alone.
    #[must_use]
    pub fn names(&self, format: &str, codec: Option<&Codec<'_>>) -> bool {
        match &self.pattern {
            Pattern::All | Pattern::Full => false,
            Pattern::Number(number) => payload_type(format) == Some(*number),
            Pattern::Named { name, clock_rate, channels, fmtp } => codec.is_some_and(|codec| {
                codec.encoding.eq_ignore_ascii_case(name)
                    && clock_rate.is_none_or(|rate| rate == codec.clock_rate)
                    && channels.is_none_or(|channels| channels == codec.channels)
                    && fmtp.as_deref().is_none_or(|wanted| fmtp::has(codec, wanted))
            }),
        }
    }

    /// Whether it names its codec down to the clock rate or the number.
    pub(super) const fn is_exact(&self) -> bool {
        matches!(self.pattern, Pattern::Number(_) | Pattern::Named { clock_rate: Some(_), .. })
    }
}

fn named(text: &str) -> Option<Pattern> {
    let mut fields = text.split('/');
    let name = fields.next().map(str::trim).filter(|name| !name.is_empty())?;
    let clock_rate = positive(fields.next())?;
    let channels = positive(fields.next())?.map(u16::try_from).transpose().ok()?;
    // Bitrate and ptime.
    let fmtp = fields.nth(2).map(str::trim).filter(|fmtp| !fmtp.is_empty());
    let mono = clock_rate.map(|_| 1);
    Some(Pattern::Named {
        name: name.to_owned(),
        clock_rate,
        channels: channels.or(mono),
        fmtp: fmtp.map(|fmtp| fmtp.replace("--", "=")),
    })
}

/// A number above zero where there is one. `None`: something else.
#[expect(clippy::option_option, reason = "absent and wrong are not the same")]
fn positive(field: Option<&str>) -> Option<Option<u32>> {
    match field.map(str::trim) {
        None | Some("") => Some(None),
        Some(text) => text.parse().ok().filter(|number| *number != 0).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(spec: &str, rtpmap: &str, fmtp: Option<&str>) -> bool {
        let codec = Codec { fmtp, ..Codec::parse_rtpmap(rtpmap).unwrap() };
        let (format, _) = rtpmap.split_once(' ').unwrap();
        CodecSpec::parse(spec).unwrap().names(format, Some(&codec))
    }

    #[test]
    fn names_match_in_any_case_and_formats_exactly() {
        assert!(matches("pcma", "8 PCMA/8000", None));
        assert!(matches("opus", "111 OPUS/48000/2", None));
        assert!(matches("opus/48000/2", "111 opus/48000/2", None));
        assert!(!matches("opus/48000", "111 opus/48000/2", None), "one channel");
        assert!(matches("opus/48000", "111 opus/48000/1", None));
        assert!(!matches("G722/16000", "9 G722/8000", None));
        assert!(matches("opus//2", "111 opus/48000/2", None));
        assert!(matches("opus/48000/2/32000/20", "111 opus/48000/2", None));
        assert!(!matches("PCM", "8 PCMA/8000", None));
    }

    #[test]
    fn numbers_stand_for_payload_types() {
        assert!(matches("8", "8 PCMA/8000", None) && matches("101", "101 telephone-event/8000", None));
        assert!(!matches("0", "8 PCMA/8000", None));
        assert!(CodecSpec::parse("96").unwrap().names("96", None));
        assert!(!CodecSpec::parse("PCMA").unwrap().names("96", None));
    }

    #[test]
    fn fmtp_parameters_have_to_be_in_effect() {
        assert!(matches("iLBC/8000/1///mode=30", "97 iLBC/8000", None));
        assert!(matches("iLBC/8000/1///mode--30", "97 iLBC/8000", Some("mode=30")));
        assert!(!matches("iLBC/8000/1///mode=30", "97 iLBC/8000", Some("mode=20")));
        assert!(matches(
            "AMR-WB/16000/1/23850//mode-set--0,1,2/CMR-interval--500",
            "98 AMR-WB/16000",
            Some("mode-set=0,1,2")
        ));
        assert!(matches("opus/48000/2////compression_level=2", "111 opus/48000/2", None));
    }

    #[test]
    fn keywords_and_nonsense() {
        assert_eq!(CodecSpec::parse("ALL").unwrap().pattern, Pattern::All);
        assert_eq!(CodecSpec::parse("full").unwrap().pattern, Pattern::Full);
        for nonsense in
            ["", "/8000", "opus/x", "opus/0", "opus/48000/-1", "opus/48000/65536", "opus/99999999999"]
        {
            assert_eq!(CodecSpec::parse(nonsense), None, "{nonsense}");
        }
    }
}
