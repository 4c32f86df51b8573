//! DTLS of one component: the association whose keys are in use, and the handshakes that may replace it.

use std::time::Instant;

use rtpengine_core::io::{DtlsRoute, StreamId};

use super::engine::{Association, Common, Event};
use super::fingerprint::Fingerprint;
use super::listener::Heard;
use super::record::{ClientHello, Datagram, demultiplex};
use super::session::{FailureReason, Progress, Role, Session};
use super::statistics::count;

pub(super) struct Stream {
    id: StreamId,
    association: Association,
    /// Whether the active role has begun the association that was opened last.
    connected: bool,
    conflict_told: bool,
    /// The association whose keys were handed out last.
    current: Option<Session>,
    /// Handshakes in progress, oldest first, and finished ones whose fingerprint has not come.
    half_open: Vec<Session>,
    deadline: Option<Instant>,
}

impl Stream {
    pub const fn new(id: StreamId, association: Association) -> Self {
        Self {
            id,
            association,
            connected: false,
            conflict_told: false,
            current: None,
            half_open: Vec::new(),
            deadline: None,
        }
    }

    /// A new association is to replace the one there is.
    pub fn reopen(&mut self, common: &mut Common, association: Association) {
        self.discard_where(common, |_| true);
        self.association = association;
        self.connected = false;
        self.conflict_told = false;
    }

    /// Starts the handshake in the active role, once it is known with whom.
    pub fn connect(&mut self, common: &mut Common, now: Instant) {
        let Some(route) = self.association.remote else { return };
        if self.association.role == Role::Passive || self.connected {
            return;
        }
        if !self.has_room(common, true) {
            count(&common.counters.over_limit);
            self.fail(common, route, true, FailureReason::Overloaded);
            return;
        }
        self.connected = true;
        match Session::connect(&self.association.identity, &self.association.terms(route), now) {
            Ok(mut session) => {
                session.verified = true;
                self.admit(common, session, Progress::Pending);
            }
            Err(error) => self.fail(common, route, true, FailureReason::Protocol(error.to_string())),
        }
    }

    pub fn set_fingerprints(&mut self, common: &mut Common, fingerprints: Vec<Fingerprint>) {
        self.association.fingerprints = fingerprints;
        for session in &mut self.half_open {
            session.expect_fingerprints(&self.association.fingerprints);
        }
        // A client that started over has the keys of its latest handshake.
        while let Some(index) = self.half_open.iter().rposition(|session| session.is_finished()) {
            if !self.finish(common, index) {
                break;
            }
        }
    }

    pub fn set_remote(&mut self, common: &mut Common, remote: DtlsRoute) {
        let old = self.association.remote.replace(remote);
        self.vouch(common, remote);
        let sessions = self.half_open.iter_mut().chain(&mut self.current);
        for session in sessions.filter(|session| session.verified || Some(session.route) == old) {
            session.route = remote;
        }
    }

    /// SDP or ICE has named the source of handshakes that began with a cookie.
    fn vouch(&mut self, common: &mut Common, source: DtlsRoute) {
        for session in self.half_open.iter_mut().filter(|session| session.route == source) {
            *class(common, session) -= 1;
            session.verified = true;
            *class(common, session) += 1;
        }
        if let Some(current) = self.current.as_mut().filter(|session| session.route == source) {
            current.verified = true;
        }
    }

    pub fn close(&mut self, common: &mut Common) {
        self.discard_where(common, |_| true);
        if let Some(mut session) = self.current.take() {
            session.close();
            flush(common, &mut session);
        }
        common.schedule(self.id, self.deadline.take(), None);
    }

    pub fn receive(
        &mut self,
        common: &mut Common,
        now: Instant,
        source: DtlsRoute,
        verified: bool,
        datagram: &[u8],
    ) {
        let verified = verified || self.association.remote == Some(source);
        if verified {
            self.vouch(common, source);
        }
        match demultiplex(datagram) {
            Err(_) => count(&common.counters.malformed),
            Ok(Datagram::ClientHello(hello)) => {
                self.client_hello(common, now, source, verified, hello, datagram);
            }
            Ok(Datagram::Association { .. }) => self.continuation(common, source, verified, datagram),
        }
    }

    /// What asks for no new association goes to the one with its source; a peer that ICE moved is known as verified.
    fn continuation(&mut self, common: &mut Common, source: DtlsRoute, verified: bool, datagram: &[u8]) {
        let of_source = self.half_open.iter().rposition(|session| session.route == source);
        let moved = || self.half_open.iter().rposition(|session| verified && session.verified);
        let is_current = self.current.as_ref().is_some_and(|session| session.route == source);
        match of_source.or_else(|| if is_current { None } else { moved() }) {
            Some(index) => {
                self.follow(index, source, verified);
                self.feed(common, index, datagram);
            }
            None if is_current || (verified && self.current.is_some()) => self.feed_current(common, datagram),
            None => count(&common.counters.strangers),
        }
    }

    fn client_hello(
        &mut self,
        common: &mut Common,
        now: Instant,
        source: DtlsRoute,
        verified: bool,
        hello: ClientHello,
        datagram: &[u8],
    ) {
        if self.association.role == Role::Active {
            count(&common.counters.role_conflicts);
            if verified && !self.conflict_told {
                self.conflict_told = true;
                common.event(self.id, self.association.epoch, Event::RoleConflict { peer: source.peer });
            }
            return;
        }
        // One peer may speak by several sockets and from several addresses, until ICE has chosen.
        let is_peers = |session: &Session| session.route == source || (verified && session.verified);
        let repeats = |session: &Session| is_peers(session) && session.hello == Some(hello.random);
        if let Some(index) = self.half_open.iter().position(repeats) {
            self.follow(index, source, verified);
            return self.feed(common, index, datagram);
        }
        if self.current.as_ref().is_some_and(repeats) {
            return self.feed_current(common, datagram);
        }
        // A hello that would replace something may be forged even where the source is known, so it needs a cookie
        // (RFC 6347 section 4.2.8).
        let mut sessions = self.half_open.iter().chain(&self.current);
        let replaces = sessions.any(is_peers);
        let started = if verified && !replaces && hello.message_sequence == 0 && !hello.has_cookie {
            self.accept(common, now, source, datagram)
        } else {
            self.exchange_cookie(common, now, source, verified, datagram)
        };
        if let Some((mut session, progress)) = started {
            session.hello = Some(hello.random);
            session.verified = verified;
            self.admit(common, session, progress);
        }
    }

    fn accept(
        &mut self,
        common: &mut Common,
        now: Instant,
        source: DtlsRoute,
        datagram: &[u8],
    ) -> Option<(Session, Progress)> {
        if !self.has_room(common, true) {
            count(&common.counters.over_limit);
            return None;
        }
        let terms = self.association.terms(source);
        let mut session = Session::accept(&self.association.identity, &terms, now).ok()?;
        let progress = session.receive(datagram);
        Some((session, progress))
    }

    fn exchange_cookie(
        &mut self,
        common: &mut Common,
        now: Instant,
        source: DtlsRoute,
        verified: bool,
        datagram: &[u8],
    ) -> Option<(Session, Progress)> {
        match common.hear(self.id, &self.association, source, datagram, now).ok()? {
            Heard::Answer(answer) => {
                count(&common.counters.cookies_sent);
                common.transmit(source, answer);
                None
            }
            Heard::Nothing => {
                count(&common.counters.malformed);
                None
            }
            Heard::Verified(mut session) => {
                count(&common.counters.cookies_accepted);
                // A client that started over; of one host that nobody vouched for, only the latest attempt counts. What
                // is finished waits for the SDP: others behind the same NAT must not take that away.
                self.discard_where(common, |old| {
                    let same_host = old.route.peer.ip() == source.peer.ip() && !old.is_finished();
                    old.route == source || (verified == old.verified && (verified || same_host))
                });
                if !self.has_room(common, verified) {
                    count(&common.counters.over_limit);
                    return None;
                }
                if !verified && !common.rate.admit(source.peer.ip(), now) {
                    count(&common.counters.over_rate);
                    return None;
                }
                let progress = session.drive();
                Some((*session, progress))
            }
        }
    }

    fn has_room(&self, common: &Common, verified: bool) -> bool {
        let [known, strangers] = common.half_open;
        let limit = common.limits.half_open;
        let here = self.half_open.iter().filter(|session| session.verified == verified).count();
        known + strangers < limit
            && (verified || strangers < limit / 2)
            && here < common.limits.half_open_per_stream
    }

    /// Until ICE has chosen, a peer is answered where it was heard last.
    fn follow(&mut self, index: usize, source: DtlsRoute, verified: bool) {
        if let Some(session) = self.half_open.get_mut(index).filter(|session| verified && session.verified)
            && self.association.remote.is_none()
        {
            session.route = source;
        }
    }

    fn admit(&mut self, common: &mut Common, session: Session, progress: Progress) {
        count(&common.counters.started);
        *class(common, &session) += 1;
        self.half_open.push(session);
        self.advance(common, self.half_open.len() - 1, progress);
    }

    fn feed(&mut self, common: &mut Common, index: usize, datagram: &[u8]) {
        let Some(session) = self.half_open.get_mut(index) else { return };
        let progress = session.receive(datagram);
        self.advance(common, index, progress);
    }

    fn feed_current(&mut self, common: &mut Common, datagram: &[u8]) {
        let Some(session) = &mut self.current else { return };
        let progress = session.receive(datagram);
        flush(common, session);
        let reason = match progress {
            Progress::Pending | Progress::Finished => {
                session.shrink();
                return;
            }
            Progress::Closed => None,
            Progress::Failed(reason) => Some(reason),
        };
        self.current = None;
        count(&common.counters.closed);
        common.event(self.id, self.association.epoch, Event::Closed { reason });
    }

    /// Draws the consequences of a step of a handshake.
    fn advance(&mut self, common: &mut Common, index: usize, progress: Progress) {
        let Some(session) = self.half_open.get_mut(index) else { return };
        flush(common, session);
        match progress {
            Progress::Pending => {}
            Progress::Finished => {
                if !self.association.fingerprints.is_empty() {
                    self.finish(common, index);
                }
            }
            Progress::Closed => {
                let reason = FailureReason::Protocol("closed by the peer".to_owned());
                self.drop_failed(common, index, reason);
            }
            Progress::Failed(reason) => self.drop_failed(common, index, reason),
        }
    }

    /// Checks the certificate of a finished handshake and hands out its keys. Whether it left the list.
    fn finish(&mut self, common: &mut Common, index: usize) -> bool {
        if self.association.fingerprints.is_empty() {
            return false;
        }
        let Some(session) = self.half_open.get_mut(index) else { return false };
        let keys = match session.keys(&self.association.fingerprints) {
            Ok(keys) => keys,
            Err(reason) => {
                session.close();
                flush(common, session);
                self.drop_failed(common, index, reason);
                return true;
            }
        };
        let mut session = self.remove(common, index);
        session.shrink();
        count(&common.counters.completed);
        self.discard_where(common, |_| true);
        let peer = session.route.peer;
        let profile = keys.send.suite();
        self.current = Some(session);
        common.event(
            self.id,
            self.association.epoch,
            Event::KeysReady { peer, profile, keys: Box::new(keys) },
        );
        true
    }

    fn drop_failed(&mut self, common: &mut Common, index: usize, reason: FailureReason) {
        let session = self.remove(common, index);
        self.fail(common, session.route, session.verified, reason);
    }

    fn fail(&self, common: &mut Common, route: DtlsRoute, verified: bool, reason: FailureReason) {
        count(&common.counters.failed);
        match reason {
            FailureReason::Timeout => count(&common.counters.timed_out),
            FailureReason::FingerprintMismatch => count(&common.counters.mismatched),
            FailureReason::NoSrtpProfile
            | FailureReason::Overloaded
            | FailureReason::Export
            | FailureReason::Protocol(_) => {}
        }
        common.event(self.id, self.association.epoch, Event::Failed { peer: route.peer, verified, reason });
    }

    /// Repeats flights and ends handshakes whose time has come.
    pub fn handle_timeout(&mut self, common: &mut Common, now: Instant) {
        // Backwards: a handshake that ends leaves the list.
        for index in (0..self.half_open.len()).rev() {
            let Some(session) = self.half_open.get_mut(index) else { continue };
            if expiry(common, session) <= now {
                self.drop_failed(common, index, FailureReason::Timeout);
            } else if session.timeout().is_some_and(|left| left.is_zero()) {
                let progress = session.handle_timeout();
                self.advance(common, index, progress);
            }
        }
    }

    /// Tells the engine when this stream wants to be called.
    pub fn reschedule(&mut self, common: &mut Common, now: Instant) {
        let deadline = self
            .half_open
            .iter()
            .map(|session| {
                let expiry = expiry(common, session);
                session.timeout().map_or(expiry, |left| expiry.min(now + left))
            })
            .min();
        common.schedule(self.id, self.deadline, deadline);
        self.deadline = deadline;
    }

    fn discard_where(&mut self, common: &mut Common, unwanted: impl Fn(&Session) -> bool) {
        self.half_open.retain(|session| {
            let keep = !unwanted(session);
            if !keep {
                *class(common, session) -= 1;
                count(&common.counters.replaced);
            }
            keep
        });
    }

    fn remove(&mut self, common: &mut Common, index: usize) -> Session {
        let session = self.half_open.remove(index);
        *class(common, &session) -= 1;
        session
    }
}

/// The count this session is part of while it is half open.
const fn class<'a>(common: &'a mut Common, session: &Session) -> &'a mut usize {
    let [known, strangers] = &mut common.half_open;
    if session.verified { known } else { strangers }
}

/// When a handshake is given up. One that is finished has cost its peer as much as us and may wait for the SDP.
fn expiry(common: &Common, session: &Session) -> Instant {
    let limits = &common.limits;
    let patient = session.verified || session.is_finished();
    session.started + if patient { limits.lifetime } else { limits.stranger_lifetime }
}

fn flush(common: &mut Common, session: &mut Session) {
    for payload in session.take_outgoing() {
        common.transmit(session.route, payload);
    }
    let records = std::mem::take(&mut session.application_data);
    common.counters.application_data.fetch_add(records, std::sync::atomic::Ordering::Relaxed);
}
