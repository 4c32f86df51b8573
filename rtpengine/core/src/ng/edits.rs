//! What a request wants of the body besides addresses, ports and keys.

use crate::sdp::{
    MediaKind,
    attributes::{AttributeChanges, ExtmapFilter},
};

/// Changes to the body for the receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyEdits {
    /// `sdp-attr`.
    pub attributes: AttributeChanges,
    /// `extmap` and `strip extmap`.
    pub extmap: ExtmapFilter,
    /// `ptime`: what an offer says, milliseconds.
    pub ptime: Option<u32>,
    /// `ptime-reverse`: what the answer to this offer is to say, milliseconds.
    pub ptime_reverse: Option<u32>,
    /// `sdp-media-remove`
    pub removed_media: RemovedMedia,
}

/// `sdp-media-remove`: media types that the receiver of an offer is not shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RemovedMedia(Vec<String>);

impl RemovedMedia {
    /// Types kept: more than there are.
    const MAX: usize = 16;

    /// Adds a type; `false` if it is none, or one too many.
    pub fn add(&mut self, name: &[u8]) -> bool {
        let name = std::str::from_utf8(name).ok().filter(|name| !name.is_empty() && name.len() <= 64);
        let name = name.filter(|_| self.0.len() < Self::MAX);
        self.0.extend(name.map(str::to_ascii_lowercase));
        name.is_some()
    }

    /// Whether sections of this type go. `other` stands for all types that are not known.
    #[must_use]
    pub fn has(&self, kind: MediaKind<'_>) -> bool {
        let unknown = matches!(kind, MediaKind::Other(_));
        self.0.iter().any(|name| name.eq_ignore_ascii_case(kind.as_str()) || (unknown && name == "other"))
    }
}

/// `media echo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaEcho {
    /// `blackhole` or `sinkhole`: media is discarded.
    Blackhole,
    /// `forward`: the receiver of the message hears itself, its sender nothing.
    Forward,
    /// `backwards`: the other way round.
    Backwards,
    /// `both`: each hears itself.
    Both,
}

/// `bundle`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BundleOptions {
    /// `accept`: the sender of an offer may be answered with the group it offers.
    pub accept: bool,
    /// `reject`: it is not.
    pub reject: bool,
    /// `offer` or `require`: the receiver is offered a group.
    pub offer: bool,
    /// `require`: it is known to take one.
    pub require: bool,
    /// `strip`: it is not.
    pub strip: bool,
}

impl BundleOptions {
    /// Takes a member of the list over; `false` if there is none of this name.
    pub fn apply(&mut self, name: &[u8]) -> bool {
        match name.to_ascii_lowercase().as_slice() {
            b"accept" => self.accept = true,
            b"reject" => self.reject = true,
            b"offer" => self.offer = true,
            b"require" => (self.offer, self.require) = (true, true),
            b"strip" => self.strip = true,
            _ => return false,
        }
        true
    }

    /// The sender's group is accepted.
    #[must_use]
    pub const fn accepts(&self) -> bool {
        self.accept && !self.reject
    }

    /// A group is offered.
    #[must_use]
    pub const fn offers(&self) -> bool {
        self.offer && !self.strip
    }
}
