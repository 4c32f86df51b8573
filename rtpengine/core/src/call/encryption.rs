//! Encryption towards the two parties of an m-line: what offers and answers settle, and what the relay makes of it.

use std::sync::Arc;

use rtpengine_common::srtp::{CryptoParams, Suite};

use super::media::{Carries, MediaPair, Side};
use crate::{
    io::DtlsIdentity,
    ng::{Flag, Request},
    sdp::{Protocol, SecretLine, security::MediaSecurity},
    secure::{
        KeySource, LineFormat, Party, dtls, same_keys,
        transport::{self, Means, Outgoing, Security, Signalled},
    },
};

/// The state towards one party of an m-line.
#[derive(Clone, Debug, Default)]
pub(super) struct Encryption {
    /// How media is exchanged with the party. `None` until that is certain.
    agreed: Option<Security>,
    /// The kernel has the keys from a predecessor of this process, which has none.
    inherited: bool,
    /// What the party's last offer said.
    signalled: Signalled,
    /// What the party was offered last.
    outgoing: Option<Outgoing>,
    sdes: Party,
    dtls: dtls::Party,
    /// How the party's last offer can be answered.
    acceptable: Security,
    /// The passive role is preferred towards the party.
    dtls_passive: bool,
}

/// Keys of one socket: what the party encrypts with, and what is encrypted with towards it.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    pub(super) receive: Option<Arc<CryptoParams>>,
    pub(super) transmit: Option<Arc<CryptoParams>>,
}

/// One offer or answer, with what it asks for.
pub(super) struct Terms<'t, 's> {
    pub(super) request: &'t Request,
    /// What the body says of keys and certificates.
    pub(super) security: &'t MediaSecurity<'s>,
    /// The profile of the body.
    pub(super) protocol: Protocol,
    /// The certificate for DTLS-SRTP, where there is one.
    pub(super) identity: Option<Arc<DtlsIdentity>>,
    /// `--dtls-passive`
    pub(super) dtls_passive: bool,
    /// Keys of the sender's are not passed on to the receiver.
    pub(super) own_keys: bool,
}

impl Encryption {
    /// The party's packets cannot be read here: keys and everything about them pass through.
    pub(super) fn is_opaque(&self) -> bool {
        self.acceptable == Security::Opaque
    }

    /// Nothing is known of how media is exchanged with the party but that it works; `bridged`: by keys that only the kernel
    /// has.
    pub(super) fn adopt(&mut self, bridged: bool) {
        self.agreed = Some(Security::Opaque);
        self.inherited |= bridged;
    }

    /// The sockets towards the party are not those they were. Counters start anew there, so the keys that were used
    /// must not be: two packets would be encrypted alike.
    pub(super) fn moved(&mut self) {
        if self.sdes.active().is_some() {
            self.sdes.forget_own_keys();
            self.agreed = None;
        }
        if self.dtls.is_agreed() {
            self.dtls.moved();
            self.agreed = None;
        }
    }

    /// rtcp-mux is about to change: the party is to be offered other keys, for the reason of [`Self::moved`].
    pub(super) fn renew(&mut self) {
        if self.sdes.active().is_some() {
            self.sdes.forget_own_keys();
        }
    }

    /// A copy for a further answer to the party's offer. It has sockets of its own and so has keys of its own.
    pub(super) fn fork(&mut self) {
        self.sdes.decline();
        self.dtls.decline();
        self.agreed = None;
    }

    /// Media of the party's offer may come before the answer where no answer can make a difference.
    pub(super) fn begin(&mut self) {
        if self.acceptable == Security::Plain {
            self.agreed.get_or_insert(Security::Plain);
        }
    }

    /// The party was offered SRTP without any keys.
    pub(super) fn is_without_keys(&self) -> bool {
        self.outgoing.is_some_and(|outgoing| outgoing.protocol.is_srtp() && !outgoing.dtls)
            && self.sdes.lines().is_empty()
    }

    /// Keys come from DTLS.
    pub(super) fn is_dtls(&self) -> bool {
        self.agreed == Some(Security::Dtls)
    }

    /// The association its sockets are to have.
    pub(super) fn association(&self) -> Option<dtls::Wanted<'_>> {
        self.dtls.wanted()
    }

    /// See [`dtls::Party::yield_role`].
    pub(super) fn yield_role(&mut self) -> bool {
        self.dtls.yield_role()
    }

    /// The party was offered SRTP and plain RTP to choose from, in sections of their own.
    pub(super) fn is_offered_twice(&self) -> bool {
        self.outgoing.is_some_and(|outgoing| outgoing.plain_too)
    }

    /// The suite in use, where SDES chose one.
    pub(super) fn suite(&self) -> Option<Suite> {
        let active = self.sdes.active().filter(|_| self.agreed == Some(Security::Sdes));
        active.map(|active| active.receive.suite())
    }

    /// The lines about keys and certificates to write for the party.
    pub(super) fn written(&self, request: &Request) -> Vec<SecretLine> {
        let format = LineFormat { pad: request.sdes.pad, lifetime: request.sdes.lifetime };
        let crypto = self.sdes.lines().iter().map(|line| format!("crypto:{}", line.write(format)));
        crypto.chain(self.dtls.lines()).map(SecretLine).collect()
    }

    /// The keys in force for a socket that has these from DTLS; `None` where they are needed and not known.
    pub(super) fn keys(&self, from_dtls: Option<&Keys>) -> Option<Keys> {
        match self.agreed? {
            Security::Plain => Some(Keys::default()),
            Security::Sdes => self.sdes.active().map(|active| Keys {
                receive: Some(active.receive.clone()),
                transmit: Some(active.transmit.clone()),
            }),
            Security::Dtls => from_dtls.cloned(),
            Security::Opaque => None,
        }
    }

    /// What the party encrypts with, where SDES said so.
    pub(super) fn receiving(&self) -> Option<Arc<CryptoParams>> {
        self.keys(None)?.receive
    }

    /// Whether keys are there or on their way, or none are needed.
    fn is_negotiated(&self) -> bool {
        match self.agreed {
            Some(Security::Plain) => true,
            Some(Security::Sdes) => self.sdes.active().is_some(),
            Some(Security::Dtls) => self.dtls.is_agreed(),
            Some(Security::Opaque) | None => false,
        }
    }
}

impl Terms<'_, '_> {
    /// Takes over an offer of `sender`. What was agreed on before stays in force until the answer.
    pub(super) fn take_offer(&self, sender: &mut Encryption) {
        sender.sdes.offered(&self.security.crypto, &self.request.sdes);
        let remote = dtls::Remote::of(self.security);
        sender.signalled = Signalled::of(self.protocol, sender.sdes.has_acceptable(), remote.is_some());
        sender.dtls.offered(remote);
        sender.dtls_passive = self.prefers_passive(self.request.dtls.reverse_passive);
        sender.acceptable = transport::acceptable(sender.signalled, self.has_dtls());
    }

    /// Decides what `receiver` is offered, in the profile `wanted`, after [`Self::take_offer`].
    pub(super) fn compose_offer(
        &self,
        sender: &mut Encryption,
        receiver: &mut Encryption,
        wanted: Protocol,
        keys: &mut dyn KeySource,
    ) {
        let options = &self.request.sdes;
        let outgoing = if sender.is_opaque() {
            Outgoing { protocol: wanted, sdes: false, dtls: false, plain_too: false }
        } else {
            let means = Means { sdes: !options.off, dtls: self.has_dtls() };
            transport::offered(sender.signalled, wanted, self.request.osrtp, means)
        };
        if outgoing.sdes {
            let theirs = if self.own_keys { &[] } else { self.security.crypto.as_slice() };
            receiver.sdes.compose_offer(theirs, options, keys);
        } else {
            receiver.sdes.offer_nothing();
        }
        receiver.dtls_passive = self.prefers_passive(self.request.dtls.passive);
        match self.dtls_terms(receiver.dtls_passive).filter(|_| outgoing.dtls) {
            Some(terms) => receiver.dtls.compose_offer(&terms, keys),
            None => receiver.dtls.offer_nothing(),
        }
        receiver.outgoing = Some(outgoing);
        // Media may come before the answer where no answer can make a difference.
        if sender.is_opaque() {
            sender.agreed.get_or_insert(Security::Opaque);
            receiver.agreed.get_or_insert(Security::Opaque);
            return;
        }
        sender.begin();
        if !outgoing.sdes && !outgoing.dtls && !outgoing.protocol.is_srtp() {
            receiver.agreed.get_or_insert(Security::Plain);
        }
    }

    /// Takes over an answer of `sender`.
    pub(super) fn take_answer(&self, sender: &mut Encryption) {
        let unasked = Outgoing { protocol: self.protocol, sdes: false, dtls: false, plain_too: false };
        let outgoing = sender.outgoing.unwrap_or(unasked);
        let remote = dtls::Remote::of(self.security);
        // Of two ways an answer leaves open, DTLS is taken; the other one's keys are of no use then.
        let by_dtls = outgoing.dtls && remote.is_some();
        let taken = outgoing.sdes && !by_dtls && sender.sdes.answered(&self.security.crypto);
        if !taken {
            sender.sdes.decline();
        }
        sender.inherited = false;
        sender.agreed = Some(transport::accepted(outgoing, Signalled::of(self.protocol, taken, by_dtls)));
        match remote.filter(|_| by_dtls) {
            Some(remote) => sender.dtls.answered(remote, sender.dtls_passive),
            None => sender.dtls.decline(),
        }
    }

    /// Decides how `receiver`, whose offer that was, is answered, after [`Self::take_answer`].
    pub(super) fn compose_answer(
        &self,
        sender: &Encryption,
        receiver: &mut Encryption,
        keys: &mut dyn KeySource,
    ) {
        receiver.inherited = false;
        let answerer = sender.agreed.unwrap_or_default();
        let answered =
            transport::answered(receiver.signalled, receiver.acceptable, answerer, self.request.osrtp);
        if let Some(passive) = self.request.dtls.passive {
            receiver.dtls_passive = passive;
        }
        receiver.agreed = Some(answered);
        if answered == Security::Sdes {
            receiver.sdes.compose_answer(&sender.sdes, &self.request.sdes, keys);
        } else {
            receiver.sdes.decline();
        }
        let terms = self.dtls_terms(receiver.dtls_passive).filter(|_| answered == Security::Dtls);
        if !terms.is_some_and(|terms| receiver.dtls.compose_answer(&terms, keys)) {
            receiver.dtls.decline();
        }
    }

    /// DTLS-SRTP may be offered and accepted.
    pub(super) fn has_dtls(&self) -> bool {
        self.identity.is_some() && !self.request.dtls.off
    }

    fn prefers_passive(&self, asked: Option<bool>) -> bool {
        asked.unwrap_or(self.dtls_passive)
    }

    fn dtls_terms(&self, prefer_passive: bool) -> Option<dtls::Terms<'_>> {
        Some(dtls::Terms {
            identity: self.identity.as_ref()?,
            prefer_passive,
            hash: self.request.dtls.fingerprint,
            no_tls_id: self.request.has(Flag::NoTlsId),
        })
    }
}

/// What becomes of the packets of an m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// They are forwarded as they are: both parties are in the clear.
    Clear,
    /// They are forwarded as they are: both parties use the same keys, or such that are not known here.
    Unread,
    /// They are decrypted, encrypted, or both, as soon as keys from DTLS are there.
    Bridged,
    /// So they are, by the kernel alone, which has the keys from a predecessor of this process.
    Inherited,
    /// Nothing is forwarded in either direction: one side is encrypted, and its keys are not known.
    NoKeys,
}

/// Decides it.
pub(super) fn treatment(pair: &MediaPair) -> Treatment {
    let [one, two] = Side::BOTH.map(|side| &pair.faces.get(side).encryption);
    let both = |how: Security| one.agreed == Some(how) && two.agreed == Some(how);
    if pair.carries != Carries::Rtp || both(Security::Plain) {
        Treatment::Clear
    } else if both(Security::Opaque) && (one.inherited || two.inherited) {
        Treatment::Inherited
    } else if both(Security::Opaque) || (both(Security::Sdes) && same_keys(&one.sdes, &two.sdes)) {
        Treatment::Unread
    } else if one.is_negotiated() && two.is_negotiated() {
        Treatment::Bridged
    } else {
        Treatment::NoKeys
    }
}
