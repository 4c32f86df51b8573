//! `sdp-attr` in every form.

use super::{HEAD, Scenario, answer, offer, offers_become, shown};
use crate::pair::Pair;

/// One audio section.
const AUDIO: &str =
    "m=audio 2000 RTP/AVP 0 / a=ptime:20 / a=ssrc:1 cname:a / a=ssrc:1 msid:b c / a=ssrc:2 cname:d";

const DICTIONARIES: &[Scenario] = &[
    (
        "add to the session, by both of its names",
        r#""sdp-attr":{"none":{"add":["x"]},"global":{"add":["y:z"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "a=x / a=y:z / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the document's first example",
        r#""sdp-attr":{"none":{"add":["sendrecv"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "a=sendrecv / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the document's second example",
        r#""sdp-attr":{"audio":{"add":["ptime:20","sendrecv"]},"video":{"remove":["rtpmap:101 telephone-event/8000"]}}"#,
        "m=audio 2000 RTP/AVP 0 101 / a=rtpmap:101 telephone-event/8000 / m=video 2002 RTP/AVP 101 / a=rtpmap:101 telephone-event/8000",
        "m=audio PORT RTP/AVP 0 101 / a=rtpmap:0 PCMU/8000 / a=rtpmap:101 telephone-event/8000 / a=sendrecv / a=rtcp:PORT / a=ptime:20 / m=video PORT RTP/AVP 101 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the document's third example: all of a name",
        r#""sdp-attr":{"audio":{"remove":["ssrc:"]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the document's fourth example",
        r#""sdp-attr":{"none":{"substitute":[["sendrecv","sendonly"],["ptime:20","ptime:40"]]},"audio":{"substitute":[["fmtp:101 0-15","fmtp:126 0-16"]]}}"#,
        "a=sendrecv / a=ptime:20 / m=audio 2000 RTP/AVP 0 101 / a=rtpmap:101 telephone-event/8000 / a=fmtp:101 0-15",
        "a=sendonly / a=ptime:40 / m=audio PORT RTP/AVP 0 101 / a=rtpmap:0 PCMU/8000 / a=rtpmap:101 telephone-event/8000 / a=fmtp:126 0-16 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "remove by name without colon",
        r#""sdp-attr":{"audio":{"remove":["ssrc"]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "remove all of one SSRC",
        r#""sdp-attr":{"audio":{"remove":["ssrc:1"]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=ssrc:2 cname:d / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "remove one line by all of it",
        r#""sdp-attr":{"audio":{"remove":["ssrc:1 msid:b c"]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=ssrc:1 cname:a / a=ssrc:2 cname:d / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "nothing by half a word, half a value or a wildcard",
        r#""sdp-attr":{"audio":{"remove":["ss","ssrc:1 msid:b","ssrc:*","*","ptime:2"]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=ssrc:1 cname:a / a=ssrc:1 msid:b c / a=ssrc:2 cname:d / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "remove two at once",
        r#""sdp-attr":{"audio":{"remove":["ptime:20","ssrc:2 cname:d"]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ssrc:1 cname:a / a=ssrc:1 msid:b c / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "a value may be one text instead of a list",
        r#""sdp-attr":{"audio":{"remove":"ssrc","add":"x"}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT / a=x",
    ),
    (
        "what is there is not added again",
        r#""sdp-attr":{"audio":{"add":["ptime:20","ptime:30","ptime:30"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT / a=ptime:30",
    ),
    (
        "what was written by us counts as there",
        r#""sdp-attr":{"audio":{"add":["sendrecv","rtpmap:0 PCMU/8000"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "what is removed may be added",
        r#""sdp-attr":{"audio":{"add":["ptime:30"],"remove":["ptime"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=ptime:30",
    ),
    (
        "substitute keeps the place",
        r#""sdp-attr":{"audio":{"substitute":["ptime:20","maxptime:40"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20 / a=x",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=maxptime:40 / a=x / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "substitute by name replaces the line",
        r#""sdp-attr":{"audio":{"substitute":["ssrc:1","y"]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=y / a=y / a=ssrc:2 cname:d / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "a substituted line is not substituted again",
        r#""sdp-attr":{"audio":{"substitute":[["x","y"],["y","z"]]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=x / a=y",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=y / a=z / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the first of two that match counts",
        r#""sdp-attr":{"audio":{"substitute":[["ssrc:1 cname:a","first"],["ssrc:1","second"]]}}"#,
        AUDIO,
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=first / a=second / a=ssrc:2 cname:d / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "of more than two texts the first two count",
        r#""sdp-attr":{"audio":{"substitute":["x","y","z"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=x / a=z",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=y / a=z / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "what is not there is not substituted",
        r#""sdp-attr":{"audio":{"substitute":["nothing","y"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the session is not the sections",
        r#""sdp-attr":{"none":{"remove":["x"]}}"#,
        "a=x / m=audio 2000 RTP/AVP 0 / a=x / m=video 2002 RTP/AVP 31 / a=x",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=x / a=sendrecv / a=rtcp:PORT / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=x / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the sections are not the session",
        r#""sdp-attr":{"audio":{"remove":["x"]},"video":{"remove":["x"]}}"#,
        "a=x / m=audio 2000 RTP/AVP 0 / a=x / m=video 2002 RTP/AVP 31 / a=x",
        "a=x / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "video alone",
        r#""sdp-attr":{"video":{"add":["content:slides"],"remove":["x"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=x / m=video 2002 RTP/AVP 31 / a=x",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=x / a=sendrecv / a=rtcp:PORT / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=sendrecv / a=rtcp:PORT / a=content:slides",
    ),
    (
        "all sections of a type",
        r#""sdp-attr":{"audio":{"add":["x"]}}"#,
        "m=audio 2000 RTP/AVP 0 / m=video 2002 RTP/AVP 31 / m=audio 2004 RTP/AVP 8",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=x / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=sendrecv / a=rtcp:PORT / m=audio PORT RTP/AVP 8 / a=rtpmap:8 PCMA/8000 / a=sendrecv / a=rtcp:PORT / a=x",
    ),
    (
        "sections without RTP",
        r#""sdp-attr":{"image":{"remove":["T38FaxVersion"],"add":["T38FaxVersion:3"]},"message":{"add":["x"]}}"#,
        "m=image 2000 udptl t38 / a=T38FaxVersion:0 / m=message 9 TCP/MSRP *",
        "m=image PORT udptl t38 / a=T38FaxVersion:3 / m=message 9 TCP/MSRP * / c=IN IP4 192.0.2.1 / a=x",
    ),
    (
        "a rejected section",
        r#""sdp-attr":{"audio":{"add":["x"]}}"#,
        "m=audio 0 RTP/AVP 0 / m=audio 2002 RTP/AVP 8",
        "m=audio 0 RTP/AVP 0 / a=x / m=audio PORT RTP/AVP 8 / a=rtpmap:8 PCMA/8000 / a=sendrecv / a=rtcp:PORT / a=x",
    ),
    (
        "the rtcp line, the last word",
        r#""sdp-attr":{"audio":{"remove":["rtcp"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv",
    ),
    (
        "rtcp is not rtcp-mux",
        r#""sdp-attr":{"audio":{"remove":["rtcp"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=rtcp-mux",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=rtcp-mux / a=sendrecv",
    ),
    (
        "the direction we wrote",
        r#""sdp-attr":{"audio":{"substitute":["sendrecv","recvonly"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=recvonly / a=rtcp:PORT",
    ),
    (
        "lines that are no attributes stay",
        r#""sdp-attr":{"audio":{"remove":["AS:64","b=AS:64"]},"none":{"remove":["x"]}}"#,
        "b=AS:64 / m=audio 2000 RTP/AVP 0 / b=AS:64",
        "b=AS:64 / m=audio PORT RTP/AVP 0 / b=AS:64 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "case does not matter in media types and commands",
        r#""SDP_ATTR":{"Audio":{"ADD":["x"],"Remove":["y"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=y",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=x",
    ),
    (
        "case matters in attributes",
        r#""sdp-attr":{"audio":{"remove":["X"]}}"#,
        "m=audio 2000 RTP/AVP 0 / a=x",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=x / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "escapes are for flags only",
        r#""sdp-attr":{"audio":{"add":["x:a--b..c"]}}"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=x:a--b..c",
    ),
    (
        "no section of the type",
        r#""sdp-attr":{"none":{"add":["x"]},"audio":{"add":["y"]}}"#,
        "m=video 2000 RTP/AVP 31 / a=z",
        "a=x / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=z / a=sendrecv / a=rtcp:PORT",
    ),
];

const FLAGS: &[Scenario] = &[
    (
        "the document's first flag",
        r#""flags":["sdp-attr-remove-audio-ptime:20"]"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the document's second flag, as it is written there",
        r#""flags":["sdp-attr-substitude-none-sendrecv>sendonly"]"#,
        "a=sendrecv / m=audio 2000 RTP/AVP 0",
        "a=sendonly / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "the document's second flag, as it is meant",
        r#""flags":["sdp-attr-substitute-none-sendrecv>sendonly"]"#,
        "a=sendrecv / m=audio 2000 RTP/AVP 0",
        "a=sendonly / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "add",
        r#""flags":["sdp-attr-add-global-x","sdp-attr-add-video-y:1"]"#,
        "m=video 2000 RTP/AVP 31",
        "a=x / m=video PORT RTP/AVP 31 / a=rtpmap:31 H261/90000 / a=sendrecv / a=rtcp:PORT / a=y:1",
    ),
    (
        "hyphens in the value",
        r#""flags":["sdp-attr-remove-audio-rtcp-mux","sdp-attr-add-audio-x-y-z"]"#,
        "m=audio 2000 RTP/AVP 0 / a=rtcp-mux",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=x-y-z",
    ),
    (
        "spaces as double periods and equals signs as double dashes",
        r#""flags":["sdp-attr-add-audio-fmtp:96..mode--30;x--y"]"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=fmtp:96 mode=30;x=y",
    ),
    (
        "spaces and equals signs as they are, where flags are a list",
        r#""flags":["sdp-attr-add-audio-fmtp:96 mode=30;x=y"]"#,
        "m=audio 2000 RTP/AVP 0",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=fmtp:96 mode=30;x=y",
    ),
    (
        "substitution with both escapes",
        r#""flags":["sdp-attr-substitute-audio-fmtp:96..a--b>fmtp:97..a--c"]"#,
        "m=audio 2000 RTP/AVP 96 / a=rtpmap:96 X/8000 / a=fmtp:96 a=b",
        "m=audio PORT RTP/AVP 96 / a=rtpmap:96 X/8000 / a=fmtp:97 a=c / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "flags in one string",
        r#""flags":"trust-address sdp-attr-remove-audio-ssrc: sdp-attr-add-none-x:a..b symmetric""#,
        AUDIO,
        "a=x:a b / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=ptime:20 / a=sendrecv / a=rtcp:PORT",
    ),
    (
        "brackets within brackets",
        r#""rtpp_flags":"sdp-attr=[audio=[remove=[ssrc: ptime:20] add=[x:a..b y]] none=[add=[z] substitute=[u>v]]] trust-address""#,
        "a=u / m=audio 2000 RTP/AVP 0 / a=ptime:20 / a=ssrc:1 cname:a",
        "a=v / a=z / m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=x:a b / a=y",
    ),
    (
        "dictionary and flags together",
        r#""sdp-attr":{"audio":{"add":["x"]}},"flags":["sdp-attr-add-audio-y","sdp-attr-remove-audio-ptime"]"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT / a=x / a=y",
    ),
    (
        "spelling of the prefix",
        r#""flags":["SDP attr-Remove-Audio-ptime"]"#,
        "m=audio 2000 RTP/AVP 0 / a=ptime:20",
        "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=sendrecv / a=rtcp:PORT",
    ),
];

#[test]
fn dictionaries_change_what_they_name() {
    offers_become(DICTIONARIES);
}

#[test]
fn flags_change_what_they_name() {
    offers_become(FLAGS);
}

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
