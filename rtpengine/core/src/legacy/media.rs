//! An m-line without SDP.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// Longest name of a kind of media taken over.
const MAX_KIND: usize = 16;
/// Shown where the protocol does not say what an m-line carries.
const UNKNOWN: &str = "unknown";

/// The place of an m-line among those of the call, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line(u8);

impl Line {
    /// As many as an SDP body may have.
    const MAX: usize = crate::sdp::MAX_MEDIAS;

    /// The m-line that requests count as `number`, from 1.
    #[must_use]
    pub fn of_number(number: &str) -> Option<Self> {
        let number = number.parse::<u8>().ok().filter(|number| usize::from(*number) <= Self::MAX)?;
        Some(Self(number.checked_sub(1)?))
    }

    /// The m-line at `index`, from 0.
    #[must_use]
    pub fn at(index: usize) -> Option<Self> {
        u8::try_from(index).ok().filter(|_| index < Self::MAX).map(Self)
    }

    /// The place, from 0.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// An m-line as a party signals it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Which one.
    pub line: Line,
    /// Where the party receives RTP; port 0 switches the m-line off, a zero address holds it.
    pub endpoint: SocketAddr,
    /// `audio`, `video`, `image`...; `None` where that is not said.
    kind: Option<String>,
}

impl Stream {
    /// One whose kind is not known.
    #[must_use]
    pub const fn new(line: Line, endpoint: SocketAddr) -> Self {
        Self { line, endpoint, kind: None }
    }

    /// Sets the kind, unless that is no name of one.
    #[must_use]
    pub fn of_kind(mut self, kind: &str) -> Self {
        let is_name =
            !kind.is_empty() && kind.len() <= MAX_KIND && kind.bytes().all(|b| b.is_ascii_alphanumeric());
        self.kind = is_name.then(|| kind.to_ascii_lowercase());
        self
    }

    /// Appends the section of an SDP body that says the same. Images are faxes (T.38), everything else is RTP.
    pub(crate) fn describe(&self, body: &mut String) {
        let kind = self.kind.as_deref().unwrap_or(UNKNOWN);
        let protocol = if kind == "image" { "udptl t38" } else { "RTP/AVP *" };
        let (port, ip) = (self.endpoint.port(), self.endpoint.ip());
        let family = match ip {
            IpAddr::V4(_) => "IP4",
            IpAddr::V6(_) => "IP6",
        };
        // A string takes everything.
        let _ = write!(body, "m={kind} {port} {protocol}\r\nc=IN {family} {ip}\r\n");
    }
}
