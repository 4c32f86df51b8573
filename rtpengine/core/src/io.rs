//! The border between the core and the shell: time, ids, media ports, flows, outputs.

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
};

use rtpengine_common::srtp::CryptoParams;
use smallvec::SmallVec;

use crate::media::rtcp::Reports;
use crate::ng::statistics::Figures;

pub use self::bundle::{Bundle, BundleLine};
pub use self::dtls::{DtlsAssociation, DtlsCommand, DtlsEvent, DtlsIdentity, DtlsRole, DtlsRoute};
pub use self::filter::{Copies, Filter, MediaRule, Payload, Restraint, SinkRule};
pub use self::handling::Handling;
pub use rtpengine_common::reason::Reason;

mod bundle;
mod dtls;
mod filter;
mod handling;

/// The moment an input is handled at, as read by the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now {
    /// Microseconds of a monotonic clock with an arbitrary origin (`CLOCK_MONOTONIC`, the clock of the XDP program).
    pub mono_us: u64,
    /// Microseconds since the Unix epoch.
    pub unix_us: u64,
}

/// One open media socket. Given out by the core, never reused within a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u64);

/// All sockets of one call carry the same affinity, so that one relay shard owns all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Affinity(pub u32);

/// A media socket the shell is asked to open, bound to exactly `local`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenPort {
    /// The identity all later commands and events use.
    pub stream: StreamId,
    /// Address and port to bind.
    pub local: SocketAddr,
    /// Chooses the relay shard.
    pub affinity: Affinity,
}

/// Why a media socket could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Somebody else holds the port: the core tries another one.
    #[error("port is in use")]
    InUse,
    /// The local address does not exist on this host: other ports will not help.
    #[error("address {0} cannot be used: {1}")]
    Address(IpAddr, String),
    /// Out of descriptors or memory: other ports will not help.
    #[error("out of resources: {0}")]
    Resources(String),
}

/// The host's random source failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no random numbers for keys")]
pub struct NoRandomness;

/// What the core may ask of the shell while it handles an input.
pub trait MediaPlane {
    /// Opens a media socket. It receives nothing until [`RelayCommand::Configure`] names it.
    ///
    /// # Errors
    /// See [`OpenError`]; nothing stays open after an error.
    fn open(&mut self, port: OpenPort) -> Result<(), OpenError>;

    /// Closes a socket opened by [`MediaPlane::open`] that was never configured (rollback of a failed request).
    fn abandon(&mut self, stream: StreamId);

    /// The sockets of one call belong to another one from now on: the shard of `to` owns all of them.
    fn unite(&mut self, from: Affinity, to: Affinity);

    /// Fills `bytes` for use as SRTP keys: nobody can predict them.
    ///
    /// # Errors
    /// [`NoRandomness`]; what is in `bytes` is not to be used then.
    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness>;

    /// The certificate to signal for DTLS-SRTP in new SDP; `None` where there is none, and no DTLS.
    fn identity(&mut self) -> Option<Arc<DtlsIdentity>>;

    /// The counters of a stream, userspace and kernel merged. Zeroes for an unknown stream.
    fn counters(&self, stream: StreamId) -> StreamCounters;

    /// What else it counts, for the statistics.
    fn figures(&self) -> Vec<Figures> {
        Vec::new()
    }
}

/// What runs on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Component {
    /// RTP alone, RTCP has its own socket.
    Rtp,
    /// RTCP alone.
    Rtcp,
    /// RTP and RTCP on one port (RFC 5761).
    Mux,
    /// Not RTP at all (T.38 over UDPTL, BFCP, unknown): datagrams are passed on unread.
    Raw,
}

/// The endpoint learning algorithms of `--endpoint-learning`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Learning {
    /// Wait 3 s, then commit to the source of the next packet.
    #[default]
    Delayed,
    /// Commit to the source of the first packet.
    Immediate,
    /// Never learn.
    Off,
    /// Wait 3 s, ranking the sources seen; commit to the best.
    Heuristic,
}

/// How a stream treats sources other than its endpoint once that is settled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourcePolicy {
    /// Accept packets from anywhere; do not learn from them.
    #[default]
    Accept,
    /// Drop and count packets whose source is not the endpoint (`strict source`).
    Strict,
    /// A new source takes the stream over (`media handover`).
    Handover,
}

/// What a relay thread does with RTCP besides passing it on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RtcpUse {
    /// Nothing: nobody here can read it.
    #[default]
    Unread,
    /// Its reports are handed up as [`MediaEvent::Rtcp`].
    Read,
    /// As above, and they are not passed on: the other party gets reports of ours. Feedback is passed on.
    Consume,
}

/// Everything a relay thread must know of one socket. "Party" is the remote side that sends to this socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayStream {
    /// What runs on the socket.
    pub component: Component,
    /// Where packets to the party are sent, from this socket. `None` until signalled (late offers).
    pub endpoint: Option<SocketAddr>,
    /// `true` once the endpoint was learned from packets or learning is over; kept across re-INVITEs with unchanged SDP address.
    pub endpoint_settled: bool,
    /// Which of the party's addresses this is about: grows whenever `endpoint` is to be learned anew. What was learned
    /// in one epoch says nothing about another one.
    pub epoch: u32,
    /// How the endpoint follows the packets.
    pub learning: Learning,
    /// What happens to packets from elsewhere.
    pub source_policy: SourcePolicy,
    /// Packets from the party are forwarded to these sockets' parties (empty: counted and discarded).
    pub sinks: SmallVec<[StreamId; 1]>,
    /// Where RTCP that arrives on this socket goes; differs from `sinks` when only one side uses rtcp-mux.
    pub rtcp_sinks: SmallVec<[StreamId; 1]>,
    /// Why media from the party is discarded although a sink exists (hold, block), if it is. RTCP goes on all the same
    /// (RFC 3264 section 8.4), except with [`Reason::NoKeys`]: then nothing is forwarded, and there are no sinks but those of
    /// a flow that inherits its keys.
    pub discard: Option<Reason>,
    /// What else is done to packets.
    pub handling: Handling,
    /// What of the media reaches which sink. `None`: everything reaches all of them.
    pub filter: Option<Box<Filter>>,
    /// Who gets, decrypted, what the sinks get as it came.
    pub copies: Option<Box<Copies>>,
    /// Several m-lines are on the socket, and not all their packets go the same way: sinks, filter and copies are those of each
    /// line, `sinks` is empty, and `rtcp_sinks` are those of all lines, for RTCP that is not about a single one.
    pub bundle: Option<Box<Bundle>>,
    /// Names the keys of the party's m-line: its first socket. All its sockets share what is known of the streams under
    /// them, for as long as one of them is open, keys that are not in use any more included.
    pub keyring: StreamId,
    /// What the party encrypts with: SRTP and SRTCP from the party is decrypted with it before it goes to the sinks.
    /// `None`: packets are taken as they are, because they are not encrypted or are forwarded without being changed.
    ///
    /// Equal values mean that the keys have not changed: the state under them, in `keyring`, goes on.
    pub receive_crypto: Option<Arc<CryptoParams>>,
    /// What is encrypted with towards the party, whatever stream it comes from. `None`: packets are sent as they are.
    pub transmit_crypto: Option<Arc<CryptoParams>>,
    /// ICE runs on the socket: username fragments of ours, by which requests of its peers are told from those of
    /// strangers. STUN is handed up as [`MediaEvent::Stun`] then. Empty: STUN is counted and discarded.
    pub ice: SmallVec<[Arc<str>; 1]>,
    /// `endpoint` is where ICE sends: the party has shown by authenticated checks that it is there and wants the media.
    pub ice_chosen: bool,
    /// Addresses that authentic checks have come from to this socket. DTLS handshakes from there are the party's.
    pub vouched: SmallVec<[SocketAddr; 1]>,
    /// The party will encrypt with keys that are not there yet: what it sends is discarded, and nothing is learned from
    /// it, since nothing shows that it is the party's.
    pub awaits_keys: bool,
    /// What is done with RTCP of the party.
    pub rtcp: RtcpUse,
    /// The parties may agree on keys by DTLS among themselves: their handshakes go to the sinks like media.
    pub passes_dtls: bool,
    /// Value for the IPv4 TOS / IPv6 traffic class byte of what leaves this socket; `None` leaves the system default.
    pub tos: Option<u8>,
    /// Clock rate in Hz by payload type, for jitter.
    pub clock_rates: SmallVec<[(u8, u32); 8]>,
    /// Where the stream's reports in logs belong.
    pub call: Arc<str>,
}

impl RelayStream {
    /// Where media goes, of whichever m-line.
    pub fn all_sinks(&self) -> impl Iterator<Item = StreamId> {
        let lines = self.bundle.iter().flat_map(|bundle| &bundle.lines);
        self.sinks.iter().chain(lines.flat_map(|line| &line.sinks)).copied()
    }
}

/// Commands to the relay threads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayCommand {
    /// Starts relaying on an open socket, or replaces its settings. Counters are kept, and within an epoch what was
    /// learned; a new epoch restarts learning.
    Configure {
        /// The socket.
        stream: StreamId,
        /// Its new settings, complete.
        config: Box<RelayStream>,
    },
    /// Sends a datagram of ICE from the socket, at once. It is not counted as media.
    Send {
        /// The socket.
        stream: StreamId,
        /// Where to.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Sends RTCP of ours to the party, encrypted if the party wants that. Counted like what is relayed.
    Report {
        /// The socket.
        stream: StreamId,
        /// The packet in the clear.
        packet: Vec<u8>,
    },
    /// Closes the socket.
    Close {
        /// The socket.
        stream: StreamId,
    },
}

/// How the kernel treats a packet of an offloaded flow that comes from an unexpected source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SourceMismatch {
    /// No check.
    #[default]
    Ignore,
    /// Drop and count.
    Drop,
    /// Hand up to userspace, which may learn from it.
    Punt,
}

/// One way out of an offloaded flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowOutput {
    /// The socket userspace would send from (egress counters belong to it).
    pub stream: StreamId,
    /// [`RelayStream::keyring`] of `stream`.
    pub keyring: StreamId,
    /// Source address and port of forwarded packets.
    pub from: SocketAddr,
    /// Their destination.
    pub to: SocketAddr,
    /// TOS / traffic class; `None` keeps the packet's.
    pub tos: Option<u8>,
    /// What packets are encrypted with ([`RelayStream::transmit_crypto`] of `stream`).
    pub crypto: Option<Arc<CryptoParams>>,
    /// What of the media gets there.
    pub restraint: Restraint,
    /// The SSRC has these bits turned over ([`Handling::echo`]).
    pub turned_ssrc: Option<NonZeroU32>,
}

/// Who a flow belongs to: shown by `rtpengine-ctl table`, kept in the pinned maps, and enough to rebuild the call after a restart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowIdentity {
    /// SIP Call-ID.
    pub call_id: String,
    /// Tag of the party that sends into this flow.
    pub tag: String,
    /// Tag of the party that receives from it.
    pub peer_tag: String,
    /// Index of the m-line, from 0.
    pub media: u16,
    /// Name of the logical interface of the flow's local address.
    pub interface: String,
    /// Name of the logical interface of the first output's local address.
    pub peer_interface: String,
    /// Kind of media: `audio`.
    pub kind: String,
    /// Profile as the sending party wrote it: `RTP/AVP`.
    pub protocol: String,
    /// The same of the receiving party.
    pub peer_protocol: String,
    /// The address for RTP in the sending party's SDP.
    pub advertised: Option<SocketAddr>,
    /// The same of the receiving party.
    pub peer_advertised: Option<SocketAddr>,
    /// Call creation, microseconds since the Unix epoch.
    pub created_unix_us: u64,
    /// `true` where the sending party is the one that made the first offer.
    pub offerer: bool,
}

/// A flow for the XDP program, complete except for the next hop, which the shell resolves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowSpec {
    /// The socket whose packets the kernel takes over.
    pub stream: StreamId,
    /// [`RelayStream::keyring`] of `stream`.
    pub keyring: StreamId,
    /// Its local address and port: the lookup key.
    pub local: SocketAddr,
    /// RTCP may arrive on this port too (it is handed up).
    pub rtcp_mux: bool,
    /// The settled endpoint of the sending party.
    pub source: SocketAddr,
    /// What to do when the source differs.
    pub mismatch: SourceMismatch,
    /// Empty: the packets are counted and dropped in the kernel.
    pub outputs: SmallVec<[FlowOutput; 1]>,
    /// What packets are decrypted with ([`RelayStream::receive_crypto`] of `stream`).
    pub crypto: Option<Arc<CryptoParams>>,
    /// The kernel has the keys from a predecessor and goes on with them; nobody else knows them, and `crypto` is `None` here
    /// and in `outputs`. A flow without such keys is not installed.
    pub inherits_keys: bool,
    /// Payload types that may be forwarded; anything else is handed up. Empty: all.
    pub payload_types: SmallVec<[u8; 8]>,
    /// Every packet is logged (the flag `debug`).
    pub debug: bool,
    /// For people and for adoption.
    pub identity: Box<FlowIdentity>,
}

impl FlowSpec {
    /// Whether packets are decrypted and encrypted as by another flow.
    #[must_use]
    pub fn same_keys(&self, other: &Self) -> bool {
        let transmit =
            |flow: &Self| flow.outputs.iter().map(|output| output.crypto.clone()).collect::<Vec<_>>();
        self.inherits_keys == other.inherits_keys
            && self.crypto == other.crypto
            && transmit(self) == transmit(other)
    }
}

/// Commands to the offload manager.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FlowCommand {
    /// Installs the flow or replaces it in place. Kernel counters and SSRC state of an existing flow continue.
    Install(Box<FlowSpec>),
    /// Withdraws the flow; its counters are folded into the stream's.
    Remove {
        /// The socket.
        stream: StreamId,
    },
}

/// Where a stream's packets are forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Path {
    /// By the XDP program.
    Kernel,
    /// By the relay threads, for this reason.
    Userspace(Reason),
}

impl Default for Path {
    fn default() -> Self {
        Self::Userspace(Reason::NotEstablished)
    }
}

/// A call that ended because of a timeout, for whoever is to tell the SIP server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedOut {
    /// SIP Call-ID.
    pub call: Arc<str>,
    /// Where the SIP server is: `xmlrpc-callback`, else where the call's first request came from. `None` for adopted calls.
    pub server: Option<IpAddr>,
    /// The tags of its parties, in order of appearance.
    pub tags: Vec<String>,
    /// Who talked to whom: the tag of the one that called first.
    pub dialogues: Vec<(String, String)>,
}

/// RTCP of a party, for whoever captures it (`--homer`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeardRtcp {
    /// SIP Call-ID.
    pub call: Arc<str>,
    /// The party's address in force, where it is known.
    pub from: Option<SocketAddr>,
    /// The socket it arrived at.
    pub to: SocketAddr,
    /// When it arrived.
    pub arrived: Now,
    /// What it says.
    pub reports: Reports,
}

/// What comes out of the core besides replies. The shell carries them out in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// For the relay threads.
    Relay(RelayCommand),
    /// For the offload manager.
    Flow(FlowCommand),
    /// For the DTLS thread.
    Dtls(DtlsCommand),
    /// For the SIP server (`--b2b-url`).
    TimedOut(Box<TimedOut>),
    /// For the capture server (`--homer`), where the configuration asks for it.
    Rtcp(Box<HeardRtcp>),
    /// For the logs: everything about this call is logged, or no longer.
    Debug {
        /// SIP Call-ID.
        call: Arc<str>,
        /// On or off.
        on: bool,
    },
}

/// What the media plane tells the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MediaEvent {
    /// The endpoint of a stream is settled: learned from packets, or confirmed as signalled.
    /// `Path` decisions wait for this.
    EndpointSettled {
        /// The socket.
        stream: StreamId,
        /// The party's address.
        endpoint: SocketAddr,
        /// The epoch of the settings it was learned under. The core ignores reports of an earlier epoch, which were
        /// on their way when signalling changed the address.
        epoch: u32,
    },
    /// A STUN message arrived on a socket with ICE. Whether it is authentic is not known.
    Stun {
        /// The socket.
        stream: StreamId,
        /// Where it came from.
        source: SocketAddr,
        /// The message.
        bytes: Vec<u8>,
    },
    /// The party reports on media, its own or what it receives.
    Rtcp {
        /// The socket.
        stream: StreamId,
        /// When the report arrived.
        arrived: Now,
        /// What it says.
        reports: Reports,
    },
    /// The offload manager's verdict on a stream, sent whenever it changes.
    FlowPath {
        /// The socket.
        stream: StreamId,
        /// Its path now.
        path: Path,
    },
    /// News of a component's DTLS association.
    Dtls {
        /// The component's first socket.
        stream: StreamId,
        /// The opening it is about. The core ignores news of earlier ones.
        epoch: u32,
        /// The news.
        event: DtlsEvent,
    },
}

/// Counters of one SSRC as received.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SsrcCounters {
    /// The SSRC, host order.
    pub ssrc: u32,
    /// Last payload type seen.
    pub payload_type: u8,
    /// Packets received.
    pub packets: u64,
    /// Payload bytes received (UDP payload).
    pub bytes: u64,
    /// Packets lost (RFC 3550 appendix A.3).
    pub lost: i64,
    /// Duplicates.
    pub duplicates: u64,
    /// Out of order.
    pub reordered: u64,
    /// Jumps forward of more than one.
    pub skips: u64,
    /// Restarts of the sequence.
    pub resets: u64,
    /// Interarrival jitter in timestamp units (RFC 3550 6.4.1).
    pub jitter: f64,
    /// Highest extended sequence number.
    pub highest_seq: u32,
    /// RTP timestamp of the last packet.
    pub last_timestamp: u32,
    /// When that packet arrived, microseconds of the monotonic clock; 0: not known.
    pub last_mono_us: u64,
}

/// Counters of one stream, userspace and kernel merged unless said otherwise.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamCounters {
    /// Received from the party.
    pub packets: u64,
    /// UDP payload bytes received.
    pub bytes: u64,
    /// Receive-side errors (malformed, wrong source, no sink...).
    pub errors: u64,
    /// Sent to the party.
    pub packets_out: u64,
    /// UDP payload bytes sent.
    pub bytes_out: u64,
    /// Send errors.
    pub errors_out: u64,
    /// Of `packets`, those the kernel forwarded.
    pub kernel_packets: u64,
    /// Of `bytes`, those the kernel forwarded.
    pub kernel_bytes: u64,
    /// Last packet from the party, Unix microseconds; 0 when none came.
    pub last_packet_unix_us: u64,
    /// By SSRC, newest last, at most 4.
    pub ssrcs: SmallVec<[SsrcCounters; 1]>,
    /// By payload type: (payload type, packets, bytes), at most 16.
    pub payload_types: SmallVec<[(u8, u64, u64); 2]>,
}
