//! Several m-lines on one socket (BUNDLE, RFC 9143): each packet goes the way of its m-line.

use rtpengine_core::io::{Bundle, Filter, Reason, StreamId};
use rtpengine_core::media::classify::RtpHeader;
use rtpengine_core::media::demux::{About, Demux, about};
use smallvec::SmallVec;

use super::keyring::KeyToken;
use super::shard::Shard;
use super::stream::{Active, Copied, Route, Sink, Token, forget_places, sinks};

/// Stands for all m-lines.
const ALL: u8 = u8::MAX;
const _: () = assert!(Bundle::MAX_LINES < ALL as usize);

/// The m-lines of a socket.
pub(super) struct Bundled {
    demux: Demux,
    lines: SmallVec<[Line; 2]>,
}

/// Where the packets of one m-line go.
struct Line {
    sinks: SmallVec<[Sink; 1]>,
    rtcp_sinks: SmallVec<[Sink; 1]>,
    discard: Option<Reason>,
    filter: Option<Box<Filter>>,
    copies: Option<Box<Copied>>,
}

impl Line {
    /// Puts these ways in the place of the stream's own, or back.
    fn exchange(&mut self, active: &mut Active) {
        std::mem::swap(&mut self.sinks, &mut active.sinks);
        std::mem::swap(&mut self.rtcp_sinks, &mut active.rtcp_sinks);
        std::mem::swap(&mut self.filter, &mut active.filter);
        std::mem::swap(&mut self.copies, &mut active.copies);
    }
}

impl Bundled {
    /// `keys`: what decrypts copies.
    pub(super) fn new(bundle: &Bundle, before: Option<&Self>, keys: Option<KeyToken>) -> Self {
        let lines = bundle.lines.iter().take(Bundle::MAX_LINES).map(|line| Line {
            sinks: sinks(&line.sinks),
            rtcp_sinks: sinks(&line.rtcp_sinks),
            discard: line.discard,
            filter: line.filter.clone(),
            copies: line.copies.clone().map(|copies| Box::new(Copied::new(*copies, keys))),
        });
        Self { demux: Demux::new(bundle, before.map(|before| &before.demux)), lines: lines.collect() }
    }

    /// The m-line of a packet, or why it goes nowhere.
    pub(super) fn associate(&mut self, header: &RtpHeader, packet: &[u8]) -> Result<u8, Reason> {
        let line = self.demux.packet(header, packet).ok_or(Reason::Bundle)?;
        let discard = self.lines.get(usize::from(line)).and_then(|line| line.discard);
        discard.map_or(Ok(line), Err)
    }

    /// As [`super::stream::Stream::moved`].
    pub(super) fn moved(&mut self, place: impl Fn(KeyToken) -> Option<KeyToken>) {
        for line in &mut self.lines {
            forget_places(&mut line.sinks);
            forget_places(&mut line.rtcp_sinks);
            line.copies.iter_mut().for_each(|copied| copied.moved(&place));
        }
    }

    pub(super) fn copies(&self) -> impl Iterator<Item = &Box<Copied>> {
        self.lines.iter().filter_map(|line| line.copies.as_ref())
    }
}

impl Shard {
    /// Takes the m-lines of a stream out, to be put back by [`Self::forward_bundled`].
    pub(super) fn take_bundle(&mut self, token: Token) -> Option<Box<Bundled>> {
        self.streams.get_mut(token)?.active.as_deref_mut()?.bundle.take()
    }

    /// Sends the last batch on, m-line by m-line; RTCP that is not about a single one goes to all.
    pub(super) fn forward_bundled(&mut self, token: Token, mut bundle: Box<Bundled>) {
        let [media, control] = &mut self.bundled;
        std::mem::swap(&mut self.media, media);
        std::mem::swap(&mut self.control, control);
        for at in 0..self.bundled[1].len() {
            let Some(index) = self.bundled[1].get(at).copied() else { break };
            let line = self.line_of_report(&bundle, index);
            if let Some(place) = self.lines.get_mut(usize::from(index)) {
                *place = line;
            }
        }
        for number in 0..bundle.lines.len() {
            // There are at most MAX_LINES.
            self.pick(number as u8);
            if self.media.is_empty() && self.control.is_empty() {
                continue;
            }
            self.exchange(token, &mut bundle, number);
            self.forward_all(token);
            self.exchange(token, &mut bundle, number);
        }
        self.pick(ALL);
        self.forward(token, Route::Control);
        if let Some(active) = self.streams.get_mut(token).and_then(|stream| stream.active.as_deref_mut()) {
            active.bundle = Some(bundle);
        }
    }

    /// Lists the datagrams of one m-line.
    fn pick(&mut self, number: u8) {
        let Self { media, control, bundled: [all_media, all_control], lines, .. } = self;
        for (list, all) in [(media, &*all_media), (control, &*all_control)] {
            list.clear();
            list.extend(all.iter().filter(|index| lines.get(usize::from(**index)) == Some(&number)));
        }
    }

    fn exchange(&mut self, token: Token, bundle: &mut Bundled, number: usize) {
        let active = self.streams.get_mut(token).and_then(|stream| stream.active.as_deref_mut());
        if let (Some(active), Some(line)) = (active, bundle.lines.get_mut(number)) {
            line.exchange(active);
        }
    }

    /// The m-line that a packet of RTCP is about, or [`ALL`].
    fn line_of_report(&self, bundle: &Bundled, index: u8) -> u8 {
        let Some(packet) = self.batch.received(index) else { return ALL };
        let mut found = None;
        about(packet, |stream| {
            let line = match stream {
                About::Sent(ssrc) => bundle.demux.line_of(ssrc),
                About::Received(ssrc) => self.line_towards(bundle, ssrc),
            };
            // Of streams that nobody knows nothing follows.
            found = match (found, line) {
                (Some(known), Some(line)) if known != line => Some(ALL),
                (known, line) => known.or(line),
            };
        });
        found.unwrap_or(ALL)
    }

    /// The m-line by which the party gets an SSRC.
    fn line_towards(&self, bundle: &Bundled, ssrc: u32) -> Option<u8> {
        let heard = |stream: StreamId| {
            let token = self.by_id.get(&stream).copied();
            token.and_then(|token| self.streams.get(token)).is_some_and(|stream| stream.has_heard(ssrc))
        };
        let line = bundle
            .lines
            .iter()
            .position(|line| line.sinks.iter().chain(&line.rtcp_sinks).any(|sink| heard(sink.stream)));
        // There are at most MAX_LINES.
        line.map(|line| line as u8)
    }
}
