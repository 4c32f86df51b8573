//! A parsed body: the session level, its connection data and the list of media sections.

use std::net::IpAddr;
use std::ops::Range;

use super::line::{Line, LineEnding};
use super::media::{Direction, Media};

/// The `o=` line (RFC 8866 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// Everything before the last five fields; some phones put spaces into it.
    pub username: &'a str,
    /// Numeric by the RFC; kept as text.
    pub session_id: &'a str,
    /// Numeric by the RFC; kept as text, see [`Origin::version_number`].
    pub version: &'a str,
    /// Network type, address type and address.
    pub connection: Connection<'a>,
}

impl Origin<'_> {
    /// The version as a number, `None` if it is none or exceeds 64 bits.
    #[must_use]
    pub fn version_number(&self) -> Option<u64> {
        self.version.parse().ok()
    }
}

/// Network type, address type and address, as in `c=`, `o=` and `a=rtcp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection<'a> {
    /// `IN` in practice.
    pub net_type: &'a str,
    /// `IP4` or `IP6` in practice.
    pub addr_type: &'a str,
    /// The address as written: an IP address, `address/ttl` or a host name.
    pub address: &'a str,
    /// The address as a number: `None` for host names and other networks.
    pub ip: Option<IpAddr>,
}

impl<'a> Connection<'a> {
    /// Reads `<nettype> <addrtype> <address>`; a TTL or address count after a slash is set aside.
    pub(super) fn parse(value: &'a str) -> Option<Self> {
        let mut fields = value.split_ascii_whitespace();
        let (net_type, addr_type, address) = (fields.next()?, fields.next()?, fields.next()?);
        let bare = address.split_once('/').map_or(address, |(bare, _)| bare);
        let ip = if net_type.eq_ignore_ascii_case("IN") { bare.parse().ok() } else { None };
        Some(Self { net_type, addr_type, address, ip })
    }

    /// `0.0.0.0` or `::`: the old way to put a stream on hold (RFC 3264 §8.4).
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.ip.is_some_and(|ip| ip.is_unspecified())
    }
}

/// Which security and connectivity attributes a level carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Security {
    /// Any ICE attribute.
    pub ice: bool,
    /// Any `a=crypto` (SDES).
    pub sdes: bool,
    /// Any `a=fingerprint` (DTLS).
    pub dtls: bool,
}

/// A parsed body. Everything borrows from the bytes given to [`super::parse`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// All lines in order, blank and unknown ones included.
    pub lines: Vec<Line<'a>>,
    /// The `o=` line, when there is one.
    pub origin: Option<Origin<'a>>,
    /// The `s=` line's value, when there is one in UTF-8.
    pub name: Option<&'a str>,
    /// The first session-level `c=` line.
    pub connection: Option<Connection<'a>>,
    /// The session-level direction attribute.
    pub direction: Option<Direction>,
    /// Session-level ICE, SDES and DTLS attributes.
    pub security: Security,
    /// `a=ice-lite` at session level (RFC 8839 §5.3).
    pub ice_lite: bool,
    /// Values of `a=group:BUNDLE` lines without the word `BUNDLE`: lists of `mid`s.
    pub bundle_groups: Vec<&'a str>,
    /// The media sections in order.
    pub medias: Vec<Media<'a>>,
    pub(super) session_lines: Range<usize>,
    pub(super) total_len: usize,
}

impl<'a> Session<'a> {
    /// The ending new lines get: that of the first line, CRLF for a body of a single unended line.
    #[must_use]
    pub fn line_ending(&self) -> LineEnding {
        match self.lines.first().map(|line| line.ending) {
            Some(LineEnding::Lf) => LineEnding::Lf,
            Some(LineEnding::CrLf | LineEnding::None) | None => LineEnding::CrLf,
        }
    }

    /// The lines before the first `m=` line.
    #[must_use]
    pub fn session_lines(&self) -> &[Line<'a>] {
        self.lines.get(self.session_lines.clone()).unwrap_or_default()
    }

    /// The lines of one media section, its `m=` line first.
    #[must_use]
    pub fn media_lines(&self, media: &Media<'a>) -> &[Line<'a>] {
        self.lines.get(media.lines.clone()).unwrap_or_default()
    }

    /// The media section with this `a=mid`.
    #[must_use]
    pub fn media_by_mid(&self, mid: &str) -> Option<&Media<'a>> {
        self.medias.iter().find(|media| media.mid == Some(mid))
    }
}
