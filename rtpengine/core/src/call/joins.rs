//! Media of one party that another one hears besides what it is sent anyway: by `inject start` and `mesh`.
//!
//! A join is a way from party to party and stands beside the dialogues of both: it has no sockets of its own and goes with
//! either of them. Nothing is mixed or transcoded; packets keep their SSRCs, so that the receiver can tell sources apart.

use super::{
    error::CallError,
    fanout::{Way, is_copyable, is_readable},
    media::{Carries, Face, MediaPair, Side},
    model::Call,
    party::PartyId,
    plan::Wire,
};

/// Joins of one call: more are a loop or an attack. A mesh of sixteen has 240.
const MAX_JOINS: usize = 256;

/// Who is heard by whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Join {
    pub(super) from: PartyId,
    pub(super) to: PartyId,
}

impl Call {
    /// Has `to` hear `from`.
    pub(super) fn join(&mut self, join: Join) -> Result<(), CallError> {
        if self.joins.contains(&join) {
            return Ok(());
        }
        let tag = |id: PartyId| self.party(id).map_or_else(String::new, |party| party.tag().to_owned());
        if join.from == join.to {
            return Err(CallError::SameParty(tag(join.from)));
        }
        let source: Vec<_> = self.own_medias(join.from).collect();
        let destination: Vec<_> = self.own_medias(join.to).collect();
        for (party, medias) in [(join.from, &source), (join.to, &destination)] {
            if medias.is_empty() {
                return Err(CallError::NoMedia(tag(party)));
            }
        }
        if !source.iter().all(|(_, pair, side)| is_copyable(pair, *side))
            || !destination.iter().all(|(_, pair, _)| is_readable(super::encryption::treatment(pair)))
        {
            return Err(CallError::Unreadable);
        }
        let common = destination.iter().any(|(index, ..)| {
            counterpart(&destination, *index, &source).is_some_and(|(one, two)| agree(one, two))
        });
        if !common {
            return Err(CallError::NoCommonCodec);
        }
        if self.joins.len() >= MAX_JOINS {
            return Err(CallError::TooManyJoins(MAX_JOINS));
        }
        self.joins.push(join);
        Ok(())
    }

    /// The m-lines of a party that carry something: their index, and the side it is on.
    fn own_medias(&self, party: PartyId) -> impl Iterator<Item = (usize, &MediaPair, Side)> {
        let dialogue = self.source_dialogue(party);
        let side = dialogue.and_then(|dialogue| dialogue.side_of(party, Side::Offerer));
        let medias = dialogue.into_iter().flat_map(|dialogue| dialogue.medias.iter().enumerate());
        let carried = medias.filter(|(_, pair)| matches!(pair.carries, Carries::Rtp | Carries::Raw));
        carried.filter_map(move |(index, pair)| Some((index, pair, side?)))
    }

    /// Forgets joins of parties that are gone.
    pub(super) fn prune_joins(&mut self) {
        let mut joins = std::mem::take(&mut self.joins);
        joins.retain(|join| [join.from, join.to].iter().all(|party| self.source_dialogue(*party).is_some()));
        self.joins = joins;
    }
}

type Own<'a> = (usize, &'a MediaPair, Side);

/// The m-line of the source that is heard on one of the destination: the first audio on the first audio, and so on.
fn counterpart<'a>(
    destination: &[Own<'a>],
    index: usize,
    source: &[Own<'a>],
) -> Option<(&'a Face, &'a Face)> {
    let (_, pair, side) = destination.iter().find(|(known, ..)| *known == index)?;
    let face = pair.faces.get(*side);
    let is_alike = |(_, other, side): &&Own<'a>| {
        other.carries == pair.carries && other.faces.get(*side).kind == face.kind
    };
    let before = destination.iter().filter(is_alike).filter(|(known, ..)| *known < index).count();
    let (_, other, side) = source.iter().filter(is_alike).nth(before)?;
    Some((other.faces.get(*side), face))
}

/// Whether anything the one sends means the same to the other. Payload types are passed on as they come.
fn agree(source: &Face, destination: &Face) -> bool {
    let raw = destination.clock_rates.is_empty() && source.clock_rates.is_empty();
    raw || source.clock_rates.iter().any(|codec| destination.clock_rates.contains(codec))
}

/// Adds to the sockets of sources the ways to those that are joined with them.
pub(super) fn fan_out(call: &Call, wires: &mut [Wire]) {
    for join in &call.joins {
        let source: Vec<_> = call.own_medias(join.from).collect();
        let destination: Vec<_> = call.own_medias(join.to).collect();
        for (index, pair, side) in &destination {
            let Some((from, to)) = counterpart(&destination, *index, &source) else { continue };
            if !is_readable(super::encryption::treatment(pair)) || !agree(from, to) {
                continue;
            }
            let Some(way) = Way::of(pair.faces.get(*side), wires) else { continue };
            let own: smallvec::SmallVec<[_; 4]> = from.sockets().collect();
            for wire in wires.iter_mut().filter(|wire| own.contains(&wire.stream)) {
                way.lead_from(call, wire);
            }
        }
    }
}
