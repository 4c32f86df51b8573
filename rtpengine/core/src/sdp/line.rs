//! One line of a body, with the ending it came with.

use super::attribute::AttributeKind;

/// How a line ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineEnding {
    /// `\r\n`, as RFC 8866 §5 asks.
    CrLf,
    /// `\n` alone, which parsers should accept.
    Lf,
    /// The body ended first.
    None,
}

impl LineEnding {
    /// The bytes themselves.
    #[must_use]
    pub const fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::CrLf => b"\r\n",
            Self::Lf => b"\n",
            Self::None => b"",
        }
    }
}

/// One line as it stood in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The type letter, 0 for a blank line.
    pub letter: u8,
    /// All bytes without the ending.
    pub raw: &'a [u8],
    /// The ending.
    pub ending: LineEnding,
    /// Which attribute an `a=` line carries.
    pub attribute: AttributeKind,
}

impl<'a> Line<'a> {
    /// Splits off the first line. A line of a form nobody knows has the letter of its first byte and
    /// `None` from [`Line::value`].
    pub(super) fn split(body: &'a [u8]) -> (Self, &'a [u8]) {
        let (raw, ending, rest) = match memchr::memchr(b'\n', body) {
            None => (body, LineEnding::None, &[][..]),
            Some(at) => {
                let (raw, rest) = body.split_at(at);
                let rest = rest.get(1..).unwrap_or_default();
                match raw.strip_suffix(b"\r") {
                    Some(raw) => (raw, LineEnding::CrLf, rest),
                    None => (raw, LineEnding::Lf, rest),
                }
            }
        };
        let letter = raw.first().copied().unwrap_or(0);
        let attribute = match raw.strip_prefix(b"a=") {
            Some(value) => AttributeKind::of(value),
            None => AttributeKind::NotAnAttribute,
        };
        (Self { letter, raw, ending, attribute }, rest)
    }

    /// What follows `<letter>=`, as bytes.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        match self.raw {
            [_, b'=', value @ ..] => Some(value),
            _ => None,
        }
    }

    /// What follows `<letter>=`, when it is UTF-8.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        std::str::from_utf8(self.value()?).ok()
    }

    /// What follows the colon of `a=name:value`, when the line is such an attribute in UTF-8.
    #[must_use]
    pub fn attribute_value(&self) -> Option<&'a str> {
        let text = self.raw.strip_prefix(b"a=")?;
        let (_, value) = std::str::from_utf8(text).ok()?.split_once(':')?;
        Some(value.trim())
    }

    /// True for a line without any byte but blanks.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.raw.trim_ascii().is_empty()
    }
}
