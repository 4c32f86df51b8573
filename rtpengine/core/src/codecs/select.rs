//! The formats of one m-line on their way from one party to the other.

use super::{
    companions, fmtp,
    listing::{Listing, Match, is_same_number},
    options::{CodecList, CodecOptions},
    spec::{CodecSpec, Pattern},
};
use crate::sdp::{Codec, Media, MediaKind, codec::payload_type};

/// One format of an m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'m, 'a> {
    /// As written.
    pub format: &'a str,
    /// What it stands for, if that is known.
    pub codec: Option<&'m Codec<'a>>,
}

impl<'m, 'a> Entry<'m, 'a> {
    pub(super) fn of(media: &'m Media<'a>, format: &'a str) -> Self {
        Self { format, codec: payload_type(format).and_then(|number| media.codec(number)) }
    }

    /// Media itself rather than what goes with it. A format of unknown meaning counts as media.
    fn is_media(&self) -> bool {
        self.codec.is_none_or(|codec| !codec.is_supplemental())
    }

    /// Media with this clock rate in Hz.
    pub(super) fn is_media_at(&self, clock_rate: u32) -> bool {
        self.codec.is_some_and(|codec| !codec.is_supplemental() && codec.clock_rate == clock_rate)
    }
}

/// The lists that remove codecs from an offer.
const HIDING: &[CodecList] = &[CodecList::Strip, CodecList::Ignore, CodecList::Mask, CodecList::Consume];
/// The lists that remove codecs from an answer: the others are for offers.
const STRIPPING: &[CodecList] = &[CodecList::Strip, CodecList::Ignore];
/// The lists of what `all` leaves.
const KEEPING: &[CodecList] = &[CodecList::Except, CodecList::Offer];

/// The formats that are left of an m-line, in their order.
#[derive(Clone, Debug)]
pub struct Selection<'m, 'a> {
    original: Vec<Entry<'m, 'a>>,
    entries: Vec<Entry<'m, 'a>>,
    is_audio: bool,
}

impl<'m, 'a> Selection<'m, 'a> {
    /// All formats of an m-line, each once.
    #[must_use]
    pub fn of(media: &'m Media<'a>) -> Self {
        let mut original: Vec<Entry<'m, 'a>> = Vec::with_capacity(media.formats.len());
        for format in &media.formats {
            if !original.iter().any(|known| known.format == *format) {
                original.push(Entry::of(media, format));
            }
        }
        let entries = original.clone();
        Self { original, entries, is_audio: media.kind == MediaKind::Audio }
    }

    /// The formats left.
    #[must_use]
    pub fn entries(&self) -> &[Entry<'m, 'a>] {
        &self.entries
    }

    /// Whether anything is gone or elsewhere.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.entries != self.original
    }

    /// Whether anything is gone.
    #[must_use]
    pub fn is_shorter(&self) -> bool {
        self.entries.len() < self.original.len()
    }

    /// The formats left, to be remembered.
    #[must_use]
    pub fn listing(&self) -> Listing {
        Listing::write(self.entries.iter().copied())
    }

    /// Makes a change unless that leaves no media where there was some. `false`: it would have.
    pub fn attempt(&mut self, change: impl FnOnce(&mut Self)) -> bool {
        let before = self.entries.clone();
        let had_media = before.iter().any(Entry::is_media);
        change(self);
        let lost =
            if had_media { !self.entries.iter().any(Entry::is_media) } else { self.entries.is_empty() };
        let lost = lost && !before.is_empty();
        if lost {
            self.entries = before;
        }
        !lost
    }

    /// Removes and orders as the lists say.
    pub fn apply(&mut self, options: &CodecOptions, offer: bool) {
        if options.is_empty() {
            return;
        }
        let removing = || options.of_any(if offer { HIDING } else { STRIPPING });
        let transcode = || options.of(CodecList::Transcode).filter(|_| offer);
        let full = removing().any(|spec| spec.pattern == Pattern::Full);
        let all = full || removing().any(|spec| spec.pattern == Pattern::All);
        self.entries.retain(|entry| {
            let names = |spec: &CodecSpec| spec.names(entry.format, entry.codec);
            if removing().any(names) {
                return false;
            }
            let listed = options.of_any(KEEPING).any(|spec| !spec.is_explicit() || names(spec));
            !all || listed || (!full && transcode().any(names))
        });
        let preferred: Vec<&CodecSpec> = options.of(CodecList::Offer).chain(transcode()).collect();
        let rank = |entry: &Entry<'_, '_>| {
            let position = preferred.iter().position(|spec| spec.names(entry.format, entry.codec));
            position.unwrap_or(usize::MAX)
        };
        self.entries.sort_by_key(rank);
        let wanted = || options.of_any(KEEPING).chain(transcode()).filter(|spec| spec.is_exact());
        self.settle(|entry| wanted().any(|spec| spec.names(entry.format, entry.codec)));
    }

    /// What of the lists asks for transcoding in this offer, after [`Selection::apply`]: flags by name. Only audio is
    /// transcoded.
    #[must_use]
    pub fn transcoding(&self, options: &CodecOptions) -> Vec<String> {
        if options.is_empty() || !self.is_audio {
            return Vec::new();
        }
        let is_in = |entries: &[Entry<'_, '_>], spec: &CodecSpec| {
            entries.iter().any(|entry| !spec.is_explicit() || spec.names(entry.format, entry.codec))
        };
        let offered = |spec: &&CodecSpec| is_in(&self.original, spec);
        let flag = |list: CodecList, spec: &CodecSpec| format!("codec-{}-{}", list.name(), spec.text);
        let mut asked = Vec::new();
        for spec in options.of(CodecList::Transcode).filter(|spec| spec.is_explicit()) {
            if !is_in(&self.entries, spec) {
                asked.push(flag(CodecList::Transcode, spec));
            }
        }
        for list in [CodecList::Consume, CodecList::Accept] {
            asked.extend(options.of(list).filter(offered).map(|spec| flag(list, spec)));
        }
        if !asked.is_empty() {
            for list in [CodecList::Mask, CodecList::Set] {
                asked.extend(options.of(list).filter(offered).map(|spec| flag(list, spec)));
            }
        }
        asked
    }

    /// The media that `accept` prefers of what is left, by the order of the list; `None` where it names none of it.
    #[must_use]
    pub fn accepted(&self, options: &CodecOptions) -> Option<&'m Codec<'a>> {
        options.of(CodecList::Accept).find_map(|spec| {
            let named = |entry: &&Entry<'_, '_>| !spec.is_explicit() || spec.names(entry.format, entry.codec);
            self.entries.iter().filter(|entry| entry.is_media()).find(named).and_then(|entry| entry.codec)
        })
    }

    /// The first media left.
    #[must_use]
    pub fn first_media(&self) -> Option<&'m Codec<'a>> {
        self.entries.iter().filter(|entry| entry.is_media()).find_map(|entry| entry.codec)
    }

    /// Removes what is not in `listing`.
    pub fn confine(&mut self, listing: &Listing, how: Match) {
        let listed = listing.lookup();
        self.entries.retain(|entry| listed.position(entry, how).is_some());
        self.settle(|_| false);
    }

    /// Makes the list that of `listing`, as far as it can be had. Yields the media of it that cannot.
    pub fn repeat(&mut self, listing: &Listing) -> Vec<String> {
        let mut rest = std::mem::take(&mut self.entries);
        let mut missing = Vec::new();
        for (format, codec) in listing.formats() {
            let own = rest.iter().position(|entry| is_same_number(entry, format, codec));
            let found = own.or_else(|| {
                let known = codec?;
                rest.iter().position(|entry| entry.codec.is_some_and(|codec| fmtp::compatible(&known, codec)))
            });
            match (found, codec) {
                (Some(at), _) => self.entries.push(rest.remove(at)),
                (None, Some(codec)) if !codec.is_supplemental() => missing.push(codec.to_string()),
                (None, _) => {}
            }
        }
        self.settle(|_| false);
        missing
    }

    /// Puts what is in `listing` in front, in its order.
    pub fn prefer(&mut self, listing: &Listing) {
        let listed = listing.lookup();
        let position = |entry: &Entry<'_, '_>| listed.position(entry, Match::Codec).unwrap_or(usize::MAX);
        self.entries.sort_by_cached_key(position);
    }

    /// Leaves the first codec, and what goes with it.
    pub fn leave_one(&mut self) {
        let Some(first) = self.entries.iter().find(|entry| entry.is_media()).copied() else { return };
        self.entries.retain(|entry| !entry.is_media() || *entry == first);
        self.settle(|_| false);
    }

    fn settle(&mut self, is_wanted: impl Fn(&Entry<'m, 'a>) -> bool) {
        companions::settle(&self.original, &mut self.entries, is_wanted);
    }
}
