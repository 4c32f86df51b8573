//! From bytes to a [`Session`].

use super::attribute::AttributeKind;
use super::codec::{self, Codec};
use super::error::SdpError;
use super::line::Line;
use super::media::{Direction, Media, MediaKind, Protocol, RtcpAttribute, RtcpFeedback};
use super::session::{Connection, Origin, Security, Session};

/// Longest body accepted, in bytes. Control datagrams end at 64 KiB; TCP leaves room for more.
pub const MAX_BODY_LEN: usize = 128 * 1024;
/// Longest line accepted, in bytes. Key management attributes reach a few thousand.
pub const MAX_LINE_LEN: usize = 8 * 1024;
/// Most lines accepted. A conference offer with dozens of sections stays below 3,000.
pub const MAX_LINES: usize = 4096;
/// Most media sections accepted.
pub const MAX_MEDIAS: usize = 64;
/// Most formats accepted in one media section; RTP has 128 payload types.
pub const MAX_FORMATS: usize = 256;

/// How strict to be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ParseOptions {
    /// Refuse bodies with blank lines (`--reject-invalid-sdp`).
    pub reject_invalid: bool,
}

/// Reads a body. Lines and attributes that are not understood are kept; only a body whose `o=`, `c=`
/// or `m=` lines cannot be trusted is refused.
///
/// # Errors
/// See [`SdpError`].
pub fn parse(body: &[u8], options: ParseOptions) -> Result<Session<'_>, SdpError> {
    session(body, split_lines(body, options, true)?)
}

/// Reads a fragment (`application/trickle-ice-sdpfrag`, RFC 8840 §9.2): media sections with their `a=mid` and ICE
/// attributes, without `v=` and whatever else opens a body.
///
/// # Errors
/// See [`SdpError`].
pub fn parse_fragment(body: &[u8], options: ParseOptions) -> Result<Session<'_>, SdpError> {
    session(body, split_lines(body, options, false)?)
}

fn session<'a>(body: &'a [u8], lines: Vec<Line<'a>>) -> Result<Session<'a>, SdpError> {
    let first_media = lines.iter().position(|line| line.letter == b'm').unwrap_or(lines.len());
    let mut session = Session {
        lines: Vec::new(),
        origin: None,
        name: None,
        connection: None,
        direction: None,
        security: Security::default(),
        ice_lite: false,
        bundle_groups: Vec::new(),
        medias: Vec::new(),
        session_lines: 0..first_media,
        total_len: body.len(),
    };
    for (index, line) in lines.iter().enumerate().take(first_media) {
        session_line(&mut session, line, index + 1)?;
    }
    let mut start = first_media;
    while start < lines.len() {
        if session.medias.len() == MAX_MEDIAS {
            return Err(SdpError::TooManyMedias { line: start + 1 });
        }
        let body = lines.get(start + 1..).unwrap_or_default();
        let end = start + 1 + body.iter().position(|line| line.letter == b'm').unwrap_or(body.len());
        let media = media_section(&session, lines.get(start..end).unwrap_or_default(), start)?;
        session.medias.push(media);
        start = end;
    }
    session.lines = lines;
    Ok(session)
}

/// Splits the body, checks the form of every line and the limits.
fn split_lines(body: &[u8], options: ParseOptions, whole: bool) -> Result<Vec<Line<'_>>, SdpError> {
    if body.is_empty() {
        return Err(SdpError::Empty);
    }
    if body.len() > MAX_BODY_LEN {
        return Err(SdpError::BodyTooLong(body.len()));
    }
    let mut lines = Vec::with_capacity(32);
    let mut rest = body;
    while !rest.is_empty() {
        let (mut line, tail) = Line::split(rest);
        rest = tail;
        let number = lines.len() + 1;
        if number > MAX_LINES {
            return Err(SdpError::TooManyLines);
        }
        if whole && number == 1 && line.raw.trim_ascii_end() != b"v=0" {
            return Err(SdpError::NotSdp);
        }
        if line.raw.len() > MAX_LINE_LEN {
            return Err(SdpError::LineTooLong { line: number });
        }
        if line.is_blank() {
            if options.reject_invalid {
                return Err(SdpError::BlankLine { line: number });
            }
            line.letter = 0;
        } else if line.value().is_none() {
            return Err(SdpError::NotALine { line: number });
        }
        lines.push(line);
    }
    Ok(lines)
}

fn session_line<'a>(session: &mut Session<'a>, line: &Line<'a>, number: usize) -> Result<(), SdpError> {
    match line.letter {
        b'o' if session.origin.is_none() => session.origin = Some(origin(line, number)?),
        b's' => session.name = line.text(),
        b'c' if session.connection.is_none() => session.connection = Some(connection(line, number)?),
        b'a' => match line.attribute {
            AttributeKind::Direction => session.direction = direction(line),
            AttributeKind::GroupBundle => {
                if let Some(group) = line.attribute_value().and_then(|value| value.strip_prefix("BUNDLE")) {
                    session.bundle_groups.push(group.trim());
                }
            }
            AttributeKind::Ice => {
                session.security.ice = true;
                session.ice_lite |= line.raw.trim_ascii_end() == b"a=ice-lite";
            }
            AttributeKind::Crypto => session.security.sdes = true,
            AttributeKind::Dtls => session.security.dtls |= line.raw.starts_with(b"a=fingerprint:"),
            AttributeKind::NotAnAttribute
            | AttributeKind::RtpMap
            | AttributeKind::Fmtp
            | AttributeKind::RtcpFb
            | AttributeKind::Rtcp
            | AttributeKind::RtcpMux
            | AttributeKind::RtcpMuxOnly
            | AttributeKind::Ptime
            | AttributeKind::MaxPtime
            | AttributeKind::Mid
            | AttributeKind::BundleOnly
            | AttributeKind::Label
            | AttributeKind::Other => {}
        },
        _ => {}
    }
    Ok(())
}

/// Reads one media section; `first` is the index of its `m=` line.
fn media_section<'a>(session: &Session<'a>, lines: &[Line<'a>], first: usize) -> Result<Media<'a>, SdpError> {
    let mut media = media_line(session, lines, first)?;
    let mut maps = PayloadMaps::new();
    for (offset, line) in lines.iter().enumerate().skip(1) {
        match line.letter {
            b'c' if !media.own_connection => {
                media.connection = Some(connection(line, first + offset + 1)?);
                media.own_connection = true;
            }
            b'a' => media_attribute(&mut media, &mut maps, line),
            _ => {}
        }
    }
    if let Some(own) = media.own_direction {
        media.direction = own;
    }
    if media.protocol.is_rtp() {
        media.codecs = maps.codecs(&media.formats);
    }
    Ok(media)
}

fn media_line<'a>(session: &Session<'a>, lines: &[Line<'a>], first: usize) -> Result<Media<'a>, SdpError> {
    let malformed = SdpError::Malformed {
        line: first + 1,
        what: "the m= line",
        expected: "m=<media> <port>[/<count>] <protocol> <format>...",
    };
    let Some(text) = lines.first().and_then(Line::text) else {
        return Err(malformed);
    };
    let mut fields = text.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(protocol_name)) = (fields.next(), fields.next(), fields.next()) else {
        return Err(malformed);
    };
    let (port, count) = port.split_once('/').map_or((port, None), |(port, count)| (port, Some(count)));
    let (Some(port), Some(num_ports)) = (number(port), count.map_or(Some(1), number)) else {
        return Err(malformed);
    };
    let formats: Vec<&str> = fields.by_ref().take(MAX_FORMATS).collect();
    if fields.next().is_some() {
        return Err(SdpError::TooManyFormats { line: first + 1 });
    }
    Ok(Media {
        index: session.medias.len(),
        kind: MediaKind::of(kind),
        port,
        num_ports,
        protocol: Protocol::of(protocol_name),
        protocol_name,
        formats,
        connection: session.connection,
        own_connection: false,
        rtcp: None,
        rtcp_mux: false,
        rtcp_mux_only: false,
        own_direction: None,
        direction: session.direction.unwrap_or_default(),
        codecs: Vec::new(),
        ptime: None,
        maxptime: None,
        mid: None,
        label: None,
        rtcp_fb: Vec::new(),
        security: session.security,
        lines: first..first + lines.len(),
    })
}

fn media_attribute<'a>(media: &mut Media<'a>, maps: &mut PayloadMaps<'a>, line: &Line<'a>) {
    let value = line.attribute_value();
    match line.attribute {
        AttributeKind::Direction => media.own_direction = direction(line),
        AttributeKind::RtpMap => maps.add_rtpmap(value),
        AttributeKind::Fmtp => maps.add_fmtp(value),
        AttributeKind::RtcpFb => media.rtcp_fb.extend(value.and_then(feedback)),
        AttributeKind::Rtcp => media.rtcp = media.rtcp.or_else(|| value.and_then(rtcp)),
        AttributeKind::RtcpMux => media.rtcp_mux = true,
        AttributeKind::RtcpMuxOnly => media.rtcp_mux_only = true,
        AttributeKind::Ptime => media.ptime = value.and_then(milliseconds),
        AttributeKind::MaxPtime => media.maxptime = value.and_then(milliseconds),
        AttributeKind::Mid => media.mid = value,
        AttributeKind::Label => media.label = value,
        AttributeKind::Ice => media.security.ice = true,
        AttributeKind::Crypto => media.security.sdes = true,
        AttributeKind::Dtls => media.security.dtls |= line.raw.starts_with(b"a=fingerprint:"),
        AttributeKind::NotAnAttribute
        | AttributeKind::GroupBundle
        | AttributeKind::BundleOnly
        | AttributeKind::Other => {}
    }
}

/// The `a=rtpmap` and `a=fmtp` lines of a section by payload type; the first of each counts.
struct PayloadMaps<'a> {
    rtpmaps: [Option<u16>; 128],
    fmtps: [Option<u16>; 128],
    codecs: Vec<Codec<'a>>,
    parameters: Vec<&'a str>,
}

impl<'a> PayloadMaps<'a> {
    fn new() -> Self {
        Self { rtpmaps: [None; 128], fmtps: [None; 128], codecs: Vec::new(), parameters: Vec::new() }
    }

    fn add_rtpmap(&mut self, value: Option<&'a str>) {
        let Some(codec) = value.and_then(Codec::parse_rtpmap) else { return };
        if let Some(slot @ None) = self.rtpmaps.get_mut(usize::from(codec.payload_type)) {
            *slot = u16::try_from(self.codecs.len()).ok();
            self.codecs.push(codec);
        }
    }

    fn add_fmtp(&mut self, value: Option<&'a str>) {
        let Some((format, parameters)) = value.and_then(|value| value.split_once(' ')) else { return };
        let Some(payload_type) = codec::payload_type(format) else { return };
        if let Some(slot @ None) = self.fmtps.get_mut(usize::from(payload_type)) {
            *slot = u16::try_from(self.parameters.len()).ok();
            self.parameters.push(parameters.trim());
        }
    }

    /// The codecs in the order of the formats, each payload type once.
    fn codecs(&self, formats: &[&str]) -> Vec<Codec<'a>> {
        let mut seen = [false; 128];
        let mut codecs = Vec::with_capacity(formats.len().min(128));
        for payload_type in formats.iter().copied().filter_map(codec::payload_type) {
            let slot = usize::from(payload_type);
            if seen.get_mut(slot).is_none_or(|seen| std::mem::replace(seen, true)) {
                continue;
            }
            let at = |table: &[Option<u16>; 128]| table.get(slot).copied().flatten().map(usize::from);
            let mapped = at(&self.rtpmaps).and_then(|index| self.codecs.get(index)).copied();
            let Some(codec) = mapped.or_else(|| Codec::of_static(payload_type)) else { continue };
            let fmtp = at(&self.fmtps).and_then(|index| self.parameters.get(index)).copied();
            codecs.push(Codec { fmtp, ..codec });
        }
        codecs
    }
}

fn origin<'a>(line: &Line<'a>, number: usize) -> Result<Origin<'a>, SdpError> {
    let read = || {
        let text = line.text()?.trim_ascii();
        let mut fields = text.rsplitn(6, |c: char| c.is_ascii_whitespace());
        let address = fields.next()?;
        let addr_type = fields.next()?;
        let net_type = fields.next()?;
        let version = fields.next()?;
        let session_id = fields.next()?;
        let username = fields.next()?;
        let ip = if net_type.eq_ignore_ascii_case("IN") { address.parse().ok() } else { None };
        let connection = Connection { net_type, addr_type, address, ip };
        Some(Origin { username, session_id, version, connection })
    };
    read().ok_or(SdpError::Malformed {
        line: number,
        what: "the o= line",
        expected: "o=<username> <session id> <version> IN IP4|IP6 <address>",
    })
}

fn connection<'a>(line: &Line<'a>, number: usize) -> Result<Connection<'a>, SdpError> {
    line.text().and_then(Connection::parse).ok_or(SdpError::Malformed {
        line: number,
        what: "the c= line",
        expected: "c=IN IP4|IP6 <address>",
    })
}

fn direction(line: &Line<'_>) -> Option<Direction> {
    Direction::of(line.raw.strip_prefix(b"a=")?.trim_ascii_end())
}

fn rtcp(value: &str) -> Option<RtcpAttribute<'_>> {
    let (port, rest) = value.split_once(' ').unwrap_or((value, ""));
    Some(RtcpAttribute { port: number(port)?, connection: Connection::parse(rest) })
}

fn feedback(value: &str) -> Option<RtcpFeedback<'_>> {
    let (format, value) = value.split_once(' ')?;
    let payload_type = match format {
        "*" => None,
        format => Some(codec::payload_type(format)?),
    };
    Some(RtcpFeedback { payload_type, value: value.trim() })
}

/// `a=ptime` is an integer, but some phones write a fraction: its whole part counts.
fn milliseconds(value: &str) -> Option<u32> {
    let whole = value.split_once('.').map_or(value, |(whole, _)| whole);
    whole.parse().ok()
}

/// A 16-bit decimal number without sign.
fn number(text: &str) -> Option<u16> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}
