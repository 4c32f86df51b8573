//! All security attributes in force for one media section.

use std::fmt;

use smallvec::SmallVec;

use super::{
    super::{attribute::AttributeKind, line::Line, media::Media, session::Session},
    Candidate, ConnectionReuse, Crypto, Fingerprint, IceOptions, RemoteCandidate, Setup, TlsId,
    remote_candidates, valid_password, valid_ufrag,
};

/// Most `a=crypto` lines read per section. Full lists of all registered suites stay below 20.
pub const MAX_CRYPTO_LINES: usize = 32;
/// Most fingerprints read per section: one per hash function and certificate.
pub const MAX_FINGERPRINTS: usize = 8;
/// Most candidates read per section. Hosts with many interfaces and relays write some dozens.
pub const MAX_CANDIDATES: usize = 64;
/// Most members of `a=remote-candidates` read per section: one per component.
pub const MAX_REMOTE_CANDIDATES: usize = 8;

/// ICE attributes of a section, those of the session where it has none itself.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ice<'a> {
    /// `a=ice-ufrag`
    pub ufrag: Option<&'a str>,
    /// `a=ice-pwd`
    pub password: Option<&'a str>,
    /// `a=ice-options`, both levels.
    pub options: IceOptions,
    /// `a=ice-lite`, session level only (RFC 8839 §5.3), but taken from a section too.
    pub lite: bool,
    /// `a=candidate`
    pub candidates: SmallVec<[Candidate<'a>; 4]>,
    /// `a=remote-candidates`
    pub remote_candidates: SmallVec<[RemoteCandidate; 2]>,
    /// `a=end-of-candidates` (RFC 8840 §4.2)
    pub end_of_candidates: bool,
}

impl fmt::Debug for Ice<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ice")
            .field("ufrag", &self.ufrag)
            .field("password", &self.password.map(|_| "<secret>"))
            .field("options", &self.options)
            .field("lite", &self.lite)
            .field("candidates", &self.candidates)
            .field("remote_candidates", &self.remote_candidates)
            .field("end_of_candidates", &self.end_of_candidates)
            .finish()
    }
}

impl<'a> Ice<'a> {
    /// Username fragment and password, where both are given: without them there is no ICE.
    #[must_use]
    pub fn credentials(&self) -> Option<(&'a str, &'a str)> {
        self.ufrag.zip(self.password)
    }
}

/// The security attributes of one media section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MediaSecurity<'a> {
    /// `a=crypto` lines that can be read, in order; of several with one tag the first.
    pub crypto: SmallVec<[Crypto<'a>; 4]>,
    /// `a=fingerprint` lines with a known hash function.
    pub fingerprints: SmallVec<[Fingerprint; 1]>,
    /// `a=setup`
    pub setup: Option<Setup>,
    /// `a=connection`
    pub connection: Option<ConnectionReuse>,
    /// `a=tls-id`, or `a=dtls-id` of its drafts.
    pub tls_id: Option<TlsId<'a>>,
    /// ICE.
    pub ice: Ice<'a>,
    /// Lines of this family that could not be read or exceeded a limit, and were left out.
    pub ignored: usize,
}

/// Reads them. A section's own attributes come before the session's (RFC 8839 §5.4, RFC 8122 §5).
#[must_use]
pub fn media_security<'a>(session: &Session<'a>, media: &Media<'a>) -> MediaSecurity<'a> {
    let mut found = MediaSecurity::default();
    for line in session.media_lines(media) {
        found.line(line);
    }
    let own_fingerprints = !found.fingerprints.is_empty();
    let mut shared = MediaSecurity::default();
    for line in session.session_lines() {
        shared.line(line);
    }
    if !own_fingerprints {
        found.fingerprints = shared.fingerprints;
    }
    found.setup = found.setup.or(shared.setup);
    found.connection = found.connection.or(shared.connection);
    found.tls_id = found.tls_id.or(shared.tls_id);
    if found.ice.ufrag.is_none() && found.ice.password.is_none() {
        (found.ice.ufrag, found.ice.password) = (shared.ice.ufrag, shared.ice.password);
    }
    let (own, session) = (&mut found.ice.options, shared.ice.options);
    own.trickle |= session.trickle;
    own.ice2 |= session.ice2;
    own.renomination |= session.renomination;
    found.ice.lite |= shared.ice.lite;
    found.ice.end_of_candidates |= shared.ice.end_of_candidates;
    found.ignored += shared.ignored;
    found
}

impl<'a> MediaSecurity<'a> {
    fn line(&mut self, line: &Line<'a>) {
        let taken = match line.attribute {
            AttributeKind::Crypto => line.attribute_value().and_then(Crypto::parse).is_some_and(|crypto| {
                let fits = self.crypto.len() < MAX_CRYPTO_LINES
                    && self.crypto.iter().all(|known| known.tag != crypto.tag);
                if fits {
                    self.crypto.push(crypto);
                }
                fits
            }),
            AttributeKind::Dtls => self.dtls(line),
            AttributeKind::Ice => self.ice(line),
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
        };
        self.ignored += usize::from(!taken);
    }

    fn dtls(&mut self, line: &Line<'a>) -> bool {
        let Some(value) = line.attribute_value() else { return false };
        match name(line) {
            b"fingerprint" => {
                let room = self.fingerprints.len() < MAX_FINGERPRINTS;
                let fingerprint = Fingerprint::parse(value).filter(|_| room);
                let taken = fingerprint.is_some();
                self.fingerprints.extend(fingerprint);
                taken
            }
            b"setup" => set(&mut self.setup, Setup::parse(value)),
            b"connection" => set(&mut self.connection, ConnectionReuse::parse(value)),
            _ => set(&mut self.tls_id, TlsId::parse(value)),
        }
    }

    fn ice(&mut self, line: &Line<'a>) -> bool {
        let ice = &mut self.ice;
        let value = line.attribute_value();
        match (name(line), value) {
            (b"ice-lite", None) => {
                ice.lite = true;
                true
            }
            (b"end-of-candidates", None) => {
                ice.end_of_candidates = true;
                true
            }
            (b"ice-ufrag", Some(value)) => {
                set(&mut ice.ufrag, Some(value).filter(|value| valid_ufrag(value)))
            }
            (b"ice-pwd", Some(value)) => {
                set(&mut ice.password, Some(value).filter(|value| valid_password(value)))
            }
            (b"ice-options", Some(value)) => {
                ice.options.add(value);
                true
            }
            (b"candidate", Some(value)) => {
                let room = ice.candidates.len() < MAX_CANDIDATES;
                let candidate = Candidate::parse(value).filter(|_| room);
                ice.candidates.extend(candidate);
                candidate.is_some()
            }
            (b"remote-candidates", Some(value)) => match remote_candidates(value, MAX_REMOTE_CANDIDATES) {
                Some(found) => {
                    ice.remote_candidates = found;
                    true
                }
                None => false,
            },
            // `ice-pacing` and `ice-mismatch` change nothing here.
            (b"ice-pacing" | b"ice-mismatch", _) => true,
            _ => false,
        }
    }
}

/// The first value counts.
fn set<T>(slot: &mut Option<T>, value: Option<T>) -> bool {
    let taken = slot.is_none() && value.is_some();
    if taken {
        *slot = value;
    }
    taken
}

/// The attribute's name.
fn name<'a>(line: &Line<'a>) -> &'a [u8] {
    let text = line.raw.strip_prefix(b"a=").unwrap_or_default().trim_ascii_end();
    match memchr::memchr(b':', text) {
        Some(at) => text.get(..at).unwrap_or_default(),
        None => text,
    }
}
