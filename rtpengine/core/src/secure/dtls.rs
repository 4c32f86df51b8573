//! DTLS-SRTP (RFC 5763, RFC 8842): which certificate and role each party is told, and which association results.

use std::{fmt::Write as _, sync::Arc};

use smallvec::SmallVec;

use super::KeySource;
use crate::{
    io::{DtlsIdentity, DtlsRole},
    sdp::security::{ConnectionReuse, Fingerprint, HashFunction, MediaSecurity, Setup},
};

/// Random bytes of `a=tls-id`: RFC 8842 §4 asks for 120 bits at least.
const TLS_ID_BYTES: usize = 16;

/// What a party's SDP says of its end of an association.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remote {
    fingerprints: SmallVec<[Fingerprint; 1]>,
    setup: Option<Setup>,
    tls_id: Option<Box<str>>,
    ice_ufrag: Option<Box<str>>,
    connection: Option<ConnectionReuse>,
}

impl Remote {
    /// Reads it; `None` without a fingerprint.
    #[must_use]
    pub fn of(security: &MediaSecurity<'_>) -> Option<Self> {
        (!security.fingerprints.is_empty()).then(|| Self {
            fingerprints: security.fingerprints.clone(),
            setup: security.setup,
            tls_id: security.tls_id.map(|id| id.as_str().into()),
            ice_ufrag: security.ice.ufrag.map(Into::into),
            connection: security.connection,
        })
    }

    /// Whether the association goes on that was made with `self` when the party says `next`. Without `a=tls-id` an ICE
    /// restart or `a=connection:new` asks for another one, as before RFC 8842.
    fn continues(&self, next: &Self) -> bool {
        let same_certificates = self.fingerprints.len() == next.fingerprints.len()
            && next.fingerprints.iter().all(|fingerprint| self.fingerprints.contains(fingerprint));
        let same_name = match (&self.tls_id, &next.tls_id) {
            (Some(old), Some(new)) => old == new,
            (Some(_), None) | (None, Some(_) | None) => {
                let restarted = self.ice_ufrag.is_some() && self.ice_ufrag != next.ice_ufrag;
                !restarted && next.connection != Some(ConnectionReuse::New)
            }
        };
        same_certificates && same_name
    }

    /// The strongest hash function the party uses.
    fn hash(&self) -> Option<HashFunction> {
        self.fingerprints.iter().map(|fingerprint| fingerprint.hash).max()
    }
}

/// Our end, as the party was told last.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Local {
    identity: Arc<DtlsIdentity>,
    hash: HashFunction,
    setup: Setup,
    tls_id: String,
    /// `a=connection`, only for those who use it.
    connection: Option<ConnectionReuse>,
    writes_tls_id: bool,
}

/// What was agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Agreed {
    role: DtlsRole,
    remote: Remote,
    /// The party left the role open, against RFC 5763 §5, so it may turn out to be the other one.
    tentative: bool,
}

/// What a request says, with what the daemon has.
pub struct Terms<'t> {
    /// The certificate for parties that have none of ours yet.
    pub identity: &'t Arc<DtlsIdentity>,
    /// Our role where the party leaves it to us.
    pub prefer_passive: bool,
    /// `DTLS-fingerprint`
    pub hash: Option<HashFunction>,
    /// `no tls id`
    pub no_tls_id: bool,
}

/// The association there should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'p> {
    /// Our role.
    pub role: DtlsRole,
    /// Our certificate.
    pub identity: &'p Arc<DtlsIdentity>,
    /// The party's certificates; none before its answer.
    pub fingerprints: &'p [Fingerprint],
    /// Another value asks for a new association even if the rest is the same.
    pub generation: u32,
}

/// The state of DTLS-SRTP towards one party of one m-line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// What the party's last offer says.
    heard: Option<Remote>,
    local: Option<Local>,
    agreed: Option<Agreed>,
    /// Our offer has no answer yet: a party that takes the active role may begin before it comes.
    pending: bool,
    /// The body for the party speaks of DTLS.
    writes: bool,
    generation: u32,
}

impl Party {
    /// Takes over an offer of this party. What was agreed on stays in force until it is answered.
    pub fn offered(&mut self, remote: Option<Remote>) {
        self.heard = remote;
    }

    /// Composes an offer to this party.
    pub fn compose_offer(&mut self, terms: &Terms<'_>, keys: &mut dyn KeySource) {
        let remote = self.agreed.as_ref().map(|agreed| &agreed.remote);
        let hash = remote.and_then(Remote::hash);
        let setup = if terms.prefer_passive { Setup::Passive } else { Setup::ActPass };
        let local = self.local(terms, hash, keys);
        (local.setup, local.connection, local.writes_tls_id) = (setup, None, !terms.no_tls_id);
        (self.pending, self.writes) = (true, true);
    }

    /// Nothing of DTLS is offered to this party.
    pub fn offer_nothing(&mut self) {
        (self.pending, self.writes) = (false, false);
    }

    /// Takes over an answer of this party to [`Party::compose_offer`].
    pub fn answered(&mut self, remote: Remote, prefer_passive: bool) {
        let Some(local) = &self.local else { return };
        let role = match (remote.setup, local.setup) {
            (Some(Setup::HoldConn), _) => None,
            (Some(Setup::Active), _) => Some(DtlsRole::Passive),
            (Some(Setup::Passive), _) => Some(DtlsRole::Active),
            (Some(Setup::ActPass) | None, Setup::Passive) => Some(DtlsRole::Passive),
            (Some(Setup::ActPass) | None, _) if prefer_passive => Some(DtlsRole::Passive),
            (Some(Setup::ActPass) | None, _) => Some(DtlsRole::Active),
        };
        let tentative = matches!(remote.setup, Some(Setup::ActPass) | None);
        self.pending = false;
        self.agree(role.map(|role| Agreed { role, remote, tentative }));
    }

    /// Composes the answer to this party's offer. `false`: it has no certificate.
    pub fn compose_answer(&mut self, terms: &Terms<'_>, keys: &mut dyn KeySource) -> bool {
        let Some(remote) = self.heard.clone() else { return false };
        let current = self.agreed.as_ref().filter(|agreed| agreed.remote.continues(&remote));
        let current = current.map(|agreed| agreed.role);
        let offered = remote.setup.unwrap_or(Setup::ActPass);
        // An association that goes on keeps its roles (RFC 8842 §5.3).
        let prefer_passive = current.map_or(terms.prefer_passive, |role| role == DtlsRole::Passive);
        let setup = offered.answered(prefer_passive);
        let role = match setup {
            Setup::Active => Some(DtlsRole::Active),
            Setup::Passive => Some(DtlsRole::Passive),
            Setup::ActPass | Setup::HoldConn => None,
        };
        if self.agreed.is_some() && current.is_none() {
            // A new association has a new name.
            self.local = None;
        }
        let reuse = if current.is_some() { ConnectionReuse::Existing } else { ConnectionReuse::New };
        let connection = remote.connection.map(|_| reuse);
        let writes_tls_id = remote.tls_id.is_some() && !terms.no_tls_id;
        let local = self.local(terms, remote.hash(), keys);
        (local.setup, local.connection, local.writes_tls_id) = (setup, connection, writes_tls_id);
        let tentative = remote.setup.is_none();
        (self.pending, self.writes) = (false, true);
        self.agree(role.map(|role| Agreed { role, remote, tentative }));
        true
    }

    /// This party is answered without DTLS, or answers so.
    pub fn decline(&mut self) {
        self.agreed = None;
        self.local = None;
        (self.pending, self.writes) = (false, false);
        self.generation = self.generation.wrapping_add(1);
    }

    /// The party is spoken to from other sockets from now on: what was agreed on for the old ones ends.
    pub fn moved(&mut self) {
        self.decline();
    }

    /// The party started the handshake although this side is to. Where its SDP left the roles open, it is right; whether
    /// that changed anything.
    pub fn yield_role(&mut self) -> bool {
        let open = self.agreed.as_mut().filter(|agreed| agreed.tentative && agreed.role == DtlsRole::Active);
        open.map(|agreed| agreed.role = DtlsRole::Passive).is_some()
    }

    /// Whether an association is agreed on.
    #[must_use]
    pub const fn is_agreed(&self) -> bool {
        self.agreed.is_some()
    }

    /// The association there should be, if any.
    #[must_use]
    pub fn wanted(&self) -> Option<Wanted<'_>> {
        let identity = &self.local.as_ref()?.identity;
        let (role, fingerprints) = match &self.agreed {
            Some(agreed) => (agreed.role, &*agreed.remote.fingerprints),
            None if self.pending => (DtlsRole::Passive, &[][..]),
            None => return None,
        };
        Some(Wanted { role, identity, fingerprints, generation: self.generation })
    }

    /// The attributes to write into the SDP for this party, without `a=`.
    #[must_use]
    pub fn lines(&self) -> SmallVec<[String; 4]> {
        let mut lines = SmallVec::new();
        let Some(local) = self.local.as_ref().filter(|_| self.writes) else { return lines };
        lines.push(format!("setup:{}", local.setup));
        lines.extend(local.identity.fingerprint(local.hash).map(|print| format!("fingerprint:{print}")));
        if local.writes_tls_id {
            lines.push(format!("tls-id:{}", local.tls_id));
        }
        lines.extend(local.connection.map(|reuse| format!("connection:{reuse}")));
        lines
    }

    fn agree(&mut self, agreed: Option<Agreed>) {
        let continues = match (&self.agreed, &agreed) {
            (Some(old), Some(new)) => old.role == new.role && old.remote.continues(&new.remote),
            // The first answer settles what was opened for the offer.
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if !continues {
            self.generation = self.generation.wrapping_add(1);
        }
        self.agreed = agreed;
    }

    /// Our end, made now if there is none. The hash function is the one asked for, else the one told before, else the
    /// party's own.
    fn local(
        &mut self,
        terms: &Terms<'_>,
        partys: Option<HashFunction>,
        keys: &mut dyn KeySource,
    ) -> &mut Local {
        let hash = terms.hash;
        let local = self.local.get_or_insert_with(|| Local {
            identity: Arc::clone(terms.identity),
            hash: partys.unwrap_or_default(),
            setup: Setup::ActPass,
            tls_id: tls_id(keys),
            connection: None,
            writes_tls_id: true,
        });
        local.hash = hash.unwrap_or(local.hash);
        local
    }
}

/// A name for an association.
fn tls_id(keys: &mut dyn KeySource) -> String {
    let mut bytes = [0; TLS_ID_BYTES];
    keys.fill(&mut bytes);
    bytes.iter().fold(String::with_capacity(2 * TLS_ID_BYTES), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
