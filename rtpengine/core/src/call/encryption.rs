//! Encryption towards the two parties of an m-line: what offers and answers settle, and what the relay makes of it.

use std::sync::Arc;

use rtpengine_common::srtp::{CryptoParams, Suite};

use super::media::{Carries, MediaPair, Side};
use crate::{
    ng::Request,
    sdp::{Protocol, SecretLine, security::Crypto},
    secure::{
        KeySource, LineFormat, Party, same_keys,
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
    /// The crypto lines of the body.
    pub(super) lines: &'t [Crypto<'s>],
    /// The profile of the body.
    pub(super) protocol: Protocol,
}

impl Encryption {
    /// The party's packets cannot be read here: keys and everything about them pass through.
    pub(super) fn is_opaque(&self) -> bool {
        transport::acceptable(self.signalled, false) == Security::Opaque
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
        self.agreed = None;
    }

    /// The party was offered SRTP without any keys.
    pub(super) fn is_without_keys(&self) -> bool {
        self.outgoing.is_some_and(|outgoing| outgoing.protocol.is_srtp()) && self.sdes.lines().is_empty()
    }

    /// The suite in use, where SDES chose one.
    pub(super) fn suite(&self) -> Option<Suite> {
        let active = self.sdes.active().filter(|_| self.agreed == Some(Security::Sdes));
        active.map(|active| active.receive.suite())
    }

    /// The crypto lines to write for the party.
    pub(super) fn written(&self, request: &Request) -> Vec<SecretLine> {
        let format = LineFormat { pad: request.sdes.pad, lifetime: request.sdes.lifetime };
        self.sdes.lines().iter().map(|line| SecretLine(format!("crypto:{}", line.write(format)))).collect()
    }

    /// The keys in force; `None` where they are needed and not known.
    pub(super) fn keys(&self) -> Option<Keys> {
        match self.agreed? {
            Security::Plain => Some(Keys::default()),
            Security::Sdes => self.sdes.active().map(|active| Keys {
                receive: Some(active.receive.clone()),
                transmit: Some(active.transmit.clone()),
            }),
            Security::Dtls | Security::Opaque => None,
        }
    }
}

impl Terms<'_, '_> {
    /// Takes over an offer of `sender`. What was agreed on before stays in force until the answer.
    pub(super) fn take_offer(&self, sender: &mut Encryption) {
        sender.sdes.offered(self.lines, &self.request.sdes);
        sender.signalled = Signalled::of(self.protocol, sender.sdes.has_acceptable(), false);
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
        let acceptable = transport::acceptable(sender.signalled, false);
        let outgoing = if acceptable == Security::Opaque {
            Outgoing { protocol: wanted, sdes: false, dtls: false }
        } else {
            let means = Means { sdes: !options.off, dtls: false };
            transport::offered(sender.signalled, wanted, self.request.osrtp, means)
        };
        if outgoing.sdes {
            receiver.sdes.compose_offer(self.lines, options, keys);
        } else {
            receiver.sdes.offer_nothing();
        }
        receiver.outgoing = Some(outgoing);
        // Media may come before the answer where no answer can make a difference.
        if acceptable == Security::Opaque {
            sender.agreed.get_or_insert(Security::Opaque);
            receiver.agreed.get_or_insert(Security::Opaque);
            return;
        }
        if acceptable == Security::Plain {
            sender.agreed.get_or_insert(Security::Plain);
        }
        if !outgoing.sdes && !outgoing.protocol.is_srtp() {
            receiver.agreed.get_or_insert(Security::Plain);
        }
    }

    /// Takes over an answer of `sender` and decides how `receiver`, whose offer that was, is answered.
    pub(super) fn answer(
        &self,
        sender: &mut Encryption,
        receiver: &mut Encryption,
        keys: &mut dyn KeySource,
    ) {
        let unasked = Outgoing { protocol: self.protocol, sdes: false, dtls: false };
        let outgoing = sender.outgoing.unwrap_or(unasked);
        let taken = outgoing.sdes && sender.sdes.answered(self.lines);
        if !outgoing.sdes {
            sender.sdes.decline();
        }
        let answer = Signalled::of(self.protocol, taken, false);
        let answerer = transport::accepted(outgoing, answer);
        sender.agreed = Some(answerer);
        (sender.inherited, receiver.inherited) = (false, false);
        let acceptable = transport::acceptable(receiver.signalled, false);
        let answered = transport::answered(receiver.signalled, acceptable, answerer, self.request.osrtp);
        receiver.agreed = Some(answered);
        match answered {
            Security::Sdes => {
                receiver.sdes.compose_answer(&sender.sdes, &self.request.sdes, keys);
            }
            Security::Plain | Security::Dtls | Security::Opaque => receiver.sdes.decline(),
        }
    }
}

/// What becomes of the packets of an m-line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// They are forwarded as they are: both parties are in the clear.
    Clear,
    /// They are forwarded as they are: both parties use the same keys, or such that are not known here.
    Unread,
    /// They are decrypted, encrypted, or both.
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
    } else if one.keys().is_some() && two.keys().is_some() {
        Treatment::Bridged
    } else {
        Treatment::NoKeys
    }
}
