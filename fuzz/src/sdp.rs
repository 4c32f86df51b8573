//! Session descriptions.

use std::net::{IpAddr, Ipv4Addr};

use rtpengine_core::codecs::{CodecList, CodecOptions, Selection};
use rtpengine_core::sdp::{
    Direction, MediaPlan, ParseOptions, RewritePlan, RtcpMuxPlan, RtcpPlan, SessionPlan, Strip, parse,
    rewrite,
};

/// Reading never panics, writing without a plan changes no byte, and writing with a plan yields what
/// it says.
pub fn check(body: &[u8]) {
    let Ok(session) = parse(body, ParseOptions::default()) else { return };
    assert_eq!(rewrite(&session, &RewritePlan::default()), body);
    for media in &session.medias {
        let _ = (media.endpoint(), media.rtcp_endpoint(), media.effective_direction(), media.primary_codec());
    }

    let mut options = CodecOptions::default();
    options.add(CodecList::Strip, "opus");
    options.add(CodecList::Strip, "96");
    options.add(CodecList::Offer, "PCMA");
    let formats: Vec<Vec<String>> = session
        .medias
        .iter()
        .map(|media| {
            let mut chosen = Selection::of(media);
            chosen.attempt(|chosen| chosen.apply(&options, true));
            chosen.entries().iter().map(|entry| entry.format.to_owned()).collect()
        })
        .collect();

    let strip =
        Strip { ice: true, relay_candidates: true, sdes: true, dtls: true, bundle: true, feedback: true };
    let address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
    // Every third section stays as it is, so that old and new addresses meet in one body.
    let medias = (0u16..).zip(&session.medias).map(|(index, _)| match index % 3 {
        1 => MediaPlan::default(),
        _ => MediaPlan {
            address: Some(address),
            port: Some(40_000 + 2 * index),
            formats: formats.get(usize::from(index)).map(Vec::as_slice),
            rtcp: RtcpPlan::Full(address, 40_001 + 2 * index),
            rtcp_mux: RtcpMuxPlan::Add,
            direction: Some(Direction::SendRecv),
            complete_rtpmaps: true,
            strip,
            ..MediaPlan::default()
        },
    });
    let plan =
        RewritePlan { session: SessionPlan { strip, ..SessionPlan::default() }, medias: medias.collect() };
    let out = rewrite(&session, &plan);
    // Additions can push a body over a size limit; everything else must read back.
    let Ok(back) = parse(&out, ParseOptions::default()) else {
        assert!(body.len() > 60_000 || session.lines.len() > 3_000, "own output refused");
        return;
    };
    assert_eq!(back.medias.len(), session.medias.len());
    for ((new, old), planned) in back.medias.iter().zip(&session.medias).zip(&plan.medias) {
        match planned.address {
            Some(address) => {
                assert_eq!(new.connection.and_then(|connection| connection.ip), Some(address));
                assert!(new.formats.iter().all(|format| old.formats.contains(format)));
            }
            None => assert!(old.is_disabled() || new.endpoint() == old.endpoint()),
        }
    }
}
