//! Where media of one party goes besides the other party of its dialogue: to those that have subscribed to it.

use smallvec::SmallVec;

use super::{
    dialogue::{Dialogue, Kind},
    encryption::{Treatment, treatment},
    media::{Face, MediaPair, Side},
    model::Call,
    party::PartyId,
    plan::Wire,
};
use crate::io::{Component, Copies, Reason, StreamId};

/// Whether what is forwarded can be read here, so that it can be given to somebody else as well.
pub(super) fn is_readable(treatment: Treatment) -> bool {
    match treatment {
        Treatment::Clear | Treatment::Bridged => true,
        Treatment::Unread | Treatment::Inherited | Treatment::NoKeys => false,
    }
}

/// Whether media of the party on this side can be given to somebody else as well.
pub(super) fn is_copyable(pair: &MediaPair, side: Side) -> bool {
    let how = treatment(pair);
    is_readable(how) || (how == Treatment::Unread && pair.faces.get(side).encryption.receiving().is_some())
}

impl Call {
    /// The dialogue by which a party's media is known: its latest that is no subscription.
    pub(super) fn source_dialogue(&self, party: PartyId) -> Option<&Dialogue> {
        let own = self.dialogues.iter().filter(|dialogue| dialogue.has(party));
        own.filter(|dialogue| dialogue.kind != Kind::Subscription)
            .max_by_key(|dialogue| (dialogue.answered, dialogue.order))
    }

    /// The faces towards a party on its m-line of this number, in all dialogues that are no subscriptions.
    fn faces_at(&self, party: PartyId, media: usize) -> impl Iterator<Item = &Face> {
        let own = self.dialogues.iter().filter(|dialogue| dialogue.kind != Kind::Subscription);
        own.filter_map(move |dialogue| {
            let side = dialogue.side_of(party, Side::Offerer)?;
            Some(dialogue.medias.get(media)?.faces.get(side))
        })
    }

    /// Ends subscriptions to parties that are gone.
    pub(super) fn prune_subscriptions(&mut self) {
        let is_source = |dialogues: &[Dialogue], party: PartyId| {
            let primary = dialogues.iter().filter(|dialogue| dialogue.kind != Kind::Subscription);
            primary.filter(|dialogue| dialogue.has(party)).count() > 0
        };
        if self.dialogues.iter().all(|dialogue| dialogue.kind != Kind::Subscription) {
            return;
        }
        let mut index = 0;
        while let Some(dialogue) = self.dialogues.get(index) {
            if dialogue.kind != Kind::Subscription {
                index += 1;
                continue;
            }
            let left: SmallVec<[PartyId; 2]> =
                dialogue.sources().filter(|party| is_source(&self.dialogues, *party)).collect();
            let Some(first) = left.first().copied() else {
                self.dialogues.remove(index);
                continue;
            };
            if let Some(dialogue) = self.dialogues.get_mut(index) {
                *dialogue.parties.get_mut(Side::Offerer) = first;
                for pair in &mut dialogue.medias {
                    if pair.source.as_ref().is_some_and(|source| !left.contains(&source.party)) {
                        pair.source = None;
                    }
                }
            }
            index += 1;
        }
    }
}

/// Adds to the sockets of sources the ways to their subscribers.
pub(super) fn fan_out(call: &Call, wires: &mut [Wire]) {
    for dialogue in call.dialogues.iter().filter(|dialogue| dialogue.kind == Kind::Subscription) {
        for pair in dialogue.medias.iter().filter(|_| dialogue.answered) {
            let Some(source) = pair.source.as_ref().filter(|source| !source.egress) else { continue };
            let face = pair.faces.get(Side::Answerer);
            let Some(way) = Way::of(face, wires) else { continue };
            let comes_in = |wire: &Wire| {
                wire.party == source.party && wire.media == source.media && may_be_copied(call, wire)
            };
            for wire in wires.iter_mut().filter(|wire| comes_in(wire)) {
                way.lead(call, wire);
            }
            if dialogue.mirrors_rtcp
                && let Some(reports) =
                    wires.iter().find(|wire| comes_in(wire)).and_then(|wire| reports(call, wire))
            {
                let own: SmallVec<[StreamId; 2]> = face.streams().collect();
                for wire in wires.iter_mut().filter(|wire| own.contains(&wire.stream)) {
                    mirror(wire, reports);
                }
            }
        }
    }
}

/// Adds to the sockets whose packets reach a party the ways to those that have subscribed to what it is sent, whoever sends
/// it. After everything else that is added to sockets.
pub(super) fn follow_egress(call: &Call, wires: &mut [Wire]) {
    for dialogue in call.dialogues.iter().filter(|dialogue| dialogue.kind == Kind::Subscription) {
        for pair in dialogue.medias.iter().filter(|_| dialogue.answered) {
            let Some(source) = pair.source.as_ref().filter(|source| source.egress) else { continue };
            let face = pair.faces.get(Side::Answerer);
            let Some(way) = Way::of(face, wires) else { continue };
            let own: SmallVec<[StreamId; 2]> = face.streams().collect();
            let mut senders: SmallVec<[StreamId; 1]> = SmallVec::new();
            for heard in call.faces_at(source.party, source.media) {
                let (Some(media), rtcp) = (heard.way_out(), heard.rtcp_way_out()) else { continue };
                for wire in wires.iter_mut().filter(|wire| may_be_copied(call, wire)) {
                    if way.accompany(call, wire, media, rtcp.unwrap_or(media))
                        && let Some(reports) = reports(call, wire)
                    {
                        add(&mut senders, reports);
                    }
                }
            }
            for wire in wires.iter_mut().filter(|wire| dialogue.mirrors_rtcp && own.contains(&wire.stream)) {
                senders.iter().for_each(|reports| mirror(wire, *reports));
            }
        }
    }
}

/// Whether what comes to a socket can be given to others, as far as keys are concerned.
fn may_be_copied(call: &Call, wire: &Wire) -> bool {
    !is_subscription(call, wire.dialogue) && is_open(call, wire) && !wire.is_withheld()
}

fn is_open(call: &Call, wire: &Wire) -> bool {
    let pair = call.dialogues.get(wire.dialogue).and_then(|dialogue| dialogue.medias.get(wire.media));
    pair.is_some_and(|pair| is_copyable(pair, wire.side))
}

fn is_subscription(call: &Call, dialogue: usize) -> bool {
    call.dialogues.get(dialogue).is_some_and(|dialogue| dialogue.kind == Kind::Subscription)
}

/// The way to whoever gets copies.
pub(super) struct Way {
    /// `None` where it does not want media now.
    media: Option<StreamId>,
    rtcp: Option<StreamId>,
}

impl Way {
    /// `None` as long as nothing can be sent there: the keys are missing.
    pub(super) fn of(face: &Face, wires: &[Wire]) -> Option<Self> {
        let out = face.way_out()?;
        let own = wires.iter().find(|wire| wire.stream == out)?;
        if !is_readable(own.treatment) || own.is_withheld() {
            return None;
        }
        Some(Self {
            media: Some(out).filter(|_| face.direction.receives()),
            rtcp: face.rtcp_way_out().or(Some(out)),
        })
    }

    /// Leads there from a socket, if what comes to it can be copied.
    pub(super) fn lead_from(&self, call: &Call, wire: &mut Wire) {
        if may_be_copied(call, wire) {
            self.lead(call, wire);
        }
    }

    /// Leads there from a socket whatever goes to these two, of media and of RTCP. `false`: nothing does.
    fn accompany(&self, call: &Call, wire: &mut Wire, media: StreamId, rtcp: StreamId) -> bool {
        let relay = &wire.relay;
        let copies = relay.copies.as_ref();
        let reaches = |own: &Sinks, copied: Option<&Sinks>, sink: StreamId| {
            own.contains(&sink) || copied.is_some_and(|copied| copied.contains(&sink))
        };
        let heard = reaches(&relay.sinks, copies.map(|copies| &copies.sinks), media);
        let reported = reaches(&relay.rtcp_sinks, copies.map(|copies| &copies.rtcp_sinks), rtcp);
        if !heard && !reported {
            return false;
        }
        let rtcp_only = relay.component == Component::Rtcp;
        let own_media = self.media.filter(|_| heard && !rtcp_only);
        let own_rtcp = self.rtcp.filter(|_| reported && relay.component != Component::Raw);
        let Some((sinks, rtcp_sinks)) = ways(call, wire) else { return false };
        if let Some(rtcp) = own_rtcp {
            add(rtcp_sinks, rtcp);
            if rtcp_only {
                add(sinks, rtcp);
            }
        }
        if let Some(media) = own_media {
            add(sinks, media);
        }
        true
    }

    fn lead(&self, call: &Call, wire: &mut Wire) {
        let rtcp_only = wire.relay.component == Component::Rtcp;
        let rtcp = self.rtcp.filter(|_| wire.relay.component != Component::Raw);
        let media = self.media.filter(|_| !rtcp_only);
        // That the other party does not receive does not concern those that do.
        if media.is_some() && wire.relay.discard == Some(Reason::Hold) && !call.drop_traffic {
            wire.relay.discard = None;
            wire.relay.sinks.clear();
        }
        let Some((sinks, rtcp_sinks)) = ways(call, wire) else { return };
        if let Some(rtcp) = rtcp {
            add(rtcp_sinks, rtcp);
            if rtcp_only {
                add(sinks, rtcp);
            }
        }
        if let Some(media) = media {
            add(sinks, media);
        }
    }
}

type Sinks = SmallVec<[StreamId; 1]>;

/// Where copies of what comes to a socket are listed, of media and of RTCP: what is passed on unread is copied apart.
fn ways<'w>(call: &Call, wire: &'w mut Wire) -> Option<(&'w mut Sinks, &'w mut Sinks)> {
    if is_readable(wire.treatment) {
        return Some((&mut wire.relay.sinks, &mut wire.relay.rtcp_sinks));
    }
    let pair = call.dialogues.get(wire.dialogue)?.medias.get(wire.media)?;
    let keys = pair.faces.get(wire.side).encryption.receiving()?;
    let copies = wire.relay.copies.get_or_insert_with(|| {
        Box::new(Copies { keys, sinks: SmallVec::new(), rtcp_sinks: SmallVec::new(), filter: None })
    });
    Some((&mut copies.sinks, &mut copies.rtcp_sinks))
}

/// Where RTCP goes to the party that a socket is for.
fn reports(call: &Call, wire: &Wire) -> Option<StreamId> {
    let pair = call.dialogues.get(wire.dialogue)?.medias.get(wire.media)?;
    let face = pair.faces.get(wire.side);
    face.rtcp_way_out().or_else(|| face.way_out())
}

/// `RTCP mirror`: what a subscriber reports reaches the source.
fn mirror(wire: &mut Wire, reports: StreamId) {
    match wire.relay.component {
        Component::Mux => add(&mut wire.relay.rtcp_sinks, reports),
        Component::Rtcp => {
            add(&mut wire.relay.rtcp_sinks, reports);
            add(&mut wire.relay.sinks, reports);
        }
        Component::Rtp | Component::Raw => {}
    }
}

fn add(sinks: &mut Sinks, sink: StreamId) {
    if !sinks.contains(&sink) {
        sinks.push(sink);
    }
}
