//! `ptime` and `ptime-reverse`.

use super::{HEAD, answer, offer, shown};
use crate::pair::Pair;

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
