//! Words of memory that several CPUs, and userspace beside the program, change at once.

use core::{cell::UnsafeCell, fmt};

/// An integer that is loaded, stored and swapped at once.
///
/// `core` has atomic types for BPF that can neither be swapped nor be of 32 bits, though BPF has the instructions.
#[repr(transparent)]
pub struct Word<T>(UnsafeCell<T>);

// SAFETY: every access is atomic.
unsafe impl<T: Value> Sync for Word<T> {}

impl<T: Value> Word<T> {
    /// A word in memory that nobody else sees yet.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// What it is now.
    #[inline(always)]
    pub fn load(&self) -> T {
        // SAFETY: of a reference, hence aligned and alive; every access is atomic.
        unsafe { T::load(self.0.get()) }
    }

    /// Sets it, whatever it is.
    #[inline(always)]
    pub fn store(&self, value: T) {
        // SAFETY: as in `load`.
        unsafe { T::store(self.0.get(), value) }
    }

    /// Replaces `old` with `new`.
    ///
    /// # Errors
    /// What there is instead of `old`.
    #[inline(always)]
    pub fn swap_if(&self, old: T, new: T) -> Result<(), T> {
        // SAFETY: as in `load`.
        unsafe { T::swap_if(self.0.get(), old, new) }
    }
}

impl<T: Value + fmt::Debug> fmt::Debug for Word<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load().fmt(f)
    }
}

/// What can be a [`Word`].
pub trait Value: Copy + sealed::Sealed {
    /// # Safety
    /// `word` is aligned, alive, and every access to it is atomic.
    unsafe fn load(word: *mut Self) -> Self;
    /// # Safety
    /// As [`Value::load`].
    unsafe fn store(word: *mut Self, value: Self);
    /// # Errors
    /// What there is instead of `old`.
    ///
    /// # Safety
    /// As [`Value::load`].
    // SAFETY: declared only; the section above is the contract.
    unsafe fn swap_if(word: *mut Self, old: Self, new: Self) -> Result<(), Self>;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for u32 {}
    impl Sealed for u64 {}
}

#[cfg(not(target_arch = "bpf"))]
macro_rules! value {
    ($value:ty, $atomic:ident) => {
        impl Value for $value {
            // SAFETY: the caller keeps the contract of the trait.
            unsafe fn load(word: *mut Self) -> Self {
                // SAFETY: by contract.
                unsafe { core::sync::atomic::$atomic::from_ptr(word) }
                    .load(core::sync::atomic::Ordering::Acquire)
            }

            // SAFETY: the caller keeps the contract of the trait.
            unsafe fn store(word: *mut Self, value: Self) {
                // SAFETY: by contract.
                unsafe { core::sync::atomic::$atomic::from_ptr(word) }
                    .store(value, core::sync::atomic::Ordering::Release);
            }

            // SAFETY: the caller keeps the contract of the trait.
            unsafe fn swap_if(word: *mut Self, old: Self, new: Self) -> Result<(), Self> {
                use core::sync::atomic::Ordering::{AcqRel, Acquire};
                // SAFETY: by contract.
                unsafe { core::sync::atomic::$atomic::from_ptr(word) }
                    .compare_exchange(old, new, AcqRel, Acquire)
                    .map(|_| ())
            }
        }
    };
}

#[cfg(target_arch = "bpf")]
macro_rules! value {
    ($value:ty, $atomic:ident) => {
        impl Value for $value {
            // SAFETY: the caller keeps the contract of the trait.
            #[inline(always)]
            unsafe fn load(word: *mut Self) -> Self {
                // SAFETY: by contract; BPF loads aligned words at once.
                unsafe { word.read_volatile() }
            }

            // SAFETY: the caller keeps the contract of the trait.
            #[inline(always)]
            unsafe fn store(word: *mut Self, value: Self) {
                // SAFETY: by contract; BPF stores aligned words at once.
                unsafe { word.write_volatile(value) };
            }

            // SAFETY: the caller keeps the contract of the trait.
            #[inline(always)]
            unsafe fn swap_if(word: *mut Self, old: Self, new: Self) -> Result<(), Self> {
                use core::intrinsics::{AtomicOrdering::SeqCst, atomic_cxchg};
                // SAFETY: by contract.
                let (before, done) = unsafe { atomic_cxchg::<Self, { SeqCst }, { SeqCst }>(word, old, new) };
                if done { Ok(()) } else { Err(before) }
            }
        }
    };
}

value!(u32, AtomicU32);
value!(u64, AtomicU64);
