//! The one place that touches packet memory.

use aya_ebpf::{bindings::xdp_md, helpers::bpf_xdp_adjust_head, programs::XdpContext};
use rtpengine_common::{
    checksum::Difference,
    packet::{Frame, View},
};

/// Longest headers before a UDP payload, bytes: two tags, IPv6.
const MAX_HEADERS: usize = 14 + 2 * 4 + 40 + 8;
/// Longest payload whose checksum is computed, bytes: more than Ethernet carries, jumbo frames apart.
const MAX_SUM: usize = 2048;

/// The frame that the program was called for.
#[derive(Clone, Copy)]
pub struct Packet {
    start: usize,
    end: usize,
}

impl Packet {
    /// The frame as it is now; stale once [`Packet::resize`] has run on the context.
    #[inline(always)]
    pub fn new(ctx: &XdpContext) -> Self {
        Self { start: ctx.data(), end: ctx.data_end() }
    }

    /// Moves the start of the frame by `shift` bytes (negative: the frame grows). `None`: no room, nothing changed.
    #[inline(always)]
    pub fn resize(ctx: &XdpContext, shift: i32) -> Option<Self> {
        // SAFETY: the context is the kernel's own; every pointer from before is given up by the callers.
        let result = unsafe { bpf_xdp_adjust_head(ctx.ctx, shift) };
        if result == 0 { Some(Self::new(ctx)) } else { None }
    }

    /// Stores `value` at `offset`; `None`: it does not fit.
    ///
    /// In words no narrower than headers are read in: a load that spans several stores waits for them to reach the cache.
    #[inline(always)]
    pub fn put<T: View>(&mut self, offset: usize, value: T) -> Option<()> {
        let to = self.at::<T>(offset)?.cast::<u8>();
        let from = core::ptr::from_ref(&value).cast::<u8>();
        // SAFETY: both are `T`s, `to` as checked by `at`.
        unsafe {
            if size_of::<T>().is_multiple_of(size_of::<u64>()) {
                copy::<u64>(from, to, 0, size_of::<T>());
            } else {
                let words = size_of::<T>() & !(size_of::<u32>() - 1);
                copy::<u32>(from, to, 0, words);
                copy::<u16>(from, to, words, size_of::<T>());
            }
        }
        Some(())
    }

    /// Sum of the `len` bytes from `offset`; `None`: they do not lie within the frame or are too many.
    #[inline(always)]
    pub fn sum(ctx: &XdpContext, offset: usize, len: usize) -> Option<Difference> {
        // SAFETY: the context is the kernel's own.
        let sum = unsafe { rtpengine_sum(ctx.ctx, offset as u32, len as u32) };
        if sum == NO_SUM { None } else { Some(Difference::NONE.insert8(sum)) }
    }

    /// The verifier follows this comparison, so it has to be made on the pointers themselves.
    #[inline(always)]
    fn at<T: View>(&self, offset: usize) -> Option<*mut T> {
        let address = self.start + offset;
        if address + size_of::<T>() > self.end { None } else { Some(address as *mut T) }
    }
}

/// Copies the bytes `start` to `end`, whole words.
///
/// # Safety
/// So many bytes may be read and written.
// SAFETY: the callers copy within one `T`, between a place in the packet that they have checked and a value of their own.
#[inline(always)]
unsafe fn copy<W>(from: *const u8, to: *mut u8, start: usize, end: usize) {
    for offset in (start..end).step_by(size_of::<W>()) {
        // SAFETY: by contract.
        unsafe { to.add(offset).cast::<W>().write_unaligned(from.add(offset).cast::<W>().read_unaligned()) };
    }
}

/// [`rtpengine_sum`] failed. No sum of frames is that large.
const NO_SUM: u64 = u64::MAX;

/// See [`Packet::sum`]. An exported function, because the verifier goes through those once, whatever state the callers are
/// in.
///
/// # Safety
/// `ctx` is the context of the program that runs.
#[inline(never)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rtpengine_sum(ctx: *mut xdp_md, offset: u32, len: u32) -> u64 {
    const WORD: usize = size_of::<u64>();
    let packet = Packet::new(&XdpContext::new(ctx));
    let (offset, len) = (offset as usize, len as usize);
    if offset > MAX_HEADERS || len < WORD || len > MAX_SUM {
        return NO_SUM;
    }
    let mut at = packet.start + offset;
    // First the bytes that do not fill a word, as the upper ones of the last eight: after the loop no address is needed
    // any more, so the verifier finds all its ends alike.
    // Opaque, or the compiler compares the end and reads before it, which the verifier does not follow.
    let last = at + (core::hint::black_box(len - WORD) & (2 * MAX_SUM - 1));
    if last + WORD > packet.end {
        return NO_SUM;
    }
    // SAFETY: within the frame, as just compared.
    let last = unsafe { (last as *const u64).read_unaligned() };
    let mut sum = (last >> 8) >> (8 * (WORD - 1 - len % WORD));
    sum = (sum & 0xffff_ffff) + (sum >> 32);
    let mut left = len;
    for _ in 0..MAX_SUM / WORD {
        if left < WORD {
            break;
        }
        if at + WORD > packet.end {
            return NO_SUM;
        }
        // SAFETY: within the frame, as just compared.
        let word = unsafe { (at as *const u64).read_unaligned() };
        sum += (word & 0xffff_ffff) + (word >> 32);
        at += WORD;
        left -= WORD;
    }
    sum
}

impl Frame for Packet {
    #[inline(always)]
    fn len(&self) -> usize {
        self.end - self.start
    }

    #[inline(always)]
    fn view<T: View>(&self, offset: usize) -> Option<&T> {
        // SAFETY: within the frame, as `at` has checked; `T: View` accepts any bytes at any address.
        self.at::<T>(offset).map(|pointer| unsafe { &*pointer })
    }

    #[inline(always)]
    fn view_mut<T: View>(&mut self, offset: usize) -> Option<&mut T> {
        // SAFETY: as in `view`; the program owns the frame while it runs.
        self.at::<T>(offset).map(|pointer| unsafe { &mut *pointer })
    }
}
