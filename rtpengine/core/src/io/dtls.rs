//! DTLS-SRTP across the border: the core decides with whom and in which role, the shell shakes hands.

use std::{net::SocketAddr, sync::Arc};

use rtpengine_common::srtp::CryptoParams;
use smallvec::SmallVec;

use super::StreamId;
use crate::sdp::security::{Fingerprint, HashFunction};

/// A certificate of this daemon as SDP presents it. Calls keep the one they signalled; the shell keeps its key as long
/// as anybody holds this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsIdentity {
    /// The shell's name for it.
    pub id: u64,
    /// Its digest by every hash function that is served.
    pub fingerprints: SmallVec<[Fingerprint; 5]>,
}

impl DtlsIdentity {
    /// Its digest by `hash`, where that can be computed.
    #[must_use]
    pub fn fingerprint(&self, hash: HashFunction) -> Option<&Fingerprint> {
        self.fingerprints.iter().find(|fingerprint| fingerprint.hash == hash)
    }
}

/// Who starts the handshake, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// We are the client.
    Active,
    /// We are the server.
    Passive,
}

/// The way of a component's handshakes: a socket of ours and an address of the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DtlsRoute {
    /// The socket.
    pub socket: StreamId,
    /// The peer's address.
    pub peer: SocketAddr,
}

/// What an association is made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsAssociation {
    /// Grows with every opening of the stream: events carry that of the opening they belong to.
    pub epoch: u32,
    /// From `a=setup` of both sides.
    pub role: DtlsRole,
    /// The certificate that was signalled.
    pub identity: Arc<DtlsIdentity>,
    /// The sockets that handshakes may come to: all of the component.
    pub sockets: SmallVec<[StreamId; 2]>,
    /// Where handshakes go: as signalled, learned from authenticated packets or chosen by ICE. The active role waits for it.
    pub remote: Option<DtlsRoute>,
    /// All `a=fingerprint` of the peer; empty while its SDP has not come: then a handshake may be made, but no key is
    /// used.
    pub fingerprints: SmallVec<[Fingerprint; 1]>,
}

/// Commands to the DTLS thread. An association is that of a component, and goes by the name of its first socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsCommand {
    /// Expects DTLS on open sockets, or replaces the association there: the old keys hold until the new ones come.
    Open {
        /// The component.
        stream: StreamId,
        /// The association.
        association: Box<DtlsAssociation>,
    },
    /// The peer's fingerprints have come for the association opened last.
    Fingerprints {
        /// The component.
        stream: StreamId,
        /// All of them.
        fingerprints: SmallVec<[Fingerprint; 1]>,
    },
    /// The peer is reached another way; the association goes on over it.
    Remote {
        /// The component.
        stream: StreamId,
        /// The way.
        remote: DtlsRoute,
    },
    /// The component has other sockets from now on.
    Sockets {
        /// The component.
        stream: StreamId,
        /// All of them.
        sockets: SmallVec<[StreamId; 2]>,
    },
    /// Ends the association with close_notify.
    Close {
        /// The component.
        stream: StreamId,
    },
}

/// What happened to an association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsEvent {
    /// The peer has shown the certificate its SDP names, and keys are agreed on.
    Keys {
        /// The peer's address, which the certificate vouches for.
        peer: SocketAddr,
        /// What the peer encrypts with.
        receive: Arc<CryptoParams>,
        /// What is encrypted with towards it.
        transmit: Arc<CryptoParams>,
    },
    /// A handshake with a source that signalling named failed. Keys there are still hold.
    Failed {
        /// With whom.
        peer: SocketAddr,
        /// There was no answer, or none in time: another attempt may succeed.
        timed_out: bool,
        /// Why, for the log.
        reason: String,
    },
    /// The peer ended the association its keys came from.
    Closed,
    /// The peer starts the handshake although this side does.
    RoleConflict,
}
