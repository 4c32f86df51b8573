//! `block media`, `silence media`, `block DTMF`, and what undoes them.

use super::{
    engine::Engine,
    error::CallError,
    model::Call,
    party::PartyId,
    restraint::Kind,
    selection::{self, Selected},
};
use crate::{
    io::Now,
    ng::{AllMode, Flag, Reply, Request},
};

impl Engine {
    /// Puts a restraint on, or takes it off.
    pub(super) fn restrain(
        &mut self,
        now: Now,
        request: &Request,
        kind: Kind,
        on: bool,
    ) -> Result<Reply, CallError> {
        let call_id = request.call_id.as_deref().filter(|id| !id.is_empty()).ok_or(CallError::NoCallId)?;
        let key = self.by_id.get(call_id).copied().ok_or(CallError::UnknownCall)?;
        let call = self.calls.get_mut(key).ok_or(CallError::UnknownCall)?;
        apply(call, request, kind, on && !(kind == Kind::Dtmf && request.dtmf_security_off))?;
        call.last_signal_unix_us = now.unix_us;
        call.last_signal_mono_us = now.mono_us;
        tracing::info!(target: "core", call = %call_id, "{}", request.command.wire_name());
        self.plan(key);
        Ok(Reply::ok())
    }
}

fn apply(call: &mut Call, request: &Request, kind: Kind, on: bool) -> Result<(), CallError> {
    let selected = selection::senders(call, request)?;
    let to = match &selected {
        Selected::Everybody => None,
        Selected::Parties(_) => selection::receiver(call, request)?,
    };
    let everything = !on && request.all == AllMode::All;
    let senders = match (&selected, request.all) {
        (Selected::Parties(parties), _) => parties.clone(),
        (Selected::Everybody, AllMode::None | AllMode::All) => {
            call.restraint.whole.set(kind, on);
            if everything {
                call.restraint.clear_ways(None, kind);
                for party in &mut call.parties {
                    party.restraint.ingress.set(kind, false);
                    party.restraint.egress.set(kind, false);
                }
            }
            return Ok(());
        }
        (Selected::Everybody, AllMode::OfferAnswer | AllMode::ExceptOfferAnswer | AllMode::Flows) => {
            call.parties.iter().map(|party| party.id).collect()
        }
    };
    for sender in senders {
        match (to, request.all) {
            (Some(to), _) => call.restraint.set_way(sender, to, kind, on),
            (None, mode @ (AllMode::OfferAnswer | AllMode::ExceptOfferAnswer | AllMode::Flows)) => {
                for to in receivers(call, sender, mode) {
                    call.restraint.set_way(sender, to, kind, on);
                }
            }
            (None, AllMode::None | AllMode::All) => {
                if everything {
                    call.restraint.clear_ways(Some(sender), kind);
                }
                let Some(party) = call.party_mut(sender) else { continue };
                let restraint = &mut party.restraint;
                let place =
                    if request.has(Flag::Egress) { &mut restraint.egress } else { &mut restraint.ingress };
                place.set(kind, on);
                if let Some(label) = request.set_label.as_ref().filter(|_| request.label.is_none()) {
                    party.label = Some(label.clone());
                }
            }
        }
    }
    Ok(())
}

/// Who receives media of a party now, as far as `mode` goes.
fn receivers(call: &Call, sender: PartyId, mode: AllMode) -> Vec<PartyId> {
    let of_dialogues = call.peers_of(sender).into_iter();
    let wanted = of_dialogues.filter(|(_, subscribed)| match mode {
        AllMode::OfferAnswer => !subscribed,
        AllMode::ExceptOfferAnswer => *subscribed,
        AllMode::Flows | AllMode::All | AllMode::None => true,
    });
    wanted.map(|(party, _)| party).collect()
}
