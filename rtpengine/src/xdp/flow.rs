//! From the core's flow description and a next hop to the map's keys and values.

use std::net::{IpAddr, SocketAddr};

use rtpengine_common::abi::{
    FLOW_ACTIVE, FLOW_BLACKHOLE, FLOW_BLOCK, FLOW_DEBUG, FLOW_NO_CHECKSUM_IN, FLOW_OUT_V6, FLOW_PT_FILTER,
    FLOW_REDIRECT, FLOW_REWRITE_RTP, FLOW_RTCP_MUX, FLOW_SET_TOS, FLOW_SILENCE, FLOW_SOURCE_DROP,
    FLOW_SOURCE_PUNT, FLOW_TURN_SSRC, FLOW_VLAN, FlowInfo, FlowKey, FlowStats, FlowValue, MAX_CALL_ID,
    MAX_INTERFACE, MAX_KIND, MAX_PROTOCOL, MAX_TAG, SilencePattern,
};
use rtpengine_common::srtp::Suite;
use rtpengine_core::io::{FlowSpec, Restraint, SourceMismatch};

use crate::netlink::{LinkKind, NextHop};

/// A flow found in the pinned maps at start. It keeps forwarding until it is claimed or dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdoptedFlow {
    /// Local address and port.
    pub key: FlowKey,
    /// Static part.
    pub value: FlowValue,
    /// Who it belongs to.
    pub info: FlowInfo,
    /// Counters when the daemon started. [`super::OffloadHandle::counters`] of the claiming stream includes them.
    pub stats: FlowStats,
}

/// An address as the maps hold it: IPv4 as `::ffff:a.b.c.d`.
#[must_use]
pub fn map_address(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// The other way round.
#[must_use]
pub fn socket_address(address: [u8; 16], port: [u8; 2]) -> SocketAddr {
    SocketAddr::new(IpAddr::from(address).to_canonical(), u16::from_be_bytes(port))
}

/// The lookup key of a local address.
#[must_use]
pub fn key(local: SocketAddr) -> FlowKey {
    FlowKey { addr: map_address(local.ip()), port: local.port().to_be_bytes(), pad: [0; 6] }
}

/// How packets of a flow come and go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where they leave for; ignored for a flow without outputs, which only counts and drops.
    pub hop: Option<NextHop>,
    /// They arrive with UDP checksums that were never computed.
    pub no_checksum_in: bool,
}

/// Where a flow is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Its table.
    pub table: u32,
    /// Its row of the counters.
    pub slot: u32,
    /// See [`FlowValue::idle_limit_ns`].
    pub idle_limit_ns: u64,
    /// Numbers of its SRTP contexts, 0 for none: of what packets are decrypted with, and encrypted with.
    pub contexts: (u32, u32),
}

/// The static part of a flow with at most one output.
#[must_use]
pub fn value(spec: &FlowSpec, route: &Route, room: Room) -> FlowValue {
    let mut value = FlowValue {
        flags: FLOW_ACTIVE,
        slot: room.slot,
        table: room.table,
        receive_context: room.contexts.0,
        transmit_context: room.contexts.1,
        idle_limit_ns: room.idle_limit_ns,
        expect_addr: map_address(spec.source.ip()),
        expect_port: spec.source.port().to_be_bytes(),
        ..FlowValue::default()
    };
    value.flags |= match spec.mismatch {
        SourceMismatch::Ignore => 0,
        SourceMismatch::Drop => FLOW_SOURCE_DROP,
        SourceMismatch::Punt => FLOW_SOURCE_PUNT,
    };
    if spec.rtcp_mux {
        value.flags |= FLOW_RTCP_MUX;
    }
    if route.no_checksum_in {
        value.flags |= FLOW_NO_CHECKSUM_IN;
    }
    if spec.debug {
        value.flags |= FLOW_DEBUG;
    }
    if !spec.payload_types.is_empty() {
        value.flags |= FLOW_PT_FILTER;
        for payload_type in spec.payload_types.iter().filter(|payload_type| **payload_type < 128) {
            let (word, bit) = (usize::from(payload_type / 64), payload_type % 64);
            if let Some(word) = value.payload_types.get_mut(word) {
                *word |= 1 << bit;
            }
        }
    }
    let Some(output) = spec.outputs.first() else {
        value.flags |= FLOW_BLACKHOLE;
        return value;
    };
    value.src_addr = map_address(output.from.ip());
    value.src_port = output.from.port().to_be_bytes();
    value.dst_addr = map_address(output.to.ip());
    value.dst_port = output.to.port().to_be_bytes();
    if output.to.ip().to_canonical().is_ipv6() {
        value.flags |= FLOW_OUT_V6;
    }
    if let Some(tos) = output.tos {
        value.flags |= FLOW_SET_TOS;
        value.tos = tos;
    }
    restrain(&mut value, &output.restraint);
    if let (Some(bits), [first, ..]) = (output.turned_ssrc, &mut value.ssrcs) {
        value.flags |= FLOW_REWRITE_RTP | FLOW_TURN_SSRC;
        first.ssrc_out = bits.get().to_be_bytes();
    }
    if let Some(hop) = &route.hop {
        // Loopback cannot be a redirect target; its frames go back where they came from.
        if hop.kind != LinkKind::Loopback {
            value.flags |= FLOW_REDIRECT;
        }
        value.ifindex = hop.ifindex;
        value.mtu = hop.mtu;
        value.src_mac = hop.src_mac;
        value.dst_mac = hop.dst_mac;
        if let Some(id) = hop.vlan {
            value.flags |= FLOW_VLAN;
            value.vlan = id.to_be_bytes();
        }
    }
    value
}

/// Sets what of the media reaches the output.
fn restrain(value: &mut FlowValue, restraint: &Restraint) {
    if let Some(passing) = restraint.passing {
        value.flags |= FLOW_BLOCK;
        value.passing_types = bitmap(passing);
    }
    for (place, (byte, types)) in value.silence.iter_mut().zip(restraint.patterns()) {
        value.flags |= FLOW_SILENCE;
        *place = SilencePattern { payload_types: bitmap(types), byte, pad: [0; 7] };
    }
}

/// Payload types as the maps list them.
fn bitmap(types: u128) -> [u64; 2] {
    [types as u64, (types >> 64) as u64]
}

/// Who a flow belongs to. `suites`: what its packets are decrypted with, and encrypted with.
#[must_use]
pub fn info(spec: &FlowSpec, suites: [Option<Suite>; 2], installed_ns: u64) -> FlowInfo {
    let [receive, transmit] = suites;
    let identity = &spec.identity;
    let address = |address: Option<SocketAddr>| address.map_or([0; 16], |address| map_address(address.ip()));
    let port = |address: Option<SocketAddr>| address.map_or([0; 2], |address| address.port().to_be_bytes());
    FlowInfo {
        call_id: padded::<MAX_CALL_ID>(&identity.call_id),
        tag: padded::<MAX_TAG>(&identity.tag),
        peer_tag: padded::<MAX_TAG>(&identity.peer_tag),
        interface: padded::<MAX_INTERFACE>(&identity.interface),
        peer_interface: padded::<MAX_INTERFACE>(&identity.peer_interface),
        kind: padded::<MAX_KIND>(&identity.kind),
        protocol: padded::<MAX_PROTOCOL>(&identity.protocol),
        peer_protocol: padded::<MAX_PROTOCOL>(&identity.peer_protocol),
        advertised_port: port(identity.advertised),
        peer_advertised_port: port(identity.peer_advertised),
        created_unix_us: identity.created_unix_us,
        installed_ns,
        endpoint_addr: map_address(spec.source.ip()),
        advertised_addr: address(identity.advertised),
        peer_advertised_addr: address(identity.peer_advertised),
        endpoint_port: spec.source.port().to_be_bytes(),
        media: identity.media,
        flags: u32::from(identity.offerer) | FlowInfo::suite_flags(receive, transmit),
    }
}

/// `text` cut at a character border to at most `N` bytes and padded with zeroes.
fn padded<const N: usize>(text: &str) -> [u8; N] {
    let mut out = [0; N];
    let cut = (0..=text.len().min(N)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    for (to, from) in out.iter_mut().zip(text.bytes().take(cut)) {
        *to = from;
    }
    out
}

#[cfg(test)]
mod tests {
    use rtpengine_core::io::{FlowIdentity, FlowOutput, Restraint, StreamId};
    use smallvec::smallvec;

    use super::*;

    fn spec() -> FlowSpec {
        FlowSpec {
            stream: StreamId(1),
            keyring: StreamId(1),
            local: "192.0.2.1:30000".parse().unwrap(),
            rtcp_mux: true,
            source: "198.51.100.7:4000".parse().unwrap(),
            mismatch: SourceMismatch::Drop,
            outputs: smallvec![FlowOutput {
                stream: StreamId(2),
                keyring: StreamId(2),
                from: "[2001:db8::1]:30002".parse().unwrap(),
                to: "[2001:db8::9]:5000".parse().unwrap(),
                tos: Some(184),
                crypto: None,
                restraint: Restraint::default(),
                turned_ssrc: None,
            }],
            crypto: None,
            inherits_keys: false,
            payload_types: smallvec![0, 101],
            debug: false,
            identity: Box::new(FlowIdentity {
                call_id: "é".repeat(200),
                offerer: true,
                ..FlowIdentity::default()
            }),
        }
    }

    const ROOM: Room = Room { table: 3, slot: 5, idle_limit_ns: 9, contexts: (11, 12) };

    fn route(kind: LinkKind) -> Route {
        let hop = NextHop {
            ifindex: 7,
            device: "eth0".into(),
            src_mac: [1; 6],
            dst_mac: [2; 6],
            vlan: Some(0x123),
            mtu: 1500,
            neighbour: None,
            kind,
        };
        Route { hop: Some(hop), no_checksum_in: true }
    }

    #[test]
    fn every_field_reaches_the_map() {
        let value = value(&spec(), &route(LinkKind::Ethernet), ROOM);
        let expected = FLOW_ACTIVE
            | FLOW_SOURCE_DROP
            | FLOW_RTCP_MUX
            | FLOW_NO_CHECKSUM_IN
            | FLOW_PT_FILTER
            | FLOW_OUT_V6
            | FLOW_SET_TOS
            | FLOW_REDIRECT
            | FLOW_VLAN;
        assert_eq!(value.flags, expected);
        assert_eq!(value.payload_types, [1, 1 << 37]);
        assert_eq!(
            (value.table, value.slot, value.idle_limit_ns, value.ifindex, value.mtu, value.tos),
            (3, 5, 9, 7, 1500, 184)
        );
        assert_eq!((value.receive_context, value.transmit_context), (11, 12));
        assert_eq!((value.vlan, value.src_mac, value.dst_mac), ([1, 0x23], [1; 6], [2; 6]));
        assert_eq!(socket_address(value.expect_addr, value.expect_port), spec().source);
        assert_eq!(socket_address(value.dst_addr, value.dst_port), spec().outputs[0].to);
        assert_eq!(socket_address(value.src_addr, value.src_port), spec().outputs[0].from);
        assert_eq!(socket_address(key(spec().local).addr, key(spec().local).port), spec().local);
    }

    #[test]
    fn what_is_silenced_is_listed_by_its_pattern() {
        let mut spec = spec();
        spec.outputs[0].restraint = Restraint {
            passing: Some(1 << 8 | 1 << 100 | 1 << 101),
            silence: smallvec![(8, 0xd5), (100, 0xd5)],
        };
        let value = value(&spec, &route(LinkKind::Ethernet), ROOM);
        assert_eq!(value.flags & (FLOW_BLOCK | FLOW_SILENCE), FLOW_BLOCK | FLOW_SILENCE);
        assert_eq!(value.passing_types, [1 << 8, 3 << 36]);
        assert_eq!((value.silence[0].payload_types, value.silence[0].byte), ([1 << 8, 1 << 36], 0xd5));
        assert_eq!(value.silence[1], SilencePattern::default());
    }

    #[test]
    fn a_flow_without_outputs_counts_and_drops() {
        let mut spec = spec();
        spec.outputs.clear();
        assert_eq!(
            value(&spec, &Route { hop: None, no_checksum_in: false }, ROOM).flags
                & (FLOW_BLACKHOLE | FLOW_REDIRECT | FLOW_OUT_V6),
            FLOW_BLACKHOLE
        );
    }

    #[test]
    fn loopback_frames_go_back_where_they_came_from() {
        assert_eq!(value(&spec(), &route(LinkKind::Loopback), ROOM).flags & FLOW_REDIRECT, 0);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let suites = [None, Some(Suite::NullHmacSha1_32)];
        let info = info(&spec(), suites, 1);
        assert_eq!(std::str::from_utf8(&info.call_id).unwrap().trim_end_matches('\0'), "é".repeat(128));
        assert_eq!((info.flags & 0xff, [info.receive_suite(), info.transmit_suite()]), (1, suites));
    }
}
