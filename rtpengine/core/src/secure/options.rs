//! What a request says about SDES, DTLS and OSRTP.

use rtpengine_common::srtp::Suite;
use smallvec::SmallVec;

use crate::{ng::spelling, sdp::security::HashFunction};

/// A set of crypto suites.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SuiteSet(u16);

const _: () = assert!(Suite::ALL.len() <= 16, "SuiteSet holds 16 suites");

impl SuiteSet {
    fn bit(suite: Suite) -> u16 {
        Suite::ALL.iter().position(|known| *known == suite).map_or(0, |at| 1 << at)
    }

    /// Adds a suite.
    pub fn insert(&mut self, suite: Suite) {
        self.0 |= Self::bit(suite);
    }

    /// Whether the suite is in it.
    #[must_use]
    pub fn has(self, suite: Suite) -> bool {
        self.0 & Self::bit(suite) != 0
    }

    /// Whether it has no suite.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The members of `SDES`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SdesOptions {
    /// `off`, `no`, `disable`: SDES is not offered.
    pub off: bool,
    /// `no-SUITE`
    pub no: SuiteSet,
    /// `only-SUITE`; comes before `no`.
    pub only: SuiteSet,
    /// `nonew`: no suites are added to those that were offered; comes before `no` and `only`.
    pub no_new: bool,
    /// `order:SUITES`: these are written first, in this order.
    pub order: SmallVec<[Suite; 4]>,
    /// `offerer_pref:SUITES`: of the offered suites these are chosen first for the offerer.
    pub offerer_pref: SmallVec<[Suite; 4]>,
    /// `pad`: base64 is written with its padding.
    pub pad: bool,
    /// `lifetime`: a lifetime of 2^31 packets is written.
    pub lifetime: bool,
    /// The flag `recrypt`: keys of the other party are not passed on.
    pub recrypt: bool,
    /// `static`: an answer keeps the suite that was negotiated before.
    pub keep: bool,
    /// `unencrypted_srtp`, `encrypted_srtp`
    pub unencrypted_srtp: Option<bool>,
    /// `unencrypted_srtcp`, `encrypted_srtcp`
    pub unencrypted_srtcp: Option<bool>,
    /// `unauthenticated_srtp`, `authenticated_srtp`
    pub unauthenticated_srtp: Option<bool>,
}

impl SdesOptions {
    /// Takes one member of the list over, or what follows `SDES-` in a flag. `false`: nobody knows it, or not all of the
    /// suites it names.
    pub fn apply(&mut self, member: &[u8]) -> bool {
        let is = |name: &str| spelling::same(member, name.as_bytes());
        if is("off") || is("no") || is("disable") {
            self.off = true;
        } else if is("nonew") {
            self.no_new = true;
        } else if is("pad") {
            self.pad = true;
        } else if is("lifetime") {
            self.lifetime = true;
        } else if is("static") {
            self.keep = true;
        } else if is("unencrypted_srtp") || is("encrypted_srtp") {
            self.unencrypted_srtp = Some(is("unencrypted_srtp"));
        } else if is("unencrypted_srtcp") || is("encrypted_srtcp") {
            self.unencrypted_srtcp = Some(is("unencrypted_srtcp"));
        } else if is("unauthenticated_srtp") || is("authenticated_srtp") {
            self.unauthenticated_srtp = Some(is("unauthenticated_srtp"));
        } else if let Some(name) = spelling::strip_prefix(member, "no-") {
            return suite(name).map(|suite| self.no.insert(suite)).is_some();
        } else if let Some(name) = spelling::strip_prefix(member, "only-") {
            return suite(name).map(|suite| self.only.insert(suite)).is_some();
        } else if let Some(list) = spelling::strip_prefix(member, "order:") {
            return suites(list, &mut self.order);
        } else if let Some(list) = spelling::strip_prefix(member, "offerer_pref:") {
            return suites(list, &mut self.offerer_pref);
        } else {
            return false;
        }
        true
    }

    /// Whether policy lets `suite` into an offer.
    #[must_use]
    pub fn allows(&self, suite: Suite) -> bool {
        if self.only.is_empty() { !self.no.has(suite) } else { self.only.has(suite) }
    }
}

/// The suite of a name in any case, with `-` and `_` alike.
fn suite(name: &[u8]) -> Option<Suite> {
    Suite::ALL.into_iter().find(|suite| spelling::same(suite.name().as_bytes(), name))
}

/// `A;B;C;` into `list`, each once. `false` where a suite is unknown.
fn suites(text: &[u8], list: &mut SmallVec<[Suite; 4]>) -> bool {
    let mut all_known = true;
    for name in text.split(|byte| *byte == b';').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()) {
        match suite(name) {
            Some(suite) if !list.contains(&suite) => list.push(suite),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known
}

/// `DTLS`, `DTLS-reverse`, `DTLS-fingerprint`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DtlsOptions {
    /// `DTLS=off`, `no`, `disable`: DTLS-SRTP is neither offered nor accepted.
    pub off: bool,
    /// `DTLS=passive` or `active`: whether the server role is preferred towards the receiver of the message.
    pub passive: Option<bool>,
    /// The same for `DTLS-reverse`, towards the sender of an offer.
    pub reverse_passive: Option<bool>,
    /// `DTLS-fingerprint`: the hash function of the fingerprint that is written.
    pub fingerprint: Option<HashFunction>,
}

/// The members of `OSRTP`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OsrtpOptions {
    /// `offer`, `offer-RFC`: a plain offer is made opportunistic.
    pub offer_rfc: bool,
    /// `offer-legacy`: a plain offer is written twice, plain and encrypted.
    pub offer_legacy: bool,
    /// `accept`, `accept-RFC`: an opportunistic offer is accepted whatever the answer says.
    pub accept_rfc: bool,
    /// `accept`, `accept-legacy`: twice-written offers are understood.
    pub accept_legacy: bool,
}

impl OsrtpOptions {
    /// Takes one member of the list over, or what follows `OSRTP-` in a flag. `false`: nobody knows it.
    pub fn apply(&mut self, member: &[u8]) -> bool {
        let is = |name: &str| spelling::same(member, name.as_bytes());
        if is("offer") || is("offer-RFC") {
            self.offer_rfc = true;
        } else if is("offer-legacy") {
            self.offer_legacy = true;
        } else if is("accept-RFC") {
            self.accept_rfc = true;
        } else if is("accept-legacy") {
            self.accept_legacy = true;
        } else if is("accept") {
            (self.accept_rfc, self.accept_legacy) = (true, true);
        } else {
            return false;
        }
        true
    }
}
