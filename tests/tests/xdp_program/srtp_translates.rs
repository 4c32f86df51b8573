//! What the program makes of packets is what userspace makes of them, to the byte.

use rtpengine_common::abi::{FLOW_REWRITE_RTP, FLOW_VLAN, FlowValue, SsrcRewrite};
use rtpengine_common::reason::Reason;
use rtpengine_common::srtp::{Cipher, SessionParams, Suite};
use rtpengine_tests::xdp::{Rig, UdpFrame, action, key, rtp};

use super::srtp::{RECEIVE, TRANSMIT, Userspace, install, leaving, suites};
use super::{LOCAL, SLOT, SSRC, at, frame, rig, usual};

/// RTP with `sources` contributing sources, an extension of that many words if any, and `len` bytes of payload.
fn packet(sequence: u16, sources: usize, extension: Option<usize>, len: usize) -> Vec<u8> {
    let plain = rtp(0, sequence, SSRC, len);
    let mut packet = plain[..12].to_vec();
    packet[0] |= sources as u8 | if extension.is_some() { 0x10 } else { 0 };
    packet.extend((0..4 * sources).map(|at| at as u8 ^ 0x5a));
    if let Some(words) = extension {
        packet.extend([0xbe, 0xde, (words >> 8) as u8, words as u8]);
        packet.extend((0..4 * words).map(|at| at as u8 ^ 0xa5));
    }
    packet.extend(&plain[12..]);
    packet
}

/// Sends `plain`, protected by `receive` if that is some, and compares what leaves with `plain` protected by `transmit`.
fn passes(
    rig: &mut Rig,
    (input, output): (usize, usize),
    (receive, transmit): (Option<&mut Userspace>, Option<&mut Userspace>),
    plain: &[u8],
    change: impl FnOnce(&mut UdpFrame, &mut FlowValue, &mut UdpFrame),
    case: &str,
) {
    let mut value = usual(input, output);
    value.receive_context = if receive.is_some() { RECEIVE } else { 0 };
    value.transmit_context = if transmit.is_some() { TRANSMIT } else { 0 };
    let coming = receive.map_or_else(|| plain.to_vec(), |keys| keys.protect(plain));
    let going = transmit.map_or_else(|| plain.to_vec(), |keys| keys.protect(plain));
    let mut sent = UdpFrame { payload: coming, ..frame(input) };
    let mut expected = leaving(&sent, &value, output, going);
    change(&mut sent, &mut value, &mut expected);
    rig.install(key(at(LOCAL[input])), value).unwrap();
    let run = rig.run(&sent.bytes()).unwrap();
    assert_eq!(run.action, action::TX, "{case}; counted: {:?}", rig.reasons().unwrap());
    assert_eq!(run.frame, expected.bytes(), "{case}");
}

fn unchanged(_: &mut UdpFrame, _: &mut FlowValue, _: &mut UdpFrame) {}

#[test]
fn every_suite_in_every_direction_between_both_ip_versions() {
    let Some(mut rig) = rig() else { return };
    for suite in suites() {
        for (input, output) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for direction in 1..=3 {
                let mut receive = (direction & 1 != 0).then(|| Userspace::usual(suite, 1));
                let mut transmit = (direction & 2 != 0).then(|| Userspace::usual(suite, 2));
                install(&mut rig, receive.as_ref(), transmit.as_ref());
                for (sequence, len) in (100..).zip([0, 1, 4, 15, 16, 17, 20, 31, 32, 33, 160, 161, 1200]) {
                    let case = format!("{suite:?} {direction} {input}->{output} {len} bytes");
                    let keys = (receive.as_mut(), transmit.as_mut());
                    let plain = packet(sequence, 0, None, len);
                    passes(&mut rig, (input, output), keys, &plain, unchanged, &case);
                }
            }
        }
    }
}

#[test]
fn every_pair_of_suites() {
    let Some(mut rig) = rig() else { return };
    for first in suites() {
        for second in suites() {
            let (mut receive, mut transmit) = (Userspace::usual(first, 1), Userspace::usual(second, 2));
            install(&mut rig, Some(&receive), Some(&transmit));
            for (sequence, len) in [(7, 160), (8, 37)] {
                let keys = (Some(&mut receive), Some(&mut transmit));
                let case = format!("{first:?} to {second:?}");
                passes(&mut rig, (0, 0), keys, &packet(sequence, 0, None, len), unchanged, &case);
            }
        }
    }
}

/// Lengths around every block boundary of the ciphers and hashes.
#[test]
fn headers_and_payloads_of_any_length() {
    let Some(mut rig) = rig() else { return };
    for suite in [Suite::AesCm128HmacSha1_80, Suite::AeadAes256Gcm] {
        let (mut receive, mut transmit) = (Userspace::usual(suite, 1), Userspace::usual(suite, 2));
        install(&mut rig, Some(&receive), Some(&transmit));
        let mut sequence = 0;
        let mut pass = |output, plain: Vec<u8>, case: &str| {
            let keys = (Some(&mut receive), Some(&mut transmit));
            passes(&mut rig, (0, output), keys, &plain, unchanged, case);
        };
        for (sources, extension) in
            [(0, None), (1, None), (15, None), (0, Some(0)), (3, Some(1)), (15, Some(30)), (0, Some(200))]
        {
            for len in 0..70 {
                sequence += 1;
                let case = format!("{suite:?}, {sources} sources, extension {extension:?}, {len} bytes");
                pass(usize::from(len % 2 == 1), packet(sequence, sources, extension, len), &case);
            }
        }
        for len in (100..1400).step_by(13) {
            sequence += 1;
            pass(
                usize::from(len % 2 == 1),
                packet(sequence, 0, None, len),
                &format!("{suite:?}, {len} bytes"),
            );
        }
    }
}

#[test]
fn the_longest_packets_that_the_mtu_lets_out() {
    let Some(mut rig) = rig() else { return };
    for suite in suites() {
        let tag = suite.srtp_tag_len();
        for output in [0, 1] {
            let mut transmit = Userspace::usual(suite, 2);
            install(&mut rig, None, Some(&transmit));
            let headers = [20, 40][output] + 8 + 12;
            let plain = packet(1, 0, None, 1500 - headers - tag);
            let keys = (None, Some(&mut transmit));
            passes(&mut rig, (0, output), keys, &plain, unchanged, &format!("{suite:?} to {output}"));

            let streams = rig.streams(TRANSMIT).unwrap();
            let long = UdpFrame { payload: packet(2, 0, None, 1501 - headers - tag), ..frame(0) }.bytes();
            super::expect(&mut rig, "a byte too long", &long, action::PASS, 0, Reason::TooBig);
            assert_eq!(rig.streams(TRANSMIT).unwrap(), streams);
        }
    }
}

#[test]
fn vlan_tags_come_and_go() {
    let Some(mut rig) = rig() else { return };
    for suite in [Suite::AesCm128HmacSha1_32, Suite::AeadAes128Gcm] {
        let (mut receive, mut transmit) = (Userspace::usual(suite, 1), Userspace::usual(suite, 2));
        install(&mut rig, Some(&receive), Some(&transmit));
        let mut sequence = 0;
        for (input, output) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            for tags in 0..=2 {
                for tag_out in [false, true] {
                    sequence += 1;
                    let keys = (Some(&mut receive), Some(&mut transmit));
                    let plain = packet(sequence, 0, None, 160);
                    let change = |sent: &mut UdpFrame, value: &mut FlowValue, expected: &mut UdpFrame| {
                        sent.tags = [(0x88a8, 5), (0x8100, 6)][2 - tags..].to_vec();
                        if tag_out {
                            value.flags |= FLOW_VLAN;
                            value.vlan = 0x6007_u16.to_be_bytes();
                            expected.tags = vec![(0x8100, 0x6007)];
                        }
                    };
                    let case = format!("{suite:?} {input}->{output}, {tags} tags, out {tag_out}");
                    passes(&mut rig, (input, output), keys, &plain, change, &case);
                }
            }
        }
    }
}

/// Other SSRCs and sequence numbers than those that came are what packets are encrypted under.
#[test]
fn rewritten_headers_are_the_ones_encrypted_under() {
    let Some(mut rig) = rig() else { return };
    for suite in suites() {
        let (mut receive, mut transmit) = (Userspace::usual(suite, 1), Userspace::usual(suite, 2));
        install(&mut rig, Some(&receive), Some(&transmit));
        for sequence in 0xfffd..=0x1_0002_u32 {
            let coming = packet(sequence as u16, 2, None, 160);
            let mut going = coming.clone();
            going[2..4].copy_from_slice(&(sequence as u16).wrapping_add(0x7ffe).to_be_bytes());
            going[8..12].copy_from_slice(&0xaabb_ccdd_u32.to_be_bytes());
            let change = |_: &mut UdpFrame, value: &mut FlowValue, expected: &mut UdpFrame| {
                value.flags |= FLOW_REWRITE_RTP;
                value.ssrcs[0] = SsrcRewrite {
                    ssrc_in: SSRC.to_be_bytes(),
                    ssrc_out: 0xaabb_ccdd_u32.to_be_bytes(),
                    seq_offset: 0x7ffe,
                    pad: 0,
                };
                value.transmit_context = TRANSMIT;
                expected.payload = transmit.protect(&going);
            };
            let keys = (Some(&mut receive), None);
            passes(&mut rig, (0, 0), keys, &coming, change, &format!("{suite:?} {sequence:#x}"));
        }
        assert_eq!(rig.streams(RECEIVE).unwrap().streams[0].ssrc, SSRC);
        assert_eq!(rig.streams(TRANSMIT).unwrap().streams[0].ssrc, 0xaabb_ccdd);
        assert_eq!(rig.streams(TRANSMIT).unwrap().streams[0].state.next, 0xfffd + 0x7ffe + 6 - 0x1_0000);
    }
}

#[test]
fn the_rollover_counter_is_counted_on() {
    let Some(mut rig) = rig() else { return };
    for suite in [Suite::AesCm192HmacSha1_80, Suite::AeadAes256Gcm, Suite::NullHmacSha1_80] {
        let (mut receive, mut transmit) = (Userspace::usual(suite, 1), Userspace::usual(suite, 2));
        install(&mut rig, Some(&receive), Some(&transmit));
        for index in (0xfffe_u32..0x3_0010).step_by(0x3ff) {
            let keys = (Some(&mut receive), Some(&mut transmit));
            let plain = packet(index as u16, 0, None, 40);
            passes(&mut rig, (0, 0), keys, &plain, unchanged, &format!("{suite:?} {index:#x}"));
        }
        for number in [RECEIVE, TRANSMIT] {
            let streams = rig.streams(number).unwrap();
            assert_eq!((streams.streams[0].state.next - 1) >> 16, 2, "{suite:?}");
            assert_eq!(streams.streams[1].ssrc, 0);
        }
        assert_eq!(receive.state.next, rig.streams(RECEIVE).unwrap().streams[0].state.next);
        assert_eq!(transmit.state.next, rig.streams(TRANSMIT).unwrap().streams[0].state.next);
    }
    assert!(rig.stats(SLOT).unwrap().packets() > 0);
}

#[test]
fn master_key_identifiers_and_session_parameters() {
    let Some(mut rig) = rig() else { return };
    for suite in suites() {
        for mki in [&[][..], &[9], &[1, 2, 3, 4], &[0xa5; 9], &[7; 16]] {
            for (unencrypted, unauthenticated) in [(false, false), (true, false), (false, true), (true, true)]
            {
                if unauthenticated && suite.cipher() == Cipher::Gcm {
                    continue;
                }
                let parameters = SessionParams {
                    unencrypted_srtp: unencrypted,
                    unauthenticated_srtp: unauthenticated,
                    ..SessionParams::default()
                };
                let mut receive = Userspace::new(suite, 1, mki, parameters);
                let mut transmit = Userspace::new(suite, 2, mki, parameters);
                for direction in 1..=3 {
                    (receive.state, transmit.state) = Default::default();
                    install(&mut rig, Some(&receive), Some(&transmit));
                    for (sequence, len) in [(1, 160), (2, 21), (3, 0)] {
                        let keys = (
                            (direction & 1 != 0).then_some(&mut receive),
                            (direction & 2 != 0).then_some(&mut transmit),
                        );
                        let case = format!("{suite:?} {direction} {mki:?} {parameters:?} {len}");
                        passes(&mut rig, (0, 0), keys, &packet(sequence, 1, None, len), unchanged, &case);
                    }
                }
            }
        }
    }
}
