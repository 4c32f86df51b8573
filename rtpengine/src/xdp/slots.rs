//! Who owns which row of the counters. A freed row rests until no CPU can still be counting into it.

use std::collections::VecDeque;

/// How long a row rests after its flow left the map: a program run lasts microseconds, so this is plenty.
pub const QUARANTINE_NS: u64 = 100_000_000;

/// Allocator of slots `0..capacity`.
#[derive(Debug)]
pub struct Slots {
    used: Vec<bool>,
    free: Vec<u32>,
    resting: VecDeque<(u64, u32)>,
}

impl Slots {
    /// All slots free.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        let length = usize::try_from(capacity).unwrap_or(0);
        // Lowest first, so that few pages of the counters are touched.
        Self { used: vec![false; length], free: (0..capacity).rev().collect(), resting: VecDeque::new() }
    }

    /// Marks the slots of adopted flows. `false` for a slot out of range or taken twice.
    pub fn claim(&mut self, slot: u32) -> bool {
        let Some(used) = usize::try_from(slot).ok().and_then(|index| self.used.get_mut(index)) else {
            return false;
        };
        if *used {
            return false;
        }
        *used = true;
        true
    }

    /// A free slot.
    pub fn allocate(&mut self) -> Option<u32> {
        // Claimed slots are still listed: taking them out one by one would cost a pass over the list each.
        loop {
            let slot = self.free.pop()?;
            let index = usize::try_from(slot).ok()?;
            match self.used.get_mut(index) {
                Some(used) if !*used => {
                    *used = true;
                    return Some(slot);
                }
                Some(_) | None => {}
            }
        }
    }

    /// Gives back a slot that no packet can have reached.
    pub fn release_unused(&mut self, slot: u32) {
        self.mark(slot, false);
        self.free.push(slot);
    }

    /// Puts a slot to rest after its flow was removed.
    pub fn retire(&mut self, slot: u32, now_ns: u64) {
        self.resting.push_back((now_ns.saturating_add(QUARANTINE_NS), slot));
    }

    /// The next slot whose rest is over; it is free from now on.
    pub fn next_rested(&mut self, now_ns: u64) -> Option<u32> {
        let (until, slot) = *self.resting.front()?;
        if until > now_ns {
            return None;
        }
        self.resting.pop_front();
        self.release_unused(slot);
        Some(slot)
    }

    fn mark(&mut self, slot: u32, value: bool) {
        if let Some(used) = usize::try_from(slot).ok().and_then(|index| self.used.get_mut(index)) {
            *used = value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_slot_rests_before_it_is_given_out_again() {
        let mut slots = Slots::new(1);
        assert_eq!(slots.allocate(), Some(0));
        assert_eq!(slots.allocate(), None);
        slots.retire(0, 1000);
        assert_eq!(slots.next_rested(1000 + QUARANTINE_NS - 1), None);
        assert_eq!(slots.next_rested(1000 + QUARANTINE_NS), Some(0));
        assert_eq!(slots.allocate(), Some(0));
    }

    #[test]
    fn adopted_slots_are_not_given_out() {
        let mut slots = Slots::new(3);
        assert!(slots.claim(1));
        assert!(!slots.claim(1));
        assert!(!slots.claim(7));
        assert_eq!([slots.allocate(), slots.allocate(), slots.allocate()], [Some(0), Some(2), None]);
    }
}
