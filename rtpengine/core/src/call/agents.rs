//! The ICE agents of all calls: kept in step with what signalling settled, fed with datagrams and time.

use std::{collections::BTreeSet, net::SocketAddr, sync::Arc};

use ahash::AHashMap;
use smallvec::SmallVec;

use super::{
    engine::{CallKey, Engine},
    ice::{AgentId, Found, Leg, LegSocket, Standing},
    media::Side,
    model::Call,
};
use crate::{
    ice::{Agent, Counters, IceClock, Output as IceOutput, Settings},
    io::{Now, Output, RelayCommand, StreamId},
};

/// An agent among those of all calls.
type Name = (CallKey, AgentId);

/// All agents.
#[derive(Debug)]
pub(super) struct Agents {
    clock: IceClock,
    software: Arc<str>,
    running: AHashMap<Name, Running>,
    by_stream: AHashMap<StreamId, SmallVec<[Name; 1]>>,
    timers: BTreeSet<(u64, Name)>,
    /// What became of the datagrams of agents that have ended.
    past: Counters,
}

/// One agent and what it was told.
#[derive(Debug)]
struct Running {
    agent: Agent,
    told: Leg,
    /// When its timer is set to, microseconds of the monotonic clock.
    due: Option<u64>,
}

impl Agents {
    pub(super) fn new(clock: IceClock, software: &str) -> Self {
        Self {
            clock,
            software: Arc::from(software),
            running: AHashMap::new(),
            by_stream: AHashMap::new(),
            timers: BTreeSet::new(),
            past: Counters::default(),
        }
    }

    /// When something is to be done next, microseconds of the monotonic clock.
    pub(super) fn next_timeout(&self) -> Option<u64> {
        self.timers.first().map(|(due, _)| *due)
    }

    /// Username fragments by which the agents on a socket are addressed.
    pub(super) fn ufrags(&self, stream: StreamId) -> SmallVec<[Arc<str>; 1]> {
        let mut ufrags: SmallVec<[Arc<str>; 1]> = SmallVec::new();
        for running in
            self.by_stream.get(&stream).into_iter().flatten().filter_map(|name| self.running.get(name))
        {
            let ufrag = running.told.local.ufrag();
            if ufrags.iter().all(|known| **known != *ufrag) {
                ufrags.push(Arc::from(ufrag));
            }
        }
        ufrags
    }

    /// Where authentic checks have come to a socket from.
    pub(super) fn heard(&self, stream: StreamId) -> SmallVec<[SocketAddr; 1]> {
        let names = self.by_stream.get(&stream).into_iter().flatten();
        let running = names.filter_map(|name| self.running.get(name));
        let base = |running: &Running| {
            running.told.sockets.iter().find(|socket| socket.stream == stream).map(|socket| socket.base)
        };
        let mut sources: SmallVec<[SocketAddr; 1]> = SmallVec::new();
        for (running, local) in running.filter_map(|running| Some((running, base(running)?))) {
            for source in running.agent.heard(local) {
                if !sources.contains(&source) {
                    sources.push(source);
                }
            }
        }
        sources
    }

    /// How many there are.
    pub(super) fn running(&self) -> u64 {
        self.running.len() as u64
    }

    /// What became of the datagrams handed in, since the start.
    pub(super) fn counters(&self) -> Counters {
        self.running.values().map(|running| running.agent.counters()).fold(self.past, add)
    }

    /// Starts an agent, or tells it what has changed. `true`: it starts its checks anew.
    fn follow(&mut self, now: Now, name: Name, leg: &Leg, tie_breaker: impl FnOnce() -> u64) -> bool {
        let (running, restarts) = match self.running.remove(&name) {
            Some(mut running) => {
                self.unname(name, &running.told.sockets);
                let restarts = running.update(now, leg);
                (running, restarts)
            }
            None => {
                let settings = Settings {
                    credentials: leg.local.clone(),
                    lite: leg.lite,
                    offerer: leg.offerer,
                    software: self.software.clone(),
                    tie_breaker: tie_breaker(),
                    clock: self.clock,
                };
                (Running::start(now, settings, leg), false)
            }
        };
        self.name(name, &leg.sockets);
        self.running.insert(name, running);
        restarts
    }

    /// Gives an agent another name.
    pub(super) fn rename(&mut self, old: Name, new: Name) {
        let Some(running) = self.running.remove(&old) else { return };
        if let Some(due) = running.due {
            self.timers.remove(&(due, old));
            self.timers.insert((due, new));
        }
        self.unname(old, &running.told.sockets);
        self.name(new, &running.told.sockets);
        self.running.insert(new, running);
    }

    fn name(&mut self, name: Name, sockets: &[LegSocket]) {
        for socket in sockets {
            let names = self.by_stream.entry(socket.stream).or_default();
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }

    fn unname(&mut self, name: Name, sockets: &[LegSocket]) {
        for socket in sockets {
            if let Some(names) = self.by_stream.get_mut(&socket.stream) {
                names.retain(|other| *other != name);
                if names.is_empty() {
                    self.by_stream.remove(&socket.stream);
                }
            }
        }
    }

    fn end(&mut self, name: Name) {
        let Some(running) = self.running.remove(&name) else { return };
        self.past = add(self.past, running.agent.counters());
        if let Some(due) = running.due {
            self.timers.remove(&(due, name));
        }
        self.unname(name, &running.told.sockets);
    }

    /// Takes out what an agent wants done and sets its timer. What was found is for the model.
    fn collect(&mut self, name: Name, outputs: &mut Vec<Output>) -> SmallVec<[(u16, Found); 2]> {
        let mut news = SmallVec::new();
        let Some(running) = self.running.get_mut(&name) else { return news };
        while let Some(output) = running.agent.poll() {
            let stream = |base: SocketAddr| running.told.sockets.iter().find(|socket| socket.base == base);
            match output {
                IceOutput::Transmit { from, to, bytes } => {
                    if let Some(&LegSocket { stream, .. }) = stream(from) {
                        outputs.push(Output::Relay(RelayCommand::Send { stream, to, bytes }));
                    }
                }
                IceOutput::Selected { component, local, remote } => {
                    if let Some(&LegSocket { stream, .. }) = stream(local) {
                        news.push((component, Found::Way(stream, remote)));
                    }
                }
                IceOutput::Failed { component } => news.push((component, Found::Nothing)),
            }
        }
        let due = running.agent.next_timeout();
        if due != running.due {
            if let Some(old) = std::mem::replace(&mut running.due, due) {
                self.timers.remove(&(old, name));
            }
            self.timers.extend(due.map(|due| (due, name)));
        }
        news
    }
}

impl Running {
    fn start(now: Now, settings: Settings, leg: &Leg) -> Self {
        let mut components: SmallVec<[u16; 2]> = leg.sockets.iter().map(|socket| socket.component).collect();
        components.sort_unstable();
        components.dedup();
        let mut agent = Agent::new(settings, &components);
        for socket in &leg.sockets {
            agent.add_local(socket.component, socket.base, socket.advertised);
        }
        if let Some(remote) = &leg.remote {
            remote.with(|remote| agent.set_remote(now, remote));
        }
        Self { agent, told: leg.clone(), due: None }
    }

    /// `true`: the checks start anew.
    fn update(&mut self, now: Now, leg: &Leg) -> bool {
        if self.told.sockets != leg.sockets {
            let kept: SmallVec<[u16; 2]> = leg.sockets.iter().map(|socket| socket.component).collect();
            self.agent.keep_components(&kept);
        }
        let other = leg.remote.as_ref().is_some_and(|remote| self.agent.is_restart(remote.credentials()));
        let restarts = other || self.told.local != leg.local;
        if restarts {
            self.agent.restart(leg.local.clone());
            self.told.remote = None;
        }
        if let Some(remote) = leg.remote.as_ref().filter(|remote| self.told.remote.as_ref() != Some(*remote))
        {
            remote.with(|remote| self.agent.set_remote(now, remote));
        }
        self.told = leg.clone();
        restarts
    }
}

fn add(a: Counters, b: Counters) -> Counters {
    Counters {
        accepted: a.accepted + b.accepted,
        malformed: a.malformed + b.malformed,
        refused: a.refused + b.refused,
        limited: a.limited + b.limited,
    }
}

impl Engine {
    /// When [`Engine::handle_timers`] is to be called next, microseconds of the monotonic clock; `None`: not before
    /// something else has happened.
    #[must_use]
    pub fn next_timeout(&self) -> Option<u64> {
        self.agents.next_timeout()
    }

    /// What became of the STUN messages of all calls.
    #[must_use]
    pub fn ice_counters(&self) -> Counters {
        self.agents.counters()
    }

    /// Does what is due: connectivity checks, retransmissions, consent checks. Costs nothing where nothing is.
    pub fn handle_timers(&mut self, now: Now) {
        // An agent that is due again at once waits for the next call of this.
        let due: Vec<Name> = self
            .agents
            .timers
            .iter()
            .take_while(|(due, _)| *due <= now.mono_us)
            .map(|(_, name)| *name)
            .collect();
        for name in due {
            if let Some(running) = self.agents.running.get_mut(&name) {
                running.agent.handle_timeout(now);
                let news = self.agents.collect(name, &mut self.outputs);
                self.found(name, &news);
            }
        }
    }

    /// A STUN message has arrived. It is for the agent with its credentials; those that know their peer are asked first.
    pub(super) fn stun(&mut self, now: Now, stream: StreamId, source: SocketAddr, bytes: &[u8]) {
        let agents = &mut self.agents;
        let mut names = agents.by_stream.get(&stream).cloned().unwrap_or_default();
        names
            .sort_by_key(|name| agents.running.get(name).is_none_or(|running| running.told.remote.is_none()));
        for name in names {
            let agents = &mut self.agents;
            let before = agents.heard(stream);
            let Some(running) = agents.running.get_mut(&name) else { continue };
            let local =
                running.told.sockets.iter().find(|socket| socket.stream == stream).map(|socket| socket.base);
            if local.is_some_and(|local| running.agent.handle_datagram(now, local, source, bytes)) {
                let news = agents.collect(name, &mut self.outputs);
                let other = self.agents.heard(stream) != before;
                self.found(name, &news);
                if other && news.is_empty() {
                    self.plan(name.0);
                }
                return;
            }
        }
    }

    /// Brings the agents of a call in step with its model. Before [`Engine::plan`].
    pub(super) fn engage(&mut self, now: Now, key: CallKey) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let mut legs: Vec<Leg> = legs(call).cloned().collect();
        // The m-lines of a group have one agent.
        let mut known = SmallVec::<[AgentId; 4]>::new();
        legs.retain(|leg| {
            let first = !known.contains(&leg.id);
            known.push(leg.id);
            first
        });
        let before = std::mem::take(&mut call.agents);
        call.agents = legs.iter().map(|leg| leg.id).collect();
        for gone in before.into_iter().filter(|id| legs.iter().all(|leg| leg.id != *id)) {
            self.agents.end((key, gone));
        }
        for leg in legs {
            let name = (key, leg.id);
            let rng = &mut self.rng;
            let restarts = self.agents.follow(now, name, &leg, || rng.next());
            let news = self.agents.collect(name, &mut self.outputs);
            if let Some(call) = self.calls.get_mut(key) {
                if restarts {
                    forget(call, leg.id);
                }
                note(call, leg.id, &news);
            }
        }
    }

    /// Puts into the model what an agent has found, and has it carried out.
    fn found(&mut self, (key, id): Name, news: &[(u16, Found)]) {
        if news.is_empty() {
            return;
        }
        if let Some(call) = self.calls.get_mut(key) {
            note(call, id, news);
            self.plan(key);
        }
    }
}

fn legs(call: &Call) -> impl Iterator<Item = &Leg> {
    let pairs = call.dialogues.iter().flat_map(|dialogue| &dialogue.medias);
    pairs.flat_map(|pair| Side::BOTH.map(|side| pair.faces.get(side).ice.leg.as_ref())).flatten()
}

/// What is known of an agent, once for each m-line it is for.
fn legs_mut(call: &mut Call, id: AgentId) -> impl Iterator<Item = &mut Leg> {
    let pairs = call.dialogues.iter_mut().flat_map(|dialogue| &mut dialogue.medias);
    let legs = pairs.flat_map(|pair| pair.faces.both_mut().map(|face| face.ice.leg.as_mut())).flatten();
    legs.filter(move |leg| leg.id == id)
}

/// The checks start anew: what failed may succeed now, and media goes on the old way meanwhile.
fn forget(call: &mut Call, id: AgentId) {
    for leg in legs_mut(call, id) {
        leg.found.retain(|(_, found)| matches!(found, Found::Way(..)));
    }
}

fn note(call: &mut Call, id: AgentId, news: &[(u16, Found)]) {
    let call_id = call.id.clone();
    for (component, found) in news {
        tracing::debug!(target: "ice", call = %call_id, "component {component}: {found:?}");
    }
    for leg in legs_mut(call, id) {
        for (component, found) in news.iter().copied() {
            let known = leg.found.iter_mut().find(|(known, _)| *known == component);
            // Consent is lost where there was some.
            let found = match (found, known.as_ref().map(|(_, before)| *before)) {
                (Found::Nothing, Some(Found::Way(..) | Found::Lost)) => Found::Lost,
                (found, _) => found,
            };
            match known {
                Some((_, slot)) => *slot = found,
                None => leg.found.push((component, found)),
            }
        }
    }
}

/// What ICE says of every socket of the call, those of later dialogues last.
pub(super) fn standings(call: &Call) -> AHashMap<StreamId, Standing> {
    let mut order: SmallVec<[usize; 2]> = (0..call.dialogues.len()).collect();
    order.sort_by_key(|&index| call.dialogues.get(index).map(|dialogue| dialogue.order));
    let mut standings = AHashMap::new();
    for dialogue in order.into_iter().filter_map(|index| call.dialogues.get(index)) {
        for pair in &dialogue.medias {
            for face in Side::BOTH.map(|side| pair.faces.get(side)) {
                standings.extend(face.sockets().map(|stream| (stream, face.ice.standing(stream))));
            }
        }
    }
    standings
}
