//! Keys and values of the pinned maps.

use crate::{srtp::Suite, words};

/// Changed whenever a layout below changes. The daemon refuses to share pinned maps of another version and migrates them.
pub const ABI_VERSION: u32 = 4;
/// Tables are numbered 0 to 63.
pub const MAX_TABLES: u32 = 64;
/// Flows per network namespace, shared by its tables.
pub const MAX_FLOWS: u32 = 1 << 17;
/// Rows of the counters are handed out to tables in chunks of this many.
pub const SLOTS_PER_CHUNK: u32 = 1 << 11;
/// Chunks of counters per network namespace.
pub const MAX_CHUNKS: u32 = MAX_FLOWS / SLOTS_PER_CHUNK;
/// SSRCs tracked per flow, as in the original.
pub const MAX_SSRCS: usize = 4;
/// Payload types listed per flow.
pub const MAX_PAYLOAD_TYPES: usize = 32;
/// Patterns of silence per output.
pub const MAX_SILENCE: usize = 3;

/// `map_flags` of the flows map (hash of `MAX_FLOWS` entries): `BPF_F_NO_PREALLOC`.
pub const FLOWS_MAP_FLAGS: u32 = 1 << 0;
/// `map_flags` of the stats map (array of `MAX_FLOWS` entries): `BPF_F_MMAPABLE`.
pub const STATS_MAP_FLAGS: u32 = 1 << 10;

/// Destination of an incoming packet: what a flow is found by. Of whole words of 64 bits, which the kernel compares
/// fastest. A local address and port is one socket's of the network namespace, so it needs no table beside it.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct FlowKey {
    /// IPv6 address, or the IPv4 address as `::ffff:a.b.c.d`.
    pub addr: [u8; 16],
    /// UDP port, network order.
    pub port: [u8; 2],
    /// Zero.
    pub pad: [u8; 6],
}

/// A [`FlowKey`] as the words that the kernel hashes and compares. A word stored in pieces would not have reached the cache
/// when it is loaded, and BPF clears the padding of a [`FlowKey`] in a loop.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyWords([u64; 3]);

impl KeyWords {
    /// Key for an IPv4 destination, address and port in network order.
    #[inline(always)]
    pub fn v4(addr: [u8; 4], port: [u8; 2]) -> Self {
        Self::v6(words::mapped(addr), port)
    }

    /// Key for an IPv6 destination, address and port in network order.
    #[inline(always)]
    pub fn v6(addr: [u8; 16], port: [u8; 2]) -> Self {
        let (first, second) = words::halves(addr);
        Self([first, second, u64::from_ne_bytes([port[0], port[1], 0, 0, 0, 0, 0, 0])])
    }

    /// The key.
    #[inline(always)]
    pub fn key(&self) -> &FlowKey {
        // SAFETY: as large and as aligned (asserted below), and every byte is part of a field that takes any value.
        unsafe { &*core::ptr::from_ref(self).cast::<FlowKey>() }
    }
}

/// [`FlowValue::flags`]: the flow forwards; without it every packet is handed up ([`crate::reason::Reason::Inactive`]).
pub const FLOW_ACTIVE: u32 = 1 << 0;
/// Count and drop.
pub const FLOW_BLACKHOLE: u32 = 1 << 1;
/// RTCP may arrive on the RTP port (RFC 5761) and is handed up.
pub const FLOW_RTCP_MUX: u32 = 1 << 2;
/// Only payload types in `payload_types` are forwarded; others are handed up.
pub const FLOW_PT_FILTER: u32 = 1 << 3;
/// Set the TOS / traffic class byte.
pub const FLOW_SET_TOS: u32 = 1 << 4;
/// Redirect to `ifindex`; without it the packet goes back out of the device it came in by (`XDP_TX`).
pub const FLOW_REDIRECT: u32 = 1 << 5;
/// `expect_addr`/`expect_port` are checked; a mismatch is handed up.
pub const FLOW_SOURCE_PUNT: u32 = 1 << 6;
/// `expect_addr`/`expect_port` are checked; a mismatch is dropped.
pub const FLOW_SOURCE_DROP: u32 = 1 << 7;
/// Insert `vlan` as the only 802.1Q tag of the outgoing frame; without it the frame leaves untagged.
pub const FLOW_VLAN: u32 = 1 << 8;
/// The outgoing packet is IPv6.
pub const FLOW_OUT_V6: u32 = 1 << 9;
/// Apply `ssrcs[i].seq_offset` and `ssrcs[i].ssrc_out`.
pub const FLOW_REWRITE_RTP: u32 = 1 << 10;
/// Packets arrive by a device whose peer leaves the UDP checksum to hardware that never sees them (veth): what stands in
/// the field cannot be built on. They leave without one over IPv4, with a freshly computed one over IPv6.
pub const FLOW_NO_CHECKSUM_IN: u32 = 1 << 11;
/// Only payload types in `passing_types` reach the output; others are counted and dropped
/// ([`crate::reason::Reason::PayloadBlocked`]).
pub const FLOW_BLOCK: u32 = 1 << 12;
/// Payloads of the types listed in `silence` are replaced.
pub const FLOW_SILENCE: u32 = 1 << 13;
/// With [`FLOW_REWRITE_RTP`]: every packet's SSRC has the bits of `ssrcs[0].ssrc_out` turned over, and nothing else of RTP
/// is rewritten.
pub const FLOW_TURN_SSRC: u32 = 1 << 14;
/// Emit an aya-log message per packet.
pub const FLOW_DEBUG: u32 = 1 << 31;

/// Rewriting of one SSRC.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SsrcRewrite {
    /// SSRC as received, network order; all zero: unused entry.
    pub ssrc_in: [u8; 4],
    /// SSRC as sent, network order.
    pub ssrc_out: [u8; 4],
    /// Added to the sequence number, host order, modulo 2^16.
    pub seq_offset: u16,
    /// Zero.
    pub pad: u16,
}

/// What silence looks like in some payload types.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SilencePattern {
    /// These; as [`FlowValue::payload_types`]. One that several patterns list is nobody's.
    pub payload_types: [u64; 2],
    /// What every byte of the payload becomes.
    pub byte: u8,
    /// Zero.
    pub pad: [u8; 7],
}

/// The static part of a flow. Replaced as a whole by userspace, only read by the program.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowValue {
    /// `FLOW_*` bits, host order.
    pub flags: u32,
    /// Index into the stats array.
    pub slot: u32,
    /// Egress device for [`FLOW_REDIRECT`].
    pub ifindex: u32,
    /// Egress MTU: largest IP packet, bytes.
    pub mtu: u16,
    /// VLAN TCI of the outgoing frame, network order.
    pub vlan: [u8; 2],
    /// Expected source, IPv4 as mapped.
    pub expect_addr: [u8; 16],
    /// New source address, IPv4 as mapped.
    pub src_addr: [u8; 16],
    /// New destination address, IPv4 as mapped.
    pub dst_addr: [u8; 16],
    /// Expected source port, network order.
    pub expect_port: [u8; 2],
    /// New source port, network order.
    pub src_port: [u8; 2],
    /// New destination port, network order.
    pub dst_port: [u8; 2],
    /// TOS / traffic class for [`FLOW_SET_TOS`].
    pub tos: u8,
    /// Number of valid `ssrcs`.
    pub num_ssrcs: u8,
    /// Destination MAC address.
    pub dst_mac: [u8; 6],
    /// Source MAC address.
    pub src_mac: [u8; 6],
    /// Table the flow belongs to.
    pub table: u32,
    /// Number of the SRTP context ([`crate::srtp::abi::SrtpContext`]) that packets are decrypted with; 0: they are not.
    pub receive_context: u32,
    /// Number of the SRTP context that packets are encrypted with; 0: they are not.
    pub transmit_context: u32,
    /// Nanoseconds since [`FlowStats::last_seen_ns`] after which the flow counts as inactive: packets are handed up with
    /// [`crate::reason::Reason::Inactive`] and no longer move `last_seen_ns`, so that a flow whose owner is gone does
    /// not forward forever. Userspace sets `last_seen_ns` at installation and to wake the flow. 0: no limit.
    pub idle_limit_ns: u64,
    /// Bit n set: payload type n may be forwarded ([`FLOW_PT_FILTER`]); 128 bits, host order words.
    pub payload_types: [u64; 2],
    /// RTP rewriting by SSRC.
    pub ssrcs: [SsrcRewrite; MAX_SSRCS],
    /// Bit n set: payload type n reaches the output ([`FLOW_BLOCK`]); as `payload_types`.
    pub passing_types: [u64; 2],
    /// What is silenced ([`FLOW_SILENCE`]).
    pub silence: [SilencePattern; MAX_SILENCE],
}

impl FlowValue {
    /// Destination and source MAC address, as they stand in a frame.
    #[inline(always)]
    pub fn macs(&self) -> [u8; 12] {
        let (dst, src) = (self.dst_mac, self.src_mac);
        [dst[0], dst[1], dst[2], dst[3], dst[4], dst[5], src[0], src[1], src[2], src[3], src[4], src[5]]
    }
}

/// Counters of one SSRC of a flow, host order.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SsrcStats {
    /// The SSRC, host order; claimed with compare-and-swap from 0.
    pub ssrc: u32,
    /// Highest extended sequence number (cycles in the upper half). Userspace sets it at handover.
    pub highest_seq: u32,
    /// Packets.
    pub packets: u64,
    /// UDP payload bytes.
    pub bytes: u64,
    /// Last RTP timestamp.
    pub last_timestamp: u32,
    /// Last payload type.
    pub last_payload_type: u32,
}

/// The dynamic part of a flow: written by the program, read by userspace through `mmap`. Counters are relaxed atomics;
/// the "last" and "highest" fields are plain stores, so two CPUs that work on one flow at once may set them back by a
/// packet. The first cache line is all that a flow with one source touches.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FlowStats {
    /// `CLOCK_MONOTONIC_COARSE`, nanoseconds, of the last packet forwarded (or dropped by a blackhole flow).
    pub last_seen_ns: u64,
    /// Packets handed up to userspace.
    pub punted: u64,
    /// Packets dropped.
    pub dropped: u64,
    /// Last [`crate::reason::Reason`] for a packet that was not forwarded.
    pub last_reason: u32,
    /// Not 0: the flow hands up until it has settled ([`crate::settle`]), when the program writes 0. Userspace tells one
    /// handover from the next by the number.
    pub settling: u32,
    /// By SSRC, in order of appearance.
    pub ssrcs: [SsrcStats; MAX_SSRCS],
    /// Mark of the newest packet handed up while settling, 0 before the first.
    pub handed_up: u64,
    /// Mark of the newest packet that the relay has sent on meanwhile; written by userspace.
    pub relayed: u64,
    /// Zero: makes it a multiple of a cache line.
    pub reserved: [u64; 2],
}

impl FlowStats {
    /// Packets forwarded (or dropped by a blackhole flow). The program counts them by SSRC alone: one atomic addition
    /// costs a tenth of its time.
    pub fn packets(&self) -> u64 {
        self.ssrcs.iter().fold(0, |sum, ssrc| sum.wrapping_add(ssrc.packets))
    }

    /// UDP payload bytes of those.
    pub fn bytes(&self) -> u64 {
        self.ssrcs.iter().fold(0, |sum, ssrc| sum.wrapping_add(ssrc.bytes))
    }
}

/// Longest Call-ID kept for adoption.
pub const MAX_CALL_ID: usize = 256;
/// Longest tag kept for adoption.
pub const MAX_TAG: usize = 128;
/// Longest interface name kept for adoption.
pub const MAX_INTERFACE: usize = 32;
/// Longest kind of media kept for adoption.
pub const MAX_KIND: usize = 12;
/// Longest name of a profile kept for adoption.
pub const MAX_PROTOCOL: usize = 24;

/// Who a flow belongs to: for `rtpengine-ctl table` and for adoption after a restart. Strings are zero-padded UTF-8.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowInfo {
    /// SIP Call-ID.
    pub call_id: [u8; MAX_CALL_ID],
    /// Tag of the sending party.
    pub tag: [u8; MAX_TAG],
    /// Tag of the receiving party.
    pub peer_tag: [u8; MAX_TAG],
    /// Logical interface of the flow's local address.
    pub interface: [u8; MAX_INTERFACE],
    /// Logical interface of the output's local address.
    pub peer_interface: [u8; MAX_INTERFACE],
    /// Kind of media of the m-line: `audio`.
    pub kind: [u8; MAX_KIND],
    /// Profile of the m-line as the sending party wrote it: `RTP/AVP`.
    pub protocol: [u8; MAX_PROTOCOL],
    /// The same of the receiving party.
    pub peer_protocol: [u8; MAX_PROTOCOL],
    /// Port of `advertised_addr`, network order.
    pub advertised_port: [u8; 2],
    /// Port of `peer_advertised_addr`, network order.
    pub peer_advertised_port: [u8; 2],
    /// Call creation, microseconds since the Unix epoch.
    pub created_unix_us: u64,
    /// Flow installation, nanoseconds of `CLOCK_MONOTONIC`.
    pub installed_ns: u64,
    /// Sending party's endpoint address (IPv4 as mapped), also where the flow's source check is off.
    pub endpoint_addr: [u8; 16],
    /// The address in the sending party's SDP (IPv4 as mapped); port 0: it has signalled none.
    pub advertised_addr: [u8; 16],
    /// The same of the receiving party.
    pub peer_advertised_addr: [u8; 16],
    /// Its port, network order.
    pub endpoint_port: [u8; 2],
    /// m-line index from 0.
    pub media: u16,
    /// Bit 0: sending party made the first offer. Bits 8 to 15 and 16 to 23: see [`FlowInfo::receive_suite`] and
    /// [`FlowInfo::transmit_suite`].
    pub flags: u32,
}

impl FlowInfo {
    const RECEIVE_SUITE: u32 = 8;
    const TRANSMIT_SUITE: u32 = 16;

    /// Suite that packets are decrypted with; `None`: they are not, or by one that is not known here.
    pub fn receive_suite(&self) -> Option<Suite> {
        self.suite(Self::RECEIVE_SUITE)
    }

    /// Suite that packets are encrypted with.
    pub fn transmit_suite(&self) -> Option<Suite> {
        self.suite(Self::TRANSMIT_SUITE)
    }

    /// [`FlowInfo::flags`] that tell these suites.
    pub fn suite_flags(receive: Option<Suite>, transmit: Option<Suite>) -> u32 {
        // Position in the list of all, plus one.
        let number =
            |suite| (1..).zip(Suite::ALL).find(|(_, known)| Some(*known) == suite).map_or(0, |(at, _)| at);
        number(receive) << Self::RECEIVE_SUITE | number(transmit) << Self::TRANSMIT_SUITE
    }

    fn suite(&self, shift: u32) -> Option<Suite> {
        let number = (self.flags >> shift & 0xff).checked_sub(1)?;
        Suite::ALL.get(number as usize).copied()
    }
}

/// The daemon a table belongs to.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// [`ABI_VERSION`] of the writer.
    pub abi_version: u32,
    /// Process id in the host's PID namespace as the owner sees it; 0: nobody.
    pub pid: u32,
    /// Start time of that process in clock ticks since boot (`/proc/<pid>/stat` field 22), against pid reuse.
    pub start_ticks: u64,
    /// Refreshed every second by the owner: nanoseconds of `CLOCK_MONOTONIC`.
    pub heartbeat_ns: u64,
    /// Flows without packets for this long (nanoseconds) expire once the owner is gone.
    pub orphan_after_ns: u64,
    /// Network namespace of the table's flows: the number in the name of its folder ([`crate::pins::NET_PREFIX`]).
    pub net: u64,
}

/// Rows of the reason counters: one per table, and [`NO_TABLE`].
pub const REASON_ROWS: u32 = MAX_TABLES + 1;
/// Row of packets that no table has a flow for.
pub const NO_TABLE: u32 = MAX_TABLES;

const _: () = {
    use core::mem::offset_of;
    assert!(size_of::<FlowKey>() == 24 && align_of::<FlowKey>() == 8);
    assert!(size_of::<KeyWords>() == 24 && align_of::<KeyWords>() == 8);
    assert!(size_of::<SsrcRewrite>() == 12);
    assert!(size_of::<FlowValue>() == 256 && align_of::<FlowValue>() == 8);
    assert!(offset_of!(FlowValue, expect_addr) == 16);
    assert!(offset_of!(FlowValue, src_addr) == 32);
    assert!(offset_of!(FlowValue, dst_addr) == 48);
    assert!(offset_of!(FlowValue, expect_port) == 64);
    assert!(offset_of!(FlowValue, dst_mac) == 72 && offset_of!(FlowValue, src_mac) == 78);
    assert!(offset_of!(FlowValue, table) == 84);
    assert!(offset_of!(FlowValue, receive_context) == 88);
    assert!(offset_of!(FlowValue, idle_limit_ns) == 96);
    assert!(offset_of!(FlowValue, payload_types) == 104);
    assert!(offset_of!(FlowValue, ssrcs) == 120);
    assert!(offset_of!(FlowValue, passing_types) == 168);
    assert!(size_of::<SsrcStats>() == 32 && offset_of!(SsrcStats, packets) == 8);
    assert!(size_of::<FlowStats>() == 192 && offset_of!(FlowStats, ssrcs) == 32);
    assert!(size_of::<FlowInfo>() == 712);
    assert!(size_of::<Owner>() == 40);
};

#[cfg(feature = "user")]
mod pod {
    //! What lets aya copy the types to and from the kernel.

    use super::{FlowInfo, FlowKey, FlowStats, FlowValue, Owner};

    // SAFETY: `repr(C)`, no padding (asserted by size above), no pointers, every bit pattern valid.
    unsafe impl aya::Pod for FlowKey {}
    // SAFETY: as above.
    unsafe impl aya::Pod for FlowValue {}
    // SAFETY: as above.
    unsafe impl aya::Pod for FlowStats {}
    // SAFETY: as above.
    unsafe impl aya::Pod for FlowInfo {}
    // SAFETY: as above.
    unsafe impl aya::Pod for Owner {}
}
