//! Payload types that do not reach a receiver, and payloads replaced by silence.

use rtpengine_common::abi::{
    FLOW_BLOCK, FLOW_NO_CHECKSUM_IN, FLOW_PT_FILTER, FLOW_SILENCE, FlowValue, SilencePattern,
};
use rtpengine_common::packet::RtpLayout;
use rtpengine_common::reason::Reason;
use rtpengine_tests::xdp::{Transport, UdpFrame, action, key, rtp};

use super::{CALLEE, LOCAL, OUT, SLOT, SSRC, at, expect, frame, rig, usual};

/// The usual flow; A-law is silent on its way out.
fn silenced(input: usize, output: usize) -> FlowValue {
    let mut value = usual(input, output);
    value.flags |= FLOW_BLOCK | FLOW_SILENCE;
    value.passing_types = [1 << 8, 1 << (101 - 64)];
    value.silence[2] = SilencePattern { payload_types: [1 << 8, 0], byte: 0xd5, pad: [0; 7] };
    value
}

#[test]
fn silence_is_byte_exact_with_a_right_checksum() {
    let Some(mut rig) = rig() else { return };
    let extended = |len: usize| {
        let mut packet = rtp(8, 17, SSRC, 0);
        packet[0] |= 0x12;
        // Two contributing sources; an extension of three words.
        packet.extend([9; 8]);
        packet.extend([0xbe, 0xde, 0, 3]);
        packet.extend([7; 12]);
        packet.extend((0..len).map(|byte| byte as u8));
        packet
    };
    let padded = |len: usize| {
        let mut packet = rtp(8, 17, SSRC, len);
        packet[0] |= 0x20;
        packet.extend([1, 2, 3, 4]);
        packet
    };
    for (input, output) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        for checksum_in in [true, false] {
            for length in (0..20).chain([160, 161, 1100, 1101]) {
                for payload in [rtp(8, 17, SSRC, length), extended(length), padded(length)] {
                    let mut value = silenced(input, output);
                    if !checksum_in {
                        value.flags |= FLOW_NO_CHECKSUM_IN;
                    }
                    rig.install(key(at(LOCAL[input])), value).unwrap();
                    let sent = UdpFrame { payload: payload.clone(), ..frame(input) };
                    let run = rig.run(&sent.bytes()).unwrap();
                    let mut silent = payload;
                    let (start, end) = RtpLayout::parse(&silent).unwrap().payload;
                    silent[start..end].fill(0xd5);
                    let mut expected = UdpFrame::new(at(OUT[output]), at(CALLEE[output]), silent);
                    (expected.dst_mac, expected.src_mac) = (value.dst_mac, value.src_mac);
                    expected.transport = Transport {
                        ttl: 64,
                        checksum: checksum_in || output == 1,
                        id: if input == 1 { 0 } else { sent.transport.id },
                        label: if input == 0 { 0 } else { sent.transport.label },
                        ..sent.transport
                    };
                    let case = format!("{input}->{output}, {length} bytes, checksum {checksum_in}");
                    assert_eq!((run.action, run.frame), (action::TX, expected.bytes()), "{case}");
                }
            }
        }
    }
}

#[test]
fn what_does_not_pass_is_counted_and_dropped() {
    let Some(mut rig) = rig() else { return };
    let mut value = silenced(0, 0);
    value.flags |= FLOW_PT_FILTER;
    value.payload_types = [!0, !(1 << (102 - 64))];
    rig.install(key(at(LOCAL[0])), value).unwrap();
    let with = |payload_type| UdpFrame { payload: rtp(payload_type, 17, SSRC, 160), ..frame(0) };
    // A codec nobody agreed on has no silence.
    expect(&mut rig, "GSM", &with(3).bytes(), action::DROP, 0, Reason::PayloadBlocked);
    let stats = rig.stats(SLOT).unwrap();
    assert_eq!((stats.packets(), stats.dropped, stats.punted), (1, 1, 0));
    // What is for userspace goes there.
    expect(&mut rig, "events", &with(102).bytes(), action::PASS, 0, Reason::PayloadType);
    // What is neither audio nor listed as silent passes as it is.
    let events = with(101);
    let run = rig.run(&events.bytes()).unwrap();
    assert_eq!((run.action, &run.frame[42..]), (action::TX, &events.payload[..]));
}

#[test]
fn a_packet_that_is_not_what_its_header_says_is_handed_up() {
    let Some(mut rig) = rig() else { return };
    rig.install(key(at(LOCAL[0])), silenced(0, 0)).unwrap();
    for (first, tail) in [(0xa0, 0), (0xa0, 170)] {
        let mut payload = rtp(8, 17, SSRC, 150);
        payload[0] = first;
        payload.push(tail);
        let bytes = UdpFrame { payload, ..frame(0) }.bytes();
        expect(&mut rig, "padding", &bytes, action::PASS, 0, Reason::RewriteFailed);
    }
    let mut payload = rtp(8, 17, SSRC, 150);
    payload[0] |= 0x10;
    payload[14..16].copy_from_slice(&[0, 200]);
    let bytes = UdpFrame { payload, ..frame(0) }.bytes();
    expect(&mut rig, "extension", &bytes, action::PASS, 0, Reason::RewriteFailed);
}
