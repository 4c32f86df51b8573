//! Writing a body out again with the changes of a plan.

use std::fmt::Display;
use std::io::Write as _;
use std::net::IpAddr;

use super::attribute::AttributeKind;
use super::line::{Line, LineEnding};
use super::plan::{OriginPlan, RewritePlan, SessionPlan, Strip};
use super::rewrite_connection::Connections;
use super::rewrite_media::{self, Form};
use super::session::Session;

/// Writes `session` with the changes of `plan`, everything else byte for byte.
///
/// Replaced lines stay where they were. New ones follow what a reader expects: `c=` behind `m=` and
/// `i=`, a missing `a=rtpmap` in the order of the formats, then at the end of the section the
/// direction, `a=rtcp`, `a=rtcp-mux` and `a=mid`.
#[must_use]
pub fn rewrite(session: &Session<'_>, plan: &RewritePlan<'_>) -> Vec<u8> {
    let connections = Connections::resolve(session, plan);
    let mut out = Writer::new(session);
    session_level(&mut out, session, &plan.session, connections.session);
    for (media, own) in session.medias.iter().zip(&connections.medias) {
        let media_plan = plan.medias.get(media.index).copied().unwrap_or_default();
        if media_plan.omit {
            rewrite_media::blank_tail(&mut out, session, media);
            continue;
        }
        let twin = media_plan.twin.map(|twin| (twin.first, rewrite_media::twin_plan(&media_plan, twin)));
        if let Some((true, plan)) = &twin {
            rewrite_media::section(&mut out, session, media, plan, Form::Twin, *own);
        }
        rewrite_media::section(&mut out, session, media, &media_plan, Form::Own, *own);
        if let Some((false, plan)) = &twin {
            rewrite_media::section(&mut out, session, media, plan, Form::Twin, *own);
        }
        rewrite_media::blank_tail(&mut out, session, media);
    }
    out.bytes
}

fn session_level(out: &mut Writer, session: &Session<'_>, plan: &SessionPlan<'_>, address: Option<IpAddr>) {
    let mut connection_seen = false;
    for line in session.session_lines() {
        match (line.letter, address, plan.name) {
            (b'o', ..) => origin(out, session, line, &plan.origin),
            (b's', _, Some(name)) => out.replace(line, &[b"s=", &clean(name)]),
            (b'c', Some(address), _) => {
                if !std::mem::replace(&mut connection_seen, true) {
                    out.replace(line, &[b"c=", network_address(address).as_bytes()]);
                }
            }
            _ if strips(plan.strip, line.attribute) => {}
            _ => out.copy(line),
        }
    }
    for mids in plan.bundle {
        out.insert(format_args!("a=group:BUNDLE {}", String::from_utf8_lossy(&clean(mids))));
    }
    if plan.ice_lite {
        out.insert("a=ice-lite");
    }
}

fn origin(out: &mut Writer, session: &Session<'_>, line: &Line<'_>, plan: &OriginPlan<'_>) {
    let Some(origin) = session.origin.filter(|_| *plan != OriginPlan::default()) else {
        return out.copy(line);
    };
    let version = plan.version.map_or_else(|| origin.version.to_owned(), |version| version.to_string());
    let address = plan.address.map_or_else(
        || {
            let old = origin.connection;
            format!("{} {} {}", old.net_type, old.addr_type, old.address)
        },
        network_address,
    );
    let username = clean(plan.username.unwrap_or(origin.username));
    let session_id = clean(plan.session_id.unwrap_or(origin.session_id));
    out.replace(
        line,
        &[b"o=", &username, b" ", &session_id, b" ", version.as_bytes(), b" ", address.as_bytes()],
    );
}

/// `IN IP4 192.0.2.1`, the form of `c=`, `o=` and `a=rtcp`.
pub(super) fn network_address(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("IN IP4 {address}"),
        IpAddr::V6(address) => format!("IN IP6 {address}"),
    }
}

/// Text from outside the body must not bring lines of its own along.
pub(super) fn clean(text: &str) -> Vec<u8> {
    text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0)).collect()
}

/// Whether a family to remove contains this attribute.
pub(super) fn strips(strip: Strip, attribute: AttributeKind) -> bool {
    match attribute {
        AttributeKind::Ice => strip.ice,
        AttributeKind::Crypto => strip.sdes,
        AttributeKind::Dtls => strip.dtls,
        AttributeKind::GroupBundle | AttributeKind::BundleOnly => strip.bundle,
        AttributeKind::RtcpFb => strip.feedback,
        AttributeKind::NotAnAttribute
        | AttributeKind::Direction
        | AttributeKind::RtpMap
        | AttributeKind::Fmtp
        | AttributeKind::Rtcp
        | AttributeKind::RtcpMux
        | AttributeKind::RtcpMuxOnly
        | AttributeKind::Ptime
        | AttributeKind::MaxPtime
        | AttributeKind::Mid
        | AttributeKind::Label
        | AttributeKind::Other => false,
    }
}

/// The body being written.
pub(super) struct Writer {
    bytes: Vec<u8>,
    ending: LineEnding,
    /// The last line written has no ending yet.
    open: bool,
}

impl Writer {
    fn new(session: &Session<'_>) -> Self {
        /// Room for the lines usually added per section, in bytes.
        const PER_MEDIA: usize = 160;
        let capacity = session.total_len + session.medias.len() * PER_MEDIA;
        Self::plain(session.line_ending(), capacity)
    }

    /// For lines of any origin; new ones end in `ending`.
    pub(super) fn plain(ending: LineEnding, capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity), ending, open: false }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Writes a line as it was.
    pub(super) fn copy(&mut self, line: &Line<'_>) {
        self.replace(line, &[line.raw]);
    }

    /// Writes other content in the place of a line, with that line's ending.
    pub(super) fn replace(&mut self, line: &Line<'_>, parts: &[&[u8]]) {
        self.begin();
        for part in parts {
            self.bytes.extend_from_slice(part);
        }
        self.bytes.extend_from_slice(line.ending.as_bytes());
        self.open = line.ending == LineEnding::None;
    }

    /// Writes a new line.
    pub(super) fn insert(&mut self, content: impl Display) {
        self.begin();
        // Writing into a Vec cannot fail.
        let _ = write!(self.bytes, "{content}");
        self.bytes.extend_from_slice(self.ending.as_bytes());
    }

    fn begin(&mut self) {
        if std::mem::replace(&mut self.open, false) {
            self.bytes.extend_from_slice(self.ending.as_bytes());
        }
    }
}
