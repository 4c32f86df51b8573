//! The relation of two parties through offers and answers, with the media between them.

use super::{
    media::{MediaPair, Side, Sides},
    party::PartyId,
};
use crate::io::StreamId;

/// How a dialogue came to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// By offers and answers.
    #[default]
    OfferAnswer,
    /// By `publish`: the publisher is on both sides, and the answerer's has no sockets.
    Publication,
    /// By `subscribe request`: the answerer receives copies of the media of others, and the offerer's side has no sockets.
    Subscription,
}

/// Two parties and their media. Every answering tag of a fork has a dialogue of its own.
#[derive(Clone, Debug)]
pub(super) struct Dialogue {
    pub(super) kind: Kind,
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
    /// `RTCP mirror`: the RTCP of a subscriber goes to the sources.
    pub(super) mirrors_rtcp: bool,
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

    /// Whether it refers to a socket.
    pub(super) fn uses(&self, stream: StreamId) -> bool {
        let mut faces = self.medias.iter().flat_map(|media| Side::BOTH.map(|side| media.faces.get(side)));
        faces.any(|face| face.sockets().any(|used| used == stream))
    }

    pub(super) fn has(&self, party: PartyId) -> bool {
        Side::BOTH.into_iter().any(|side| *self.parties.get(side) == party)
            || self.sources().any(|source| source == party)
    }

    /// The parties whose media a subscription is about; none of another dialogue.
    pub(super) fn sources(&self) -> impl Iterator<Item = PartyId> {
        self.medias.iter().filter_map(|pair| pair.source.as_ref()).map(|source| source.party)
    }

    /// The party has been connected with somebody else: of its m-lines nothing is left here, of the other's there is.
    pub(super) fn is_left_by(&self, party: PartyId) -> bool {
        let Some(side) = self.side_of(party, Side::Offerer) else {
            return false;
        };
        let has = |side: Side| self.medias.iter().any(|pair| pair.faces.get(side).rtp.is_some());
        self.kind == Kind::OfferAnswer && has(side.other()) && !has(side)
    }

    pub(super) fn is_subscription_of(&self, party: PartyId) -> bool {
        self.kind == Kind::Subscription && *self.parties.get(Side::Answerer) == party
    }

    /// The side of `party` where it is on one, preferring `prefer` where it is on both.
    pub(super) fn side_of(&self, party: PartyId, prefer: Side) -> Option<Side> {
        [prefer, prefer.other()].into_iter().find(|&side| *self.parties.get(side) == party)
    }
}
