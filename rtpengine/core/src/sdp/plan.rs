//! What [`super::rewrite`] is asked to change. The default of every type here changes nothing.

use std::{fmt, net::IpAddr};

use super::media::Direction;

/// All changes to one body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RewritePlan<'p> {
    /// Changes above the first `m=` line.
    pub session: SessionPlan<'p>,
    /// Changes per media section, by index. Sections beyond the list stay as they are, except that
    /// they keep their address when the session's `c=` line changes.
    pub medias: Vec<MediaPlan<'p>>,
}

/// Changes at session level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPlan<'p> {
    /// `o=`
    pub origin: OriginPlan<'p>,
    /// `s=` (`session name`)
    pub name: Option<&'p str>,
    /// The session-level `c=` line, if there is one (`session connection`). Without this it still
    /// changes when media sections that rely on it get another address.
    pub connection: Option<IpAddr>,
    /// Adds an `a=group:BUNDLE` with each of these lists of m-lines at the end.
    pub bundle: &'p [String],
    /// Adds `a=ice-lite` at the end.
    pub ice_lite: bool,
    /// Attributes to remove.
    pub strip: Strip,
}

/// Changes to the `o=` line; it is never added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OriginPlan<'p> {
    /// `username`
    pub username: Option<&'p str>,
    /// The session id.
    pub session_id: Option<&'p str>,
    /// `SDP version` and `force-increment-sdp-ver`.
    pub version: Option<u64>,
    /// `origin`
    pub address: Option<IpAddr>,
}

/// Attribute families to remove at one level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strip {
    /// All ICE attributes.
    pub ice: bool,
    /// `a=candidate` of the kind `relay`.
    pub relay_candidates: bool,
    /// `a=crypto`
    pub sdes: bool,
    /// `a=fingerprint`, `a=setup` and their companions.
    pub dtls: bool,
    /// `a=group:BUNDLE` and `a=bundle-only`: with a port per media section they are false.
    pub bundle: bool,
    /// `a=rtcp-fb` (feedback profile left).
    pub feedback: bool,
}

/// What becomes of `a=rtcp`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RtcpPlan {
    /// Stays as it is, present or not.
    #[default]
    Keep,
    /// Is removed (`no rtcp attribute`).
    Omit,
    /// `a=rtcp:PORT`
    Port(u16),
    /// `a=rtcp:PORT IN IP4 ADDRESS` (`full rtcp attribute`).
    Full(IpAddr, u16),
}

/// What becomes of `a=rtcp-mux` and `a=rtcp-mux-only`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RtcpMuxPlan {
    /// Stay as they are.
    #[default]
    Keep,
    /// `a=rtcp-mux` is there.
    Add,
    /// Neither is there.
    Remove,
}

/// Changes to one media section.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MediaPlan<'p> {
    /// Address in `c=`. Written where the section's address stands now, or as a `c=` line of its own
    /// when the session's line cannot serve all sections that rely on it.
    pub address: Option<IpAddr>,
    /// Port in `m=`; 0 rejects the stream. A port count (`/2`) is dropped with the old port.
    pub port: Option<u16>,
    /// Transport protocol in `m=`.
    pub protocol: Option<&'p str>,
    /// Formats to write in `m=`. Attributes about payload types that are not among them go.
    pub formats: Option<&'p [String]>,
    /// `a=rtcp`
    pub rtcp: RtcpPlan,
    /// `a=rtcp-mux`
    pub rtcp_mux: RtcpMuxPlan,
    /// The direction attribute to write; `None` leaves what is there (`original sendrecv`).
    pub direction: Option<Direction>,
    /// Adds `a=rtpmap` for static payload types that have none (RTP only).
    pub complete_rtpmaps: bool,
    /// `a=ptime` in milliseconds, added where there is none.
    pub ptime: Option<u32>,
    /// Adds `a=mid` with this value where there is none (`generate mid`).
    pub mid: Option<&'p str>,
    /// Attributes to add at the end, without `a=`: keys and ICE.
    pub crypto: &'p [SecretLine],
    /// Attributes to remove.
    pub strip: Strip,
    /// Leaves the section out.
    pub omit: bool,
    /// Writes the section a second time.
    pub twin: Option<TwinPlan<'p>>,
}

/// A section in its second form: the same media under another profile, without `a=mid` and without anything that is
/// about encryption.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TwinPlan<'p> {
    /// In front of the section itself, not behind it.
    pub first: bool,
    /// Transport protocol in `m=`.
    pub protocol: &'p str,
    /// With port 0.
    pub rejected: bool,
}

/// A line with a key in it, which does not show in `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretLine(pub String);

impl fmt::Debug for SecretLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}
