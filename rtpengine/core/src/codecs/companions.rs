//! Formats that go with others: telephone-event and comfort noise with the clock rate of a codec, retransmission and
//! redundancy with the payload types they name.

use super::select::Entry;
use crate::sdp::{Codec, codec::payload_type};

/// The clock rate of telephone-event that goes with every codec where nothing fits better (RFC 4733 §7.1.1).
const DEFAULT_RATE: u32 = 8000;

/// How far one format may refer to another that refers to another: retransmission of redundancy of a codec is 2. Bodies
/// with longer chains are not worth the time.
const MAX_CHAIN: usize = 8;

/// Removes from `entries` what went with formats of `original` that are gone. What `is_wanted` stays.
///
/// Something that had no codec of its clock rate to begin with is left alone, and so is `telephone-event/8000` as long as
/// no other telephone-event fits the codecs that are left.
pub(super) fn settle<'m, 'a>(
    original: &[Entry<'m, 'a>],
    entries: &mut Vec<Entry<'m, 'a>>,
    is_wanted: impl Fn(&Entry<'m, 'a>) -> bool,
) {
    // What is removed may take along what refers to it.
    for _ in 0..MAX_CHAIN {
        let kept = entries.clone();
        entries.retain(|entry| is_wanted(entry) || !is_orphan(entry, original, &kept));
        if entries.len() == kept.len() {
            return;
        }
    }
}

fn is_orphan(entry: &Entry<'_, '_>, original: &[Entry<'_, '_>], kept: &[Entry<'_, '_>]) -> bool {
    let Some(codec) = entry.codec.filter(|codec| codec.is_supplemental()) else { return false };
    let is_there = |entries: &[Entry<'_, '_>], number: u8| {
        entries.iter().any(|entry| payload_type(entry.format) == Some(number))
    };
    if named(codec).any(|number| is_there(original, number) && !is_there(kept, number)) {
        return true;
    }
    let has_rate = |entries: &[Entry<'_, '_>], rate: u32| entries.iter().any(|entry| entry.is_media_at(rate));
    if has_rate(kept, codec.clock_rate) || !has_rate(original, codec.clock_rate) {
        return false;
    }
    let fits = |other: &&Codec<'_>| other.is_telephone_event() && has_rate(kept, other.clock_rate);
    let default = codec.is_telephone_event() && codec.clock_rate == DEFAULT_RATE;
    !default || kept.iter().filter_map(|other| other.codec).any(|other| fits(&other))
}

/// The payload types that `a=fmtp` of `rtx` (RFC 4588 §8.1) and `red` (RFC 2198 §5) names.
fn named<'c>(codec: &'c Codec<'_>) -> impl Iterator<Item = u8> + 'c {
    let fmtp = codec.fmtp.unwrap_or_default();
    let is = |name: &str| codec.encoding.eq_ignore_ascii_case(name);
    let list = if is("rtx") {
        fmtp.split(';').find_map(|pair| pair.trim().strip_prefix("apt=")).unwrap_or_default()
    } else if is("red") {
        fmtp
    } else {
        ""
    };
    list.split('/').map(str::trim).filter(|number| !number.is_empty()).filter_map(payload_type)
}
