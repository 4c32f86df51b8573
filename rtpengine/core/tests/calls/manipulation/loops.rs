//! `loop protect`: a body that comes back is left as it is, and opens nothing.

use rtpengine_core::ng::Value;

use super::{HEAD, OURS, answer, body, offer, request, shown};
use crate::pair::{Pair, seen};

const PROTECT: &str = r#""flags":["loop protect"]"#;
const AUDIO: &str = "m=audio 2000 RTP/AVP 0 / a=x";
const WRITTEN: &str = "m=audio PORT RTP/AVP 0 / a=rtpmap:0 PCMU/8000 / a=x / a=sendrecv / a=rtcp:PORT";

#[test]
fn bodies_are_marked_on_request_only() {
    let whole = format!("{HEAD} / {AUDIO}");
    let mut pair = Pair::new();
    assert_eq!(shown(&offer(&mut pair, PROTECT, &whole)), format!("{OURS} / a=rtpengine:MARK / {WRITTEN}"));
    let answered = shown(&answer(
        &mut pair,
        r#""flags":["loop-protect"]"#,
        &format!("{HEAD} / m=audio 3000 RTP/AVP 0 / a=x"),
    ));
    assert_eq!(answered, format!("{OURS} / a=rtpengine:MARK / {WRITTEN}"));
    assert_eq!(shown(&offer(&mut pair, "", &whole)), format!("{OURS} / {WRITTEN}"));
    // Behind what is there, in front of the first m-line.
    let reply = offer(&mut pair, PROTECT, &format!("{HEAD} / a=y / {AUDIO}"));
    assert_eq!(shown(&reply), format!("{OURS} / a=y / a=rtpengine:MARK / {WRITTEN}"));
}

#[test]
fn what_comes_back_is_left_as_it_is() {
    let mut pair = Pair::new();
    let marked = seen(&offer(&mut pair, PROTECT, &format!("{HEAD} / {AUDIO}"))).text;
    let ports = pair.open_ports();
    for (command, tags) in [
        ("offer", r#""from-tag":"ft""#),
        ("offer", r#""from-tag":"another""#),
        ("answer", r#""from-tag":"ft","to-tag":"tt""#),
        ("answer", r#""from-tag":"nobody","to-tag":"nowhere""#),
    ] {
        let mut looped = request(
            command,
            tags,
            r#""flags":["loop protect","sdp-attr-add-audio-y"],"ICE":"force""#,
            &marked,
        );
        looped.call_id = Some("another".to_owned());
        let reply = pair.send(&looped);
        assert_eq!(reply.body.get("sdp").and_then(Value::as_str), Some(marked.as_str()), "{command} {tags}");
    }
    assert_eq!(pair.open_ports(), ports);
    assert_eq!(pair.engine.calls().count(), 1);
    // Without the flag it is a body like any other.
    let reply = pair.send(&request("offer", r#""from-tag":"ft""#, "", &marked));
    assert!(seen(&reply).text.contains("a=rtpengine:") && !reply.is_error());
}

#[test]
fn marks_of_others_are_no_reason_to_stop_and_stay() {
    let mut pair = Pair::new();
    for foreign in ["a=rtpengine:0123456789abcdeX", "a=rtpengine:", "a=rtpengine", "a=rtpengines:1"] {
        let reply = offer(&mut pair, PROTECT, &format!("{HEAD} / {foreign} / {AUDIO}"));
        let text = seen(&reply).text;
        assert!(text.contains(&format!("{foreign}\r\na=rtpengine:")) && text.contains("m=audio 4"), "{text}");
    }
}

#[test]
fn the_mark_counts_wherever_it_stands_and_however_lines_end() {
    let mut pair = Pair::new();
    let marked = seen(&offer(&mut pair, PROTECT, &format!("{HEAD} / {AUDIO}"))).text;
    let mark = marked.lines().find(|line| line.starts_with("a=rtpengine:")).unwrap();
    let lines = format!("{HEAD} / {AUDIO} / {mark}");
    for whole in [body(&lines), body(&lines).replace("\r\n", "\n"), body(&lines).trim_end().to_owned()] {
        let reply = pair.send(&request("offer", r#""from-tag":"ft""#, PROTECT, &whole));
        assert_eq!(reply.body.get("sdp").and_then(Value::as_str), Some(whole.as_str()));
    }
    let part = body(&format!("{HEAD} / {AUDIO} / {}", &mark[..mark.len() - 1]));
    let reply = pair.send(&request("offer", r#""from-tag":"ft""#, PROTECT, &part));
    assert_ne!(reply.body.get("sdp").and_then(Value::as_str), Some(part.as_str()));
}
