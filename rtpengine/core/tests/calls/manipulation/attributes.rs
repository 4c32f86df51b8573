//! `sdp-attr` where it is refused or has consequences; what it does otherwise is in the scenarios.

use super::{HEAD, answer, offer, shown};
use crate::pair::Pair;

/// Keys and the beginning of the warning about them; the body is as if they had not been given.
const REFUSED: &[(&str, &str)] = &[
    (r#""sdp-attr":{"audio":{"add":[""]}}"#, "Key \"sdp-attr\": \"\" is empty"),
    (r#""sdp-attr":{"audio":{"add":["x\r\na=y"]}}"#, "Key \"sdp-attr\": \"x??a=y\" is not one line"),
    (
        r#""sdp-attr":{"audio":{"add":["x\nm=audio 1 RTP/AVP 0"]}}"#,
        "Key \"sdp-attr\": \"x?m=audio 1 RTP/AVP 0\" is not",
    ),
    (r#""sdp-attr":{"audio":{"substitute":["x","y\u0000"]}}"#, "Key \"sdp-attr\": \"x\" is not one line"),
    (r#""sdp-attr":{"audio":{"substitute":["x",""]}}"#, "Key \"sdp-attr\": \"x\" is empty"),
    (r#""sdp-attr":{"audio":{"substitute":["x"]}}"#, "Key \"sdp-attr\": \"x\" names no attribute"),
    (r#""sdp-attr":{"audio":{"substitute":[["x"]]}}"#, "Key \"sdp-attr\": \"substitute\" has a value"),
    (r#""sdp-attr":{"audio":{"substitute":[[["x","y"]]]}}"#, "Key \"sdp-attr\": \"substitute\" has a value"),
    (r#""sdp-attr":{"audio":{"substitute":{"x":"y"}}}"#, "Key \"sdp-attr\": \"substitute\" has a value"),
    (r#""sdp-attr":{"audio":{"add":[5]}}"#, "Key \"sdp-attr\": \"add\" has a value that is no text"),
    (r#""sdp-attr":{"audio":{"append":["x"]}}"#, "Key \"sdp-attr\": \"append\" is no command"),
    (r#""sdp-attr":{"smell":{"add":["x"]}}"#, "Key \"sdp-attr\": \"smell\" is no media type"),
    (r#""sdp-attr":{"audio":["x"]}"#, "Key \"sdp-attr\": \"audio\" is no media type"),
    (r#""sdp-attr":["x"]"#, "Key \"sdp-attr\" ignored"),
    (r#""sdp-attr":"x""#, "Key \"sdp-attr\" ignored"),
    (r#""flags":["sdp-attr-add-audio"]"#, "Key \"sdp-attr\": \"add-audio\" is not a command"),
    (r#""flags":["sdp-attr-add-smell-x"]"#, "Key \"sdp-attr\": \"add-smell-x\" is not a command"),
    (r#""flags":["sdp-attr-substitute-audio-x"]"#, "Key \"sdp-attr\": \"x\" names no attribute"),
];

#[test]
fn what_makes_no_sense_is_named_and_changes_nothing() {
    for (keys, warning) in REFUSED {
        let parsed = super::request("offer", r#""from-tag":"ft""#, keys, "");
        let warnings = parsed.warnings();
        assert!(warnings.iter().any(|own| own.starts_with(warning)), "{keys}: {warnings:?}");
        let mut pair = Pair::new();
        let reply = offer(&mut pair, keys, &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
        assert!(
            shown(&reply).ends_with("RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT"),
            "{keys}"
        );
    }
}

#[test]
fn an_answer_is_changed_too() {
    let mut pair = Pair::new();
    offer(&mut pair, "", &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
    let keys =
        r#""sdp-attr":{"audio":{"add":["x"],"substitute":["ptime:20","ptime:30"]},"none":{"remove":["y"]}}"#;
    let reply = answer(&mut pair, keys, &format!("{HEAD} / a=y / m=audio 3000 RTP/AVP 0 / a=ptime:20"));
    let wanted =
        "t=0 0 / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:30 / a=sendrecv / a=rtcp:PORT / a=x";
    assert!(shown(&reply).ends_with(wanted), "{}", shown(&reply));
}

#[test]
fn keys_and_candidates_are_not_lost_silently() {
    let scenarios = [
        (r#""transport-protocol":"RTP/SAVP","sdp-attr":{"audio":{"remove":["crypto"]}}"#, "crypto"),
        (r#""ICE":"force","sdp-attr":{"audio":{"remove":["candidate","x"]}}"#, "candidate"),
        (r#""ICE":"force","sdp-attr":{"audio":{"substitute":["ice-ufrag","ice-ufrag:abcd"]}}"#, "ice-ufrag"),
        (r#""sdp-attr":{"none":{"add":["setup:active"]}}"#, "setup"),
    ];
    for (keys, name) in scenarios {
        let reply = offer(&mut Pair::new(), keys, &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
        let warning = format!("sdp-attr changes what encryption and ICE rest on: {name}");
        assert!(reply.warnings.contains(&warning), "{keys}: {:?}", reply.warnings);
        let reply = offer(
            &mut Pair::new(),
            r#""sdp-attr":{"audio":{"remove":["rtcp"]}}"#,
            &format!("{HEAD} / m=audio 2000 RTP/AVP 0"),
        );
        assert!(reply.warnings.is_empty(), "{:?}", reply.warnings);
    }
}

#[test]
fn what_is_written_decides_nothing() {
    // The relay goes by what was negotiated, not by the changed text.
    let mut pair = Pair::new();
    let keys = r#""sdp-attr":{"audio":{"substitute":["sendrecv","inactive"]}}"#;
    offer(&mut pair, keys, &format!("{HEAD} / m=audio 2000 RTP/AVP 0"));
    answer(&mut pair, keys, &format!("{HEAD} / m=audio 3000 RTP/AVP 0"));
    assert!(pair.plane.relay.values().all(|relay| relay.discard.is_none() && !relay.sinks.is_empty()));
}
