//! The engine: all calls, and the door through which everything reaches them.

use std::net::{IpAddr, SocketAddr};

use ahash::AHashMap;
use slotmap::{SlotMap, new_key_type};

use super::{
    agents::Agents,
    draft::{Draft, Workshop},
    error::CallError,
    fragment::Early,
    interfaces::Interfaces,
    limits::SystemLoad,
    looping,
    model::Call,
    restraint::Kind,
    rng::Rng,
    statistics::{EndedBy, Tally},
};
use crate::{
    config::CoreConfig,
    ice::IceClock,
    io::{Affinity, DtlsCommand, FlowCommand, MediaEvent, MediaPlane, Now, Output, RelayCommand, StreamId},
    ng::{Command, Flag, Reply, Request},
};

new_key_type! {
    /// A call within the engine.
    pub(super) struct CallKey;
}

/// Where a request came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlSource {
    /// The proxy's address.
    pub addr: SocketAddr,
    /// Name of the transport, as in logs: `udp`, `tcp`...
    pub transport: &'static str,
}

/// All calls of a daemon. Single-threaded; the shell owns it and feeds it requests, events and time.
pub struct Engine {
    pub(super) config: CoreConfig,
    pub(super) calls: SlotMap<CallKey, Call>,
    pub(super) by_id: AHashMap<std::sync::Arc<str>, CallKey>,
    pub(super) by_stream: AHashMap<StreamId, CallKey>,
    pub(super) interfaces: Interfaces,
    pub(super) agents: Agents,
    pub(super) early: Early,
    pub(super) tally: Tally,
    pub(super) system: SystemLoad,
    pub(super) outputs: Vec<Output>,
    pub(super) rng: Rng,
    pub(super) next_stream: u64,
    pub(super) next_affinity: u32,
    pub(super) next_check_mono_us: u64,
    /// Marks our bodies, for `loop protect`.
    pub(super) mark: String,
}

impl Engine {
    /// An engine without calls. `seed` decides the order in which ports are used, and tie-breakers of ICE; `clock` is
    /// for its timers.
    #[must_use]
    pub fn new(config: CoreConfig, seed: u64, clock: IceClock) -> Self {
        Self {
            agents: Agents::new(clock, &config.software_id),
            interfaces: Interfaces::new(&config),
            config,
            early: Early::default(),
            calls: SlotMap::with_key(),
            by_id: AHashMap::new(),
            by_stream: AHashMap::new(),
            tally: Tally::default(),
            system: SystemLoad::default(),
            outputs: Vec::new(),
            rng: Rng::new(seed),
            next_stream: 0,
            next_affinity: 0,
            next_check_mono_us: 0,
            mark: looping::mark(seed),
        }
    }

    /// Carries a command out. Sockets are open when this returns; the rest is in [`Engine::take_outputs`].
    /// A command that fails changes nothing. Warnings about keys that are not built ([`Request::warnings`]) are the
    /// caller's to add.
    pub fn request(
        &mut self,
        now: Now,
        source: &ControlSource,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Reply {
        self.tally.start(now);
        let result = match request.command {
            Command::Ping => Ok(Reply::pong()),
            Command::Offer | Command::Answer if self.is_looping(request) => Ok(self.untouched(request)),
            Command::Offer | Command::Answer if is_fragment(request) => self.fragment(now, request, plane),
            Command::Offer => self.offer(now, source, request, plane),
            Command::Answer => self.answer(now, request, plane),
            Command::Delete => self.delete(now, request, plane),
            Command::Query => self.query(request, plane),
            Command::List => Ok(self.list(request)),
            Command::Statistics => Ok(self.statistics(now, plane)),
            Command::BlockMedia => self.restrain(now, request, Kind::Media, true),
            Command::UnblockMedia => self.restrain(now, request, Kind::Media, false),
            Command::SilenceMedia => self.restrain(now, request, Kind::Silence, true),
            Command::UnsilenceMedia => self.restrain(now, request, Kind::Silence, false),
            Command::BlockDtmf => self.restrain(now, request, Kind::Dtmf, true),
            Command::UnblockDtmf => self.restrain(now, request, Kind::Dtmf, false),
            Command::Publish => self.publish(now, source, request, plane),
            Command::SubscribeRequest => self.subscribe_request(now, request, plane),
            Command::SubscribeAnswer => self.subscribe_answer(now, request, plane),
            Command::Unsubscribe => self.unsubscribe(now, request, plane),
            Command::Connect => self.connect(now, request, plane),
            Command::Create => self.create(now, source, request, plane),
            Command::CreateAnswer => self.create_answer(now, request, plane),
            Command::Mesh => self.mesh(now, request, plane),
            Command::InjectStart => self.inject_start(now, request, plane),
            Command::InjectStop => self.inject_stop(now, request, plane),
            Command::StartForwarding | Command::StopForwarding => self.forwarding(request),
            later @ (Command::StartRecording
            | Command::StopRecording
            | Command::PauseRecording
            | Command::PlayMedia
            | Command::StopMedia
            | Command::PlayDtmf
            | Command::Transform) => Err(CallError::NotBuilt(later.wire_name())),
        };
        if result.is_ok()
            && matches!(request.command, Command::Offer | Command::Answer)
            && let Some(call_id) = &request.call_id
        {
            self.take_early_fragments(now, call_id, plane);
        }
        let reply = result.unwrap_or_else(|error| match error {
            CallError::Limit(limit) if request.supports_load_limit => Reply::load_limit(limit.to_string()),
            error => Reply::error(error.to_string()),
        });
        if request.has(Flag::Debug) && !reply.is_error() && request.command != Command::Delete {
            self.debug_named(request);
        }
        self.tally.count(source.addr.ip(), request.command, reply.is_error());
        reply
    }

    /// `debug` in a command about a call that exists already.
    fn debug_named(&mut self, request: &Request) {
        let call_id = request.call_id.as_deref().unwrap_or_default();
        let call = self.by_id.get(call_id).and_then(|key| self.calls.get(*key));
        if call.is_some_and(|call| !call.debug) {
            self.set_debug(call_id, true);
        }
    }

    /// Adds the time a command took, as the shell measured it, to the statistics of a proxy.
    pub fn record_duration(&mut self, proxy: IpAddr, command: Command, microseconds: u64) {
        self.tally.took(proxy, command, microseconds);
    }

    /// Counts a message of a proxy that could not be understood and so never became a request.
    pub fn record_refused(&mut self, proxy: IpAddr) {
        self.tally.refused(proxy);
    }

    /// Takes in what the media plane reports. Reports about sockets that are gone are ignored.
    pub fn event(&mut self, now: Now, event: MediaEvent) {
        let (MediaEvent::EndpointSettled { stream, .. }
        | MediaEvent::FlowPath { stream, .. }
        | MediaEvent::Stun { stream, .. }
        | MediaEvent::Rtcp { stream, .. }
        | MediaEvent::Dtls { stream, .. }) = event;
        let Some(&key) = self.by_stream.get(&stream) else { return };
        let Some(call) = self.calls.get_mut(key) else { return };
        let id = call.id.clone();
        let Some(socket) = call.socket_mut(stream) else { return };
        match event {
            MediaEvent::EndpointSettled { endpoint, epoch, .. } => {
                socket.alive_mono_us = now.mono_us;
                if !socket.may_settle(endpoint)
                    || epoch != socket.epoch
                    || (socket.settled && socket.endpoint == Some(endpoint))
                {
                    return;
                }
                tracing::debug!(
                    target: "core", call = %id,
                    "endpoint of {} is {endpoint} (signalled: {:?})", socket.local, socket.signalled,
                );
                socket.endpoint = Some(endpoint);
                socket.settled = true;
                self.plan(key);
            }
            MediaEvent::FlowPath { path, .. } => {
                tracing::debug!(target: "core", call = %id, "path of {}: {path:?}", socket.local);
                socket.path = path;
            }
            MediaEvent::Stun { source, bytes, .. } => self.stun(now, stream, source, &bytes),
            MediaEvent::Rtcp { arrived, reports, .. } => self.rtcp(key, stream, arrived, &reports),
            MediaEvent::Dtls { epoch, event, .. } => self.dtls_event(now, key, stream, epoch, event),
        }
    }

    /// What the shell is to do, in order. To be called after every other method.
    pub fn take_outputs(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.outputs)
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> &CoreConfig {
        &self.config
    }

    /// For changes at run time: timeouts, limits, TOS. Interfaces and port ranges are fixed at the start.
    pub fn config_mut(&mut self) -> &mut CoreConfig {
        &mut self.config
    }

    /// Switches the logging of everything about a call on or off, single packets in the kernel included; `false` if
    /// there is none with this Call-ID.
    pub fn set_debug(&mut self, call_id: &str, on: bool) -> bool {
        let key = self.by_id.get(call_id).copied();
        if let Some((key, call)) = key.and_then(|key| Some((key, self.calls.get_mut(key)?))) {
            let before = std::mem::replace(&mut call.debug, on);
            self.plan(key);
            self.debug_changed(key, before);
        }
        key.is_some()
    }

    /// Ends a call at once, by order of the operator; `false` if there is none with this Call-ID.
    pub fn terminate(&mut self, now: Now, call_id: &str, plane: &mut dyn MediaPlane) -> bool {
        let key = self.by_id.get(call_id).copied();
        if let Some(key) = key {
            self.end_call(now, key, EndedBy::Operator, plane);
        }
        key.is_some()
    }

    /// Ends all calls, for an orderly shutdown; the number of calls that were ended.
    pub fn terminate_all(&mut self, now: Now, plane: &mut dyn MediaPlane) -> usize {
        let keys: Vec<CallKey> = self.calls.keys().collect();
        for &key in &keys {
            self.end_call(now, key, EndedBy::Operator, plane);
        }
        keys.len()
    }

    /// Works on a copy of `call` (a new one where `key` is `None`) and keeps it only if `work` succeeds.
    pub(super) fn attempt<T>(
        &mut self,
        now: Now,
        key: Option<CallKey>,
        call: Call,
        plane: &mut dyn MediaPlane,
        work: impl FnOnce(&mut Draft<'_>) -> Result<T, CallError>,
    ) -> Result<(T, Vec<String>, CallKey), CallError> {
        let mut draft = Draft::new(
            call,
            Workshop {
                now,
                config: &self.config,
                interfaces: &mut self.interfaces,
                mark: &self.mark,
                rng: &mut self.rng,
                next_stream: &mut self.next_stream,
                plane: &mut *plane,
            },
        );
        let value = match work(&mut draft) {
            Ok(value) => value,
            Err(error) => {
                draft.roll_back();
                return Err(error);
            }
        };
        let (call, warnings) = draft.commit();
        let debugged = key.and_then(|key| self.calls.get(key)).is_some_and(|call| call.debug);
        let key = match key {
            Some(key) => {
                if let Some(slot) = self.calls.get_mut(key) {
                    *slot = call;
                }
                key
            }
            None => {
                let id = call.id.clone();
                let key = self.calls.insert(call);
                self.by_id.insert(id, key);
                key
            }
        };
        self.settle(now, key, plane);
        self.debug_changed(key, debugged);
        Ok((value, warnings, key))
    }

    /// Tells the logs if a call's `debug` is not what it was.
    pub(super) fn debug_changed(&mut self, key: CallKey, before: bool) {
        if let Some(call) = self.calls.get(key).filter(|call| call.debug != before) {
            self.outputs.push(Output::Debug { call: call.id.clone(), on: call.debug });
        }
    }

    /// Closes what nothing refers to any more and brings relay and kernel up to date.
    pub(super) fn settle(&mut self, now: Now, key: CallKey, plane: &mut dyn MediaPlane) {
        let Some(call) = self.calls.get_mut(key) else { return };
        let gone = call.sweep();
        for socket in &call.sockets {
            self.by_stream.insert(socket.stream, key);
        }
        self.engage(now, key);
        self.plan(key);
        self.open_nats(key, plane);
        for socket in gone {
            self.by_stream.remove(&socket.stream);
            if let Some(pool) = self.interfaces.pool_mut(socket.local_idx) {
                pool.release(socket.local.port());
            }
            if socket.configured.is_none() {
                plane.abandon(socket.stream);
                continue;
            }
            self.tally.closed(&socket, &plane.counters(socket.stream));
            if socket.flow.is_some() {
                self.outputs.push(Output::Flow(FlowCommand::Remove { stream: socket.stream }));
            }
            if socket.dtls.is_open() {
                self.outputs.push(Output::Dtls(DtlsCommand::Close { stream: socket.stream }));
            }
            self.outputs.push(Output::Relay(RelayCommand::Close { stream: socket.stream }));
        }
    }

    /// Ends a call with everything that belongs to it.
    pub(super) fn end_call(&mut self, now: Now, key: CallKey, by: EndedBy, plane: &mut dyn MediaPlane) {
        self.log_record(now, key, by, plane);
        let Some(call) = self.calls.get_mut(key) else { return };
        let id = call.id.clone();
        self.tally.ended(now, call, by, plane);
        if by.is_timeout() {
            let told = call.timed_out_of_all().into_iter();
            self.outputs.extend(told.map(|call| Output::TimedOut(Box::new(call))));
        }
        call.dialogues.clear();
        tracing::info!(target: "core", call = %id, "call ended: {by}");
        self.settle(now, key, plane);
        let Some(call) = self.calls.remove(key) else { return };
        if call.debug {
            self.outputs.push(Output::Debug { call: id.clone(), on: false });
        }
        self.by_id.remove(&id);
        for alias in &call.aliases {
            self.by_id.remove(&alias.id);
        }
    }

    pub(super) fn next_affinity(&mut self) -> Affinity {
        self.next_affinity = self.next_affinity.wrapping_add(1);
        Affinity(self.next_affinity)
    }
}

/// Whether the body is a part of one. Some say so of every body.
fn is_fragment(request: &Request) -> bool {
    request.has(Flag::Fragment) && request.sdp.as_ref().is_some_and(|body| !body.starts_with(b"v="))
}
