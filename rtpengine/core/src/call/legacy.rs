//! The commands of the protocols that came before *ng*: the same calls, with m-lines that are an address and a port.

use std::net::SocketAddr;

use super::{
    bundle::Heads,
    draft::Draft,
    engine::{ControlSource, Engine},
    error::CallError,
    exchange::Exchange,
    media::{Carries, MediaPair},
    model::Call,
    offer::call_id,
};
use crate::{
    io::{MediaPlane, Now},
    legacy::{Answer, Request, Stream},
    ng::{self, Command, Replace},
    sdp::{self, ParseOptions},
};

const SECOND_US: u64 = 1_000_000;

impl Engine {
    /// Carries a request of a legacy protocol out, under the rules of [`Engine::request`].
    ///
    /// # Errors
    /// Why it was refused, for the log: the protocols have no words for it.
    pub fn legacy(
        &mut self,
        now: Now,
        source: &ControlSource,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Answer, String> {
        self.tally.start(now);
        let command = request.ng.command;
        let result = match command {
            Command::Ping => Ok(Answer::Alive),
            Command::Offer | Command::Answer => self.signal(now, source, request, plane),
            Command::Delete => self.delete(now, &request.ng, plane).map(|_statistics| Answer::Deleted),
            Command::Query => self.counts(now, &request.ng, plane),
            Command::List => Ok(self.sessions(plane)),
            other => Err(CallError::NotBuilt(other.wire_name())),
        };
        self.tally.count(source.addr.ip(), command, result.is_err());
        result.map_err(|error| error.to_string())
    }

    fn signal(
        &mut self,
        now: Now,
        source: &ControlSource,
        request: &Request,
        plane: &mut dyn MediaPlane,
    ) -> Result<Answer, CallError> {
        let body = body(&request.streams);
        let session = sdp::parse(body.as_bytes(), ParseOptions::default())?;
        let mut wanted = request.ng.clone();
        // The reply says where a party is to send, even where that party is on hold.
        wanted.replace.insert(Replace::ZeroAddress);
        let work =
            |exchange: Exchange<'_, '_>, draft: &mut Draft<'_>| exchange.lines(draft, &request.streams);
        let (addresses, warnings) = if wanted.command == Command::Offer {
            self.offered(now, source, &wanted, &session, plane, work)?
        } else {
            self.answered(now, &wanted, &session, plane, work)?
        };
        if !warnings.is_empty() {
            let call = wanted.call_id.as_deref().unwrap_or_default();
            tracing::warn!(target: "core", call, "{}", warnings.join("; "));
        }
        Ok(Answer::Addresses(addresses))
    }

    fn counts(&self, now: Now, request: &ng::Request, plane: &dyn MediaPlane) -> Result<Answer, CallError> {
        let key = self.by_id.get(call_id(request)?).ok_or(CallError::UnknownCall)?;
        let call = self.calls.get(*key).ok_or(CallError::UnknownCall)?;
        let mut tags = [&request.from_tag, &request.to_tag].into_iter().flatten();
        if !tags.all(|tag| call.party_by_tag(tag).is_some()) {
            return Err(CallError::NotFound);
        }
        let sum = |rtcp: bool| {
            let sockets = call.sockets.iter().filter(|socket| socket.rtcp == rtcp);
            sockets.map(|socket| plane.counters(socket.stream).packets).sum()
        };
        let alive = call.sockets.iter().map(|socket| socket.alive_mono_us).max();
        let idle = now.mono_us.saturating_sub(alive.unwrap_or(call.last_signal_mono_us)) / SECOND_US;
        let remaining = self.config.silent_timeout.saturating_sub(idle);
        Ok(Answer::Counts { remaining, rtp: sum(false), rtcp: sum(true) })
    }

    fn sessions(&self, plane: &dyn MediaPlane) -> Answer {
        let bytes = |call: &Call| -> u64 {
            call.sockets.iter().map(|socket| plane.counters(socket.stream).bytes).sum()
        };
        Answer::Sessions {
            calls: self.calls.values().map(|call| call.id.to_string()).collect(),
            bytes: self.calls.values().map(bytes).sum(),
        }
    }
}

impl Exchange<'_, '_> {
    /// Takes the m-lines of the session in, each in the place that `streams` says, and leaves all others as they are; yields
    /// where the other party is to send each.
    fn lines(
        mut self,
        draft: &mut Draft<'_>,
        streams: &[Stream],
    ) -> Result<Vec<Option<SocketAddr>>, CallError> {
        let mut medias = self.begin(draft)?;
        let mut addresses = Vec::with_capacity(streams.len());
        for (stream, media) in streams.iter().zip(&self.session.medias) {
            let index = stream.line.index();
            if medias.len() <= index && self.offer {
                let missing = || MediaPair { carries: Carries::Nothing, ..MediaPair::default() };
                medias.resize_with(index + 1, missing);
            }
            let place = index.min(medias.len());
            let (before, after) = medias.split_at_mut(place);
            let pair = after.first_mut().ok_or(CallError::NoSuchLine(index + 1))?;
            let plan = self.media(draft, before, pair, media, Heads::default())?.plan;
            let port = plan.port.filter(|port| *port > 0);
            addresses.push(plan.address.zip(port).map(SocketAddr::from));
        }
        if let Some(dialogue) = draft.call.dialogues.get_mut(self.dialogue) {
            dialogue.medias = medias;
        }
        draft.call.touch(self.dialogue, draft.now);
        draft.check_keys()?;
        Ok(addresses)
    }
}

/// The body that says the same as the m-lines.
fn body(streams: &[Stream]) -> String {
    let mut body = "v=0\r\n".to_owned();
    for stream in streams {
        stream.describe(&mut body);
    }
    body
}
