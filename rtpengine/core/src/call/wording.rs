//! `o=` and `s=` as the `replace` flags want them, and the finished body.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::IpAddr,
};

use super::{ice::Wording as IceWording, looping, party::Sent};
use crate::{
    ng::{Flag, Replace, Request},
    sdp::{
        MediaPlan, RewritePlan, RtcpPlan, SecretLine, Session, SessionPlan, Strip,
        attributes::{Finish, Finished},
        rewrite,
    },
};

/// How one media section is written.
#[derive(Debug, Default)]
pub(super) struct MediaWording {
    pub(super) plan: MediaPlan<'static>,
    /// Lines to add: `a=crypto` and ICE.
    pub(super) crypto: Vec<SecretLine>,
    /// How ICE is written.
    pub(super) ice: IceWording,
    /// The m-line says `a=bundle-only` and has no port.
    pub(super) bundle_only: bool,
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

impl MediaWording {
    /// For a group alone: without a transport (RFC 9143 §7.2.1).
    pub(super) fn for_the_group_alone(mut self) -> Self {
        (self.plan.port, self.plan.rtcp) = (Some(0), RtcpPlan::Omit);
        self.crypto = vec![SecretLine("bundle-only".to_owned())];
        self.bundle_only = true;
        self
    }
}

/// What concerns the body as a whole.
pub(super) struct BodyWording<'a> {
    pub(super) strip: Strip,
    pub(super) ice_lite: bool,
    /// The m-lines of every BUNDLE group.
    pub(super) bundle: &'a [String],
    /// The address of the first relayed m-line.
    pub(super) shown: Option<IpAddr>,
    pub(super) request: &'a Request,
    /// Marks our bodies, for `loop protect`.
    pub(super) mark: &'a str,
}

/// Writes the body for the party whose history is `sent`.
pub(super) fn body(
    session: &Session<'_>,
    medias: &[MediaWording],
    wording: &BodyWording<'_>,
    sent: &mut Sent,
) -> Finished {
    let BodyWording { strip, ice_lite, bundle, shown, request, mark } = *wording;
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
    let mut plan =
        RewritePlan { session: SessionPlan { strip, ice_lite, bundle, ..SessionPlan::default() }, medias };
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
    let finish = Finish {
        attributes: Some(&request.edits.attributes),
        extmap: Some(&request.edits.extmap),
        marker: request.has(Flag::LoopProtect).then_some((looping::ATTRIBUTE, mark)),
    };
    let mut write = |version: Option<u64>| {
        plan.session.origin.version = version;
        finish.apply(rewrite(session, &plan))
    };
    let first = session.origin.and_then(|origin| origin.version_number());
    let force = replace.has(Replace::ForceIncrementSdpVersion);
    let (version, finished) = if full || force || replace.has(Replace::SdpVersion) {
        let version = sent.version.or(first).unwrap_or(0);
        let finished = write(Some(version));
        if sent.version.is_some() && (force || sent.digest != digest(&finished.body)) {
            let version = version.wrapping_add(1);
            (Some(version), write(Some(version)))
        } else {
            (Some(version), finished)
        }
    } else {
        (first, write(None))
    };
    // What the party has seen last is what the next body is compared with, whoever chose its version.
    if version.is_some() {
        sent.version = version;
        sent.digest = digest(&finished.body);
    }
    finished
}

/// Tells bodies apart. A party gains nothing from two that have the same.
fn digest(body: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}
