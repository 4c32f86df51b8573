//! Internet checksum: incremental update (RFC 1624) and the full computation it must agree with (RFC 1071).

use crate::words;

/// What a change of covered bytes does to a checksum. One's complement sums do not depend on byte order, so words are
/// added as the CPU loads them; every range starts at an even offset of the covered data.
#[derive(Clone, Copy, Debug)]
pub struct Difference(u64);

impl Difference {
    /// No change.
    pub const NONE: Self = Self(0);

    /// Both changes.
    #[inline(always)]
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    /// Two bytes are replaced.
    #[inline(always)]
    #[must_use]
    pub fn replace2(self, old: [u8; 2], new: [u8; 2]) -> Self {
        self.remove2(old).insert2(new)
    }

    /// Four bytes are replaced.
    #[inline(always)]
    #[must_use]
    pub fn replace4(self, old: [u8; 4], new: [u8; 4]) -> Self {
        self.remove4(old).insert4(new)
    }

    /// Sixteen bytes are replaced.
    #[inline(always)]
    #[must_use]
    pub fn replace16(self, old: [u8; 16], new: [u8; 16]) -> Self {
        self.remove16(old).insert16(new)
    }

    /// Two bytes go.
    #[inline(always)]
    #[must_use]
    pub fn remove2(self, old: [u8; 2]) -> Self {
        Self(self.0 + u64::from(!u16::from_ne_bytes(old)))
    }

    /// Two bytes come.
    #[inline(always)]
    #[must_use]
    pub fn insert2(self, new: [u8; 2]) -> Self {
        Self(self.0 + u64::from(u16::from_ne_bytes(new)))
    }

    /// Four bytes go.
    #[inline(always)]
    #[must_use]
    pub fn remove4(self, old: [u8; 4]) -> Self {
        Self(self.0 + u64::from(!u32::from_ne_bytes(old)))
    }

    /// Four bytes come.
    #[inline(always)]
    #[must_use]
    pub fn insert4(self, new: [u8; 4]) -> Self {
        Self(self.0 + u64::from(u32::from_ne_bytes(new)))
    }

    /// Sixteen bytes go.
    #[inline(always)]
    #[must_use]
    pub fn remove16(self, old: [u8; 16]) -> Self {
        let (a, b) = words::halves(old);
        self.remove8(a).remove8(b)
    }

    /// Sixteen bytes come.
    #[inline(always)]
    #[must_use]
    pub fn insert16(self, new: [u8; 16]) -> Self {
        let (a, b) = words::halves(new);
        self.insert8(a).insert8(b)
    }

    /// Eight bytes go, as the CPU has loaded them.
    #[inline(always)]
    #[must_use]
    pub fn remove8(self, old: u64) -> Self {
        self.insert8(!old)
    }

    /// Eight bytes come, as the CPU has loaded them.
    #[inline(always)]
    #[must_use]
    pub fn insert8(self, new: u64) -> Self {
        Self(self.0 + (new & 0xffff_ffff) + (new >> 32))
    }

    /// The checksum after the change (RFC 1624 equation 3).
    #[inline(always)]
    pub fn apply(self, checksum: [u8; 2]) -> [u8; 2] {
        self.remove2(checksum).finish()
    }

    /// As [`Difference::apply`] for UDP, where zero means "none" and is sent as all ones (RFC 768).
    #[inline(always)]
    pub fn apply_udp(self, checksum: [u8; 2]) -> [u8; 2] {
        non_zero(self.apply(checksum))
    }

    /// The checksum of the inserted bytes alone.
    #[inline(always)]
    pub fn finish(self) -> [u8; 2] {
        (!fold(self.0)).to_ne_bytes()
    }

    /// As [`Difference::finish`] for UDP.
    #[inline(always)]
    pub fn finish_udp(self) -> [u8; 2] {
        non_zero(self.finish())
    }
}

#[inline(always)]
fn non_zero(checksum: [u8; 2]) -> [u8; 2] {
    if checksum == [0; 2] { [0xff; 2] } else { checksum }
}

/// Sums of up to 2^15 words of 32 bits: below 2^47, so below 2^32 after one step and at most `0x1fffe` after two.
#[inline(always)]
fn fold(sum: u64) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}
