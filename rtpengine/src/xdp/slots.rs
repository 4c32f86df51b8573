//! Who owns which row of a map: of the counters, or of SRTP contexts. A freed row rests until no CPU can still be at work
//! with it.

use std::collections::VecDeque;

/// How long a row rests after its flow left the map: a program run lasts microseconds, so this is plenty.
pub const QUARANTINE_NS: u64 = 100_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slot {
    /// Of a chunk that another table holds, or nobody.
    Foreign,
    Free,
    Used,
}

/// Allocator of the slots of the chunks that a table holds.
#[derive(Debug)]
pub struct Slots {
    slots: Vec<Slot>,
    free: Vec<u32>,
    resting: VecDeque<(u64, u32)>,
}

impl Slots {
    /// For slots `0..capacity`, none of which is held yet.
    #[must_use]
    pub fn new(capacity: u32) -> Self {
        let length = usize::try_from(capacity).unwrap_or(0);
        Self { slots: vec![Slot::Foreign; length], free: Vec::new(), resting: VecDeque::new() }
    }

    /// The slots from `first` on are held from now on.
    pub fn add_chunk(&mut self, first: u32, count: u32) {
        // Lowest first, so that few pages of the counters are touched.
        for slot in (first..first.saturating_add(count)).rev() {
            self.release_unused(slot);
        }
    }

    /// Marks the slots of adopted flows. `false` for a slot that is not held or taken twice.
    pub fn claim(&mut self, slot: u32) -> bool {
        match self.slot(slot) {
            Some(state @ Slot::Free) => {
                *state = Slot::Used;
                true
            }
            Some(Slot::Foreign | Slot::Used) | None => false,
        }
    }

    /// A free slot.
    pub fn allocate(&mut self) -> Option<u32> {
        // Claimed slots are still listed: taking them out one by one would cost a pass over the list each.
        loop {
            let slot = self.free.pop()?;
            if self.claim(slot) {
                return Some(slot);
            }
        }
    }

    /// Gives back a slot that no packet can reach.
    pub fn release_unused(&mut self, slot: u32) {
        if let Some(state) = self.slot(slot) {
            *state = Slot::Free;
            self.free.push(slot);
        }
    }

    /// Puts a slot to rest after its flow was removed.
    pub fn retire(&mut self, slot: u32, now_ns: u64) {
        self.resting.push_back((now_ns.saturating_add(QUARANTINE_NS), slot));
    }

    /// The next slot whose rest is over; it is free from now on.
    pub fn next_rested(&mut self, now_ns: u64) -> Option<u32> {
        let slot = self.pop_rested(now_ns)?;
        self.release_unused(slot);
        Some(slot)
    }

    /// As [`Slots::next_rested`], but the slot stays in use until [`Slots::release_unused`].
    pub fn pop_rested(&mut self, now_ns: u64) -> Option<u32> {
        let (until, slot) = *self.resting.front()?;
        if until > now_ns {
            return None;
        }
        self.resting.pop_front();
        Some(slot)
    }

    fn slot(&mut self, slot: u32) -> Option<&mut Slot> {
        self.slots.get_mut(usize::try_from(slot).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retired_slot_rests_before_it_is_given_out_again() {
        let mut slots = Slots::new(1);
        assert_eq!(slots.allocate(), None);
        slots.add_chunk(0, 1);
        assert_eq!(slots.allocate(), Some(0));
        assert_eq!(slots.allocate(), None);
        slots.retire(0, 1000);
        assert_eq!(slots.next_rested(1000 + QUARANTINE_NS - 1), None);
        assert_eq!(slots.next_rested(1000 + QUARANTINE_NS), Some(0));
        assert_eq!(slots.allocate(), Some(0));
    }

    #[test]
    fn adopted_slots_are_not_given_out() {
        let mut slots = Slots::new(4);
        slots.add_chunk(0, 3);
        assert!(!slots.claim(3), "another table's");
        assert!(slots.claim(1));
        assert!(!slots.claim(1));
        assert!(!slots.claim(7));
        assert_eq!([slots.allocate(), slots.allocate(), slots.allocate()], [Some(0), Some(2), None]);
    }
}
