//! `o=` and `s=` as the `replace` flags want them, and the finished body.

use std::net::IpAddr;

use super::party::Sent;
use crate::{
    ng::{Replace, Request},
    sdp::{MediaPlan, RewritePlan, SecretLine, Session, SessionPlan, Strip, rewrite},
};

/// How one media section is written.
#[derive(Debug, Default)]
pub(super) struct MediaWording {
    pub(super) plan: MediaPlan<'static>,
    /// Lines to add: `a=crypto` and ICE.
    pub(super) crypto: Vec<SecretLine>,
    /// The sender's ICE stays in the body.
    pub(super) keeps_ice: bool,
    /// `a=mid`, where the sender's body has none.
    pub(super) mid: Option<String>,
    /// The formats that are left.
    pub(super) formats: Option<Vec<String>>,
}

impl From<MediaPlan<'static>> for MediaWording {
    fn from(plan: MediaPlan<'static>) -> Self {
        Self { plan, ..Self::default() }
    }
}

/// Writes the body for the party whose history is `sent`. `shown` is the address of its first relayed m-line.
pub(super) fn body(
    session: &Session<'_>,
    medias: &[MediaWording],
    strip: Strip,
    ice_lite: bool,
    shown: Option<IpAddr>,
    request: &Request,
    sent: &mut Sent,
) -> Vec<u8> {
    if let Some(origin) = session.origin {
        sent.username.get_or_insert_with(|| origin.username.to_owned());
        sent.session_id.get_or_insert_with(|| origin.session_id.to_owned());
    }
    if let Some(name) = session.name {
        sent.session_name.get_or_insert_with(|| name.to_owned());
    }
    let replace = &request.replace;
    let full = replace.has(Replace::OriginFull);
    let medias = medias
        .iter()
        .map(|media| MediaPlan {
            crypto: &media.crypto,
            mid: media.mid.as_deref(),
            formats: media.formats.as_deref(),
            ..media.plan
        })
        .collect();
    let mut plan = RewritePlan { session: SessionPlan { strip, ice_lite, ..SessionPlan::default() }, medias };
    if full || replace.has(Replace::Origin) {
        plan.session.origin.address = shown;
    }
    if full || replace.has(Replace::Username) {
        plan.session.origin.username = sent.username.as_deref();
    }
    if full {
        plan.session.origin.session_id = sent.session_id.as_deref();
    }
    if replace.has(Replace::SessionName) {
        plan.session.name = sent.session_name.as_deref();
    }
    if replace.has(Replace::SessionConnection) {
        plan.session.connection = shown;
    }
    let force = replace.has(Replace::ForceIncrementSdpVersion);
    if !(full || force || replace.has(Replace::SdpVersion)) {
        return rewrite(session, &plan);
    }
    let first = session.origin.and_then(|origin| origin.version_number()).unwrap_or(0);
    let mut version = sent.version.unwrap_or(first);
    plan.session.origin.version = Some(version);
    let mut body = rewrite(session, &plan);
    if sent.version.is_some() && (force || body != sent.body) {
        version = version.wrapping_add(1);
        plan.session.origin.version = Some(version);
        body = rewrite(session, &plan);
    }
    sent.version = Some(version);
    sent.body.clone_from(&body);
    body
}
