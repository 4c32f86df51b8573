//! One media socket and its party.

use std::net::SocketAddr;
use std::sync::Arc;

use rtpengine_common::srtp::CryptoParams;
use rtpengine_core::io::{Component, Copies, Filter, MediaEvent, Now, Reason, RelayStream, StreamId};
use rtpengine_core::media::classify::{Kind, classify};
use rtpengine_core::media::learning::{EndpointTracker, Verdict};
use rtpengine_core::media::ssrc::{Reception, static_clock_rate};
use rtpengine_core::media::stun::Stun;
use slotmap::new_key_type;
use smallvec::SmallVec;
use socket2::SockAddr;

use super::batch::Slot;
use super::bundle::Bundled;
use super::counters::KernelFold;
use super::crypto;
use super::gate::Gate;
use super::handling::Handler;
use super::keyring::{KeyToken, Keyrings};
use super::pool::Follower;
use super::prefetch::prefetch;
use super::rtcp::Reader;
use super::shared::StreamShared;
use super::socket::{self, MediaSocket};
use crate::dtls::Feed;
use crate::srtp::{Direction, MAX_GROWTH};

new_key_type! {
    /// A stream's place in its shard; stale once the stream is closed.
    pub(super) struct Token;
}

/// A stream that packets are forwarded to, with its place if that was found already.
#[derive(Clone, Copy)]
pub(super) struct Sink {
    pub stream: StreamId,
    pub token: Token,
}

/// Which way a packet goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// To the sinks.
    Media,
    /// To the sinks for RTCP.
    Control,
}

/// What becomes of a DTLS datagram.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Handshake {
    /// The DTLS thread has it.
    Taken,
    /// It goes where media goes.
    Forward,
    /// Nobody waits for it, or too many wait already.
    Refused,
}

/// One media socket.
pub(super) struct Stream {
    pub id: StreamId,
    pub socket: Arc<MediaSocket>,
    pub shared: Arc<StreamShared>,
    /// Set while the socket waits for another turn within the same round.
    pub queued: bool,
    pub active: Option<Box<Active>>,
    /// Who takes DTLS datagrams.
    pub feed: Option<Feed>,
    /// Whoever wants to know what was relayed.
    pub follower: Option<Follower>,
    /// The m-line of the RTP packet that was judged last, where several are told apart.
    pub line: u8,
    ipv6: bool,
    overflow: u32,
    reception: Reception,
}

/// The settings of a configured stream and what they have led to.
pub(super) struct Active {
    pub sinks: SmallVec<[Sink; 1]>,
    pub rtcp_sinks: SmallVec<[Sink; 1]>,
    /// The endpoint as the system wants it.
    pub destination: Option<SockAddr>,
    /// Encrypts what is sent to the party; `None`: it is sent as it is.
    pub transmit: Option<KeyToken>,
    /// Decrypts what the party sends.
    receive: Option<KeyToken>,
    keyring: StreamId,
    component: Component,
    tracker: EndpointTracker,
    discard: Option<Reason>,
    handler: Handler,
    /// What of the media reaches which sink.
    pub filter: Option<Box<Filter>>,
    /// Who gets copies besides.
    pub copies: Option<Box<Copied>>,
    /// Where several m-lines are told apart: sinks, filter and copies of each.
    pub bundle: Option<Box<Bundled>>,
    awaits_keys: bool,
    pub passes_dtls: bool,
    clock_rates: SmallVec<[(u8, u32); 8]>,
    tos: Option<u8>,
    /// Where ICE knows the party to be.
    vouched: SmallVec<[SocketAddr; 1]>,
    /// Where STUN goes.
    ice: Option<Gate>,
    rtcp: Reader,
    call: Arc<str>,
}

/// The sinks of copies, and what decrypts those.
pub(super) struct Copied {
    pub keys: Option<KeyToken>,
    pub sinks: SmallVec<[Sink; 1]>,
    pub rtcp_sinks: SmallVec<[Sink; 1]>,
    pub filter: Option<Box<Filter>>,
}

impl Copied {
    pub(super) fn new(copies: Copies, keys: Option<KeyToken>) -> Self {
        Self {
            keys,
            sinks: sinks(&copies.sinks),
            rtcp_sinks: sinks(&copies.rtcp_sinks),
            filter: copies.filter,
        }
    }

    /// As [`Stream::moved`].
    pub(super) fn moved(&mut self, place: impl Fn(KeyToken) -> Option<KeyToken>) {
        self.keys = self.keys.and_then(place);
        forget_places(&mut self.sinks);
        forget_places(&mut self.rtcp_sinks);
    }

    /// Puts these sinks in the place of the stream's own, or back.
    pub(super) fn exchange(&mut self, active: &mut Active) {
        std::mem::swap(&mut self.sinks, &mut active.sinks);
        std::mem::swap(&mut self.rtcp_sinks, &mut active.rtcp_sinks);
        std::mem::swap(&mut self.filter, &mut active.filter);
    }
}

impl Active {
    /// Why nothing goes to the party where there is no destination.
    pub(super) fn unreachable(&self) -> Reason {
        self.handler.unreachable(self.tracker.epoch())
    }

    /// The keys that its socket uses of its key ring.
    fn keys(&self) -> Keys {
        Keys {
            receive: self.receive,
            copies: self
                .copies
                .iter()
                .chain(self.bundle.iter().flat_map(|bundle| bundle.copies()))
                .find_map(|copied| copied.keys),
            transmit: self.transmit,
        }
    }
}

/// The keys that a socket uses.
#[derive(Clone, Copy, Default)]
struct Keys {
    receive: Option<KeyToken>,
    copies: Option<KeyToken>,
    transmit: Option<KeyToken>,
}

impl Keys {
    /// Takes those of new settings and puts these back.
    fn exchange(self, keyrings: &mut Keyrings, config: &RelayStream) -> Self {
        let mut take = |direction, params: Option<&Arc<CryptoParams>>, before| {
            keyrings.exchange(config.keyring, direction, params.cloned(), before)
        };
        let lines = config.bundle.iter().flat_map(|bundle| &bundle.lines);
        // Those of all m-lines are the same: the party encrypts with one key.
        let copies = config.copies.iter().chain(lines.filter_map(|line| line.copies.as_ref()));
        let copies = copies.map(|copies| &copies.keys).next();
        Self {
            receive: take(Direction::Receive, config.receive_crypto.as_ref(), self.receive),
            copies: take(Direction::Receive, copies, self.copies),
            transmit: take(Direction::Transmit, config.transmit_crypto.as_ref(), self.transmit),
        }
    }

    /// Puts these back.
    fn release(self, keyrings: &mut Keyrings, ring: StreamId) {
        for (direction, token) in [
            (Direction::Receive, self.receive),
            (Direction::Receive, self.copies),
            (Direction::Transmit, self.transmit),
        ] {
            keyrings.exchange(ring, direction, None, token);
        }
    }
}

/// Has sinks looked up anew: in another thread their places are those of others.
pub(super) fn forget_places(sinks: &mut [Sink]) {
    sinks.iter_mut().for_each(|sink| sink.token = Token::default());
}

pub(super) fn sinks(streams: &[StreamId]) -> SmallVec<[Sink; 1]> {
    streams.iter().map(|stream| Sink { stream: *stream, token: Token::default() }).collect()
}

impl Stream {
    /// Has what a packet from the party touches fetched while the system receives it.
    pub(super) fn prefetch(&self) {
        self.shared.prefetch();
        prefetch(&self.reception);
        if let Some(active) = self.active.as_deref() {
            prefetch(&active.sinks);
            prefetch(&active.receive);
            prefetch(&active.tracker);
            prefetch(&active.clock_rates);
        }
    }

    /// Has what a packet to the party touches fetched while it is judged.
    pub(super) fn prefetch_sink(&self) {
        self.shared.prefetch_sink();
        prefetch(&self.socket);
        if let Some(active) = self.active.as_deref() {
            prefetch(&active.transmit);
            prefetch(&active.destination);
        }
    }

    pub(super) fn new(id: StreamId, socket: Arc<MediaSocket>, ipv6: bool, shared: Arc<StreamShared>) -> Self {
        Self {
            id,
            socket,
            shared,
            queued: false,
            active: None,
            feed: None,
            follower: None,
            line: 0,
            ipv6,
            overflow: 0,
            reception: Reception::default(),
        }
    }

    /// Takes over new settings; counters stay.
    pub(super) fn configure(&mut self, config: RelayStream, keyrings: &mut Keyrings) {
        let mut previous = self.active.take();
        let old_tos = previous.as_ref().and_then(|active| active.tos);
        if config.tos != old_tos
            && let Err(error) = socket::set_tos(self.socket.socket(), self.ipv6, config.tos.unwrap_or(0))
        {
            tracing::warn!(target: "core", call = %config.call, "cannot set TOS {:?} on a media socket: {error}", config.tos);
        }
        let gate = previous.as_mut().and_then(|active| active.ice.take());
        let reader = previous.as_ref().map(|active| active.rtcp).unwrap_or_default();
        let handler = previous.as_ref().map_or_else(Handler::default, |active| active.handler);
        let handler = handler.configure(config.handling);
        // Before the old ones are given up: the ring may be the same.
        keyrings.join(config.keyring);
        let keys = previous.as_ref().map(|active| active.keys()).unwrap_or_default();
        let keys = keys.exchange(keyrings, &config);
        let bundle = config.bundle.as_deref().map(|bundle| {
            let before = previous.as_ref().and_then(|active| active.bundle.as_deref());
            Box::new(Bundled::new(bundle, before, keys.copies))
        });
        let tracker = match previous {
            Some(active) => {
                keyrings.leave(active.keyring);
                let mut tracker = active.tracker;
                tracker.reconfigure(&config);
                tracker
            }
            None => EndpointTracker::new(&config),
        };
        self.active = Some(Box::new(Active {
            sinks: sinks(&config.sinks),
            rtcp_sinks: sinks(&config.rtcp_sinks),
            destination: tracker.endpoint().filter(|_| handler.may_send(tracker.epoch())).map(SockAddr::from),
            transmit: keys.transmit,
            receive: keys.receive,
            keyring: config.keyring,
            component: config.component,
            tracker,
            discard: config.discard,
            handler,
            filter: config.filter,
            copies: config.copies.map(|copies| Box::new(Copied::new(*copies, keys.copies))),
            bundle,
            awaits_keys: config.awaits_keys,
            passes_dtls: config.passes_dtls,
            clock_rates: config.clock_rates,
            tos: config.tos,
            vouched: config.vouched,
            ice: Gate::of(config.ice, gate),
            rtcp: reader.configure(config.rtcp),
            call: config.call,
        }));
    }

    /// The key ring it uses.
    pub(super) fn keyring(&self) -> Option<StreamId> {
        self.active.as_ref().map(|active| active.keyring)
    }

    /// Has changed over to another relay thread, where its keys have other places.
    pub(super) fn moved(&mut self, place: impl Fn(KeyToken) -> Option<KeyToken>) {
        self.queued = false;
        let Some(active) = &mut self.active else { return };
        active.transmit = active.transmit.and_then(&place);
        active.receive = active.receive.and_then(&place);
        forget_places(&mut active.sinks);
        forget_places(&mut active.rtcp_sinks);
        active.copies.iter_mut().for_each(|copied| copied.moved(&place));
        active.bundle.iter_mut().for_each(|bundle| bundle.moved(&place));
    }

    /// The stream is about to be closed.
    pub(super) fn release(&mut self, keyrings: &mut Keyrings) {
        if let Some(active) = self.active.take() {
            active.keys().release(keyrings, active.keyring);
            keyrings.leave(active.keyring);
        }
    }

    /// Decrypts a packet, judges it and counts it as received. `Ok`: where it goes, and the endpoint if it settled just
    /// now. A packet that is not authentic changes nothing.
    pub(super) fn judge(
        &mut self,
        now: Now,
        source: Option<SocketAddr>,
        packet: Slot<'_>,
        keyrings: &mut Keyrings,
    ) -> (Result<Route, Reason>, Option<SocketAddr>) {
        let Some(active) = self.active.as_deref_mut() else { return (Err(Reason::NotEstablished), None) };
        let received = *packet.length;
        let Some(payload) = packet.buffer.get_mut(..received) else { return (Err(Reason::Malformed), None) };
        if active.component == Component::Raw && active.ice.is_some() && Stun::parse(payload).is_some() {
            return (Err(Reason::Stun), None);
        }
        let mut kind = classify(active.component, payload);
        if let Kind::Refused(reason) = kind {
            return (Err(reason), None);
        }
        if active.awaits_keys {
            return (Err(Reason::NoKeys), None);
        }
        if let Some(token) = active.receive {
            let Some(context) = keyrings.get_mut(token) else { return (Err(Reason::NoKeys), None) };
            let length = match context.unprotect(kind == Kind::Rtcp, payload) {
                Ok(length) => length,
                Err(denied) => return (Err(crypto::reason(denied)), None),
            };
            *packet.length = length;
            kind = classify(active.component, payload.get(..length).unwrap_or_default());
            if let Kind::Refused(reason) = kind {
                return (Err(reason), None);
            }
        }
        let Some(source) = source else { return (Err(Reason::Malformed), None) };
        let before = active.tracker.endpoint();
        let settled = match active.tracker.packet(now.mono_us, source) {
            Verdict::Accept => None,
            Verdict::Drop(reason) => return (Err(reason), None),
            Verdict::Settle(endpoint) => Some(endpoint),
        };
        let heard = active.handler.hear(active.tracker.epoch());
        if heard || active.tracker.endpoint() != before {
            active.destination = active.tracker.endpoint().map(SockAddr::from);
        }
        if let Some(endpoint) = settled {
            tracing::debug!(target: "core", call = %active.call, "endpoint settled at {endpoint}");
        }
        self.shared.received(1, received as u64, now.unix_us);
        let route = match kind {
            Kind::Rtp(header) => {
                let known =
                    active.clock_rates.iter().find(|(payload_type, _)| *payload_type == header.payload_type);
                let rate = known.map(|(_, rate)| *rate).or_else(|| static_clock_rate(header.payload_type));
                self.reception.packet(&header, received, now.mono_us, rate);
                let packet = payload.get_mut(..*packet.length).unwrap_or_default();
                if let Some(bundle) = active.bundle.as_deref_mut() {
                    match bundle.associate(&header, packet) {
                        Ok(line) => self.line = line,
                        Err(reason) => return (Err(reason), settled),
                    }
                }
                if let Err(reason) = active.handler.rtp(&header, packet) {
                    return (Err(reason), settled);
                }
                Route::Media
            }
            Kind::Rtcp => Route::Control,
            Kind::Raw | Kind::Refused(_) => Route::Media,
        };
        let held = active.discard.filter(|reason| route == Route::Media || *reason == Reason::NoKeys);
        let held = held.or_else(|| active.handler.refuses(route));
        (held.map_or(Ok(route), Err), settled)
    }

    /// What is to be told of a STUN message; `None` where it is of no interest, or there are too many.
    pub(super) fn stun(
        &mut self,
        now: Now,
        source: Option<SocketAddr>,
        packet: Slot<'_>,
    ) -> Option<MediaEvent> {
        let active = self.active.as_deref_mut()?;
        let (source, message) = (source?, packet.buffer.get(..*packet.length)?);
        let endpoint = active.tracker.endpoint().filter(|_| active.tracker.settled());
        active
            .ice
            .as_mut()?
            .admits(now.mono_us, endpoint == Some(source), message)
            .then(|| MediaEvent::Stun { stream: self.id, source, bytes: message.to_vec() })
    }

    /// What is to be told of a packet of RTCP in the clear, and whether it is to be passed on.
    pub(super) fn rtcp(&mut self, now: Now, packet: Slot<'_>) -> (Option<MediaEvent>, bool) {
        let id = self.id;
        self.active.as_mut().map_or((None, true), |active| active.rtcp.read(id, now, packet))
    }

    /// Sends RTCP of ours to the party.
    pub(super) fn report(&self, mut packet: Vec<u8>, keyrings: &mut Keyrings) {
        let Some(active) = self.active.as_deref() else { return };
        let Some(destination) = &active.destination else { return };
        let mut length = packet.len();
        if let Some(token) = active.transmit {
            packet.resize(length + MAX_GROWTH, 0);
            match keyrings.get_mut(token).map(|context| context.protect(true, &mut packet, length)) {
                Some(Ok(protected)) => length = protected,
                Some(Err(_)) | None => return self.shared.sent(0, 0, 1),
            }
        }
        let sent = self.socket.socket().send_to(packet.get(..length).unwrap_or_default(), destination);
        match sent {
            Ok(bytes) => self.shared.sent(1, bytes as u64, 0),
            Err(_) => self.shared.sent(0, 0, 1),
        }
    }

    /// Sends a datagram that is no media. One that cannot be sent is sent again by whoever waits for the reply.
    pub(super) fn send(&self, to: SocketAddr, bytes: &[u8]) {
        self.socket.send_to(bytes, to);
    }

    /// What becomes of a DTLS datagram. It teaches nothing about the party: anybody can send one.
    pub(super) fn handshake(&self, source: Option<SocketAddr>, payload: &[u8]) -> Handshake {
        let Some((active, source)) = self.active.as_ref().zip(source) else { return Handshake::Refused };
        if active.passes_dtls {
            return Handshake::Forward;
        }
        let Some(feed) = &self.feed else { return Handshake::Refused };
        let verified = active.tracker.is_endpoint(source) || active.vouched.contains(&source);
        if feed.datagram(source, verified, payload) { Handshake::Taken } else { Handshake::Refused }
    }

    /// The epoch of the settings in force.
    pub(super) fn epoch(&self) -> u32 {
        self.active.as_ref().map_or(0, |active| active.tracker.epoch())
    }

    /// Whether an SSRC has been received lately.
    pub(super) fn has_heard(&self, ssrc: u32) -> bool {
        self.reception.ssrcs().any(|known| known.ssrc == ssrc)
    }

    /// Makes the statistics visible to readers.
    pub(super) fn publish(&self) {
        self.shared.publish(&self.reception);
    }

    /// Continues after the kernel had the stream.
    pub(super) fn absorb(&mut self, fold: &KernelFold) {
        self.shared.absorb(fold);
        for ssrc in &fold.ssrcs {
            self.reception.absorb(ssrc);
        }
        self.publish();
    }

    /// Notes the socket's count of overflows.
    pub(super) fn overflowed(&mut self, total: u32) {
        self.shared.overflowed(total.wrapping_sub(self.overflow).into());
        self.overflow = total;
    }
}
