//! RTP (RFC 3550).

use super::View;

/// Fixed part of the RTP header.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtp {
    /// Version, padding, extension, number of contributing sources.
    pub flags: u8,
    /// Marker and payload type.
    pub marker_type: u8,
    /// Sequence number.
    pub sequence: [u8; 2],
    /// Timestamp.
    pub timestamp: [u8; 4],
    /// Synchronisation source.
    pub ssrc: [u8; 4],
}

// SAFETY: only bytes and byte arrays.
unsafe impl View for Rtp {}

impl Rtp {
    /// Flag in [`Rtp::flags`]: the last byte counts bytes of padding.
    pub const PADDING: u8 = 1 << 5;
    /// Flag in [`Rtp::flags`]: there is a header extension.
    pub const EXTENSION: u8 = 1 << 4;

    /// Payload type, 0 to 127.
    #[inline(always)]
    pub const fn payload_type(&self) -> u8 {
        self.marker_type & 0x7f
    }

    /// Bytes of fixed header, contributing sources and the extension's own header: what every packet with these flags
    /// has at least.
    #[inline(always)]
    pub const fn min_len(&self) -> usize {
        let extension = if self.flags & Self::EXTENSION != 0 { 4 } else { 0 };
        size_of::<Self>() + (self.flags & 0x0f) as usize * 4 + extension
    }
}

/// Where the parts of an RTP packet lie, offsets from its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpLayout {
    /// Header extension with its 4-byte header; empty where there is none.
    pub extension: (usize, usize),
    /// Start and end of the payload, padding excluded.
    pub payload: (usize, usize),
}

impl RtpLayout {
    /// Reads the layout of a whole packet. `None`: not version 2, or parts that do not fit.
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let flags = *packet.first()?;
        if flags >> 6 != 2 {
            return None;
        }
        let sources_end = size_of::<Rtp>() + usize::from(flags & 0x0f) * 4;
        let mut start = sources_end;
        if flags & 0x10 != 0 {
            // RFC 3550 section 5.3.1: profile, then length in words without this header.
            let words = u16::from_be_bytes([*packet.get(start + 2)?, *packet.get(start + 3)?]);
            start += 4 + usize::from(words) * 4;
        }
        let padding = if flags & 0x20 != 0 {
            let padding = usize::from(*packet.last()?);
            if padding == 0 {
                return None;
            }
            padding
        } else {
            0
        };
        let end = packet.len().checked_sub(padding)?;
        if start > end {
            return None;
        }
        Some(Self { extension: (sources_end, start), payload: (start, end) })
    }
}
