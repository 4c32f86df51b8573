//! The one place that touches packet memory.

use aya_ebpf::{helpers::bpf_xdp_adjust_head, programs::XdpContext};
use rtpengine_common::packet::{Frame, View};

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
    #[inline(always)]
    pub fn put<T: View>(&mut self, offset: usize, value: T) -> Option<()> {
        *self.view_mut::<T>(offset)? = value;
        Some(())
    }

    /// The verifier follows this comparison, so it has to be made on the pointers themselves.
    #[inline(always)]
    fn at<T: View>(&self, offset: usize) -> Option<*mut T> {
        let address = self.start + offset;
        if address + size_of::<T>() > self.end { None } else { Some(address as *mut T) }
    }
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
