//! A call: parties, the dialogues between them, and the sockets the dialogues refer to.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use smallvec::SmallVec;

use super::{
    dialogue::{Dialogue, Kind},
    ice::AgentId,
    joins::Join,
    media::{Side, Sides},
    merge::Alias,
    party::{Party, PartyId, Sent},
    quality::Quality,
    restraint::{OfCall, OfParty},
    socket::Socket,
};
use crate::{
    io::{Affinity, Learning, Now, StreamId, TimedOut},
    ng::Request,
};

/// One call.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) id: Arc<str>,
    /// Of calls that were merged into it.
    pub(super) aliases: Vec<Alias>,
    pub(super) affinity: Affinity,
    pub(super) created: Now,
    pub(super) last_signal_unix_us: u64,
    pub(super) last_signal_mono_us: u64,
    /// The proxy that created it.
    pub(super) proxy: Option<SocketAddr>,
    pub(super) parties: Vec<Party>,
    pub(super) dialogues: Vec<Dialogue>,
    pub(super) sockets: SmallVec<[Socket; 4]>,
    /// The ICE agents that run for it.
    pub(super) agents: SmallVec<[AgentId; 2]>,
    pub(super) tos: Option<u8>,
    pub(super) learning: Option<Learning>,
    /// `xmlrpc-callback`
    pub(super) callback: Option<IpAddr>,
    /// `drop-traffic`
    pub(super) drop_traffic: bool,
    /// What of its media is blocked.
    pub(super) restraint: OfCall,
    /// Everything about it is logged, every packet in the kernel included.
    pub(super) debug: bool,
    /// Who hears whom besides.
    pub(super) joins: Vec<Join>,
    /// `generate RTCP`
    pub(super) generate_rtcp: bool,
    pub(super) quality: Quality,
    pub(super) next_party: u32,
    pub(super) next_agent: u32,
    pub(super) next_order: u64,
}

impl Call {
    pub(super) fn new(id: &str, affinity: Affinity, created: Now, proxy: Option<SocketAddr>) -> Self {
        Self {
            id: Arc::from(id),
            aliases: Vec::new(),
            affinity,
            created,
            last_signal_unix_us: created.unix_us,
            last_signal_mono_us: created.mono_us,
            proxy,
            parties: Vec::new(),
            dialogues: Vec::new(),
            sockets: SmallVec::new(),
            agents: SmallVec::new(),
            tos: None,
            learning: None,
            callback: None,
            drop_traffic: false,
            restraint: OfCall::default(),
            debug: false,
            joins: Vec::new(),
            generate_rtcp: false,
            quality: Quality::default(),
            next_party: 0,
            next_agent: 0,
            next_order: 0,
        }
    }

    pub(super) fn party(&self, id: PartyId) -> Option<&Party> {
        self.parties.iter().find(|party| party.id == id)
    }

    pub(super) fn party_mut(&mut self, id: PartyId) -> Option<&mut Party> {
        self.parties.iter_mut().find(|party| party.id == id)
    }

    pub(super) fn party_by_tag(&self, tag: &str) -> Option<PartyId> {
        self.parties.iter().find(|party| party.tag.as_deref() == Some(tag)).map(|party| party.id)
    }

    pub(super) fn add_party(&mut self, tag: Option<&str>, offerer: bool, now: Now) -> PartyId {
        let id = PartyId(self.next_party);
        self.next_party += 1;
        self.parties.push(Party {
            id,
            tag: tag.map(str::to_owned),
            label: None,
            branch: None,
            metadata: None,
            created_unix_us: now.unix_us,
            offerer,
            restraint: OfParty::default(),
            sent: Sent::default(),
            said: None,
        });
        id
    }

    pub(super) fn next_agent(&mut self) -> AgentId {
        self.next_agent = self.next_agent.wrapping_add(1);
        AgentId(self.next_agent)
    }

    pub(super) fn add_dialogue(
        &mut self,
        offerer: PartyId,
        answerer: PartyId,
        branch: Option<&str>,
        now: Now,
    ) -> usize {
        self.dialogues.push(Dialogue {
            kind: Kind::OfferAnswer,
            mirrors_rtcp: false,
            parties: Sides::new(offerer, answerer),
            branch: branch.map(str::to_owned),
            medias: Vec::new(),
            interfaces: Sides::default(),
            created_mono_us: now.mono_us,
            answered: false,
            order: 0,
            delete_at: None,
        });
        self.dialogues.len() - 1
    }

    /// Keeps what a party has said.
    pub(super) fn heard(&mut self, dialogue: usize, from: Side, request: &Request) {
        let party = self.dialogues.get(dialogue).map(|dialogue| *dialogue.parties.get(from));
        if let Some(party) = party.and_then(|party| self.party_mut(party)) {
            party.said = request.sdp.as_deref().map(Arc::from);
        }
    }

    /// Marks a dialogue as the latest one spoken about and takes back its deletion.
    pub(super) fn touch(&mut self, dialogue: usize, now: Now) {
        self.last_signal_unix_us = now.unix_us;
        self.last_signal_mono_us = now.mono_us;
        self.next_order += 1;
        if let Some(dialogue) = self.dialogues.get_mut(dialogue) {
            dialogue.order = self.next_order;
            dialogue.delete_at = None;
        }
    }

    pub(super) fn socket(&self, stream: StreamId) -> Option<&Socket> {
        self.sockets.iter().find(|socket| socket.stream == stream)
    }

    pub(super) fn socket_mut(&mut self, stream: StreamId) -> Option<&mut Socket> {
        self.sockets.iter_mut().find(|socket| socket.stream == stream)
    }

    /// Every dialogue is waiting for its deletion.
    pub(super) fn is_deleting(&self) -> bool {
        self.primary().all(|dialogue| dialogue.delete_at.is_some())
    }

    pub(super) fn is_answered(&self) -> bool {
        self.primary().any(|dialogue| dialogue.answered)
    }

    /// The dialogues that are no subscriptions: without them there is nothing to subscribe to, and no call.
    pub(super) fn primary(&self) -> impl Iterator<Item = &Dialogue> {
        self.dialogues.iter().filter(|dialogue| dialogue.kind != Kind::Subscription)
    }

    /// The party at the other end of an unanswered dialogue has not signalled yet.
    pub(super) fn is_open(&self, dialogue: &Dialogue) -> bool {
        self.party(*dialogue.parties.get(Side::Answerer)).is_some_and(|party| party.tag.is_none())
    }

    /// The parties that receive media of a party, and whether they do by subscription.
    pub(super) fn peers_of(&self, party: PartyId) -> Vec<(PartyId, bool)> {
        let mut peers = Vec::new();
        for dialogue in self.dialogues.iter().filter(|dialogue| dialogue.has(party)) {
            let subscribed = dialogue.kind == Kind::Subscription;
            let peer = if subscribed {
                *dialogue.parties.get(Side::Answerer)
            } else {
                let Some(side) = dialogue.side_of(party, Side::Offerer) else { continue };
                *dialogue.parties.get(side.other())
            };
            let is_other = peer != party || dialogue.kind == Kind::OfferAnswer;
            if is_other && !dialogue.is_left_by(party) && !peers.contains(&(peer, subscribed)) {
                peers.push((peer, subscribed));
            }
        }
        peers
    }

    /// What is told of it when a timeout ends it.
    pub(super) fn timed_out(&self) -> TimedOut {
        let tag = |id: PartyId| self.party(id).and_then(|party| party.tag.clone());
        let pair = |dialogue: &Dialogue| {
            Some((tag(*dialogue.parties.get(Side::Offerer))?, tag(*dialogue.parties.get(Side::Answerer))?))
        };
        TimedOut {
            call: self.id.clone(),
            server: self.callback.or(self.proxy.map(|proxy| proxy.ip())),
            tags: self.parties.iter().filter_map(|party| party.tag.clone()).collect(),
            dialogues: self.primary().filter_map(pair).collect(),
        }
    }

    /// Drops parties that no dialogue names, and yields the sockets that no dialogue refers to.
    pub(super) fn sweep(&mut self) -> Vec<Socket> {
        self.prune_subscriptions();
        self.prune_joins();
        let Self { parties, dialogues, sockets, restraint, .. } = self;
        parties.retain(|party| dialogues.iter().any(|dialogue| dialogue.has(party.id)));
        restraint.forget(|id| parties.iter().any(|party| party.id == id));
        let live = |stream: StreamId| dialogues.iter().any(|dialogue| dialogue.uses(stream));
        let mut gone = Vec::new();
        let mut index = 0;
        while let Some(socket) = sockets.get(index) {
            if live(socket.stream) {
                index += 1;
            } else {
                gone.push(sockets.remove(index));
            }
        }
        gone
    }
}
