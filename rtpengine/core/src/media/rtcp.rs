//! What reports in RTCP say (RFC 3550 section 6.4, RFC 3611 sections 4.4, 4.5 and 4.7), read in place and in bounded space.

use std::fmt;

use smallvec::SmallVec;

pub use self::voip::VoipMetrics;
pub use self::write::{Report, keep_feedback, ntp, write};

mod voip;
mod write;

/// Blocks taken from one datagram, as many as SSRCs are followed per stream; further ones are left out.
pub const MAX_BLOCKS: usize = 4;
/// Packets looked at in one datagram.
const MAX_PACKETS: usize = 32;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const SOURCE_DESCRIPTION: u8 = 202;
const TRANSPORT_FEEDBACK: u8 = 205;
const PAYLOAD_FEEDBACK: u8 = 206;
const EXTENDED_REPORT: u8 = 207;

/// Types of blocks in an extended report.
const REFERENCE_TIME: u8 = 4;
const DELAYS: u8 = 5;
const VOIP_METRICS: u8 = 7;

/// What a datagram reports. Everything in host order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reports {
    /// SSRC of whoever reports.
    pub reporter: u32,
    /// From a sender report.
    pub sender: Option<SenderInfo>,
    /// Time of an extended report by somebody who sends no media, as in [`SenderInfo::compact_ntp`].
    pub reference: Option<u32>,
    /// What the reporter says of others' media.
    pub blocks: SmallVec<[Block; MAX_BLOCKS]>,
    /// What it says of others' reference times.
    pub echoes: SmallVec<[Echo; MAX_BLOCKS]>,
    /// How it rates others' media itself.
    pub metrics: SmallVec<[VoipMetrics; 1]>,
}

/// Of a sender report: what its sender has sent so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SenderInfo {
    /// Wall clock, seconds since 1900 in the upper half.
    pub ntp: u64,
    /// The same moment on the clock of the media.
    pub timestamp: u32,
    /// Packets.
    pub packets: u32,
    /// Payload bytes.
    pub octets: u32,
}

impl SenderInfo {
    /// The middle 32 bits of the wall clock, by which a report is known to those who answer it.
    #[must_use]
    pub const fn compact_ntp(&self) -> u32 {
        (self.ntp >> 16) as u32
    }
}

/// A report of an earlier time comes back: by this a round trip is measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echo {
    /// Who sent that report.
    pub ssrc: u32,
    /// Its time, as in [`SenderInfo::compact_ntp`]; 0: there was none.
    pub last: u32,
    /// How long ago it arrived, in units of 1/65536 s.
    pub delay: u32,
}

/// A report block: how the media of one source arrives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The source, with its last report.
    pub echo: Echo,
    /// Packets lost since the block before, of 256.
    pub fraction: u8,
    /// Packets lost in all, of 24 bits; less than 0 where duplicates arrived.
    pub lost: i32,
    /// Highest sequence number, with its cycles in the upper half.
    pub highest_seq: u32,
    /// Interarrival jitter in units of the media's clock.
    pub jitter: u32,
}

impl Reports {
    /// Reads the packets of a datagram up to the first that makes no sense; `None` where none of them reports anything.
    /// Everything is of the first reporter: what others add to the datagram is left out.
    #[must_use]
    pub fn parse(datagram: &[u8]) -> Option<Self> {
        let mut reports = Self::default();
        let mut reporter = None;
        for (kind, count, body) in packets(datagram) {
            let (true, Some((ssrc, body))) = (is_report(kind), word(body)) else { continue };
            if *reporter.get_or_insert(ssrc) != ssrc {
                continue;
            }
            reports.reporter = ssrc;
            match kind {
                SENDER_REPORT => {
                    let Some((info, blocks)) = sender_info(body) else { continue };
                    reports.sender = Some(info);
                    reports.take_blocks(blocks, count);
                }
                RECEIVER_REPORT => reports.take_blocks(body, count),
                _ => reports.extended(body),
            }
        }
        reporter.is_some().then_some(reports)
    }

    /// `true` where nothing can be learned from it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sender.is_none()
            && self.reference.is_none()
            && self.blocks.is_empty()
            && self.echoes.is_empty()
            && self.metrics.is_empty()
    }

    fn take_blocks(&mut self, mut bytes: &[u8], count: usize) {
        for _ in 0..count {
            let Some((block, rest)) = block(bytes).filter(|_| self.blocks.len() < MAX_BLOCKS) else { return };
            self.blocks.push(block);
            bytes = rest;
        }
    }

    fn extended(&mut self, mut bytes: &[u8]) {
        while let Some((&[kind, _, words0, words1], rest)) = bytes.split_first_chunk::<4>() {
            let length = usize::from(u16::from_be_bytes([words0, words1])) * 4;
            let Some((mut body, rest)) = rest.split_at_checked(length) else { return };
            bytes = rest;
            match kind {
                REFERENCE_TIME => {
                    let ntp = body.first_chunk::<8>().map(|ntp| u64::from_be_bytes(*ntp));
                    self.reference = ntp.map(|ntp| (ntp >> 16) as u32).or(self.reference);
                }
                DELAYS => {
                    while let Some((echo, rest)) = echo(body).filter(|_| self.echoes.len() < MAX_BLOCKS) {
                        self.echoes.push(echo);
                        body = rest;
                    }
                }
                VOIP_METRICS if self.metrics.len() < MAX_BLOCKS => {
                    self.metrics.extend(VoipMetrics::parse(body));
                }
                _ => {}
            }
        }
    }
}

/// As it stands in logs, in the words of the original.
impl fmt::Display for Reports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ssrc={}", self.reporter)?;
        if let Some(SenderInfo { ntp, timestamp, packets, octets }) = self.sender {
            let (seconds, fractions) = (ntp >> 32, ntp & 0xffff_ffff);
            write!(f, ", ntp_sec={seconds}, ntp_fractions={fractions}, rtp_ts={timestamp}")?;
            write!(f, ", sender_packets={packets}, sender_bytes={octets}")?;
        }
        for Block { echo: Echo { ssrc, last, delay }, fraction, lost, highest_seq, jitter } in &self.blocks {
            write!(f, ", ssrc={ssrc}, fraction_lost={fraction}, packet_loss={lost}, last_seq={highest_seq}")?;
            write!(f, ", jitter={jitter}, last_sr={last}, delay_since_last_sr={delay}")?;
        }
        Ok(())
    }
}

const fn is_report(kind: u8) -> bool {
    matches!(kind, SENDER_REPORT | RECEIVER_REPORT | EXTENDED_REPORT)
}

/// The packets of a datagram as far as they fit into it: type, count, and what follows the header.
fn packets(datagram: &[u8]) -> impl Iterator<Item = (u8, usize, &[u8])> {
    let mut rest = datagram;
    let next = move || {
        let &[first, kind, words0, words1] = rest.first_chunk::<4>()?;
        let length = (usize::from(u16::from_be_bytes([words0, words1])) + 1) * 4;
        let (packet, after) = rest.split_at_checked(length)?;
        rest = after;
        (first >> 6 == 2).then_some((kind, usize::from(first & 0x1f), packet.get(4..)?))
    };
    std::iter::from_fn(next).take(MAX_PACKETS)
}

fn word(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (word, rest) = bytes.split_first_chunk::<4>()?;
    Some((u32::from_be_bytes(*word), rest))
}

fn sender_info(bytes: &[u8]) -> Option<(SenderInfo, &[u8])> {
    let (ntp, bytes) = bytes.split_first_chunk::<8>()?;
    let (timestamp, bytes) = word(bytes)?;
    let (packets, bytes) = word(bytes)?;
    let (octets, bytes) = word(bytes)?;
    Some((SenderInfo { ntp: u64::from_be_bytes(*ntp), timestamp, packets, octets }, bytes))
}

fn block(bytes: &[u8]) -> Option<(Block, &[u8])> {
    let (ssrc, bytes) = word(bytes)?;
    let (fraction_and_lost, bytes) = word(bytes)?;
    let (highest_seq, bytes) = word(bytes)?;
    let (jitter, bytes) = word(bytes)?;
    let (last, bytes) = word(bytes)?;
    let (delay, bytes) = word(bytes)?;
    let block = Block {
        echo: Echo { ssrc, last, delay },
        fraction: (fraction_and_lost >> 24) as u8,
        // The sign is that of the lower 24 bits.
        lost: (fraction_and_lost << 8).cast_signed() >> 8,
        highest_seq,
        jitter,
    };
    Some((block, bytes))
}

fn echo(bytes: &[u8]) -> Option<(Echo, &[u8])> {
    let (ssrc, bytes) = word(bytes)?;
    let (last, bytes) = word(bytes)?;
    let (delay, bytes) = word(bytes)?;
    Some((Echo { ssrc, last, delay }, bytes))
}

#[cfg(test)]
mod tests;
