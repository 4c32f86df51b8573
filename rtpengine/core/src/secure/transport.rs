//! RTP, SRTP or an opportunistic mixture: which profile and which kind of keys each party gets.

use super::OsrtpOptions;
use crate::sdp::Protocol;

/// What the media section of a party carries as to encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signalled {
    /// An SRTP profile.
    pub srtp: bool,
    /// A profile over DTLS (`UDP/TLS/...`).
    pub tls: bool,
    /// Crypto lines that can be served.
    pub sdes: bool,
    /// A certificate fingerprint.
    pub dtls: bool,
}

impl Signalled {
    /// Reads it off a profile and what accompanies it.
    #[must_use]
    pub const fn of(protocol: Protocol, sdes: bool, dtls: bool) -> Self {
        let tls = matches!(protocol, Protocol::UdpTlsRtpSavp | Protocol::UdpTlsRtpSavpf);
        Self { srtp: protocol.is_srtp(), tls, sdes, dtls }
    }

    /// A plain profile with keys: encryption is wanted but not required (RFC 8643).
    #[must_use]
    pub const fn is_opportunistic(self) -> bool {
        !self.srtp && (self.sdes || self.dtls)
    }
}

/// How media is exchanged with a party.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// In the clear.
    #[default]
    Plain,
    /// SRTP with keys from SDES.
    Sdes,
    /// SRTP with keys from DTLS.
    Dtls,
    /// SRTP with keys that are not known here.
    Opaque,
}

/// What is available for use here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Means {
    /// SDES may be offered (`SDES=off` forbids it).
    pub sdes: bool,
    /// DTLS-SRTP may be offered and accepted (`DTLS=off` forbids it).
    pub dtls: bool,
}

/// What the receiver of an offer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// Profile.
    pub protocol: Protocol,
    /// With crypto lines.
    pub sdes: bool,
    /// With a fingerprint.
    pub dtls: bool,
    /// The section is there a second time, without encryption, and the receiver takes one of the two.
    pub plain_too: bool,
}

/// How the sender of an offer can be answered. DTLS comes before SDES where both are offered.
#[must_use]
pub const fn acceptable(offer: Signalled, dtls_available: bool) -> Security {
    if offer.dtls && dtls_available {
        Security::Dtls
    } else if offer.sdes && !offer.tls {
        Security::Sdes
    } else if offer.srtp {
        Security::Opaque
    } else {
        Security::Plain
    }
}

/// What an offer looks like for its receiver. `wanted` is the profile to write: that of `transport protocol`, else that
/// of the offer.
///
/// An SRTP profile gets all keys available, a profile over DTLS a fingerprint alone (RFC 5764 §8). A plain profile gets
/// keys where the offer was opportunistic or is to become so. `offer-legacy` writes an SRTP section with keys twice.
#[must_use]
pub const fn offered(offer: Signalled, wanted: Protocol, osrtp: OsrtpOptions, means: Means) -> Outgoing {
    let tls = matches!(wanted, Protocol::UdpTlsRtpSavp | Protocol::UdpTlsRtpSavpf);
    let encrypted = wanted.is_rtp() && (wanted.is_srtp() || offer.is_opportunistic() || osrtp.offer_rfc);
    let (sdes, dtls) = (encrypted && means.sdes && !tls, encrypted && means.dtls);
    let plain_too = osrtp.offer_legacy && wanted.is_srtp() && (sdes || dtls);
    Outgoing { protocol: wanted, sdes, dtls, plain_too }
}

/// What an answerer made of `offer`, by its answer.
#[must_use]
pub const fn accepted(offer: Outgoing, answer: Signalled) -> Security {
    if offer.dtls && answer.dtls {
        Security::Dtls
    } else if offer.sdes && answer.sdes {
        Security::Sdes
    } else if offer.protocol.is_srtp() && (answer.srtp || !offer.plain_too) {
        Security::Opaque
    } else {
        Security::Plain
    }
}

/// How the offerer is answered: `acceptable` is what its offer allows, `answerer` what the other side agreed to. An
/// opportunistic offer is accepted where the other side encrypts as well, or where `accept-RFC` says so.
#[must_use]
pub const fn answered(
    offer: Signalled,
    acceptable: Security,
    answerer: Security,
    osrtp: OsrtpOptions,
) -> Security {
    let answerer_encrypts = matches!(answerer, Security::Sdes | Security::Dtls);
    if offer.is_opportunistic() && !answerer_encrypts && !osrtp.accept_rfc {
        Security::Plain
    } else {
        acceptable
    }
}
