//! Why a packet left the fast path, or why a stream is not in it. Closed: every place that can say "no" has its word here.

/// One reason. The number is part of the map ABI: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u32)]
pub enum Reason {
    // Per packet, counted by the XDP program.
    /// Forwarded: not a reason to leave, counted all the same.
    Forwarded = 0,
    /// Frame too short or lengths that contradict each other.
    Malformed = 1,
    /// Not IPv4 or IPv6.
    NotIp = 2,
    /// Not UDP.
    NotUdp = 3,
    /// IP fragment.
    Fragment = 4,
    /// IPv4 options or an IPv6 extension header.
    IpOptions = 5,
    /// More VLAN tags than the program parses.
    VlanDepth = 6,
    /// No flow for the destination address and port.
    NoFlow = 7,
    /// STUN message, for userspace.
    Stun = 8,
    /// DTLS record, for userspace.
    Dtls = 9,
    /// RTCP, for userspace.
    Rtcp = 10,
    /// Source differs from the endpoint: handed up.
    SourcePunt = 11,
    /// Source differs from the endpoint: dropped.
    SourceDrop = 12,
    /// Not RTP version 2.
    NotRtp = 13,
    /// Payload type that the kernel must not forward.
    PayloadType = 14,
    /// SSRC not in the flow's list and no room for it.
    SsrcUnknown = 15,
    /// Flow that only counts and drops.
    Blackhole = 16,
    /// TTL or hop limit used up.
    TtlExpired = 17,
    /// The packet could not be resized or rewritten.
    RewriteFailed = 18,
    /// Larger than the egress MTU.
    TooBig = 19,
    /// UDP checksum absent where one is needed (IPv4 to IPv6).
    NoChecksum = 20,
    /// Flow installed but switched off (next hop lost, being replaced).
    Inactive = 21,
    /// New in the kernel, and not everything handed up before has been relayed yet: handed up.
    Settling = 22,
    /// SRTP or SRTCP whose authentication tag or master key identifier is not that of the keys agreed on: dropped.
    SrtpAuthentication = 23,
    /// SRTP or SRTCP whose index was used before, is too old to tell, or is none of these keys: dropped.
    SrtpReplay = 24,
    /// The keys of the flow's SRTP context are not there.
    NoContext = 25,
    /// Payload type that does not reach the receiver, because media is blocked or silenced: dropped.
    PayloadBlocked = 26,

    // Per stream, given by userspace.
    /// No packets yet, or the endpoint is still being learned.
    NotEstablished = 64,
    /// Kernel table switched off by `--table`.
    TableOff = 65,
    /// XDP is not available on this host or device.
    NoXdp = 66,
    /// Next hop not resolved yet.
    NoNextHop = 67,
    /// The egress device cannot transmit XDP frames.
    EgressDevice = 68,
    /// The flow table is full.
    TableFull = 69,
    /// RTCP streams stay in userspace.
    RtcpStream = 70,
    /// The stream is not RTP.
    NotRtpStream = 71,
    /// No remote address (late offer, zero address).
    NoEndpoint = 72,
    /// The other side does not exist or has no media for this stream.
    NoSink = 73,
    /// On hold: one side does not receive.
    Hold = 74,
    /// More outputs than the kernel path serves.
    ManyOutputs = 75,
    /// Call is being deleted.
    Deleting = 76,
    /// Idle in the kernel for too long: withdrawn until packets come again.
    Idle = 77,
    /// The map or the program refused the flow.
    KernelError = 78,
    /// Source policy needs every packet in userspace.
    SourcePolicy = 79,
    /// Traffic between local sockets of this host does not pass a device the program is attached to.
    LocalPeer = 80,
    /// The stream is decrypted or encrypted, which is done in userspace.
    Srtp = 81,
    /// Encrypted on one side at least, and the keys are not agreed on or not known: nothing is forwarded.
    NoKeys = 82,
    /// Nothing is sent to the receiver before something has come from it (`NAT-wait`).
    NatWait = 84,
    /// Packets are judged by their length, which is done in userspace; those that are too short are dropped.
    PacketLength = 85,
    /// `block media`: media from this party does not reach the other one. Dropped by the relay.
    Blocked = 86,
    /// `silence media`: the payload is replaced, for more payload types than the kernel path knows patterns of.
    Silenced = 87,
    /// Several m-lines share the port and go different ways, and their payload types do not tell them apart.
    Bundle = 88,
}

/// Highest per-packet reason plus one: size of a row of the reason counters.
pub const PACKET_REASONS: u32 = 32;

impl Reason {
    /// The per-packet reasons, in the order of their numbers.
    pub const OF_PACKETS: [Self; 27] = [
        Self::Forwarded,
        Self::Malformed,
        Self::NotIp,
        Self::NotUdp,
        Self::Fragment,
        Self::IpOptions,
        Self::VlanDepth,
        Self::NoFlow,
        Self::Stun,
        Self::Dtls,
        Self::Rtcp,
        Self::SourcePunt,
        Self::SourceDrop,
        Self::NotRtp,
        Self::PayloadType,
        Self::SsrcUnknown,
        Self::Blackhole,
        Self::TtlExpired,
        Self::RewriteFailed,
        Self::TooBig,
        Self::NoChecksum,
        Self::Inactive,
        Self::Settling,
        Self::SrtpAuthentication,
        Self::SrtpReplay,
        Self::NoContext,
        Self::PayloadBlocked,
    ];

    /// The per-packet reason of a number; `None` for one of a newer program.
    #[must_use]
    pub fn of_packet(number: u32) -> Option<Self> {
        Self::OF_PACKETS.into_iter().find(|reason| *reason as u32 == number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_of_packets_are_listed_by_their_number() {
        for (index, reason) in Reason::OF_PACKETS.iter().enumerate() {
            assert_eq!(*reason as usize, index);
        }
        assert_eq!(Reason::of_packet(PACKET_REASONS), None);
    }
}
