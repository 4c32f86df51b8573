//! One relay thread: waits for packets and commands, serves sockets in turn, a batch each.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;

use ahash::AHashMap;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use rtpengine_common::settle;
use rtpengine_common::srtp::CryptoParams;
use rtpengine_core::io::{Filter, MediaEvent, MediaRule, Now, Reason, RelayCommand, StreamId};
use slotmap::{Key as _, KeyData, SlotMap};
use socket2::Socket;

use super::batch::{BATCH, Batch, Place};
use super::counters::KernelFold;
use super::crypto;
use super::filter;
use super::keyring::Keyrings;
use super::load::Meter;
use super::moving::{Arrival, Departure};
use super::pool::{Clock, Job, Preparation, SrtpStates};
use super::queue::Queue;
use super::shared::StreamShared;
use super::socket::MediaSocket;
use super::stream::{Handshake, Route, Sink, Stream, Token};
use crate::dtls::Feed;
use crate::srtp::{Direction, SharedRow};

/// Sockets reported by one wait.
const EVENTS: usize = 256;
/// Commands executed between two rounds over the sockets, so that a burst of commands does not hold up media.
const COMMANDS: usize = 128;
/// Batches read at most in each half of a handover: more than any receive queue holds, and an end to a flood.
const DRAIN_BATCHES: usize = 128;
/// Epoll data of the command queue, which no stream has for its number.
const QUEUE: u64 = u64::MAX;
/// Set where an event names the place of its stream, not its identity, of which there are not that many.
const BY_PLACE: u64 = 1 << 63;

/// What a relay thread is told.
pub(super) enum Command {
    Open { stream: StreamId, socket: Arc<MediaSocket>, local: SocketAddr, shared: Arc<StreamShared> },
    Relay(RelayCommand),
    Prepare(Preparation),
    Handover { stream: StreamId, job: Job },
    Absorb { stream: StreamId, fold: Box<KernelFold> },
    Handshakes { stream: StreamId, feed: Option<Feed> },
    Depart(Departure),
    Arrive(Arrival),
}

/// Called with what the media plane has to say.
pub(super) type Events = Arc<dyn Fn(MediaEvent) + Send + Sync>;

/// One relay thread's state.
pub(super) struct Shard {
    epoll: Arc<Epoll>,
    queue: Arc<Queue<Command>>,
    events: Events,
    clock: Clock,
    pub(super) streams: SlotMap<Token, Stream>,
    pub(super) by_id: AHashMap<StreamId, Token>,
    pub(super) keyrings: Keyrings,
    commands: VecDeque<Command>,
    /// Sockets with more to read than their turn allowed.
    ready: VecDeque<Token>,
    pub(super) batch: Batch,
    meter: Meter,
    /// Indices into the batch by route, reused.
    pub(super) media: Vec<u8>,
    pub(super) control: Vec<u8>,
    /// Those that were encrypted for one sink, and why others were not; reused.
    encrypted: Vec<u8>,
    denied: Vec<Reason>,
    /// Those of one route that are for one sink; reused.
    kept: Vec<u8>,
    /// Where m-lines are told apart: all of the batch by route, and the m-line of each datagram; reused.
    pub(super) bundled: [Vec<u8>; 2],
    pub(super) lines: [u8; BATCH],
}

impl Shard {
    pub(super) fn new(
        queue: Arc<Queue<Command>>,
        events: Events,
        clock: Clock,
        meter: Meter,
    ) -> nix::Result<Self> {
        let epoll = Arc::new(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?);
        epoll.add(queue.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, QUEUE))?;
        Ok(Self {
            epoll,
            queue,
            events,
            clock,
            streams: SlotMap::with_key(),
            by_id: AHashMap::new(),
            keyrings: Keyrings::default(),
            commands: VecDeque::new(),
            ready: VecDeque::new(),
            batch: Batch::new(),
            meter,
            media: Vec::with_capacity(BATCH),
            control: Vec::with_capacity(BATCH),
            encrypted: Vec::with_capacity(BATCH),
            denied: Vec::with_capacity(BATCH),
            kept: Vec::with_capacity(BATCH),
            bundled: std::array::from_fn(|_| Vec::with_capacity(BATCH)),
            lines: [0; BATCH],
        })
    }

    /// Where sockets are to be watched for this thread, with [`watch`].
    pub(super) fn epoll(&self) -> Arc<Epoll> {
        Arc::clone(&self.epoll)
    }

    /// Runs until the queue is closed; what was queued before that is still executed.
    pub(super) fn run(mut self) {
        let mut events = [EpollEvent::empty(); EVENTS];
        let mut open = true;
        while open {
            let idle = self.ready.is_empty() && self.commands.is_empty();
            let timeout = if idle { EpollTimeout::NONE } else { EpollTimeout::ZERO };
            let count = match self.epoll.wait(&mut events, timeout) {
                Ok(count) => count,
                Err(Errno::EINTR) => continue,
                Err(error) => {
                    tracing::error!(target: "core", "relay thread cannot wait for packets: {error}; media of its calls stops, restart the daemon");
                    break;
                }
            };
            let began = (self.clock)().mono_us;
            // Commands first: one that was given before a packet was sent applies to that packet.
            open = self.queue.take(&mut self.commands);
            self.execute(COMMANDS);
            // Those left over from the last round get exactly one more turn in this one.
            let again = self.ready.len();
            for event in events.iter().take(count).filter(|event| event.data() != QUEUE) {
                if event.data() & BY_PLACE != 0 {
                    // The place of a stream that is gone holds nothing, or another one under another token.
                    self.serve(Token::from(KeyData::from_ffi(event.data() & !BY_PLACE)));
                } else if let Some(token) = self.locate(StreamId(event.data())) {
                    self.name_place(token);
                    self.serve(token);
                }
            }
            for _ in 0..again {
                if let Some(token) = self.ready.pop_front() {
                    if let Some(stream) = self.streams.get_mut(token) {
                        stream.queued = false;
                    }
                    self.serve(token);
                }
            }
            self.meter.worked(began, (self.clock)().mono_us);
        }
        self.queue.close();
        self.queue.take(&mut self.commands);
        self.execute(usize::MAX);
        self.streams.clear();
    }

    /// Gives a socket its turn, and another one in the next round if there may be more.
    fn serve(&mut self, token: Token) {
        if self.streams.get(token).is_none_or(|stream| stream.queued) {
            return;
        }
        if self.turn(token)
            && let Some(stream) = self.streams.get_mut(token)
        {
            stream.queued = true;
            self.ready.push_back(token);
        }
    }

    /// Receives and forwards one batch. `true`: there may be more.
    fn turn(&mut self, token: Token) -> bool {
        let Some(stream) = self.streams.get_mut(token) else { return false };
        stream.prefetch();
        let count = match self.batch.receive(stream.socket.as_fd()) {
            Ok(0) => return false,
            Ok(count) => count,
            Err(_) => {
                // A pending ICMP error, reported once; what is behind it is read next.
                stream.shared.receive_error();
                return true;
            }
        };
        if let Some(total) = self.batch.overflow(count) {
            stream.overflowed(total);
        }
        let sink = stream.active.as_ref().and_then(|active| active.sinks.first().copied());
        if let Some(out) = sink.and_then(|sink| self.streams.get(sink.token)) {
            out.prefetch_sink();
        }
        let Some(stream) = self.streams.get_mut(token) else { return false };
        let now = (self.clock)();
        let lists = (&mut self.media, &mut self.control, &mut self.lines);
        let settled = sort(stream, now, &mut self.batch, count, lists, &mut self.keyrings, &self.events);
        stream.publish();
        if let Some(endpoint) = settled {
            let (stream, epoch) = (stream.id, stream.epoch());
            (self.events)(MediaEvent::EndpointSettled { stream, endpoint, epoch });
        }
        match self.take_bundle(token) {
            Some(bundle) => self.forward_bundled(token, bundle),
            None => self.forward_all(token),
        }
        self.follow(token, count);
        count == BATCH
    }

    /// Sends the last batch to all who get it.
    pub(super) fn forward_all(&mut self, token: Token) {
        self.forward(token, Route::Media);
        self.forward(token, Route::Control);
        self.copy(token);
    }

    /// Tells the stream's follower how far the relay has come with the last batch. What a packet is known by is the same
    /// whether it is encrypted or not.
    fn follow(&mut self, token: Token, count: usize) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        let Some(follower) = &mut stream.follower else { return };
        let batch = &mut self.batch;
        let newest = (0..count).rev().find_map(|index| {
            let slot = batch.slot(index)?;
            settle::mark(slot.buffer.get(..*slot.length)?)
        });
        if newest.is_some_and(|mark| !follower(mark)) {
            stream.follower = None;
        }
    }

    /// Sends the packets of one route of the last batch to all sinks of the stream.
    pub(super) fn forward(&mut self, token: Token, route: Route) {
        let packets = match route {
            Route::Media => &self.media,
            Route::Control => &self.control,
        };
        if packets.is_empty() {
            return;
        }
        if route == Route::Media
            && let Some(filter) = self.filter_mut(token).and_then(Option::take)
        {
            self.forward_filtered(token, &filter);
            if let Some(place) = self.filter_mut(token) {
                *place = Some(filter);
            }
            return;
        }
        let mut index = 0;
        while let Some((mut sink, place)) = self.sink(token, route, index) {
            if !self.streams.contains_key(sink.token) {
                sink.token = self.by_id.get(&sink.stream).copied().unwrap_or_default();
                self.remember(token, route, index, sink);
            }
            index += 1;
            if let Err(reason) = self.deliver(token, route, sink.token, place) {
                self.refuse(token, route, reason);
            }
        }
        if index == 0 {
            self.refuse(token, route, Reason::NoSink);
        }
    }

    /// Decrypts the last batch, which has been sent on as it came, and sends it to those that get copies.
    fn copy(&mut self, token: Token) {
        let Some(stream) = self.streams.get_mut(token) else { return };
        let Some(active) = stream.active.as_deref_mut() else { return };
        let Some(mut copied) = active.copies.take() else { return };
        let mut context = copied.keys.and_then(|token| self.keyrings.get_mut(token));
        for (rtcp, list) in [(false, &mut self.media), (true, &mut self.control)] {
            let batch = &mut self.batch;
            list.retain(|index| {
                let Some(slot) = batch.slot(usize::from(*index)) else { return false };
                let Some(packet) = slot.buffer.get_mut(..*slot.length) else { return false };
                // Handshakes of the parties are their own affair (RFC 7983 section 7).
                if matches!(packet.first(), Some(20..=63)) {
                    return false;
                }
                let Some(context) = &mut context else { return false };
                match context.unprotect_joining(rtcp, packet) {
                    Ok(length) => *slot.length = length,
                    Err(denied) => {
                        stream.shared.dropped(crypto::reason(denied), 1);
                        return false;
                    }
                }
                true
            });
        }
        copied.exchange(active);
        self.forward(token, Route::Media);
        self.forward(token, Route::Control);
        if let Some(active) = self.streams.get_mut(token).and_then(|stream| stream.active.as_deref_mut()) {
            copied.exchange(active);
            active.copies = Some(copied);
        }
    }

    /// Sends the media of the last batch to all sinks of the stream, to each what it may have.
    fn forward_filtered(&mut self, token: Token, rules: &Filter) {
        let mut silenced = false;
        let active = self.streams.get(token).and_then(|stream| stream.active.as_deref());
        let handshakes = active.is_some_and(|active| active.passes_dtls);
        for (index, rule) in rules.rules.iter().enumerate() {
            let Some((mut sink, place)) = self.sink(token, Route::Media, index) else { break };
            if !self.streams.contains_key(sink.token) {
                sink.token = self.by_id.get(&sink.stream).copied().unwrap_or_default();
                self.remember(token, Route::Media, index, sink);
            }
            filter::pick(rules, *rule, handshakes, &self.batch, &self.media, &mut self.kept);
            let blocked = self.media.len() - self.kept.len();
            if blocked > 0
                && let Some(stream) = self.streams.get(token)
            {
                stream.shared.dropped(Reason::Blocked, blocked as u64);
            }
            if self.kept.is_empty() {
                continue;
            }
            if rule.media == MediaRule::Silence && !std::mem::replace(&mut silenced, true) {
                filter::silence(rules, &mut self.batch, &self.media);
            }
            std::mem::swap(&mut self.media, &mut self.kept);
            let delivered = self.deliver(token, Route::Media, sink.token, place);
            if let Err(reason) = delivered {
                self.refuse(token, Route::Media, reason);
            }
            std::mem::swap(&mut self.media, &mut self.kept);
        }
    }

    fn filter_mut(&mut self, token: Token) -> Option<&mut Option<Box<Filter>>> {
        let active = self.streams.get_mut(token)?.active.as_deref_mut()?;
        Some(&mut active.filter)
    }

    /// Sends the packets of one route to one sink, encrypted if its party wants that: at `place`.
    fn deliver(&mut self, from: Token, route: Route, to: Token, place: Place) -> Result<(), Reason> {
        let packets = match route {
            Route::Media => &self.media,
            Route::Control => &self.control,
        };
        let out = self.streams.get_mut(to).ok_or(Reason::NoSink)?;
        let active = out.active.as_mut().ok_or(Reason::NoEndpoint)?;
        let unreachable = active.unreachable();
        let destination = active.destination.as_ref().ok_or(unreachable)?;
        let sent = match active.transmit {
            None => self.batch.send(out.socket.as_fd(), destination, packets, Place::Received),
            Some(token) => {
                let context = self.keyrings.get_mut(token).ok_or(Reason::NoKeys)?;
                let rtcp = route == Route::Control;
                let (encrypted, denied) = (&mut self.encrypted, &mut self.denied);
                crypto::protect(context, rtcp, &mut self.batch, packets, place, encrypted, denied);
                self.batch.send(out.socket.as_fd(), destination, encrypted, place)
            }
        };
        out.shared.sent(sent.packets, sent.bytes, sent.errors);
        if !self.denied.is_empty()
            && let Some(stream) = self.streams.get(from)
        {
            self.denied.drain(..).for_each(|reason| stream.shared.dropped(reason, 1));
        }
        Ok(())
    }

    fn refuse(&self, token: Token, route: Route, reason: Reason) {
        let packets = match route {
            Route::Media => &self.media,
            Route::Control => &self.control,
        };
        if let Some(stream) = self.streams.get(token) {
            stream.shared.dropped(reason, packets.len() as u64);
        }
    }

    /// A sink, and where packets may be changed for it: only for the last one they need not stay as they are.
    fn sink(&self, token: Token, route: Route, index: usize) -> Option<(Sink, Place)> {
        let active = self.streams.get(token)?.active.as_ref()?;
        let sinks = match route {
            Route::Media => &active.sinks,
            Route::Control => &active.rtcp_sinks,
        };
        let sink = sinks.get(index).copied()?;
        Some((sink, if index + 1 == sinks.len() { Place::Received } else { Place::Copy }))
    }

    /// Keeps the place of a sink for the next packet.
    fn remember(&mut self, token: Token, route: Route, index: usize, found: Sink) {
        let Some(active) = self.streams.get_mut(token).and_then(|stream| stream.active.as_mut()) else {
            return;
        };
        let sinks = match route {
            Route::Media => &mut active.sinks,
            Route::Control => &mut active.rtcp_sinks,
        };
        if let Some(sink) = sinks.get_mut(index) {
            *sink = found;
        }
    }

    fn execute(&mut self, limit: usize) {
        let mut executed = 0;
        while executed < limit {
            let Some(command) = self.commands.pop_front() else { break };
            self.command(command);
            executed += 1;
        }
        self.queue.executed(executed);
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Open { stream, socket, local, shared } => self.open(stream, socket, local, shared),
            Command::Relay(RelayCommand::Configure { stream, config }) => {
                let token = self.by_id.get(&stream);
                if let Some(stream) = token.and_then(|token| self.streams.get_mut(*token)) {
                    stream.configure(*config, &mut self.keyrings);
                }
            }
            Command::Relay(RelayCommand::Send { stream, to, bytes }) => {
                if let Some(stream) = self.find(stream) {
                    stream.send(to, &bytes);
                }
            }
            Command::Relay(RelayCommand::Report { stream, packet }) => {
                let token = self.by_id.get(&stream);
                if let Some(stream) = token.and_then(|token| self.streams.get(*token)) {
                    stream.report(packet, &mut self.keyrings);
                }
            }
            Command::Relay(RelayCommand::Close { stream }) => self.close(stream),
            Command::Prepare(work) => work(self),
            // What hands over a stream that is closed by now would put a flow into the kernel that nobody takes out.
            Command::Handover { stream, job } if self.by_id.contains_key(&stream) => {
                self.drain(stream);
                let follower = job(self);
                if let Some(stream) = self.find(stream).filter(|_| follower.is_some()) {
                    stream.follower = follower;
                }
                self.drain(stream);
            }
            Command::Handover { .. } => {}
            Command::Absorb { stream, fold } => {
                if let Some(stream) = self.find(stream) {
                    stream.absorb(&fold);
                }
            }
            Command::Handshakes { stream, feed } => {
                if let Some(stream) = self.find(stream) {
                    stream.feed = feed;
                }
            }
            Command::Depart(departure) => self.depart(&departure),
            Command::Arrive(arrival) => self.arrive(&arrival),
        }
    }

    /// Parts with a stream: its socket is not watched here any more.
    pub(super) fn take_out(&mut self, id: StreamId) -> Option<Stream> {
        let stream = self.by_id.remove(&id).and_then(|token| self.streams.remove(token))?;
        if let Err(error) = self.epoll.delete(stream.socket.as_fd()) {
            tracing::debug!(target: "core", "a media socket was not watched: {error}");
        }
        Some(stream)
    }

    pub(super) fn put_in(&mut self, stream: Stream) {
        let id = stream.id;
        let token = self.streams.insert(stream);
        self.by_id.insert(id, token);
    }

    fn open(&mut self, id: StreamId, socket: Arc<MediaSocket>, local: SocketAddr, shared: Arc<StreamShared>) {
        self.put_in(Stream::new(id, socket, local.is_ipv6(), shared));
    }

    /// The stream a packet came for. Its socket is watched before it is opened here: what is to be executed before it
    /// is executed now.
    fn locate(&mut self, id: StreamId) -> Option<Token> {
        while !self.by_id.contains_key(&id) && !self.commands.is_empty() {
            self.execute(1);
        }
        self.by_id.get(&id).copied()
    }

    /// Has further events of a stream name its place: it need not be looked up for every packet.
    fn name_place(&self, token: Token) {
        let place = token.data().as_ffi();
        let Some(stream) = self.streams.get(token).filter(|_| place & BY_PLACE == 0) else { return };
        let mut event = EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, place | BY_PLACE);
        // Otherwise they go on naming its identity.
        let _unchanged = self.epoll.modify(stream.socket.as_fd(), &mut event);
    }

    fn close(&mut self, id: StreamId) {
        if let Some(token) = self.by_id.remove(&id) {
            // Closing the descriptor takes the socket out of the epoll set.
            if let Some(mut stream) = self.streams.remove(token) {
                stream.release(&mut self.keyrings);
            }
        }
    }

    /// Forwards everything that waits in a socket's queue.
    fn drain(&mut self, id: StreamId) {
        let Some(token) = self.by_id.get(&id).copied() else { return };
        for _ in 0..DRAIN_BATCHES {
            if !self.turn(token) {
                return;
            }
        }
        // A flood: the rest takes its turn like any other.
        self.serve(token);
    }

    fn find(&mut self, id: StreamId) -> Option<&mut Stream> {
        self.by_id.get(&id).and_then(|token| self.streams.get_mut(*token))
    }
}

impl SrtpStates for Shard {
    fn share(
        &mut self,
        keyring: StreamId,
        direction: Direction,
        keys: &Arc<CryptoParams>,
        row: SharedRow,
    ) -> bool {
        self.keyrings.share(keyring, direction, keys, row)
    }
}

/// Has the thread behind `epoll` told of packets for a stream. Edge triggered: a turn ends with an empty queue, or the
/// socket is put on the ready list.
pub(super) fn watch(epoll: &Epoll, stream: StreamId, socket: &Socket) -> nix::Result<()> {
    epoll.add(socket.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, stream.0))
}

/// Judges a batch; fills the lists by route and hands up what is for ICE. Returns where the endpoint settled, if it did.
fn sort(
    stream: &mut Stream,
    now: Now,
    batch: &mut Batch,
    count: usize,
    (media, control, lines): (&mut Vec<u8>, &mut Vec<u8>, &mut [u8; BATCH]),
    keyrings: &mut Keyrings,
    events: &Events,
) -> Option<SocketAddr> {
    media.clear();
    control.clear();
    let mut settled = None;
    for index in 0..count {
        let source = batch.source(index);
        let Some(packet) = batch.slot(index) else { break };
        let (route, endpoint) = stream.judge(now, source, packet, keyrings);
        settled = endpoint.or(settled);
        match route {
            // BATCH fits into a u8.
            Ok(Route::Media) => {
                media.push(index as u8);
                if let Some(line) = lines.get_mut(index) {
                    *line = stream.line;
                }
            }
            Ok(Route::Control) => {
                let (event, passes) =
                    batch.slot(index).map_or((None, false), |packet| stream.rtcp(now, packet));
                event.into_iter().for_each(|event| events(event));
                if passes {
                    control.push(index as u8);
                }
            }
            Err(Reason::Stun) => {
                match batch.slot(index).and_then(|packet| stream.stun(now, source, packet)) {
                    Some(event) => events(event),
                    None => stream.shared.dropped(Reason::Stun, 1),
                }
            }
            Err(Reason::Dtls) => {
                let payload = batch.slot(index).and_then(|slot| slot.buffer.get(..*slot.length));
                match stream.handshake(source, payload.unwrap_or_default()) {
                    Handshake::Taken => {}
                    // Handshakes are those of the first m-line.
                    Handshake::Forward => {
                        media.push(index as u8);
                        lines.get_mut(index).into_iter().for_each(|line| *line = 0);
                    }
                    Handshake::Refused => stream.shared.dropped(Reason::Dtls, 1),
                }
            }
            Err(reason) => stream.shared.dropped(reason, 1),
        }
    }
    settled
}
