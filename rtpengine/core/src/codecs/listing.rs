//! A list of codecs that is remembered from one message to another.

use std::{fmt::Write as _, sync::Arc};

use super::{fmtp, select::Entry};
use crate::sdp::{Codec, Media, codec::payload_type};

/// How a format is looked for in a [`Listing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Match {
    /// Under its own number only.
    Number,
    /// Under its own number, else under any.
    Codec,
}

/// The formats of an m-line and what they stand for. Calls keep several, and are copied for every request: a copy is
/// another reference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing(Arc<str>);

impl Listing {
    /// All formats of an m-line.
    #[must_use]
    pub fn of(media: &Media<'_>) -> Self {
        Self::write(media.formats.iter().map(|format| Entry::of(media, format)))
    }

    /// A line for each: the format, its rtpmap, and behind a tab its fmtp.
    pub(super) fn write<'m, 'a: 'm>(entries: impl Iterator<Item = Entry<'m, 'a>>) -> Self {
        /// Room for what is usual, in bytes.
        const USUAL: usize = 256;
        let mut text = String::with_capacity(USUAL);
        for Entry { format, codec } in entries {
            text.push_str(format);
            if let Some(codec) = codec {
                text.push(' ');
                text.push_str(codec.encoding);
                // Writing into a String cannot fail.
                let _ = write!(text, "/{}", codec.clock_rate);
                if codec.channels != 1 {
                    let _ = write!(text, "/{}", codec.channels);
                }
                if let Some(fmtp) = codec.fmtp {
                    text.push('\t');
                    text.push_str(fmtp);
                }
            }
            text.push('\n');
        }
        Self(text.into())
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every format with its codec, where that is known.
    pub fn formats(&self) -> impl Iterator<Item = (&str, Option<Codec<'_>>)> {
        self.0.lines().map(|line| {
            let (rtpmap, fmtp) = line.split_once('\t').map_or((line, None), |(map, fmtp)| (map, Some(fmtp)));
            let format = rtpmap.split_once(' ').map_or(rtpmap, |(format, _)| format);
            (format, Codec::parse_rtpmap(rtpmap).map(|codec| Codec { fmtp, ..codec }))
        })
    }

    /// The same, to look for formats in.
    pub(super) fn lookup(&self) -> Lookup<'_> {
        Lookup(self.formats().collect())
    }
}

/// A [`Listing`] taken apart.
pub(super) struct Lookup<'l>(Vec<(&'l str, Option<Codec<'l>>)>);

impl Lookup<'_> {
    /// The position of a format.
    pub(super) fn position(&self, entry: &Entry<'_, '_>, how: Match) -> Option<usize> {
        let number = self.0.iter().position(|(format, codec)| is_same_number(entry, format, *codec));
        number.or_else(|| {
            let codec = entry.codec.filter(|_| how == Match::Codec)?;
            self.0.iter().position(|(_, known)| known.is_some_and(|known| fmtp::compatible(&known, codec)))
        })
    }
}

/// Under the same number the same encoding is the same codec: its parameters may be another wish.
pub(super) fn is_same_number(entry: &Entry<'_, '_>, format: &str, codec: Option<Codec<'_>>) -> bool {
    let same = match (payload_type(entry.format), payload_type(format)) {
        (Some(one), Some(two)) => one == two,
        _ => entry.format == format,
    };
    same && entry.codec.zip(codec).is_none_or(|(one, two)| one.same_encoding(&two))
}
