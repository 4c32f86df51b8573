//! Bounds-checked access to a frame, the same for a slice on the host and for packet memory in the kernel.

/// A wire format that may be laid over packet bytes.
///
/// # Safety
/// The type has alignment 1, no padding and no invalid bit patterns.
pub unsafe trait View: Copy {}

// SAFETY: bytes.
unsafe impl<const N: usize> View for [u8; N] {}

/// Memory that holds one frame.
pub trait Frame {
    /// Bytes in the frame.
    fn len(&self) -> usize;
    /// Whether the frame holds nothing.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// The bytes from `offset` as a `T`; `None` where they do not lie within the frame.
    fn view<T: View>(&self, offset: usize) -> Option<&T>;
    /// As [`Frame::view`], writable.
    fn view_mut<T: View>(&mut self, offset: usize) -> Option<&mut T>;
}

impl Frame for [u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn view<T: View>(&self, offset: usize) -> Option<&T> {
        let bytes = self.get(offset..offset.checked_add(size_of::<T>())?)?;
        // SAFETY: the slice is as long as `T`, and `T: View` may be laid over any bytes at any address.
        Some(unsafe { &*bytes.as_ptr().cast::<T>() })
    }

    fn view_mut<T: View>(&mut self, offset: usize) -> Option<&mut T> {
        let bytes = self.get_mut(offset..offset.checked_add(size_of::<T>())?)?;
        // SAFETY: as in `view`; the borrow is exclusive.
        Some(unsafe { &mut *bytes.as_mut_ptr().cast::<T>() })
    }
}
