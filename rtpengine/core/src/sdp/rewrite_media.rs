//! Writing one media section.

use smallvec::SmallVec;

use super::attribute::AttributeKind;
use super::codec::{self, Codec};
use super::formats;
use super::line::Line;
use super::media::Media;
use super::plan::{MediaPlan, RtcpMuxPlan, RtcpPlan, SecretLine, Strip, TwinPlan};
use super::rewrite::{Writer, clean, network_address, strips};
use super::rewrite_connection::MediaConnection;
use super::security::{Candidate, CandidateKind};
use super::session::Session;

/// Which of the two sections an m-line can be written as.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Own,
    Twin,
}

/// What becomes of the second form of a section with `plan`.
pub(super) fn twin_plan<'p>(plan: &MediaPlan<'p>, twin: TwinPlan<'p>) -> MediaPlan<'p> {
    MediaPlan {
        protocol: Some(twin.protocol),
        port: if twin.rejected { Some(0) } else { plan.port },
        mid: None,
        crypto: if twin.rejected { &[] } else { plan.crypto },
        strip: Strip { sdes: true, dtls: true, ..plan.strip },
        twin: None,
        ..*plan
    }
}

/// The blank lines at the end of a section, which stay there.
pub(super) fn blank_tail(out: &mut Writer, session: &Session<'_>, media: &Media<'_>) {
    let lines = session.media_lines(media);
    for line in lines.iter().skip(content_end(lines)) {
        out.copy(line);
    }
}

fn content_end(lines: &[Line<'_>]) -> usize {
    lines.iter().rposition(|line| !line.is_blank()).map_or(0, |last| last + 1)
}

/// Writes one section with its changes, [`blank_tail`] aside.
pub(super) fn section(
    out: &mut Writer,
    session: &Session<'_>,
    media: &Media<'_>,
    plan: &MediaPlan<'_>,
    form: Form,
    connection: MediaConnection,
) {
    let lines = session.media_lines(media);
    let end = content_end(lines);
    let title = lines.iter().take(end).skip(1).take_while(|line| line.letter == b'i').count();
    let rtpmaps = if plan.complete_rtpmaps {
        missing_rtpmaps(media, plan.formats, lines, end)
    } else {
        SmallVec::new()
    };
    let mut state = Section { media, plan, form, connection, wrote: Wrote::default() };

    for (at, line) in lines.iter().enumerate().take(end) {
        for (_, codec) in rtpmaps.iter().filter(|(before, _)| *before == at) {
            insert_rtpmap(out, codec);
        }
        state.line(out, line);
        if at == title {
            state.insert_connection(out, session);
        }
    }
    for (_, codec) in rtpmaps.iter().filter(|(before, _)| *before >= end) {
        insert_rtpmap(out, codec);
    }
    state.finish(out);
}

/// Which lines the section has had so far.
#[derive(Default)]
struct Wrote {
    connection: bool,
    direction: bool,
    rtcp: bool,
    rtcp_mux: bool,
    ptime: bool,
}

struct Section<'s, 'a> {
    media: &'s Media<'a>,
    plan: &'s MediaPlan<'s>,
    form: Form,
    connection: MediaConnection,
    wrote: Wrote,
}

impl Section<'_, '_> {
    /// Writes, replaces or drops one line of the old body.
    fn line(&mut self, out: &mut Writer, line: &Line<'_>) {
        let plan = self.plan;
        if strips(plan.strip, line.attribute) || (plan.strip.relay_candidates && is_relay(line)) {
            return;
        }
        if plan.formats.is_some_and(|formats| formats::is_about_others(line, formats)) {
            return;
        }
        match line.letter {
            b'm' => self.media_line(out, line),
            b'c' => match self.connection {
                MediaConnection::Replace(address) => {
                    if !std::mem::replace(&mut self.wrote.connection, true) {
                        out.replace(line, &[b"c=", network_address(address).as_bytes()]);
                    }
                }
                MediaConnection::Keep | MediaConnection::Insert(_) | MediaConnection::InsertOld => {
                    out.copy(line);
                }
            },
            _ => match line.attribute {
                AttributeKind::Direction => {
                    let again = std::mem::replace(&mut self.wrote.direction, true);
                    match plan.direction {
                        None => out.copy(line),
                        Some(_) if again => {}
                        Some(direction) => out.replace(line, &[b"a=", direction.as_str().as_bytes()]),
                    }
                }
                AttributeKind::Rtcp => {
                    let again = std::mem::replace(&mut self.wrote.rtcp, true);
                    match rtcp_value(plan.rtcp) {
                        Some(value) if !again => out.replace(line, &[b"a=rtcp:", value.as_bytes()]),
                        None if plan.rtcp == RtcpPlan::Keep => out.copy(line),
                        Some(_) | None => {}
                    }
                }
                AttributeKind::RtcpMux | AttributeKind::RtcpMuxOnly => {
                    self.wrote.rtcp_mux |= line.attribute == AttributeKind::RtcpMux;
                    match plan.rtcp_mux {
                        RtcpMuxPlan::Remove => {}
                        RtcpMuxPlan::Keep | RtcpMuxPlan::Add => out.copy(line),
                    }
                }
                AttributeKind::Mid if self.form == Form::Twin => {}
                AttributeKind::Ptime if plan.ptime.is_some() => {
                    if let Some(ptime) =
                        plan.ptime.filter(|_| !std::mem::replace(&mut self.wrote.ptime, true))
                    {
                        out.replace(line, &[b"a=ptime:", ptime.to_string().as_bytes()]);
                    }
                }
                AttributeKind::NotAnAttribute
                | AttributeKind::RtpMap
                | AttributeKind::Fmtp
                | AttributeKind::RtcpFb
                | AttributeKind::Ptime
                | AttributeKind::MaxPtime
                | AttributeKind::Mid
                | AttributeKind::GroupBundle
                | AttributeKind::BundleOnly
                | AttributeKind::Label
                | AttributeKind::Ice
                | AttributeKind::Crypto
                | AttributeKind::Dtls
                | AttributeKind::Other => out.copy(line),
            },
        }
    }

    fn media_line(&self, out: &mut Writer, line: &Line<'_>) {
        if self.plan.port.is_none() && self.plan.protocol.is_none() && self.plan.formats.is_none() {
            return out.copy(line);
        }
        let port = match (self.plan.port, self.media.num_ports) {
            (Some(port), _) => port.to_string(),
            (None, 1) => self.media.port.to_string(),
            (None, count) => format!("{}/{count}", self.media.port),
        };
        let protocol = clean(self.plan.protocol.unwrap_or(self.media.protocol_name));
        let kind = self.media.kind.as_str().as_bytes();
        let formats = self.plan.formats.map_or_else(|| self.media.formats.join(" "), |list| list.join(" "));
        let gap: &[u8] = if formats.is_empty() { b"" } else { b" " };
        out.replace(line, &[b"m=", kind, b" ", port.as_bytes(), b" ", &protocol, gap, formats.as_bytes()]);
    }

    fn insert_connection(&self, out: &mut Writer, session: &Session<'_>) {
        match (self.connection, session.connection) {
            (MediaConnection::Insert(address), _) => {
                out.insert(format_args!("c={}", network_address(address)));
            }
            (MediaConnection::InsertOld, Some(old)) => {
                out.insert(format_args!("c={} {} {}", old.net_type, old.addr_type, old.address));
            }
            (MediaConnection::InsertOld, None) => {}
            (MediaConnection::Keep | MediaConnection::Replace(_), _) => {}
        }
    }

    /// Adds at the end what the section did not have.
    fn finish(&self, out: &mut Writer) {
        let keys = |line: &SecretLine| {
            matches!(AttributeKind::of(line.0.as_bytes()), AttributeKind::Crypto | AttributeKind::Dtls)
        };
        for line in self.plan.crypto.iter().filter(|line| self.form == Form::Own || !keys(line)) {
            out.insert(format_args!("a={}", line.0));
        }
        if let Some(ptime) = self.plan.ptime.filter(|_| !self.wrote.ptime) {
            out.insert(format_args!("a=ptime:{ptime}"));
        }
        if let Some(direction) = self.plan.direction.filter(|_| !self.wrote.direction) {
            out.insert(format_args!("a={}", direction.as_str()));
        }
        if let Some(value) = rtcp_value(self.plan.rtcp).filter(|_| !self.wrote.rtcp) {
            out.insert(format_args!("a=rtcp:{value}"));
        }
        if self.plan.rtcp_mux == RtcpMuxPlan::Add && !self.wrote.rtcp_mux {
            out.insert("a=rtcp-mux");
        }
        if let Some(mid) = self.plan.mid.filter(|_| self.media.mid.is_none()) {
            out.insert(format_args!("a=mid:{}", String::from_utf8_lossy(&clean(mid))));
        }
    }
}

/// Whether a line is a candidate at a TURN server.
fn is_relay(line: &Line<'_>) -> bool {
    line.attribute == AttributeKind::Ice
        && line.raw.starts_with(b"a=candidate:")
        && line
            .attribute_value()
            .and_then(Candidate::parse)
            .is_some_and(|candidate| candidate.kind == CandidateKind::Relay)
}

/// The value of the `a=rtcp` line to write.
fn rtcp_value(plan: RtcpPlan) -> Option<String> {
    match plan {
        RtcpPlan::Keep | RtcpPlan::Omit => None,
        RtcpPlan::Port(port) => Some(port.to_string()),
        RtcpPlan::Full(address, port) => Some(format!("{port} {}", network_address(address))),
    }
}

fn insert_rtpmap(out: &mut Writer, codec: &Codec<'_>) {
    out.insert(format_args!("a=rtpmap:{} {codec}", codec.payload_type));
}

/// The static payload types without an `a=rtpmap`, each with the line it goes in front of: the first
/// codec line of its own or a later format. Without one it follows the last codec line, and without
/// any codec line it precedes the first attribute. A payload type with an unreadable rtpmap keeps that.
fn missing_rtpmaps<'m, 'a>(
    media: &'m Media<'a>,
    formats: Option<&[String]>,
    lines: &[Line<'_>],
    end: usize,
) -> SmallVec<[(usize, &'m Codec<'a>); 8]> {
    let mut missing = SmallVec::new();
    if media.codecs.iter().all(|codec| codec.has_rtpmap) {
        return missing;
    }
    let mut order = [usize::MAX; 128];
    let count = formats.map_or(media.formats.len(), <[String]>::len);
    for position in (0..count).rev() {
        let format = match formats {
            None => media.formats.get(position).copied(),
            Some(formats) => formats.get(position).map(String::as_str),
        };
        let format = format.unwrap_or_default();
        if let Some(slot) = codec::payload_type(format).and_then(|pt| order.get_mut(usize::from(pt))) {
            *slot = position;
        }
    }
    let position = |payload_type: u8| order.get(usize::from(payload_type)).copied().unwrap_or(usize::MAX);
    let codec_lines: Vec<(usize, usize)> = lines
        .iter()
        .enumerate()
        .take(end)
        .filter_map(|(at, line)| Some((at, position(formats::payload_type_of(line)?))))
        .filter(|(_, position)| *position != usize::MAX)
        .collect();
    let first_attribute = || lines.iter().take(end).position(|line| line.letter == b'a').unwrap_or(end);
    let has_rtpmap = |payload_type: u8| {
        lines.iter().take(end).any(|line| {
            line.attribute == AttributeKind::RtpMap && formats::payload_type_of(line) == Some(payload_type)
        })
    };
    let fallback = codec_lines.last().map_or_else(first_attribute, |(at, _)| at + 1);
    let mut wanted: SmallVec<[_; 8]> = media
        .codecs
        .iter()
        .filter(|codec| !codec.has_rtpmap && !has_rtpmap(codec.payload_type))
        .map(|codec| (position(codec.payload_type), codec))
        .filter(|(own, _)| *own != usize::MAX)
        .collect();
    wanted.sort_by_key(|(own, _)| *own);
    for (own, codec) in wanted {
        let before = codec_lines.iter().find(|(_, other)| *other >= own).map_or(fallback, |(at, _)| *at);
        missing.push((before, codec));
    }
    missing
}
