//! The rounds as blocks of assembly: the compiler would keep the schedule on the stack, which is small, and add the newest
//! state word, for which everything waits, first instead of last. 22 instructions a round.

use super::{BOTH, Block, Schedule, Work};

macro_rules! round {
    ($name:ident, $($f:literal),+) => {
        /// Round `T` with constant `K`: the new state word, and `b` rotated.
        #[inline(always)]
        pub(super) fn $name<const K: i32, const T: usize>(&self, [a, mut b, c, d, mut e]: [u64; 5]) -> [u64; 2] {
            let t: u64;
            // SAFETY: arithmetic, and a load from the schedule.
            unsafe {
                core::arch::asm!(
                    "{t} = *(u32 *)({s} + {at})",
                    "{e} += {t}",
                    "{e} += {k}",
                    $($f),+,
                    "{t} = {a}",
                    "{t} >>= 27",
                    "{e} += {t}",
                    "{b} *= {twice}",
                    "{b} >>= 2",
                    "{t} = {a}",
                    "{t} <<= 5",
                    e = inout(reg) e, b = inout(reg) b, a = in(reg) a, c = in(reg) c, d = in(reg) d,
                    s = in(reg) self.schedule.as_ptr(), twice = in(reg) self.twice, t = out(reg) t,
                    k = const K, at = const half::<T>(), options(nostack)
                );
            }
            [u64::from((e as u32).wrapping_add(t as u32)), b]
        }
    };
}

impl<'a> Work<'a> {
    #[inline(always)]
    pub(super) fn new(block: &'a Block, schedule: &'a mut Schedule) -> Self {
        Self { block, schedule, twice: constant::<BOTH>(), low: 0 }
    }

    /// From here on pairs are rotated by so much.
    #[inline(always)]
    pub(super) fn rotate_by<const BITS: u64>(&mut self) {
        self.low = match BITS {
            1 => constant::<BOTH>(),
            _ => constant::<{ 3 * BOTH }>(),
        };
    }

    round!(choose, "{t} = {c}", "{t} ^= {d}", "{t} &= {b}", "{t} ^= {d}", "{e} += {t}");
    round!(parity, "{t} = {c}", "{t} ^= {d}", "{t} ^= {b}", "{e} += {t}");
    round!(
        majority,
        "{t} = {c}",
        "{t} &= {d}",
        "{e} += {t}",
        "{t} = {c}",
        "{t} ^= {d}",
        "{t} &= {b}",
        "{e} += {t}"
    );

    /// Computes words `T` and `T + 1` of the message schedule; `T` is even.
    #[inline(always)]
    pub(super) fn extend<const T: usize>(&mut self) {
        if T < 16 {
            // SAFETY: pair `T / 2` of block and schedule.
            unsafe {
                core::arch::asm!(
                    "{t} = *(u64 *)({b} + {at})",
                    "{t} = be64 {t}",
                    "*(u64 *)({s} + {at}) = {t}",
                    b = in(reg) self.block.as_ptr(), s = in(reg) self.schedule.as_mut_ptr(), t = out(reg) _,
                    at = const T * 4, options(nostack)
                );
            }
        } else if T < 32 {
            // SAFETY: offsets below 128 into the schedule.
            unsafe {
                core::arch::asm!(
                    "{x} = *(u64 *)({s} + {m2})",
                    "{x} <<= 32",
                    "{t} = *(u64 *)({s} + {m1})",
                    "{t} >>= 32",
                    "{x} ^= {t}",
                    "{t} = *(u64 *)({s} + {m4})",
                    "{x} ^= {t}",
                    "{t} = *(u64 *)({s} + {m7})",
                    "{x} ^= {t}",
                    "{t} = *(u64 *)({s} + {m8})",
                    "{x} ^= {t}",
                    "{t} = {x}",
                    "{t} += {t}",
                    "{x} >>= 31",
                    "{x} ^= {t}",
                    "{x} &= {m}",
                    "{x} ^= {t}",
                    "*(u64 *)({s} + {at}) = {x}",
                    s = in(reg) self.schedule.as_mut_ptr(), t = out(reg) _, x = out(reg) _, m = in(reg) self.low,
                    at = const (T & 31) * 4,
                    m1 = const (T + 30 & 31) * 4,
                    m2 = const (T + 28 & 31) * 4,
                    m4 = const (T + 24 & 31) * 4,
                    m7 = const (T + 18 & 31) * 4,
                    m8 = const (T + 16 & 31) * 4,
                    options(nostack)
                );
            }
        } else {
            // SAFETY: as above.
            unsafe {
                core::arch::asm!(
                    "{x} = *(u64 *)({s} + {at})",
                    "{t} = *(u64 *)({s} + {m14})",
                    "{x} ^= {t}",
                    "{t} = *(u64 *)({s} + {m8})",
                    "{x} ^= {t}",
                    "{t} = *(u64 *)({s} + {m3})",
                    "{x} ^= {t}",
                    "{t} = {x}",
                    "{t} <<= 2",
                    "{x} >>= 30",
                    "{x} ^= {t}",
                    "{x} &= {m}",
                    "{x} ^= {t}",
                    "*(u64 *)({s} + {at}) = {x}",
                    s = in(reg) self.schedule.as_mut_ptr(), t = out(reg) _, x = out(reg) _, m = in(reg) self.low,
                    at = const (T & 31) * 4,
                    m3 = const (T + 26 & 31) * 4,
                    m8 = const (T + 16 & 31) * 4,
                    m14 = const (T + 4 & 31) * 4,
                    options(nostack)
                );
            }
        }
    }
}

/// Offset of word `T` in the schedule, bytes.
const fn half<const T: usize>() -> usize {
    let at = T % 32;
    4 * if cfg!(target_endian = "little") { at ^ 1 } else { at }
}

/// A constant in a register of its own: the compiler would load it again each time.
#[inline(always)]
fn constant<const VALUE: u64>() -> u64 {
    let value;
    // SAFETY: loads a number.
    unsafe { core::arch::asm!("{0} = {1} ll", out(reg) value, const VALUE, options(nostack)) };
    value
}
