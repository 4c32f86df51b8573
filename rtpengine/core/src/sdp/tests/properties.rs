//! Properties over arbitrary and over well-formed bodies.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::super::*;

/// A plan that touches all there is to touch in every section.
pub(super) fn full_plan(session: &Session<'_>) -> RewritePlan<'static> {
    let strip =
        Strip { ice: true, relay_candidates: false, sdes: true, dtls: true, bundle: true, feedback: false };
    let medias = (0u16..)
        .zip(&session.medias)
        .map(|(index, _)| {
            let address = match index % 3 {
                0 | 1 => IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1)),
                _ => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, index)),
            };
            let port = 40_000 + 2 * index;
            MediaPlan {
                address: Some(address),
                port: Some(port),
                rtcp: RtcpPlan::Full(address, port + 1),
                rtcp_mux: RtcpMuxPlan::Add,
                direction: Some(Direction::SendRecv),
                complete_rtpmaps: true,
                strip,
                ..MediaPlan::default()
            }
        })
        .collect();
    RewritePlan { session: SessionPlan { strip, ..SessionPlan::default() }, medias }
}

/// The lines no plan names, in order.
pub(super) fn unchanged_lines<'a>(session: &Session<'a>) -> Vec<&'a [u8]> {
    session
        .lines
        .iter()
        .filter(|line| !matches!(line.letter, b'm' | b'c'))
        .filter(|line| {
            matches!(
                line.attribute,
                AttributeKind::NotAnAttribute
                    | AttributeKind::Fmtp
                    | AttributeKind::RtcpFb
                    | AttributeKind::Ptime
                    | AttributeKind::Mid
                    | AttributeKind::Label
                    | AttributeKind::Other
            )
        })
        .map(|line| line.raw)
        .collect()
}

/// One line of a body: things the parser reads, near misses and plain noise.
fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "m=(audio|video|image|x) (0|9|[0-9]{1,4}|65535)(/[0-9])? (RTP/AVP|RTP/SAVPF|udptl|TCP/MSRP)( [0-9]{1,3}){0,6}",
        "c=IN IP(4 (0\\.0\\.0\\.0|192\\.0\\.2\\.7(/127)?|host\\.example)|6 (::|2001:db8::7))",
        "o=[a-z -]{1,8} [0-9]{1,4} [0-9]{1,22} IN IP4 192\\.0\\.2\\.1",
        "a=(sendrecv|sendonly|recvonly|inactive|rtcp-mux|rtcp-mux-only|bundle-only|ice-lite|x)",
        "a=(rtpmap|fmtp|rtcp|rtcp-fb|ptime|maxptime|mid|label|group|crypto|candidate|setup|x):[ -~]{0,20}",
        "a=rtpmap:[0-9]{1,3} [A-Za-z0-9-]{1,8}/[0-9]{1,6}(/[0-9])?",
        "a=(rtpmap|fmtp|rtcp-fb):[0-9]{1,3} [ -~]{0,12}",
        "a=rtcp:[0-9]{1,5}( IN IP4 [0-9.]{1,12})?",
        "[abdefgh-lnp-z]=[ -~]{0,24}",
        "[ \\t]{0,2}",
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let ending = prop_oneof![4 => Just("\r\n"), 2 => Just("\n")];
    (proptest::collection::vec((line(), ending.clone()), 0..40), ending, any::<bool>()).prop_map(
        |(lines, first, ended)| {
            let mut body = format!("v=0{first}").into_bytes();
            for (line, ending) in lines {
                body.extend_from_slice(line.as_bytes());
                body.extend_from_slice(ending.as_bytes());
            }
            while !ended && body.last().is_some_and(u8::is_ascii_whitespace) {
                body.pop();
            }
            body
        },
    )
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400), strict: bool) {
        let _ = parse(&bytes, ParseOptions { reject_invalid: strict });
        let tagged = [b"v=0\n".as_slice(), &bytes].concat();
        if let Ok(session) = parse(&tagged, ParseOptions { reject_invalid: strict }) {
            let _ = rewrite(&session, &full_plan(&session));
        }
    }

    #[test]
    fn an_empty_plan_changes_no_byte(body in body()) {
        if let Ok(session) = parse(&body, ParseOptions::default()) {
            prop_assert_eq!(rewrite(&session, &RewritePlan::default()), body);
        }
    }

    #[test]
    fn a_full_plan_keeps_unknown_lines_in_order_and_reads_back(body in body()) {
        let Ok(session) = parse(&body, ParseOptions::default()) else { return Ok(()) };
        let plan = full_plan(&session);
        let out = rewrite(&session, &plan);
        let back = parse(&out, ParseOptions::default()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        prop_assert_eq!(unchanged_lines(&back), unchanged_lines(&session));
        prop_assert_eq!(back.medias.len(), session.medias.len());
        for ((new, old), planned) in back.medias.iter().zip(&session.medias).zip(&plan.medias) {
            prop_assert_eq!(Some(new.port), planned.port);
            prop_assert_eq!(new.connection.and_then(|connection| connection.ip), planned.address);
            prop_assert_eq!(new.own_direction, planned.direction);
            prop_assert_eq!(&new.formats, &old.formats);
            prop_assert_eq!(new.codecs.len(), old.codecs.len());
        }
        prop_assert_eq!(rewrite(&back, &plan), out);
    }

    #[test]
    fn sections_without_a_plan_keep_their_address(body in body(), planned in any::<u64>()) {
        let Ok(session) = parse(&body, ParseOptions::default()) else { return Ok(()) };
        let mut plan = full_plan(&session);
        let mut kept = 0;
        for (index, media) in plan.medias.iter_mut().enumerate() {
            if planned >> index & 1 == 0 {
                *media = MediaPlan::default();
                kept += 1;
            }
        }
        let out = rewrite(&session, &plan);
        let back = parse(&out, ParseOptions::default()).map_err(|e| TestCaseError::fail(e.to_string()))?;
        let mut seen = 0;
        for ((new, old), planned) in back.medias.iter().zip(&session.medias).zip(&plan.medias) {
            if planned.address.is_none() {
                seen += 1;
                if !old.is_disabled() {
                    prop_assert_eq!(new.endpoint(), old.endpoint());
                    prop_assert_eq!(new.connection.map(|c| c.address), old.connection.map(|c| c.address));
                }
            } else {
                prop_assert_eq!(new.connection.and_then(|connection| connection.ip), planned.address);
            }
        }
        prop_assert_eq!(seen, kept);
    }
}
