//! Forwarding without SRTP.

use std::net::SocketAddr;

use rtpengine_common::abi::{
    FLOW_BLACKHOLE, FLOW_NO_CHECKSUM_IN, FLOW_PT_FILTER, FLOW_REWRITE_RTP, FLOW_RTCP_MUX, FLOW_SET_TOS,
    FLOW_SOURCE_DROP, FLOW_SOURCE_PUNT, FLOW_VLAN, FlowValue, NO_TABLE, SsrcRewrite,
};
use rtpengine_common::reason::Reason;
use rtpengine_tests::xdp::{Transport, UdpFrame, action, key, rtp};

use super::{CALLEE, LOCAL, OUT, SLOT, SSRC, at, expect, frame, rig, usual};

#[test]
fn every_translation_is_byte_exact() {
    let Some(mut rig) = rig() else { return };
    let mut packets = 0;
    for (input, output) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for tags_in in 0..=2 {
            for (tag_out, set_tos, rewrite, checksum) in
                (0..16).map(|n| (n & 1 != 0, n & 2 != 0, n & 4 != 0, n & 8 != 0))
            {
                // IPv6 requires one.
                if !checksum && input == 1 {
                    continue;
                }
                let mut value = usual(input, output);
                value.dst_mac = [2, 9, 9, 9, 9, 1];
                value.src_mac = [2, 9, 9, 9, 9, 2];
                if tag_out {
                    value.flags |= FLOW_VLAN;
                    value.vlan = 0x6007_u16.to_be_bytes();
                }
                if set_tos {
                    value.flags |= FLOW_SET_TOS;
                    value.tos = 0xb8;
                }
                if rewrite {
                    value.flags |= FLOW_REWRITE_RTP;
                    value.ssrcs[1] = SsrcRewrite {
                        ssrc_in: SSRC.to_be_bytes(),
                        ssrc_out: 0xaabb_ccdd_u32.to_be_bytes(),
                        seq_offset: 65_530,
                        pad: 0,
                    };
                }
                rig.install(key(at(LOCAL[input])), value).unwrap();
                let mut sent = frame(input);
                sent.tags = [(0x88a8, 5), (0x8100, 6)][2 - tags_in..].to_vec();
                sent.transport.tos = 0x20;
                sent.transport.checksum = checksum;
                let run = rig.run(&sent.bytes()).unwrap();

                let mut payload = sent.payload.clone();
                if rewrite {
                    payload[2..4].copy_from_slice(&17_u16.wrapping_add(65_530).to_be_bytes());
                    payload[8..12].copy_from_slice(&0xaabb_ccdd_u32.to_be_bytes());
                }
                let mut expected = UdpFrame::new(at(OUT[output]), at(CALLEE[output]), payload);
                (expected.dst_mac, expected.src_mac) = (value.dst_mac, value.src_mac);
                expected.tags = if tag_out { vec![(0x8100, 0x6007)] } else { vec![] };
                expected.transport = Transport {
                    tos: if set_tos { 0xb8 } else { 0x20 },
                    ttl: 64,
                    checksum: checksum || output == 1,
                    // A translated packet is atomic (RFC 6864) and starts without a label.
                    id: if input == 1 { 0 } else { sent.transport.id },
                    label: if input == 0 { 0 } else { sent.transport.label },
                    ..sent.transport
                };
                let case = format!(
                    "{input}->{output}, {tags_in} tags in, out {tag_out}, tos {set_tos}, rtp {rewrite}, checksum {checksum}"
                );
                assert_eq!(run.action, action::TX, "{case}");
                assert_eq!(run.frame, expected.bytes(), "{case}");
                packets += 1;
            }
        }
    }
    let stats = rig.stats(SLOT).unwrap();
    assert_eq!((stats.packets(), stats.bytes()), (packets, packets * 172));
    assert_eq!(rig.reason(0, Reason::Forwarded).unwrap(), packets);
}

#[test]
fn a_frame_cut_anywhere_is_handed_up_untouched() {
    let Some(mut rig) = rig() else { return };
    for family in [0, 1] {
        rig.install(key(at(LOCAL[family])), usual(family, family)).unwrap();
        for tags in 0..=2 {
            let mut whole = frame(family);
            whole.tags = vec![(0x8100, 5); tags];
            let whole = whole.bytes();
            // The kernel's test run takes no frame shorter than an Ethernet header.
            for length in 14..whole.len() {
                let run = rig.run(&whole[..length]).unwrap();
                assert_eq!((run.action, &run.frame[..]), (action::PASS, &whole[..length]), "{length} bytes");
            }
        }
    }
    assert_eq!(rig.stats(SLOT).unwrap().packets(), 0);
}

#[test]
fn what_is_not_plain_udp_of_a_flow_is_handed_up_with_its_reason() {
    let Some(mut rig) = rig() else { return };
    for family in [0, 1] {
        rig.install(key(at(LOCAL[family])), usual(family, family)).unwrap();
    }
    let (v4, v6) = (frame(0).bytes(), frame(1).bytes());
    let changed = |bytes: &[u8], at: usize, new: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes[at..at + new.len()].copy_from_slice(new);
        bytes
    };
    let mut three = frame(0);
    three.tags = vec![(0x88a8, 1), (0x8100, 2), (0x8100, 3)];
    let mut elsewhere = frame(0);
    elsewhere.dst = at("10.0.0.1:30004");
    let mut bare = frame(1);
    bare.transport.checksum = false;
    let cases = [
        ("ARP", changed(&v4, 12, &[0x08, 0x06]), Reason::NotIp),
        ("three tags", three.bytes(), Reason::VlanDepth),
        ("TCP", changed(&v4, 23, &[6]), Reason::NotUdp),
        ("ICMPv6", changed(&v6, 20, &[58]), Reason::NotUdp),
        ("IPv4 version 5", changed(&v4, 14, &[0x55]), Reason::Malformed),
        ("IPv6 version 4", changed(&v6, 14, &[0x40]), Reason::Malformed),
        ("header of 16 bytes", changed(&v4, 14, &[0x44]), Reason::Malformed),
        ("IPv4 options", changed(&v4, 14, &[0x46]), Reason::IpOptions),
        ("hop-by-hop header", changed(&v6, 20, &[0]), Reason::IpOptions),
        ("routing header", changed(&v6, 20, &[43]), Reason::IpOptions),
        ("destination options", changed(&v6, 20, &[60]), Reason::IpOptions),
        ("IPv6 fragment", changed(&v6, 20, &[44]), Reason::Fragment),
        ("first fragment", changed(&v4, 20, &[0x20, 0]), Reason::Fragment),
        ("later fragment", changed(&v4, 20, &[0, 9]), Reason::Fragment),
        ("IPv4 total length beyond the frame", changed(&v4, 16, &[0xff, 0xff]), Reason::Malformed),
        ("IPv4 total length below the headers", changed(&v4, 16, &[0, 27]), Reason::Malformed),
        ("IPv6 payload length beyond the frame", changed(&v6, 18, &[0xff, 0xff]), Reason::Malformed),
        ("UDP length below its header", changed(&v4, 38, &[0, 7]), Reason::Malformed),
        ("UDP length beyond the packet", changed(&v4, 38, &[1, 0]), Reason::Malformed),
        ("UDP length within the packet", changed(&v4, 38, &[0, 100]), Reason::Malformed),
        ("TTL 0", changed(&v4, 22, &[0]), Reason::TtlExpired),
        ("hop limit 0", changed(&v6, 21, &[0]), Reason::TtlExpired),
        ("IPv6 without checksum", bare.bytes(), Reason::NoChecksum),
        ("another port", elsewhere.bytes(), Reason::NoFlow),
    ];
    for (name, bytes, reason) in cases {
        expect(&mut rig, name, &bytes, action::PASS, NO_TABLE, reason);
    }
    // Bytes behind the IP packet are padding of the link and are none of the payload's.
    let padded = [v4.clone(), vec![0; 6]].concat();
    let run = rig.run(&padded).unwrap();
    assert_eq!((run.action, rig.stats(SLOT).unwrap().bytes()), (action::TX, 172));
}

#[test]
fn packets_of_a_flow_leave_the_fast_path_for_the_reason_that_is_counted() {
    let Some(mut rig) = rig() else { return };
    let with = |flags: u32| FlowValue { flags: usual(0, 0).flags | flags, ..usual(0, 0) };
    let stranger = |src: &str| UdpFrame { src: at(src), ..frame(0) };
    let payload = |payload: Vec<u8>| UdpFrame { payload, ..frame(0) };
    let mut binding = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
    binding.extend([7; 12]);
    let rtcp = [&[0x80, 200, 0, 6][..], &[0; 24]].concat();
    let silent = FlowValue { flags: usual(0, 0).flags & !rtpengine_common::abi::FLOW_ACTIVE, ..usual(0, 0) };
    let idle = FlowValue { idle_limit_ns: 1, ..usual(0, 0) };
    let small = FlowValue { mtu: 199, ..usual(0, 0) };
    let filter = FlowValue { payload_types: [1 << 8, 1 << (96 - 64)], ..with(FLOW_PT_FILTER) };
    let huge = FlowValue { mtu: 9000, ..usual(0, 1) };
    let bare = Transport { checksum: false, ..Transport::default() };
    let long_bare = UdpFrame { transport: bare, payload: rtp(0, 17, SSRC, 2040), ..frame(0) };
    let mut long = rtp(0, 17, SSRC, 4);
    long[0] |= 15;
    let cases = [
        ("switched off", silent, frame(0), action::PASS, Reason::Inactive),
        ("idle for too long", idle, frame(0), action::PASS, Reason::Inactive),
        ("STUN", usual(0, 0), payload(binding), action::PASS, Reason::Stun),
        ("DTLS", usual(0, 0), payload(vec![22, 254, 253, 0]), action::PASS, Reason::Dtls),
        ("RTCP on the RTP port", with(FLOW_RTCP_MUX), payload(rtcp), action::PASS, Reason::Rtcp),
        (
            "RTP version 1",
            usual(0, 0),
            payload([&[0x40][..], &[0; 40]].concat()),
            action::PASS,
            Reason::NotRtp,
        ),
        ("empty payload", usual(0, 0), payload(vec![]), action::PASS, Reason::NotRtp),
        (
            "payload of eleven bytes",
            usual(0, 0),
            payload(rtp(0, 1, SSRC, 0)[..11].to_vec()),
            action::PASS,
            Reason::NotRtp,
        ),
        ("more sources than bytes", usual(0, 0), payload(long), action::PASS, Reason::NotRtp),
        (
            "another address, handed up",
            with(FLOW_SOURCE_PUNT),
            stranger("10.0.0.9:4000"),
            action::PASS,
            Reason::SourcePunt,
        ),
        (
            "another port, handed up",
            with(FLOW_SOURCE_PUNT),
            stranger("10.0.0.2:4001"),
            action::PASS,
            Reason::SourcePunt,
        ),
        (
            "another address, dropped",
            with(FLOW_SOURCE_DROP),
            stranger("10.0.0.9:4000"),
            action::DROP,
            Reason::SourceDrop,
        ),
        (
            "another port, dropped",
            with(FLOW_SOURCE_DROP),
            stranger("10.0.0.2:4001"),
            action::DROP,
            Reason::SourceDrop,
        ),
        ("payload type not listed", filter, frame(0), action::PASS, Reason::PayloadType),
        ("SSRC without rewriting", with(FLOW_REWRITE_RTP), frame(0), action::PASS, Reason::SsrcUnknown),
        ("larger than the egress MTU", small, frame(0), action::PASS, Reason::TooBig),
        ("no checksum for IPv6, and too long", huge, long_bare, action::PASS, Reason::NoChecksum),
        ("counted and dropped", with(FLOW_BLACKHOLE), frame(0), action::DROP, Reason::Blackhole),
    ];
    let (mut punted, mut dropped) = (0, 0);
    for (name, value, frame, verdict, reason) in cases {
        rig.install(key(at(LOCAL[0])), value).unwrap();
        expect(&mut rig, name, &frame.bytes(), verdict, 0, reason);
        if verdict == action::DROP {
            dropped += 1
        } else {
            punted += 1
        }
        let stats = rig.stats(SLOT).unwrap();
        assert_eq!(
            (stats.punted, stats.dropped, stats.last_reason),
            (punted, dropped, reason as u32),
            "{name}"
        );
    }
    // The policies let the right source through, the filter the right types, and no check any source.
    for (value, frame) in [
        (with(FLOW_SOURCE_DROP), frame(0)),
        (with(FLOW_SOURCE_PUNT), frame(0)),
        (usual(0, 0), stranger("10.0.0.9:4001")),
        (filter, payload(rtp(8, 1, SSRC, 160))),
        (filter, payload(rtp(96, 1, SSRC, 160))),
        (FlowValue { mtu: 200, ..usual(0, 0) }, frame(0)),
    ] {
        rig.install(key(at(LOCAL[0])), value).unwrap();
        assert_eq!(rig.run(&frame.bytes()).unwrap().action, action::TX);
    }
}

#[test]
fn four_sources_are_counted_apart_and_a_fifth_is_handed_up() {
    let Some(mut rig) = rig() else { return };
    rig.install(key(at(LOCAL[0])), usual(0, 0)).unwrap();
    for ssrc in 1..=4_u32 {
        for packet in 0..ssrc {
            let payload = rtp(8, 65_534_u16.wrapping_add(packet as u16), ssrc, 160);
            let run = rig.run(&UdpFrame { payload, ..frame(0) }.bytes()).unwrap();
            assert_eq!(run.action, action::TX);
        }
    }
    let fifth = UdpFrame { payload: rtp(8, 1, 5, 160), ..frame(0) }.bytes();
    expect(&mut rig, "a fifth source", &fifth, action::PASS, 0, Reason::SsrcUnknown);
    let stats = rig.stats(SLOT).unwrap();
    for (index, ssrc) in stats.ssrcs.iter().enumerate() {
        let number = index as u32 + 1;
        assert_eq!(
            (ssrc.ssrc, ssrc.packets, ssrc.bytes),
            (number, u64::from(number), u64::from(number) * 172)
        );
        // The sequence runs from 65534 over its end: the upper half counts the cycles.
        assert_eq!(ssrc.highest_seq, 65_534 + number - 1, "{ssrc:?}");
        assert_eq!(ssrc.last_payload_type, 8);
    }
    assert_eq!(stats.packets(), 10);
}

#[test]
fn flows_of_several_tables_are_counted_apart() {
    let Some(mut rig) = rig() else { return };
    for (table, port) in [(0, 30_000), (5, 30_010), (63, 30_020)] {
        let local = SocketAddr::new(at(LOCAL[0]).ip(), port);
        rig.install(key(local), FlowValue { slot: table, table, ..usual(0, 0) }).unwrap();
        for _ in 0..=table {
            let run = rig.run(&UdpFrame { dst: local, ..frame(0) }.bytes()).unwrap();
            assert_eq!(run.action, action::TX, "table {table}");
        }
        assert_eq!(rig.stats(table).unwrap().packets(), u64::from(table) + 1);
        assert_eq!(rig.reason(table, Reason::Forwarded).unwrap(), u64::from(table) + 1);
        rig.remove(key(local)).unwrap();
        let gone = UdpFrame { dst: local, ..frame(0) }.bytes();
        expect(&mut rig, "a removed flow", &gone, action::PASS, NO_TABLE, Reason::NoFlow);
    }
}

#[test]
fn a_checksum_left_to_hardware_is_never_built_on() {
    let Some(mut rig) = rig() else { return };
    for (input, output) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for length in (0..40).chain([160, 161, 1400]) {
            let mut value = usual(input, output);
            value.flags |= FLOW_NO_CHECKSUM_IN;
            rig.install(key(at(LOCAL[input])), value).unwrap();
            let sent = UdpFrame { payload: rtp(0, 17, SSRC, length), ..frame(input) };
            let mut bytes = sent.bytes();
            // What a sender leaves in the field when hardware is to complete it.
            let field = bytes.len() - sent.payload.len() - 2;
            bytes[field..field + 2].copy_from_slice(&[0x12, 0x34]);
            let run = rig.run(&bytes).unwrap();
            let mut expected = UdpFrame::new(at(OUT[output]), at(CALLEE[output]), sent.payload.clone());
            (expected.dst_mac, expected.src_mac) = (value.dst_mac, value.src_mac);
            expected.transport = Transport {
                ttl: 64,
                checksum: output == 1,
                id: if input == 1 { 0 } else { sent.transport.id },
                label: if input == 0 { 0 } else { sent.transport.label },
                ..sent.transport
            };
            let case = format!("{input}->{output}, {length} bytes");
            assert_eq!((run.action, run.frame), (action::TX, expected.bytes()), "{case}");
        }
    }
}
