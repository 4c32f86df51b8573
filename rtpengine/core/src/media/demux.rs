//! Which m-line of a shared port a packet belongs to (RFC 9143 §9.2).

use std::sync::Arc;

use smallvec::SmallVec;

use super::classify::{RTP_HEADER, RtpHeader};
use crate::io::Bundle;

/// SSRCs that are remembered of a port; the oldest is forgotten first.
const MAX_LEARNED: usize = 64;
/// RFC 8285 §4.2.
const ONE_BYTE: u16 = 0xbede;
/// RFC 8285 §4.3; the last four bits are the application's.
const TWO_BYTES: u16 = 0x1000;

/// Tells the packets of the m-lines apart. Never allocates after construction.
#[derive(Clone, Debug)]
pub struct Demux {
    lines: SmallVec<[Line; 2]>,
    learned: [Learned; MAX_LEARNED],
    known: usize,
    /// Where the next SSRC goes once all places are taken.
    oldest: usize,
}

#[derive(Clone, Debug)]
struct Line {
    mid: Option<Arc<str>>,
    mid_extension: Option<u8>,
    announced: SmallVec<[u32; 0]>,
    payload_types: u128,
    /// Those that no other line has.
    unique: u128,
}

#[derive(Clone, Copy, Debug, Default)]
struct Learned {
    ssrc: u32,
    line: u8,
}

/// What the extension of a packet says.
enum Named {
    Nothing,
    Line(u8),
    Nobody,
}

impl Demux {
    /// For these m-lines. What was learned `before` of those that are still there goes on.
    #[must_use]
    pub fn new(bundle: &Bundle, before: Option<&Self>) -> Self {
        let lines = bundle.lines.iter().take(Bundle::MAX_LINES).enumerate().map(|(index, line)| Line {
            mid: line.mid.clone(),
            mid_extension: line.mid_extension,
            announced: line.ssrcs.clone(),
            payload_types: line.payload_types,
            unique: bundle.unique(index),
        });
        let lines = lines.collect();
        let mut demux = Self { lines, learned: [Learned::default(); MAX_LEARNED], known: 0, oldest: 0 };
        for Learned { ssrc, line } in before.into_iter().flat_map(|before| before.learned()) {
            let mid = before.and_then(|before| before.lines.get(usize::from(*line))).map(|line| &line.mid);
            if let Some(place) = demux.lines.iter().position(|line| Some(&line.mid) == mid) {
                // There are at most MAX_LINES.
                demux.learn(*ssrc, place as u8);
            }
        }
        demux
    }

    /// The m-line of an RTP packet in the clear; `None`: of none.
    pub fn packet(&mut self, header: &RtpHeader, packet: &[u8]) -> Option<u8> {
        match self.named(packet) {
            Named::Line(line) => {
                self.learn(header.ssrc, line);
                return Some(line);
            }
            Named::Nobody => return None,
            Named::Nothing => {}
        }
        let bit = 1 << (header.payload_type & 0x7f);
        let has =
            |line: u8| self.lines.get(usize::from(line)).is_some_and(|line| line.payload_types & bit != 0);
        if let Some(line) = self.line_of(header.ssrc).filter(|line| has(*line)) {
            return Some(line);
        }
        // There are at most MAX_LINES.
        let line = self.lines.iter().position(|line| line.unique & bit != 0)? as u8;
        self.learn(header.ssrc, line);
        Some(line)
    }

    /// The m-line of an SSRC of the party's, as far as it is known.
    #[must_use]
    pub fn line_of(&self, ssrc: u32) -> Option<u8> {
        let learned = self.learned().iter().find(|learned| learned.ssrc == ssrc).map(|learned| learned.line);
        // There are at most MAX_LINES.
        let announced =
            || self.lines.iter().position(|line| line.announced.contains(&ssrc)).map(|line| line as u8);
        learned.or_else(announced)
    }

    fn learned(&self) -> &[Learned] {
        self.learned.get(..self.known).unwrap_or_default()
    }

    fn learn(&mut self, ssrc: u32, line: u8) {
        let known = self.learned.get_mut(..self.known).unwrap_or_default();
        if let Some(place) = known.iter_mut().find(|learned| learned.ssrc == ssrc) {
            place.line = line;
            return;
        }
        let place = if self.known < MAX_LEARNED {
            self.known += 1;
            self.known - 1
        } else {
            self.oldest = (self.oldest + 1) % MAX_LEARNED;
            self.oldest
        };
        if let Some(place) = self.learned.get_mut(place) {
            *place = Learned { ssrc, line };
        }
    }

    fn named(&self, packet: &[u8]) -> Named {
        if self.lines.iter().all(|line| line.mid_extension.is_none()) {
            return Named::Nothing;
        }
        let Some(elements) = Elements::of(packet) else { return Named::Nothing };
        for (number, value) in elements {
            let numbered = |line: &&Line| line.mid_extension == Some(number);
            if !self.lines.iter().any(|line| numbered(&line)) {
                continue;
            }
            let is_own =
                |line: &Line| numbered(&line) && line.mid.as_ref().is_some_and(|mid| mid.as_bytes() == value);
            // There are at most MAX_LINES.
            return match self.lines.iter().position(is_own) {
                Some(line) => Named::Line(line as u8),
                None => Named::Nobody,
            };
        }
        Named::Nothing
    }
}

/// The elements of a header extension (RFC 8285 §4): number and value. Ends at the first that does not fit.
struct Elements<'p> {
    rest: &'p [u8],
    two_bytes: bool,
}

impl<'p> Elements<'p> {
    /// `None`: the packet has no such extension.
    fn of(packet: &'p [u8]) -> Option<Self> {
        let first = *packet.first()?;
        if first & 0x10 == 0 {
            return None;
        }
        let extension = packet.get(RTP_HEADER + usize::from(first & 0x0f) * 4..)?;
        let (&[profile0, profile1, words0, words1], rest) = extension.split_first_chunk::<4>()?;
        let profile = u16::from_be_bytes([profile0, profile1]);
        let two_bytes = profile & 0xfff0 == TWO_BYTES;
        let rest = rest.get(..usize::from(u16::from_be_bytes([words0, words1])) * 4)?;
        (two_bytes || profile == ONE_BYTE).then_some(Self { rest, two_bytes })
    }
}

impl<'p> Iterator for Elements<'p> {
    type Item = (u8, &'p [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (&first, after) = self.rest.split_first()?;
            // A byte of padding.
            if first == 0 {
                self.rest = after;
                continue;
            }
            let (number, length, after) = if self.two_bytes {
                let (&length, after) = after.split_first()?;
                (first, usize::from(length), after)
            } else if first >> 4 == 15 {
                // Processing stops here (§4.2).
                return None;
            } else {
                (first >> 4, usize::from(first & 0x0f) + 1, after)
            };
            let (value, rest) = after.split_at_checked(length)?;
            self.rest = rest;
            return Some((number, value));
        }
    }
}

/// A stream that a packet of RTCP is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// One of the party that sends it.
    Sent(u32),
    /// One that the party receives.
    Received(u32),
}

/// Calls `tell` with the streams that a compound of RTCP in the clear is about: senders, report blocks, sources described or
/// leaving, and the media that feedback is about (RFC 3550 §6, RFC 4585 §6.1). What does not fit is left out.
pub fn about(compound: &[u8], mut tell: impl FnMut(About)) {
    let mut rest = compound;
    while let Some((&[first, kind, words0, words1], _)) = rest.split_first_chunk::<4>() {
        let length = (usize::from(u16::from_be_bytes([words0, words1])) + 1) * 4;
        let Some((packet, after)) = rest.split_at_checked(length) else { return };
        rest = after;
        let word = |at: usize| {
            let bytes = packet.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
            bytes.map(u32::from_be_bytes)
        };
        let mut told = |about: fn(u32) -> About, at: usize| {
            if let Some(ssrc) = word(at) {
                tell(about(ssrc));
            }
        };
        let count = usize::from(first & 0x1f);
        match kind {
            200 | 201 => {
                told(About::Sent, 4);
                let blocks = if kind == 200 { 28 } else { 8 };
                (0..count).for_each(|block| told(About::Received, blocks + block * 24));
            }
            // Of several sources described, the first stands for all.
            202 => told(About::Sent, 4),
            203 => (0..count).for_each(|source| told(About::Sent, 4 + source * 4)),
            // The sender of feedback may be anybody (RFC 8108 §5); what it is about counts.
            205 | 206 => told(About::Received, 8),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::io::BundleLine;

    fn line(mid: &str, payload_types: &[u8], ssrcs: &[u32]) -> BundleLine {
        BundleLine {
            mid: Some(Arc::from(mid)),
            mid_extension: Some(4),
            ssrcs: ssrcs.into(),
            payload_types: payload_types.iter().fold(0, |bits, number| bits | 1 << number),
            sinks: SmallVec::new(),
            rtcp_sinks: SmallVec::new(),
            discard: None,
            filter: None,
            copies: None,
        }
    }

    /// 0: `a` with 0 and 101, 1: `video` with 96 and 101.
    fn demux() -> Demux {
        let lines = [line("a", &[0, 101], &[7]), line("video", &[96, 101], &[])];
        Demux::new(&Bundle { lines: lines.into_iter().collect() }, None)
    }

    fn packet(payload_type: u8, ssrc: u32, extension: &[u8]) -> Vec<u8> {
        let mut packet =
            vec![if extension.is_empty() { 0x80 } else { 0x90 }, payload_type, 0, 1, 0, 0, 0, 160];
        packet.extend(ssrc.to_be_bytes());
        packet.extend(extension);
        packet.extend([0xd5; 20]);
        packet
    }

    fn associate(demux: &mut Demux, packet: &[u8]) -> Option<u8> {
        demux.packet(&RtpHeader::parse(packet).unwrap(), packet)
    }

    const VIDEO_ONE: &[u8] = &[0xbe, 0xde, 0, 2, 0x44, b'v', b'i', b'd', b'e', b'o', 0, 0];
    const VIDEO_TWO: &[u8] = &[0x10, 0x05, 0, 3, 9, 0, 0, 4, 5, b'v', b'i', b'd', b'e', b'o', 0, 0];
    const UNKNOWN: &[u8] = &[0xbe, 0xde, 0, 1, 0x41, b'x', b'y', 0];
    const OTHER: &[u8] = &[0xbe, 0xde, 0, 1, 0x50, 1, 0, 0];
    const STOPPED: &[u8] = &[0xbe, 0xde, 0, 2, 0xf0, 0, 0x44, b'v', b'i', b'd', b'e', b'o'];

    #[test]
    fn a_name_comes_first() {
        for named in [VIDEO_ONE, VIDEO_TWO] {
            let mut demux = demux();
            // Even with a payload type of another m-line, and the SSRC is the m-line's from then on.
            assert_eq!(associate(&mut demux, &packet(0, 1, named)), Some(1));
            assert_eq!(associate(&mut demux, &packet(101, 1, &[])), Some(1));
            assert_eq!(associate(&mut demux, &packet(101, 1, UNKNOWN)), None);
            assert_eq!(associate(&mut demux, &packet(101, 2, STOPPED)), None);
            assert_eq!(associate(&mut demux, &packet(101, 1, OTHER)), Some(1));
        }
    }

    #[test]
    fn then_the_ssrc_and_then_a_payload_type_that_one_m_line_has() {
        let mut demux = demux();
        assert_eq!(associate(&mut demux, &packet(101, 7, &[])), Some(0), "announced");
        assert_eq!(associate(&mut demux, &packet(101, 8, &[])), None, "both have it");
        assert_eq!(associate(&mut demux, &packet(96, 8, &[])), Some(1));
        assert_eq!(associate(&mut demux, &packet(101, 8, &[])), Some(1), "learned");
        assert_eq!(associate(&mut demux, &packet(0, 8, &[])), Some(0), "it has changed over");
        assert_eq!(associate(&mut demux, &packet(101, 8, &[])), Some(0));
        assert_eq!(associate(&mut demux, &packet(50, 8, &[])), None);
    }

    #[test]
    fn what_was_learned_goes_on_with_the_m_lines_that_stay() {
        let mut old = demux();
        for (number, ssrc) in [(0, 20), (96, 21)] {
            associate(&mut old, &packet(number, ssrc, &[]));
        }
        let lines = [line("new", &[3], &[]), line("video", &[96], &[])];
        let new = Demux::new(&Bundle { lines: lines.into_iter().collect() }, Some(&old));
        assert_eq!((new.line_of(20), new.line_of(21)), (None, Some(1)));
    }

    #[test]
    fn a_flood_of_ssrcs_is_bounded() {
        let mut demux = demux();
        for ssrc in 100..10_000 {
            assert_eq!(associate(&mut demux, &packet(96, ssrc, &[])), Some(1));
        }
        assert_eq!((demux.line_of(9_999), demux.line_of(100)), (Some(1), None));
        assert_eq!(demux.line_of(7), Some(0));
    }

    #[test]
    fn rtcp_tells_what_it_is_about() {
        let mut compound = vec![0x81, 201, 0, 7, 0, 0, 0, 1, 0, 0, 0, 2];
        compound.extend([0; 20]);
        compound.extend([0x81, 206, 0, 2, 0, 0, 0, 9, 0, 0, 0, 3]);
        compound.extend([0x82, 203, 0, 2, 0, 0, 0, 4, 0, 0, 0, 5]);
        compound.extend([0x80, 200, 0, 9, 1, 2]);
        let mut found = Vec::new();
        about(&compound, |stream| found.push(stream));
        let expected =
            [About::Sent(1), About::Received(2), About::Received(3), About::Sent(4), About::Sent(5)];
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn nothing_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), mut more in proptest::collection::vec(any::<u8>(), 12..80)) {
            about(&bytes, |_| ());
            more[0] = more[0] & 0x1f | 0x80;
            if let Some(header) = RtpHeader::parse(&more) {
                demux().packet(&header, &more);
            }
        }
    }
}
