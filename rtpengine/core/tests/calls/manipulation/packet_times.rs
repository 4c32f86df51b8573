//! `ptime` and `ptime-reverse`.

use super::{HEAD, Scenario, answer, offer, offers_become, shown};
use crate::pair::Pair;

const SCENARIOS: &[Scenario] = &[
    (
        "changed where it is",
        r#""ptime":30"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20 / a=x",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=x / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "added where it is not",
        r#""ptime":30"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "written once where the sender wrote it twice",
        r#""ptime":30"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20 / a=x / a=ptime:40",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=x / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "as text",
        r#""ptime":"40""#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:40 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "among flags",
        r#""flags":"ptime=10""#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:10 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "maxptime is another matter",
        r#""ptime":30"#,
        "m=audio 2000 RTP/AVP 0 / a=maxptime:60",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=maxptime:60 / a=ptime:30 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "audio only, all of it",
        r#""ptime":30"#,
        "m=audio 2000 RTP/AVP 0 / m=video 2002 RTP/AVP 31 / a=ptime:20 / m=audio 2004 RTP/AVP 8 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=sendrecv / a=rtcp:PORT / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT / m=audio PORT RTP/AVP 8 / a=rtpmap:8 PCMA/8000 / a=ptime:30 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "not in rejected audio",
        r#""ptime":30"#,
        "m=audio 0 RTP/AVP 0 / a=ptime:20 / m=video 2002 RTP/AVP 31",
        "m=audio 0 RTP/AVP 0 / a=ptime:20 / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=sendrecv / a=rtcp:PORT",
    ),
    ("not where there is no RTP", r#""ptime":30"#, "m=image 2000 udptl t38", "m=image PORT udptl t38"),
    (
        "ptime-reverse is for the answer",
        r#""ptime-reverse":30"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "zero asks for nothing",
        r#""ptime":0"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "more than any packet lasts is refused",
        r#""ptime":100000"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "sdp-attr has the last word",
        r#""ptime":30,"sdp-attr":{"audio":{"substitute":["ptime:30","ptime:60"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:60 / a=sendrecv / a=rtcp:PORT",
    ),
];

#[test]
fn ptime_is_what_the_receiver_of_an_offer_reads() {
    offers_become(SCENARIOS);
}

/// `a=ptime` of an answer to an offer with the first keys, answered with the second.
fn answered(offered: &str, keys: &str, lines: &str) -> Option<String> {
    let mut pair = Pair::new();
    offer(&mut pair, offered, &format!("{HEAD} / m=audio 2000 RTP/AVP 0 / a=ptime:20"));
    let reply = answer(&mut pair, keys, &format!("{HEAD} / m=audio 3000 RTP/AVP 0{lines}"));
    let shown = shown(&reply);
    shown.split(" / ").find(|line| line.starts_with("a=ptime:")).map(str::to_owned)
}

#[test]
fn ptime_reverse_is_what_the_offerer_reads() {
    let ptime = |number: u32| Some(format!("a=ptime:{number}"));
    assert_eq!(answered(r#""ptime-reverse":40"#, "", " / a=ptime:20"), ptime(40));
    assert_eq!(answered(r#""ptime-reverse":40"#, "", ""), ptime(40));
    assert_eq!(answered(r#""ptime-reverse":40,"ptime":30"#, "", " / a=ptime:30"), ptime(40));
    // Keys of the answer are ignored.
    assert_eq!(answered("", r#""ptime":40,"ptime-reverse":50"#, " / a=ptime:20"), ptime(20));
    assert_eq!(answered(r#""ptime-reverse":40"#, r#""ptime-reverse":50"#, ""), ptime(40));
    assert_eq!(answered(r#""ptime":40"#, "", ""), None);
}

#[test]
fn every_offer_says_anew_what_its_answer_reads() {
    let mut pair = Pair::new();
    let body = format!("{HEAD} / m=audio 2000 RTP/AVP 0");
    for (keys, wanted) in [(r#""ptime-reverse":40"#, true), ("", false), (r#""ptime-reverse":40"#, true)] {
        offer(&mut pair, keys, &body);
        let reply = answer(&mut pair, "", &format!("{HEAD} / m=audio 3000 RTP/AVP 0"));
        assert_eq!(shown(&reply).contains("a=ptime:40"), wanted, "{keys}");
    }
}

#[test]
fn whoever_asks_is_told_that_packets_stay_as_they_are() {
    for (keys, warned) in
        [(r#""ptime":30"#, true), (r#""ptime-reverse":30"#, true), ("", false), (r#""ptime":0"#, false)]
    {
        let reply = offer(&mut Pair::new(), keys, &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
        assert_eq!(
            reply.warnings.iter().any(|warning| warning.contains("not repacketised")),
            warned,
            "{keys}"
        );
    }
}
