//! What media a call, a party or the way between two parties is kept from forwarding.

use smallvec::SmallVec;

use super::{fanout::is_readable, media::Carries, model::Call, party::PartyId, plan::Wire, silence::merged};
use crate::io::{Component, Filter, MediaRule, Payload, SinkRule, StreamId};

/// One kind of restraint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `block media`
    Media,
    /// `silence media`
    Silence,
    /// `block DTMF`
    Dtmf,
}

/// The restraints of one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Restraint {
    media: bool,
    silence: bool,
    dtmf: bool,
}

impl Restraint {
    pub(super) fn set(&mut self, kind: Kind, on: bool) {
        *match kind {
            Kind::Media => &mut self.media,
            Kind::Silence => &mut self.silence,
            Kind::Dtmf => &mut self.dtmf,
        } = on;
    }

    fn and(self, other: Self) -> Self {
        Self {
            media: self.media || other.media,
            silence: self.silence || other.silence,
            dtmf: self.dtmf || other.dtmf,
        }
    }

    pub(super) fn is_none(self) -> bool {
        self == Self::default()
    }

    fn rule(self) -> SinkRule {
        let media = match (self.media, self.silence) {
            (true, _) => MediaRule::Drop,
            (false, true) => MediaRule::Silence,
            (false, false) => MediaRule::Pass,
        };
        SinkRule { media, events: !self.dtmf }
    }
}

/// Those of a party.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct OfParty {
    /// On what it sends.
    pub(super) ingress: Restraint,
    /// On what is sent to it.
    pub(super) egress: Restraint,
}

/// Those of a call that belong to no single party.
#[derive(Clone, Debug, Default)]
pub(super) struct OfCall {
    pub(super) whole: Restraint,
    /// From the first party to the second.
    ways: Vec<(PartyId, PartyId, Restraint)>,
}

impl OfCall {
    pub(super) fn set_way(&mut self, from: PartyId, to: PartyId, kind: Kind, on: bool) {
        let known = self.ways.iter().position(|(a, b, _)| (*a, *b) == (from, to));
        match known.and_then(|index| self.ways.get_mut(index)) {
            Some((.., restraint)) => restraint.set(kind, on),
            None if on => {
                let mut restraint = Restraint::default();
                restraint.set(kind, true);
                self.ways.push((from, to, restraint));
            }
            None => {}
        }
        self.ways.retain(|(.., restraint)| !restraint.is_none());
    }

    /// Lifts the restraints on all ways from a party, or on all there are.
    pub(super) fn clear_ways(&mut self, from: Option<PartyId>, kind: Kind) {
        for (_, _, restraint) in self.ways.iter_mut().filter(|(a, ..)| from.is_none_or(|from| from == *a)) {
            restraint.set(kind, false);
        }
        self.ways.retain(|(.., restraint)| !restraint.is_none());
    }

    /// Whom the ways are between.
    pub(super) fn parties(&mut self) -> impl Iterator<Item = &mut PartyId> {
        self.ways.iter_mut().flat_map(|(from, to, _)| [from, to])
    }

    /// Adds those of another call.
    pub(super) fn take_in(&mut self, other: Self) {
        self.whole = self.whole.and(other.whole);
        self.ways.extend(other.ways);
    }

    /// Forgets the ways of parties that are gone.
    pub(super) fn forget(&mut self, is_there: impl Fn(PartyId) -> bool) {
        self.ways.retain(|(from, to, _)| is_there(*from) && is_there(*to));
    }
}

impl Call {
    fn is_restrained(&self) -> bool {
        !self.restraint.whole.is_none()
            || !self.restraint.ways.is_empty()
            || self
                .parties
                .iter()
                .any(|party| !party.restraint.ingress.is_none() || !party.restraint.egress.is_none())
    }

    /// What holds on the way from one party to another.
    fn restraint_between(&self, from: PartyId, to: PartyId) -> Restraint {
        let restraint = self.restraint.whole;
        let restraint = self.party(from).map_or(restraint, |party| restraint.and(party.restraint.ingress));
        let restraint = self.party(to).map_or(restraint, |party| restraint.and(party.restraint.egress));
        let ways = self.restraint.ways.iter().filter(|(a, b, _)| (*a, *b) == (from, to));
        ways.fold(restraint, |restraint, (.., way)| restraint.and(*way))
    }
}

/// Gives the sockets of a call the filters its restraints ask for.
pub(super) fn restrain(call: &Call, wires: &mut [Wire]) {
    if !call.is_restrained() {
        return;
    }
    let ends: Vec<End> = wires
        .iter()
        .map(|wire| End {
            stream: wire.stream,
            party: wire.party,
            accompanies: accompanied(call, wire),
            payloads: face_payloads(call, wire),
        })
        .collect();
    for (wire, own) in wires.iter_mut().zip(&ends) {
        if wire.relay.component == Component::Rtcp {
            continue;
        }
        let readable = is_readable(wire.treatment);
        wire.relay.filter = filter(call, own, &ends, &mut wire.relay.sinks, readable);
        if let Some(copies) = &mut wire.relay.copies {
            copies.filter = filter(call, own, &ends, &mut copies.sinks, true);
        }
    }
}

/// A socket and who is behind it.
struct End {
    stream: StreamId,
    party: PartyId,
    /// It hears what this party is sent.
    accompanies: Option<PartyId>,
    payloads: SmallVec<[(u8, Payload); 4]>,
}

/// The filter for the ways from one end to these sinks, which it puts in order; `None` where everything may pass. Silence
/// can be put only into what is `readable`.
fn filter(
    call: &Call,
    from: &End,
    ends: &[End],
    sinks: &mut SmallVec<[StreamId; 1]>,
    readable: bool,
) -> Option<Box<Filter>> {
    let mut payloads = SmallVec::new();
    let mut ruled: SmallVec<[(StreamId, SinkRule); 2]> = SmallVec::new();
    for &sink in sinks.iter() {
        let mut rule = SinkRule::PASS;
        for end in ends.iter().filter(|end| end.stream == sink) {
            let restraint = call.restraint_between(from.party, end.party);
            let of_other = end.accompanies.map(|heard| call.restraint_between(from.party, heard));
            rule = restraint.and(of_other.unwrap_or_default()).rule();
            payloads = merged(&payloads, &end.payloads);
        }
        if rule.media == MediaRule::Silence && !readable {
            rule.media = MediaRule::Drop;
        }
        ruled.push((sink, rule));
    }
    if ruled.iter().all(|(_, rule)| *rule == SinkRule::PASS) {
        return None;
    }
    // Silence replaces what others still need as it is, so those who hear it come last.
    ruled.sort_by_key(|(_, rule)| rule.media == MediaRule::Silence);
    *sinks = ruled.iter().map(|(sink, _)| *sink).collect();
    let rules = ruled.into_iter().map(|(_, rule)| rule).collect();
    Some(Box::new(Filter { payloads: merged(&payloads, &from.payloads), rules }))
}

/// Whom a subscriber listens in on.
fn accompanied(call: &Call, wire: &Wire) -> Option<PartyId> {
    let source = call.dialogues.get(wire.dialogue)?.medias.get(wire.media)?.source.as_ref()?;
    source.egress.then_some(source.party)
}

fn face_payloads(call: &Call, wire: &Wire) -> SmallVec<[(u8, Payload); 4]> {
    let pair = call.dialogues.get(wire.dialogue).and_then(|dialogue| dialogue.medias.get(wire.media));
    pair.filter(|pair| pair.carries == Carries::Rtp)
        .map_or_else(SmallVec::new, |pair| pair.faces.get(wire.side).payloads.clone())
}
