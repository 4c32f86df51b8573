//! SDES (RFC 4568): which crypto lines each party gets, and which keys result.

use std::sync::Arc;

use rtpengine_common::srtp::{Cipher, CryptoParams, SessionParams, Suite};
use smallvec::SmallVec;

use super::{
    KeySource, SdesOptions,
    line::{Line, generate, with_session},
};
use crate::sdp::security::Crypto;

/// The highest tag (RFC 4568 §9.1: nine digits).
const MAX_TAG: u32 = 999_999_999;

/// What was agreed on with a party.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Active {
    /// The tag of the agreed line.
    pub tag: u32,
    /// What the party encrypts with.
    pub receive: Arc<CryptoParams>,
    /// What is encrypted with towards the party.
    pub transmit: Arc<CryptoParams>,
}

/// The state of SDES towards one party of one m-line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Party {
    /// The party's own offer as far as it can be accepted, best first.
    acceptable: SmallVec<[Line; 1]>,
    /// What was last written to the party.
    written: SmallVec<[Line; 1]>,
    /// Keys made for this party, one per suite: a re-INVITE does not change them.
    own: SmallVec<[Arc<CryptoParams>; 1]>,
    active: Option<Active>,
}

impl Party {
    /// The crypto lines to write into the SDP for this party, in order.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.written
    }

    /// The agreed keys; `None` before the answer, and where SDES is not in use.
    #[must_use]
    pub const fn active(&self) -> Option<&Active> {
        self.active.as_ref()
    }

    /// Whether the party's last offer can be accepted.
    #[must_use]
    pub fn has_acceptable(&self) -> bool {
        !self.acceptable.is_empty()
    }

    /// Ends the use of SDES towards the party.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets own keys, for a copy of the state that will encrypt another stream: two streams must not share a key
    /// (RFC 3711 §9.1).
    pub fn forget_own_keys(&mut self) {
        self.own.clear();
    }

    /// The key towards this party for `suite`: the one it has already, else a new one.
    fn own_key(
        &mut self,
        suite: Suite,
        session: SessionParams,
        keys: &mut dyn KeySource,
    ) -> Option<Arc<CryptoParams>> {
        let session = fitting(suite, session);
        if let Some(own) = self.own.iter_mut().find(|own| own.suite() == suite) {
            *own = with_session(own, session)?;
            return Some(own.clone());
        }
        let own = Arc::new(generate(suite, session, keys)?);
        self.own.push(own.clone());
        Some(own)
    }

    /// Takes over an offer of this party with these crypto lines and decides which of them an answer may accept.
    ///
    /// Policy narrows the choice; where it leaves nothing, the first line that can be served stays, since the offerer
    /// has to be answered.
    pub fn offered(&mut self, lines: &[Crypto<'_>], options: &SdesOptions) {
        let served: SmallVec<[Line; 4]> = lines.iter().filter_map(Line::received).collect();
        let mut chosen: SmallVec<[Line; 1]> = options
            .offerer_pref
            .iter()
            .filter_map(|suite| served.iter().find(|line| line.suite() == *suite).cloned())
            .collect();
        if chosen.is_empty() {
            chosen = served
                .iter()
                .filter(|line| options.no_new || options.allows(line.suite()))
                .cloned()
                .collect();
        }
        if chosen.is_empty() {
            chosen.extend(served.first().cloned());
        }
        self.acceptable = chosen;
    }

    /// Composes the offer to this party: the lines of the other party's offer with their tags, keys and parameters, then
    /// every other suite.
    ///
    /// Passing keys on lets both ends use one key, so that media can be forwarded as it is. Where a parameter is
    /// changed the line gets a key of our own: one key never protects two different streams. So it does with `recrypt`.
    pub fn compose_offer(&mut self, offered: &[Crypto<'_>], options: &SdesOptions, keys: &mut dyn KeySource) {
        let mut lines: SmallVec<[Line; 16]> = SmallVec::new();
        for line in offered.iter().filter_map(Line::received) {
            let suite = line.suite();
            if !options.no_new && !options.allows(suite) {
                continue;
            }
            let session = fitting(suite, overridden(line.params.session(), options));
            let params = if session == line.params.session() && !options.recrypt {
                Some(line.params.clone())
            } else {
                self.own_key(suite, session, keys)
            };
            lines.extend(params.map(|params| Line { tag: line.tag, params }));
        }
        // Without any line there would be nothing to answer.
        if !options.no_new || offered.is_empty() {
            let session = overridden(SessionParams::default(), options);
            let mut tag = offered.iter().map(|crypto| crypto.tag).max().unwrap_or(0);
            for suite in Suite::ALL {
                let known = lines.iter().any(|line| line.suite() == suite);
                if known || !options.allows(suite) || tag >= MAX_TAG {
                    continue;
                }
                tag += 1;
                let params = self.own_key(suite, session, keys);
                lines.extend(params.map(|params| Line { tag, params }));
            }
        }
        let rank =
            |line: &Line| options.order.iter().position(|suite| *suite == line.suite()).unwrap_or(usize::MAX);
        // Stable: what is not named keeps its order behind the rest.
        lines.sort_by_key(rank);
        self.written = lines.into_iter().collect();
    }

    /// No keys are offered to this party.
    pub fn offer_nothing(&mut self) {
        self.written.clear();
    }

    /// Takes over an answer of this party. `false`: it accepts none of the lines it was offered.
    ///
    /// The tag decides (RFC 4568 §5.1.3); an answer with a tag of its own is understood by its suite.
    pub fn answered(&mut self, lines: &[Crypto<'_>]) -> bool {
        let accepted = lines.iter().filter_map(Line::received).find_map(|line| {
            let same_suite = |own: &&Line| own.suite() == line.suite();
            let own = self.written.iter().filter(same_suite).find(|own| own.tag == line.tag);
            let own = own.or_else(|| self.written.iter().find(same_suite))?;
            let transmit = with_session(&own.params, line.params.session())?;
            Some(Active { tag: own.tag, receive: line.params, transmit })
        });
        self.active = accepted;
        self.drop_unused_keys();
        self.active.is_some()
    }

    /// Composes the answer to this party, whose offer [`Party::offered`] took over. `answerer` is the other party after
    /// [`Party::answered`]. `false`: the offer cannot be accepted.
    ///
    /// Where the answerer took a line of this party's offer, its key is passed on and both ends share their keys;
    /// otherwise the best acceptable line gets a key of our own. With `static` the suite and key agreed on before stay,
    /// unless media would then leave in one direction under the key it came with: one key never protects two streams.
    pub fn compose_answer(
        &mut self,
        answerer: &Self,
        options: &SdesOptions,
        keys: &mut dyn KeySource,
    ) -> bool {
        let kept = self.active.as_ref().filter(|_| options.keep).and_then(|active| {
            let line = self.acceptable.iter().find(|line| line.suite() == active.receive.suite())?;
            let transmit = with_session(&active.transmit, line.params.session())?;
            let same = |one: &CryptoParams, two: &CryptoParams| one.master_key() == two.master_key();
            let one_way = answerer.active.as_ref().is_some_and(|answerer| {
                same(&line.params, &answerer.transmit) != same(&transmit, &answerer.receive)
            });
            (!one_way).then(|| (line.clone(), transmit))
        });
        let shared = answerer.active.as_ref().and_then(|active| {
            let line = self.acceptable.iter().find(|line| line.params == active.transmit)?;
            (active.receive.session() == line.params.session())
                .then(|| (line.clone(), active.receive.clone()))
        });
        let chosen = kept.or(shared).or_else(|| {
            let line = self.acceptable.first()?.clone();
            let transmit = self.own_key(line.suite(), line.params.session(), keys)?;
            Some((line, transmit))
        });
        self.active = chosen.map(|(line, transmit)| Active { tag: line.tag, receive: line.params, transmit });
        self.written = self
            .active
            .iter()
            .map(|active| Line { tag: active.tag, params: active.transmit.clone() })
            .collect();
        self.drop_unused_keys();
        self.active.is_some()
    }

    /// This party is answered without encryption, or answers so.
    pub fn decline(&mut self) {
        self.active = None;
        self.written.clear();
        self.own.clear();
    }

    /// After an answer only the suite in use needs its key.
    fn drop_unused_keys(&mut self) {
        let suite = self.active.as_ref().map(|active| active.transmit.suite());
        self.own.retain(|own| Some(own.suite()) == suite);
    }
}

/// Both parties use the same keys, each for what it sends: packets can be forwarded as they are.
#[must_use]
pub fn same_keys(one: &Party, two: &Party) -> bool {
    match (&one.active, &two.active) {
        (Some(one), Some(two)) => one.receive == two.transmit && two.receive == one.transmit,
        (Some(_), None) | (None, Some(_) | None) => false,
    }
}

/// Session parameters with those that the request prescribes.
fn overridden(session: SessionParams, options: &SdesOptions) -> SessionParams {
    SessionParams {
        unencrypted_srtp: options.unencrypted_srtp.unwrap_or(session.unencrypted_srtp),
        unencrypted_srtcp: options.unencrypted_srtcp.unwrap_or(session.unencrypted_srtcp),
        unauthenticated_srtp: options.unauthenticated_srtp.unwrap_or(session.unauthenticated_srtp),
    }
}

/// AEAD suites always authenticate (RFC 7714 §14.2).
fn fitting(suite: Suite, session: SessionParams) -> SessionParams {
    let aead = suite.cipher() == Cipher::Gcm;
    SessionParams { unauthenticated_srtp: session.unauthenticated_srtp && !aead, ..session }
}
