//! Fetching memory into the cache ahead of its use: the streams of a busy relay are spread over more memory than the
//! nearest caches hold, and a packet would wait for each piece of its stream in turn.

/// Bytes fetched at once.
const LINE: usize = 64;

/// Has a value fetched; a hint without any other effect, and without any where there is no stable way to give it.
pub(super) fn prefetch<T>(value: &T) {
    let start = (&raw const *value).cast::<u8>();
    for offset in (0..size_of::<T>()).step_by(LINE) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: part of every x86-64 processor; a prefetch reads nothing as far as the program can tell, wherever it points.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(offset).cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = start.wrapping_add(offset);
    }
}
