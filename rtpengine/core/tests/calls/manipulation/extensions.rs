//! `extmap` and `strip extmap`: RTP header extensions in the body.

use super::{HEAD, answer, offer, shown};
use crate::pair::Pair;

const AUDIO: &str =
    "m=audio 2000 RTP/AVP 0 / a=extmap:1 urn:a / a=extmap:2/recvonly urn:b / a=extmap:14 urn:c x=y / a=mid:0";

#[test]
fn an_answer_is_filtered_on_its_own() {
    let mut pair = Pair::new();
    offer(&mut pair, r#""extmap":{"strip":["urn:b"]}"#, &format!("{HEAD} / {AUDIO}"));
    let answered = "m=audio 3000 RTP/AVP 0 / a=extmap:1 urn:a / a=extmap:14 urn:c";
    let reply = answer(&mut pair, r#""flags":["extmap-strip-urn:c"]"#, &format!("{HEAD} / {answered}"));
    let wanted = "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=extmap:1 urn:a / a=sendrecv / a=rtcp:PORT / a=mid:0";
    assert!(shown(&reply).ends_with(wanted), "{}", shown(&reply));
}

#[test]
fn what_is_not_known_is_named() {
    for keys in [r#""extmap":{"rename":["urn:a"]}"#, r#""flags":["extmap-rename-urn:a"]"#] {
        let request = super::request("offer", r#""from-tag":"ft""#, keys, "");
        assert_eq!(request.not_built, ["extmap-rename-urn:a"], "{keys}");
    }
    let request = super::request("offer", r#""from-tag":"ft""#, r#""extmap":"all""#, "");
    assert!(request.warnings()[0].starts_with("Key \"extmap\" ignored"), "{:?}", request.warnings());
}
