//! Codecs of an m-line: what the receiver of an offer or answer reads, and what is remembered of it.

use smallvec::SmallVec;

use super::media::{Face, MediaPair, Side};
use crate::{
    codecs::{Listing, Match, Selection},
    ng::{Flag, Request},
    sdp::Media,
};

/// The format of an m-line without codecs: it must have one (RFC 8866 §5.14).
const DUMMY_FORMAT: &str = "0";

/// What becomes of the formats of an m-line.
#[derive(Debug)]
pub(super) enum Formats {
    /// They stay as they are.
    AsWritten,
    /// These are left, in this order.
    Changed(Vec<String>),
    /// No codec is left, and the m-line is rejected.
    Rejected,
}

impl Formats {
    /// Says at level DEBUG what is done.
    pub(super) fn log(&self, call: &str, media: &Media<'_>) {
        let (index, from) = (media.index, &media.formats);
        match self {
            Self::AsWritten => {}
            Self::Changed(to) => {
                tracing::debug!(target: "codec", call = %call, "media {index}: {from:?} becomes {to:?}")
            }
            Self::Rejected => {
                tracing::debug!(target: "codec", call = %call, "media {index}: {from:?} rejected")
            }
        }
    }

    /// What is to be written, if it is not what was read.
    pub(super) fn written(self) -> Option<Vec<String>> {
        match self {
            Self::AsWritten => None,
            Self::Changed(formats) => Some(formats),
            Self::Rejected => Some(vec![DUMMY_FORMAT.to_owned()]),
        }
    }
}

impl From<&Selection<'_, '_>> for Formats {
    fn from(chosen: &Selection<'_, '_>) -> Self {
        if chosen.is_changed() {
            Self::Changed(chosen.entries().iter().map(|entry| entry.format.to_owned()).collect())
        } else {
            Self::AsWritten
        }
    }
}

/// An offer of the party at `from`: what the other one is offered.
pub(super) fn on_offer(
    request: &Request,
    pair: &mut MediaPair,
    from: Side,
    media: &Media<'_>,
    warnings: &mut Vec<String>,
) -> Formats {
    let receiver = pair.faces.get_mut(from.other());
    let flags = [Flag::StaticCodecs, Flag::ReuseCodecs];
    if request.codecs.is_empty() && !flags.into_iter().any(|flag| request.has(flag)) {
        receiver.codecs = Listing::of(media);
        receiver.confined = Listing::default();
        return Formats::AsWritten;
    }
    let mut chosen = Selection::of(media);
    let mut asked = Vec::new();
    let some_left = chosen.attempt(|chosen| {
        chosen.apply(&request.codecs, true);
        asked = chosen.transcoding(&request.codecs);
    });
    if !asked.is_empty() {
        warn(
            warnings,
            format!("Transcoding is not supported by this version, ignored: {}", asked.join(", ")),
        );
    }
    if !some_left {
        if request.has(Flag::AllowNoCodecMedia) {
            return Formats::Rejected;
        }
        warn(warnings, none_left(media));
    }
    if request.has(Flag::StaticCodecs) && !receiver.codecs.is_empty() {
        let mut missing = Vec::new();
        let some_left = chosen.attempt(|chosen| missing = chosen.repeat(&receiver.codecs));
        if !missing.is_empty() {
            let kept = if some_left { "kept as far as they are offered" } else { "not kept" };
            let missing = missing.join(", ");
            warn(warnings, format!("static codecs: {kept}, transcoding of {missing} is not supported"));
        }
    }
    if request.has(Flag::ReuseCodecs) {
        chosen.prefer(&pair.agreed);
    }
    receiver.codecs = chosen.listing();
    // What was withheld from the answerer must not come back in its answer.
    receiver.confined = if chosen.is_shorter() { receiver.codecs.clone() } else { Listing::default() };
    Formats::from(&chosen)
}

/// An answer of the party at `from`: what the offerer is answered.
pub(super) fn on_answer(
    request: &Request,
    pair: &mut MediaPair,
    from: Side,
    media: &Media<'_>,
    warnings: &mut Vec<String>,
) -> Formats {
    let (sender, receiver) = pair.faces.split_mut(from);
    let flags = [Flag::SingleCodec, Flag::ReuseCodecs];
    let asked = !request.codecs.is_empty() || flags.into_iter().any(|flag| request.has(flag));
    if !asked && sender.confined.is_empty() {
        receiver.codecs = Listing::of(media);
        pair.agreed = receiver.codecs.clone();
        return Formats::AsWritten;
    }
    let mut chosen = Selection::of(media);
    if !sender.confined.is_empty() {
        let how = if request.has(Flag::AllowAsymmetricCodecs) { Match::Codec } else { Match::Number };
        if !chosen.attempt(|chosen| chosen.confine(&sender.confined, how)) {
            let kind = media.kind.as_str();
            warn(
                warnings,
                format!("The answer has no {kind} codec that was offered: its codecs are unchanged"),
            );
        }
    }
    if !chosen.attempt(|chosen| chosen.apply(&request.codecs, false)) {
        if request.has(Flag::AllowNoCodecMedia) {
            return Formats::Rejected;
        }
        warn(warnings, none_left(media));
    }
    if request.has(Flag::ReuseCodecs) {
        chosen.prefer(&pair.agreed);
    }
    if request.has(Flag::SingleCodec) {
        chosen.leave_one();
    }
    receiver.codecs = chosen.listing();
    pair.agreed = receiver.codecs.clone();
    Formats::from(&chosen)
}

/// Clock rates in Hz of what the party of `face` sends: payload types mean what its receiver wrote (RFC 3264 §5.1), and
/// what it wrote itself where that says nothing.
pub(super) fn clock_rates(face: &Face, receiver: &Face) -> SmallVec<[(u8, u32); 8]> {
    let mut rates = face.clock_rates.clone();
    for &(number, rate) in &receiver.clock_rates {
        match rates.iter_mut().find(|(known, _)| *known == number) {
            Some((_, known)) => *known = rate,
            None => rates.push((number, rate)),
        }
    }
    rates
}

fn none_left(media: &Media<'_>) -> String {
    format!("No {} codec would be left: its codecs are unchanged", media.kind.as_str())
}

/// Says a thing once, whatever the number of m-lines.
fn warn(warnings: &mut Vec<String>, text: String) {
    if !warnings.contains(&text) {
        warnings.push(text);
    }
}
