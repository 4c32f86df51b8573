//! Byte arrays moved as machine words.
//!
//! BPF has neither `memcpy` nor `memset`: arrays of bytes that are copied as such are copied byte by byte. Going through
//! an integer makes it two instructions.

/// `a`, moved as one integer.
#[inline(always)]
pub fn copy16(a: [u8; 16]) -> [u8; 16] {
    u128::from_ne_bytes(a).to_ne_bytes()
}

/// `::ffff:a.b.c.d` (RFC 4291 section 2.5.5.2).
#[inline(always)]
pub fn mapped(addr: [u8; 4]) -> [u8; 16] {
    (0xffff_u128 << 32 | u128::from(u32::from_be_bytes(addr))).to_be_bytes()
}

/// The IPv4 address of an IPv4-mapped one.
#[inline(always)]
pub fn unmapped(a: [u8; 16]) -> [u8; 4] {
    [a[12], a[13], a[14], a[15]]
}

/// First and last eight bytes, as the CPU loads them.
#[inline(always)]
pub fn halves(a: [u8; 16]) -> (u64, u64) {
    let both = u128::from_ne_bytes(a);
    if cfg!(target_endian = "little") {
        (both as u64, (both >> 64) as u64)
    } else {
        ((both >> 64) as u64, both as u64)
    }
}
