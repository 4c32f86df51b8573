//! Which `c=` lines a plan's addresses come out as.

use std::net::IpAddr;

use super::media::Media;
use super::plan::RewritePlan;
use super::session::Session;

/// What happens to the `c=` line of one media section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaConnection {
    /// Nothing.
    Keep,
    /// Its own line gets this address.
    Replace(IpAddr),
    /// It relied on the session's line and gets one of its own.
    Insert(IpAddr),
    /// It relied on the session's line, which changes, and gets a copy of the old one.
    InsertOld,
}

/// The `c=` lines of the new body.
pub(super) struct Connections {
    /// New address of the session-level line.
    pub(super) session: Option<IpAddr>,
    /// By media section.
    pub(super) medias: Vec<MediaConnection>,
}

impl Connections {
    /// The session-level line takes the address of the first live section that relies on it; the
    /// sections it then does not fit get lines of their own.
    pub(super) fn resolve(session: &Session<'_>, plan: &RewritePlan<'_>) -> Self {
        let planned = |media: &Media<'_>| plan.medias.get(media.index).and_then(|media| media.address);
        let is_live = |media: &Media<'_>| {
            plan.medias.get(media.index).and_then(|media| media.port).unwrap_or(media.port) != 0
        };
        let relying = || session.medias.iter().filter(|media| !media.own_connection);
        let new = plan
            .session
            .connection
            .or_else(|| relying().filter(|media| is_live(media)).find_map(planned))
            .or_else(|| relying().find_map(planned))
            .filter(|_| session.connection.is_some());
        let changes = new.is_some() && session.connection.is_some_and(|old| old.ip != new);

        let medias = session
            .medias
            .iter()
            .map(|media| match (planned(media), media.own_connection) {
                (Some(address), true) => MediaConnection::Replace(address),
                (None, true) => MediaConnection::Keep,
                // The address of a rejected stream means nothing.
                (_, false) if !is_live(media) => MediaConnection::Keep,
                (Some(address), false) if new == Some(address) => MediaConnection::Keep,
                (Some(address), false) => MediaConnection::Insert(address),
                (None, false) if changes => MediaConnection::InsertOld,
                (None, false) => MediaConnection::Keep,
            })
            .collect();
        Self { session: new, medias }
    }
}
