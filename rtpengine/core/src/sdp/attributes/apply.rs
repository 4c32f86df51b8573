//! One pass over the lines of a body.

use std::borrow::Cow;

use super::{AttributeChanges, Change, ExtmapFilter, Scope, matches};
use crate::sdp::attribute::AttributeKind;
use crate::sdp::line::{Line, LineEnding};
use crate::sdp::rewrite::Writer;

/// What is done to a body after everything else.
#[derive(Clone, Copy, Debug, Default)]
pub struct Finish<'a> {
    /// `sdp-attr`
    pub attributes: Option<&'a AttributeChanges>,
    /// `extmap` and `strip extmap`
    pub extmap: Option<&'a ExtmapFilter>,
    /// An attribute for the end of the session level (`loop protect`). Marks of others stay: a loop may have several stations.
    pub marker: Option<(&'static str, &'a str)>,
}

/// The outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finished {
    /// The body.
    pub body: Vec<u8>,
    /// Names of attributes of encryption and ICE that were added, changed or removed: media may not flow without them.
    pub disturbed: Vec<String>,
}

impl Finish<'_> {
    /// Whether a body stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attributes.is_none_or(AttributeChanges::is_empty)
            && self.extmap.is_none_or(ExtmapFilter::is_empty)
            && self.marker.is_none()
    }

    /// Carries it out. Attributes are removed and substituted first, each line once, and then added.
    #[must_use]
    pub fn apply(&self, body: Vec<u8>) -> Finished {
        let mut disturbed = Vec::new();
        if self.is_empty() {
            return Finished { body, disturbed };
        }
        let mut lines = Vec::new();
        let mut rest = body.as_slice();
        while !rest.is_empty() {
            let (line, tail) = Line::split(rest);
            lines.push(line);
            rest = tail;
        }
        let ending = match lines.first().map(|line| line.ending) {
            Some(LineEnding::Lf) => LineEnding::Lf,
            Some(LineEnding::CrLf | LineEnding::None) | None => LineEnding::CrLf,
        };
        let mut out = Writer::plain(ending, body.len() + 256);
        let mut at = 0;
        while at < lines.len() {
            let next = lines.iter().skip(at + 1).position(|line| line.raw.starts_with(b"m="));
            let end = next.map_or(lines.len(), |next| at + 1 + next);
            self.level(&mut out, lines.get(at..end).unwrap_or_default(), at == 0, &mut disturbed);
            at = end;
        }
        Finished { body: out.into_bytes(), disturbed }
    }

    /// The lines above the first m-line, or one section.
    fn level(&self, out: &mut Writer, lines: &[Line<'_>], first: bool, disturbed: &mut Vec<String>) {
        let kind = lines.first().and_then(|line| line.raw.strip_prefix(b"m="));
        let scope = match kind {
            Some(value) => Scope::of(value.split(u8::is_ascii_whitespace).next().unwrap_or_default())
                .filter(|scope| *scope != Scope::Session),
            None => Some(Scope::Session).filter(|_| first),
        };
        let changes = || self.attributes.into_iter().flat_map(|changes| changes.of(scope));
        let mut kept: Vec<Cow<'_, [u8]>> = Vec::new();
        let end = lines.iter().rposition(|line| !line.is_blank()).map_or(0, |last| last + 1);
        let (content, blank) = lines.split_at_checked(end).unwrap_or((lines, &[]));
        for line in content {
            let Some(attribute) = line.raw.strip_prefix(b"a=").map(<[u8]>::trim_ascii_end) else {
                out.copy(line);
                continue;
            };
            if self.extmap.is_some_and(|filter| filter.removes(attribute)) {
                continue;
            }
            let change = changes().find(|change| match change {
                Change::Remove(pattern) | Change::Substitute(pattern, _) => {
                    matches(pattern.as_bytes(), attribute)
                }
                Change::Add(_) => false,
            });
            match change {
                None | Some(Change::Add(_)) => {
                    kept.push(attribute.into());
                    out.copy(line);
                }
                Some(Change::Remove(_)) => note(disturbed, attribute),
                Some(Change::Substitute(_, to)) => {
                    note(disturbed, attribute);
                    kept.push(to.as_bytes().into());
                    out.replace(line, &[b"a=", to.as_bytes()]);
                }
            }
        }
        if let Some((name, value)) = self.marker.filter(|_| first) {
            out.insert(format_args!("a={name}:{value}"));
        }
        for change in changes() {
            if let Change::Add(text) = change
                && !kept.iter().any(|line| **line == *text.trim_end().as_bytes())
            {
                note(disturbed, text.as_bytes());
                kept.push(text.trim_end().as_bytes().into());
                out.insert(format_args!("a={text}"));
            }
        }
        for line in blank {
            out.copy(line);
        }
    }
}

/// Notes an attribute that media depend on.
fn note(disturbed: &mut Vec<String>, attribute: &[u8]) {
    match AttributeKind::of(attribute) {
        AttributeKind::Ice | AttributeKind::Crypto | AttributeKind::Dtls => {}
        AttributeKind::NotAnAttribute
        | AttributeKind::Direction
        | AttributeKind::RtpMap
        | AttributeKind::Fmtp
        | AttributeKind::RtcpFb
        | AttributeKind::Rtcp
        | AttributeKind::RtcpMux
        | AttributeKind::RtcpMuxOnly
        | AttributeKind::Ptime
        | AttributeKind::MaxPtime
        | AttributeKind::Mid
        | AttributeKind::GroupBundle
        | AttributeKind::BundleOnly
        | AttributeKind::Label
        | AttributeKind::Other => return,
    }
    let name = attribute.split(|byte| *byte == b':').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).into_owned();
    if !disturbed.contains(&name) {
        disturbed.push(name);
    }
}
