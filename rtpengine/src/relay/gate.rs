//! Which STUN messages of a socket reach the core: those that name an agent of ours, and responses, at a bounded rate.
//! Whether they are authentic is for the core to say, which every one of them costs an HMAC.

use std::sync::Arc;

use rtpengine_core::media::stun::Stun;
use smallvec::SmallVec;

/// Messages at once: two agents with 100 pairs check every 50 ms, and a busy thread sees some of that together.
const BURST: u32 = 100;
/// Messages a second in the long run.
const RATE: u64 = 50;
const SECOND_US: u64 = 1_000_000;

/// The gate of one socket. Three kinds of messages have budgets of their own, so that none of them can use up another's:
/// those of the address that media goes to, requests that know our name, and responses, which anybody can invent.
#[derive(Debug)]
pub(super) struct Gate {
    ufrags: SmallVec<[Arc<str>; 1]>,
    peer: Budget,
    requests: Budget,
    responses: Budget,
}

impl Gate {
    /// The gate of a socket with these agents. The budgets of the one before go on.
    pub(super) fn of(ufrags: SmallVec<[Arc<str>; 1]>, before: Option<Self>) -> Option<Self> {
        if ufrags.is_empty() {
            return None;
        }
        let full = Budget::default();
        let before =
            before.unwrap_or(Self { ufrags: SmallVec::new(), peer: full, requests: full, responses: full });
        Some(Self { ufrags, ..before })
    }

    /// Whether a message goes up. `peer`: it comes from the address that media goes to.
    pub(super) fn admits(&mut self, now_us: u64, peer: bool, message: &[u8]) -> bool {
        let budget = match Stun::parse(message) {
            Some(Stun::Request(ufrag)) if self.ufrags.iter().all(|known| known.as_bytes() != ufrag) => {
                return false;
            }
            Some(_) if peer => &mut self.peer,
            Some(Stun::Request(_)) => &mut self.requests,
            Some(Stun::Response) => &mut self.responses,
            None => return false,
        };
        budget.take(now_us)
    }
}

/// A token bucket.
#[derive(Clone, Copy, Debug)]
struct Budget {
    left: u32,
    since_us: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { left: BURST, since_us: 0 }
    }
}

impl Budget {
    fn take(&mut self, now_us: u64) -> bool {
        let earned = now_us.saturating_sub(self.since_us).saturating_mul(RATE) / SECOND_US;
        if earned > 0 {
            self.left = u32::try_from(earned).unwrap_or(BURST).saturating_add(self.left).min(BURST);
            self.since_us = now_us;
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response() -> Vec<u8> {
        let mut message = vec![1, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([0; 12]);
        message
    }

    fn request(name: &[u8; 4]) -> Vec<u8> {
        let mut message = vec![0, 1, 0, 12, 0x21, 0x12, 0xa4, 0x42];
        message.extend([0; 12]);
        message.extend([0, 6, 0, 6]);
        message.extend(name);
        message.extend(b":x\0\0");
        message
    }

    #[test]
    fn a_flood_of_one_kind_leaves_the_others_alone() {
        let mut gate = Gate::of([Arc::from("self")].into_iter().collect(), None).unwrap();
        let flood = (0..1000).filter(|_| gate.admits(5_000_000, false, &response())).count();
        assert_eq!(flood, BURST as usize);
        assert!(gate.admits(5_000_000, false, &request(b"self")));
        assert!(gate.admits(5_000_000, true, &response()));
        assert!(!gate.admits(5_000_000, false, &response()));
        let second = (0..1000).filter(|n| gate.admits(5_000_000 + n * 1000, false, &response())).count();
        assert!((45..=55).contains(&second), "{second}");
    }

    #[test]
    fn requests_for_others_do_not_pass() {
        let mut gate = Gate::of([Arc::from("self")].into_iter().collect(), None).unwrap();
        assert!(!gate.admits(0, true, &request(b"none")));
        assert!(!gate.admits(0, true, b"no STUN"));
        assert!(Gate::of(SmallVec::new(), Some(gate)).is_none());
    }
}
