//! The relation of two parties through offers and answers, with the media between them.

use super::{
    media::{MediaPair, Side, Sides},
    party::PartyId,
};

/// Two parties and their media. Every answering tag of a fork has a dialogue of its own.
#[derive(Clone, Debug)]
pub(super) struct Dialogue {
    pub(super) parties: Sides<PartyId>,
    /// The Via branch the offer was made for.
    pub(super) branch: Option<String>,
    pub(super) medias: Vec<MediaPair>,
    /// Interface asked for towards each party.
    pub(super) interfaces: Sides<Option<String>>,
    /// When it began, microseconds of the monotonic clock.
    pub(super) created_mono_us: u64,
    /// An answer was seen.
    pub(super) answered: bool,
    /// Grows with every offer or answer of the call: the highest is the latest.
    pub(super) order: u64,
    /// When to forget it, microseconds of the monotonic clock.
    pub(super) delete_at: Option<u64>,
}

impl Dialogue {
    pub(super) fn between(&self, one: PartyId, two: PartyId) -> bool {
        let (a, b) = (*self.parties.get(Side::Offerer), *self.parties.get(Side::Answerer));
        (a, b) == (one, two) || (a, b) == (two, one)
    }

    /// Makes the answerer the offerer and the other way round.
    pub(super) fn swap_sides(&mut self) {
        self.parties.swap();
        self.interfaces.swap();
        for media in &mut self.medias {
            media.faces.swap();
        }
    }

    pub(super) fn has(&self, party: PartyId) -> bool {
        Side::BOTH.into_iter().any(|side| *self.parties.get(side) == party)
    }

    /// The side of `party` where it is on one, preferring `prefer` where it is on both.
    pub(super) fn side_of(&self, party: PartyId, prefer: Side) -> Option<Side> {
        [prefer, prefer.other()].into_iter().find(|&side| *self.parties.get(side) == party)
    }
}
