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
    let ends: Vec<(StreamId, PartyId, usize)> =
        wires.iter().enumerate().map(|(index, wire)| (wire.stream, wire.party, index)).collect();
    let payloads: Vec<_> = wires.iter().map(|wire| face_payloads(call, wire)).collect();
    for (index, wire) in wires.iter_mut().enumerate() {
        if wire.relay.component == Component::Rtcp {
            continue;
        }
        let mut known = Vec::new();
        let mut sinks: Vec<(StreamId, SinkRule)> = Vec::with_capacity(wire.relay.sinks.len());
        for &sink in &wire.relay.sinks {
            let end = ends.iter().find(|(stream, ..)| *stream == sink);
            let mut rule =
                end.map_or(SinkRule::PASS, |(_, to, _)| call.restraint_between(wire.party, *to).rule());
            if rule.media == MediaRule::Silence && !is_readable(wire.treatment) {
                rule.media = MediaRule::Drop;
            }
            if let Some((.., at)) = end {
                known.extend(payloads.get(*at).cloned().unwrap_or_default());
            }
            sinks.push((sink, rule));
        }
        if sinks.iter().all(|(_, rule)| *rule == SinkRule::PASS) {
            continue;
        }
        // Silence replaces what others still need as it is, so those who hear it come last.
        sinks.sort_by_key(|(_, rule)| rule.media == MediaRule::Silence);
        wire.relay.sinks = sinks.iter().map(|(sink, _)| *sink).collect();
        let own = payloads.get(index).cloned().unwrap_or_default();
        wire.relay.filter = Some(Box::new(Filter {
            payloads: merged(&merged(&[], &known), &own),
            rules: sinks.into_iter().map(|(_, rule)| rule).collect(),
        }));
    }
}

fn face_payloads(call: &Call, wire: &Wire) -> SmallVec<[(u8, Payload); 4]> {
    let pair = call.dialogues.get(wire.dialogue).and_then(|dialogue| dialogue.medias.get(wire.media));
    pair.filter(|pair| pair.carries == Carries::Rtp)
        .map_or_else(SmallVec::new, |pair| pair.faces.get(wire.side).payloads.clone())
}
