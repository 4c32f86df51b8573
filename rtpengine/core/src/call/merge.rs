//! Two calls become one, which both Call-IDs stand for from then on.

use std::{net::IpAddr, sync::Arc};

use super::{
    engine::{CallKey, Engine},
    error::CallError,
    ice::AgentId,
    media::Side,
    model::Call,
    offer::MAX_DIALOGUES,
    party::PartyId,
    subscription::MAX_SUBSCRIPTIONS,
};
use crate::io::{MediaPlane, Now, Output, TimedOut};

/// A further name of a call: that of one that has become a part of it.
#[derive(Clone, Debug)]
pub(super) struct Alias {
    pub(super) id: Arc<str>,
    /// Whom to tell of a timeout.
    server: Option<IpAddr>,
}

/// What the second call's own numbers are raised by.
#[derive(Clone, Copy)]
struct Shift {
    party: u32,
    agent: u32,
    order: u64,
}

impl Shift {
    fn party(self, id: &mut PartyId) {
        id.0 += self.party;
    }
}

impl Engine {
    /// Puts `merged`, which is the call of `key` with that of `other` in it, in the place of both.
    pub(super) fn unite(
        &mut self,
        now: Now,
        (key, other): (CallKey, CallKey),
        merged: Call,
        plane: &mut dyn MediaPlane,
    ) {
        let Some(gone) = self.calls.remove(other) else { return };
        if gone.debug {
            self.outputs.push(Output::Debug { call: gone.id.clone(), on: false });
        }
        let Some(slot) = self.calls.get_mut(key) else { return };
        let debugged = slot.debug;
        for &agent in &gone.agents {
            self.agents.rename((other, agent), (key, raised(agent, slot.next_agent)));
        }
        *slot = merged;
        for alias in &slot.aliases {
            self.by_id.insert(alias.id.clone(), key);
        }
        plane.unite(gone.affinity, slot.affinity);
        self.settle(now, key, plane);
        self.debug_changed(key, debugged);
    }
}

impl Call {
    /// This call with another one in it. Whatever is blocked, dropped or logged in one of them is so in both.
    pub(super) fn with(&self, other: &Self) -> Result<Self, CallError> {
        let taken = |tag: &&str| self.party_by_tag(tag).is_some();
        if let Some(tag) = other.parties.iter().filter_map(|party| party.tag.as_deref()).find(taken) {
            return Err(CallError::TagInBoth(tag.to_owned()));
        }
        let dialogues = self.primary().count() + other.primary().count();
        if dialogues > MAX_DIALOGUES {
            return Err(CallError::TooManyDialogues(dialogues));
        }
        let all = self.dialogues.len() + other.dialogues.len();
        if all - dialogues > MAX_SUBSCRIPTIONS {
            return Err(CallError::TooManySubscriptions(all - dialogues));
        }
        let mut call = self.clone();
        call.take_in(other.clone());
        Ok(call)
    }

    fn take_in(&mut self, mut other: Self) {
        let shift = Shift { party: self.next_party, agent: self.next_agent, order: self.next_order };
        other.renumber(shift);
        self.next_party += other.next_party;
        self.next_agent = self.next_agent.wrapping_add(other.next_agent);
        self.next_order += other.next_order;
        if other.created.mono_us < self.created.mono_us {
            self.created = other.created;
        }
        self.last_signal_unix_us = self.last_signal_unix_us.max(other.last_signal_unix_us);
        self.last_signal_mono_us = self.last_signal_mono_us.max(other.last_signal_mono_us);
        let server = other.callback.or(other.proxy.map(|proxy| proxy.ip()));
        self.aliases.push(Alias { id: other.id, server });
        self.aliases.extend(other.aliases);
        self.joins.extend(other.joins);
        self.parties.extend(other.parties);
        self.dialogues.extend(other.dialogues);
        self.sockets.extend(other.sockets);
        self.agents.extend(other.agents);
        self.tos = self.tos.or(other.tos);
        self.learning = self.learning.or(other.learning);
        self.callback = self.callback.or(other.callback);
        self.drop_traffic |= other.drop_traffic;
        self.debug |= other.debug;
        self.generate_rtcp |= other.generate_rtcp;
        self.restraint.take_in(other.restraint);
        self.quality.take_in(other.quality);
    }

    fn renumber(&mut self, shift: Shift) {
        for party in &mut self.parties {
            shift.party(&mut party.id);
        }
        for socket in &mut self.sockets {
            socket.dtls.parties().for_each(|party| shift.party(party));
        }
        self.restraint.parties().for_each(|party| shift.party(party));
        for join in &mut self.joins {
            shift.party(&mut join.from);
            shift.party(&mut join.to);
        }
        for agent in &mut self.agents {
            *agent = raised(*agent, shift.agent);
        }
        for dialogue in &mut self.dialogues {
            dialogue.order += shift.order;
            dialogue.parties.both_mut().into_iter().for_each(|party| shift.party(party));
            for pair in &mut dialogue.medias {
                if let Some(source) = &mut pair.source {
                    shift.party(&mut source.party);
                }
                for side in Side::BOTH {
                    if let Some(leg) = &mut pair.faces.get_mut(side).ice.leg {
                        leg.id = raised(leg.id, shift.agent);
                    }
                }
            }
        }
    }

    /// What is told of it when a timeout ends it, under each of its names.
    pub(super) fn timed_out_of_all(&self) -> Vec<TimedOut> {
        let own = self.timed_out();
        let others = self.aliases.iter().map(|alias| TimedOut {
            call: alias.id.clone(),
            server: alias.server,
            ..own.clone()
        });
        others.chain([own.clone()]).collect()
    }
}

fn raised(agent: AgentId, by: u32) -> AgentId {
    AgentId(agent.0.wrapping_add(by))
}
