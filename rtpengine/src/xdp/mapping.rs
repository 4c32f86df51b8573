//! An array map as memory: the program and userspace work on the same words, no system call in between.

use std::{
    io,
    os::fd::{AsRawFd, BorrowedFd},
    ptr::NonNull,
};

/// The elements of an array map with `BPF_F_MMAPABLE`.
#[derive(Debug)]
pub struct Mapping<T> {
    base: NonNull<T>,
    entries: usize,
    bytes: usize,
}

// SAFETY: it only gives out raw addresses; the mapping lives until the last owner drops it.
unsafe impl<T> Send for Mapping<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Mapping<T> {}

impl<T> Mapping<T> {
    /// Elements of array maps are spaced by their size rounded up to 8, and mapped at the start of a page.
    const SPACED: () = assert!(size_of::<T>().is_multiple_of(8) && align_of::<T>() <= 4096);

    /// Maps a map of that many elements of this type.
    ///
    /// # Errors
    /// As `mmap(2)`.
    pub fn new(fd: BorrowedFd<'_>, entries: u32) -> io::Result<Self> {
        let () = Self::SPACED;
        let entries = usize::try_from(entries).unwrap_or(usize::MAX);
        let bytes = entries.checked_mul(size_of::<T>()).ok_or(io::ErrorKind::InvalidInput)?;
        // SAFETY: a fresh shared mapping at an address of the kernel's choice; the kernel checks the length against the map.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(address.cast::<T>()).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { base, entries, bytes })
    }

    /// Address of an element: aligned, and valid for reads and writes while the mapping lives. Others write there at any
    /// time.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<NonNull<T>> {
        let index = usize::try_from(index).ok().filter(|index| *index < self.entries)?;
        // SAFETY: `index` is inside the mapping.
        Some(unsafe { self.base.add(index) })
    }
}

impl<T> Drop for Mapping<T> {
    fn drop(&mut self) {
        // SAFETY: exactly the mapping made in `new`; nobody may use an address into it once it is dropped.
        unsafe {
            libc::munmap(self.base.as_ptr().cast(), self.bytes);
        }
    }
}
