//! The keys of an m-line towards a party, with what is known of the streams under them.
//!
//! They do not belong to a socket: with ICE the m-line may have several, and the party may send to another one than it is
//! sent from, or change over. Nor do they end with their use: keys that come back go on where they were, so that no index
//! is used twice and no packet is taken twice. What counts is the master key: a line with other session parameters, or for
//! another suite of the same cipher, may have the same one.

use std::sync::Arc;

use ahash::AHashMap;
use rtpengine_common::srtp::CryptoParams;
use rtpengine_core::io::StreamId;
use slotmap::{SlotMap, new_key_type};
use smallvec::SmallVec;

use crate::srtp::{Context, Direction, SharedRow};

/// Keys remembered by direction of an m-line, those in use included. A call that changes them with every session refresh
/// has forgotten the first ones after a day of four refreshes an hour; they do not come back.
const MAX_KEYS: usize = 96;

new_key_type! {
    /// The place of keys among those of a relay thread.
    pub(super) struct KeyToken;
}

struct Held {
    context: Context,
    /// Sockets that use it.
    users: usize,
}

#[derive(Default)]
struct Ring {
    sockets: usize,
    /// By direction, those taken last at the end.
    keys: [SmallVec<[KeyToken; 1]>; 2],
}

/// A ring on its way to another relay thread.
pub(super) struct MovedRing {
    id: StreamId,
    ring: Ring,
    held: Vec<(KeyToken, Held)>,
}

const fn index(direction: Direction) -> usize {
    match direction {
        Direction::Receive => 0,
        Direction::Transmit => 1,
    }
}

/// The keys of all m-lines of a relay thread.
#[derive(Default)]
pub(super) struct Keyrings {
    held: SlotMap<KeyToken, Held>,
    rings: AHashMap<StreamId, Ring>,
}

impl Keyrings {
    /// A socket uses a ring from now on.
    pub(super) fn join(&mut self, ring: StreamId) {
        self.rings.entry(ring).or_default().sockets += 1;
    }

    /// A socket that joined does not use the ring any more. It has put its keys back.
    pub(super) fn leave(&mut self, ring: StreamId) {
        let Some(found) = self.rings.get_mut(&ring) else { return };
        found.sockets = found.sockets.saturating_sub(1);
        if found.sockets == 0
            && let Some(found) = self.rings.remove(&ring)
        {
            for token in found.keys.into_iter().flatten() {
                self.held.remove(token);
            }
        }
    }

    /// A socket of the ring takes keys and puts back those it had.
    pub(super) fn exchange(
        &mut self,
        ring: StreamId,
        direction: Direction,
        params: Option<Arc<CryptoParams>>,
        before: Option<KeyToken>,
    ) -> Option<KeyToken> {
        if let Some(held) = before.and_then(|token| self.held.get_mut(token)) {
            held.users = held.users.saturating_sub(1);
        }
        self.take(ring, direction, params?)
    }

    fn take(&mut self, ring: StreamId, direction: Direction, params: Arc<CryptoParams>) -> Option<KeyToken> {
        let keys = self.rings.get_mut(&ring)?.keys.get_mut(index(direction))?;
        let held = &mut self.held;
        let known = keys
            .iter()
            .rposition(|token| held.get(*token).is_some_and(|held| held.context.has_key_of(&params)));
        let token = match known.map(|at| keys.remove(at)) {
            Some(token) => token,
            None => held.insert(Held { context: Context::new(Arc::clone(&params)), users: 0 }),
        };
        if let Some(found) = held.get_mut(token) {
            found.context.renew(params);
            found.users += 1;
        }
        keys.push(token);
        // The kernel may still be at work with those that were in use until now, not with earlier ones.
        let earlier = keys.len().saturating_sub(2);
        for token in keys.iter().take(earlier) {
            if let Some(unused) = held.get_mut(*token).filter(|held| held.users == 0) {
                unused.context.part();
            }
        }
        if keys.len() > MAX_KEYS
            && let Some(at) =
                keys.iter().position(|token| held.get(*token).is_none_or(|held| held.users == 0))
        {
            held.remove(keys.remove(at));
        }
        Some(token)
    }

    /// Parts with a ring that no socket of this thread uses from now on.
    pub(super) fn take_out(&mut self, id: StreamId) -> Option<MovedRing> {
        let ring = self.rings.remove(&id)?;
        let keys = ring.keys.iter().flatten();
        let held = keys.filter_map(|token| Some((*token, self.held.remove(*token)?))).collect();
        Some(MovedRing { id, ring, held })
    }

    /// Takes over a ring; the old and the new places of its keys.
    pub(super) fn put_in(&mut self, moved: MovedRing) -> Vec<(KeyToken, KeyToken)> {
        let MovedRing { id, mut ring, held } = moved;
        let places: Vec<_> = held.into_iter().map(|(old, held)| (old, self.held.insert(held))).collect();
        for token in ring.keys.iter_mut().flatten() {
            if let Some((_, new)) = places.iter().find(|(old, _)| old == token) {
                *token = *new;
            }
        }
        self.rings.insert(id, ring);
        places
    }

    /// Keys in use.
    pub(super) fn get_mut(&mut self, token: KeyToken) -> Option<&mut Context> {
        self.held.get_mut(token).map(|held| &mut held.context)
    }

    /// Has the streams under these keys kept in a row. `false`: no socket of the ring uses them.
    pub(super) fn share(
        &mut self,
        ring: StreamId,
        direction: Direction,
        params: &Arc<CryptoParams>,
        row: SharedRow,
    ) -> bool {
        let keys = self.rings.get(&ring).and_then(|ring| ring.keys.get(index(direction)));
        let held = &mut self.held;
        let found =
            keys.into_iter().flatten().copied().find(|token| {
                held.get(*token).is_some_and(|held| held.users > 0 && held.context.is_of(params))
            });
        let found = found.and_then(|token| held.get_mut(token));
        found.map(|held| held.context.share(row)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use rtpengine_common::srtp::{Mki, SessionParams, Suite};

    use super::*;

    const RING: StreamId = StreamId(1);

    fn params(seed: u16, session: SessionParams) -> Arc<CryptoParams> {
        let suite = Suite::AesCm128HmacSha1_80;
        let mut key = vec![0; suite.key_len()];
        key[..2].copy_from_slice(&seed.to_be_bytes());
        Arc::new(CryptoParams::new(suite, &key, &vec![7; suite.salt_len()], Mki::NONE, session).unwrap())
    }

    fn keys(seed: u16) -> Arc<CryptoParams> {
        params(seed, SessionParams::default())
    }

    #[test]
    fn sockets_share_keys_and_the_last_one_ends_them() {
        let mut rings = Keyrings::default();
        rings.join(RING);
        rings.join(RING);
        let one = rings.exchange(RING, Direction::Transmit, Some(keys(1)), None);
        assert_eq!(rings.exchange(RING, Direction::Transmit, Some(keys(1)), None), one);
        assert_ne!(rings.exchange(RING, Direction::Receive, Some(keys(1)), None), one);
        rings.leave(RING);
        assert!(rings.get_mut(one.unwrap()).is_some());
        rings.leave(RING);
        assert!(rings.held.is_empty() && rings.rings.is_empty());
        assert_eq!(rings.exchange(RING, Direction::Receive, Some(keys(1)), None), None);
    }

    #[test]
    fn keys_come_back_with_other_parameters() {
        let mut rings = Keyrings::default();
        rings.join(RING);
        let first = rings.exchange(RING, Direction::Transmit, Some(keys(1)), None);
        let second = rings.exchange(RING, Direction::Transmit, Some(keys(2)), first);
        assert_ne!(first, second);
        let session = SessionParams { unencrypted_srtcp: true, ..SessionParams::default() };
        let third = rings.exchange(RING, Direction::Transmit, Some(params(1, session)), second);
        assert_eq!(first, third);
        assert!(rings.get_mut(first.unwrap()).unwrap().is_of(&params(1, session)));
    }

    #[test]
    fn they_are_bounded_and_those_in_use_stay() {
        let mut rings = Keyrings::default();
        rings.join(RING);
        rings.join(RING);
        let in_use = rings.exchange(RING, Direction::Transmit, Some(keys(0)), None);
        let mut last = None;
        for seed in 1..1000 {
            last = rings.exchange(RING, Direction::Transmit, Some(keys(seed)), last);
        }
        assert_eq!(rings.held.len(), MAX_KEYS);
        for token in [in_use, last] {
            assert!(rings.get_mut(token.unwrap()).is_some());
        }
    }
}
