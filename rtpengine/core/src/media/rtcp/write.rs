//! Reports of our own, and what is left of others' where ours take their place.

use super::{
    Block, Echo, PAYLOAD_FEEDBACK, RECEIVER_REPORT, SENDER_REPORT, SOURCE_DESCRIPTION, SenderInfo,
    TRANSPORT_FEEDBACK,
};

/// Seconds from 1900 to 1970 (RFC 5905 section 6).
const UNIX_EPOCH: u64 = 2_208_988_800;
/// Item of a source description: canonical name.
const CNAME: u8 = 1;
/// Bytes of a receiver report without blocks.
const EMPTY_REPORT: usize = 8;

/// The wall clock of a report at this time, Unix microseconds. It wraps as NTP does.
#[must_use]
pub fn ntp(unix_us: u64) -> u64 {
    let seconds = (unix_us / 1_000_000).wrapping_add(UNIX_EPOCH);
    let fraction = ((unix_us % 1_000_000) << 32) / 1_000_000;
    seconds << 32 | fraction
}

/// A report to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// SSRC of the reporter.
    pub ssrc: u32,
    /// What it has sent, where it sends.
    pub sender: Option<SenderInfo>,
    /// What it receives; at most 31 are written.
    pub blocks: &'a [Block],
    /// Its canonical name (RFC 7022); at most 255 bytes are written.
    pub cname: &'a str,
}

/// A compound packet (RFC 3550 section 6.1): the report and the reporter's name.
#[must_use]
pub fn write(report: &Report<'_>) -> Vec<u8> {
    let blocks = report.blocks.get(..31).unwrap_or(report.blocks);
    let mut out = Vec::with_capacity(64 + blocks.len() * 24);
    let (kind, words) = if report.sender.is_some() { (SENDER_REPORT, 6) } else { (RECEIVER_REPORT, 1) };
    // Few blocks, so both fit.
    header(&mut out, blocks.len() as u8, kind, (words + blocks.len() * 6) as u16);
    put(&mut out, report.ssrc);
    if let Some(SenderInfo { ntp, timestamp, packets, octets }) = report.sender {
        out.extend(ntp.to_be_bytes());
        [timestamp, packets, octets].into_iter().for_each(|word| put(&mut out, word));
    }
    for Block { echo: Echo { ssrc, last, delay }, fraction, lost, highest_seq, jitter } in blocks {
        let lost = (*lost).clamp(-0x80_0000, 0x7f_ffff).cast_unsigned() & 0xff_ffff;
        let fraction_and_lost = u32::from(*fraction) << 24 | lost;
        [*ssrc, fraction_and_lost, *highest_seq, *jitter, *last, *delay]
            .into_iter()
            .for_each(|word| put(&mut out, word));
    }
    let name = report.cname.as_bytes();
    let name = name.get(..255).unwrap_or(name);
    // SSRC, item, and at least one zero byte at the end.
    let words = (4 + 2 + name.len()) / 4 + 1;
    let end = out.len() + 4 + words * 4;
    header(&mut out, 1, SOURCE_DESCRIPTION, words as u16);
    put(&mut out, report.ssrc);
    out.extend([CNAME, name.len() as u8]);
    out.extend(name);
    out.resize(end, 0);
    out
}

fn header(out: &mut Vec<u8>, count: u8, kind: u8, words: u16) {
    out.extend([0x80 | count, kind]);
    out.extend(words.to_be_bytes());
}

fn put(out: &mut Vec<u8>, word: u32) {
    out.extend(word.to_be_bytes());
}

/// Takes everything but feedback (RFC 4585 section 6.1) out of a datagram, in place. A compound packet stays one: an empty
/// receiver report stands before the feedback, unless feedback came first (RFC 5506). The new length; `None` where there
/// is no feedback, and nothing is left.
pub fn keep_feedback(datagram: &mut [u8]) -> Option<usize> {
    let is_feedback = |kind: u8| matches!(kind, TRANSPORT_FEEDBACK | PAYLOAD_FEEDBACK);
    let [_, first_kind, _, _, s0, s1, s2, s3] = *datagram.first_chunk::<EMPTY_REPORT>()?;
    let report = if is_feedback(first_kind) { 0 } else { EMPTY_REPORT };
    let (mut at, mut end) = (0, report);
    while let Some(&[first, kind, words0, words1]) = datagram.get(at..).and_then(<[u8]>::first_chunk::<4>) {
        let length = (usize::from(u16::from_be_bytes([words0, words1])) + 1) * 4;
        let next = at + length;
        if first >> 6 != 2 || next > datagram.len() {
            break;
        }
        // A first packet shorter than the report leaves no room for it, and makes no compound packet.
        if is_feedback(kind) && end <= at {
            datagram.copy_within(at..next, end);
            end += length;
        }
        at = next;
    }
    if end == report {
        return None;
    }
    if let Some(head) = datagram.first_chunk_mut::<EMPTY_REPORT>().filter(|_| report > 0) {
        *head = [0x80, RECEIVER_REPORT, 0, 1, s0, s1, s2, s3];
    }
    Some(end)
}
