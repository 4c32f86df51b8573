//! One participant of a call, known by its SIP tag.

use std::sync::Arc;

use super::restraint::OfParty;

/// Identity of a party within its call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct PartyId(pub(super) u32);

/// A participant. Its media belong to the dialogues it takes part in.
#[derive(Clone, Debug)]
pub(super) struct Party {
    pub(super) id: PartyId,
    /// `None` until the party has signalled: the receiver of an unanswered offer.
    pub(super) tag: Option<String>,
    pub(super) label: Option<String>,
    pub(super) branch: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) created_unix_us: u64,
    /// Entered the call as the sender of an offer.
    pub(super) offerer: bool,
    /// What of its media is blocked.
    pub(super) restraint: OfParty,
    pub(super) sent: Sent,
    /// Its last SDP, for those that subscribe to its media.
    pub(super) said: Option<Arc<[u8]>>,
}

impl Party {
    /// The tag, empty while unknown.
    pub(super) fn tag(&self) -> &str {
        self.tag.as_deref().unwrap_or_default()
    }
}

/// What the bodies sent to a party have shown it, for the `replace` flags that promise continuity.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    pub(super) username: Option<String>,
    pub(super) session_id: Option<String>,
    pub(super) session_name: Option<String>,
    /// That of the last body.
    pub(super) version: Option<u64>,
    /// Of the last body.
    pub(super) digest: u64,
}
