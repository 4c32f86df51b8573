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

/// `value & MASK`, by an instruction that the compiler does not leave out on BPF: it knows some masks to be without
/// effect, but the verifier does not.
#[inline(always)]
pub fn masked<const MASK: u64>(value: u64) -> u64 {
    #[cfg(target_arch = "bpf")]
    {
        let mut value = value;
        // SAFETY: arithmetic.
        unsafe {
            core::arch::asm!("{0} &= {1}", inout(reg) value, const MASK, options(pure, nomem, nostack));
        }
        value
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        value & MASK
    }
}

/// Two sums, with the words added in GF(2) that lie `AT` bytes behind `table` and `offset & MASK` bytes more.
///
/// On BPF in its place, neither earlier nor later: the compiler would do many of them side by side, and leave most of it
/// on the stack, which is small.
///
/// # Safety
/// Every such pair lies in the table, aligned.
// SAFETY: the section above is the contract; the callers keep it.
#[inline(always)]
pub unsafe fn look_up_pair<const AT: usize, const MASK: u64>(
    [mut first, mut second]: [u64; 2],
    table: *const [u64; 2],
    offset: u64,
) -> [u64; 2] {
    #[cfg(target_arch = "bpf")]
    // SAFETY: by contract. It is not said to leave memory alone, so that it stays in its place.
    unsafe {
        core::arch::asm!(
            "{0} &= {5}",
            "{0} += {1}",
            "{4} = *(u64 *)({0} + {6})",
            "{2} ^= {4}",
            "{0} = *(u64 *)({0} + {7})",
            "{3} ^= {0}",
            inout(reg) offset => _, in(reg) table, inout(reg) first, inout(reg) second, out(reg) _,
            const MASK, const AT, const AT + 8, options(nostack)
        );
    }
    #[cfg(not(target_arch = "bpf"))]
    {
        // SAFETY: by contract.
        let [a, b] = unsafe { table.byte_add(AT + (offset & MASK) as usize).read() };
        first ^= a;
        second ^= b;
    }
    [first, second]
}
