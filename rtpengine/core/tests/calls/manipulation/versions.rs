//! `o=` and `s=`: the version rises when and only when the body is not the one sent last; names stay what they were.

use super::{answer, offer, shown};
use crate::pair::Pair;

/// One offer of a call: keys, origin, session name, further lines, and the `o=` and `s=` that must come out.
type Step = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

fn run(name: &str, steps: &[Step]) {
    let mut pair = Pair::new();
    for (number, (keys, origin, session, lines, wanted, wanted_session)) in steps.iter().enumerate() {
        let whole = format!(
            "v=0 / o={origin} IN IP4 192.0.2.1 / s={session} / c=IN IP4 192.0.2.1 / t=0 0 / m=audio 2000 RTP/AVP 0{lines}"
        );
        let shown = shown(&offer(&mut pair, keys, &whole));
        let line =
            |letter: &str| shown.split(" / ").find_map(|line| line.strip_prefix(letter)).unwrap().to_owned();
        assert_eq!(line("o="), *wanted, "{name}, step {number}");
        assert_eq!(line("s="), *wanted_session, "{name}, step {number}");
    }
}

const VERSION: &str = r#""replace":["SDP version"]"#;
const FORCE: &str = r#""replace":["force-increment-sdp-ver"]"#;
const USER: &str = r#""replace":["username"]"#;
const NAME: &str = r#""replace":["session-name"]"#;
const FULL: &str = r#""replace":["origin-full"]"#;
const ORIGIN: &str = r#""replace":["origin"]"#;

#[test]
fn without_flags_everything_is_the_senders() {
    run(
        "nothing asked for",
        &[
            ("", "- 7 1", "x", "", "- 7 1 IN IP4 192.0.2.1", "x"),
            ("", "a 8 9", "y", "", "a 8 9 IN IP4 192.0.2.1", "y"),
            (ORIGIN, "a 8 9", "y", "", "a 8 9 IN IP4 10.9.0.1", "y"),
        ],
    );
}

#[test]
fn the_version_is_ours_on_request() {
    run(
        "the same body keeps its version, whatever the sender says of it",
        &[
            (VERSION, "- 7 1", "x", "", "- 7 1 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 1", "x", "", "- 7 1 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", "", "- 7 1 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 0", "x", "", "- 7 1 IN IP4 192.0.2.1", "x"),
        ],
    );
    run(
        "another body has the next",
        &[
            (VERSION, "- 7 5", "x", "", "- 7 5 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", " / a=y", "- 7 6 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", " / a=y", "- 7 6 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", " / a=z", "- 7 7 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", " / a=y", "- 7 8 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "y", " / a=y", "- 7 9 IN IP4 192.0.2.1", "y"),
            (VERSION, "- 8 5", "y", " / a=y", "- 8 10 IN IP4 192.0.2.1", "y"),
        ],
    );
    run(
        "forced up",
        &[
            (FORCE, "- 7 5", "x", "", "- 7 5 IN IP4 192.0.2.1", "x"),
            (FORCE, "- 7 5", "x", "", "- 7 6 IN IP4 192.0.2.1", "x"),
            (FORCE, "- 7 5", "x", " / a=y", "- 7 7 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", " / a=y", "- 7 7 IN IP4 192.0.2.1", "x"),
        ],
    );
    run(
        "what was sent without the flag counts",
        &[
            ("", "- 7 5", "x", "", "- 7 5 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", "", "- 7 5 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", " / a=y", "- 7 6 IN IP4 192.0.2.1", "x"),
            ("", "- 7 9", "x", " / a=z", "- 7 9 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 5", "x", " / a=z", "- 7 9 IN IP4 192.0.2.1", "x"),
            (FORCE, "- 7 5", "x", " / a=z", "- 7 10 IN IP4 192.0.2.1", "x"),
        ],
    );
    run(
        "a change of what is added to it is a change",
        &[
            (VERSION, "- 7 1", "x", "", "- 7 1 IN IP4 192.0.2.1", "x"),
            (
                r#""replace":["SDP version"],"flags":["sdp-attr-add-audio-y"]"#,
                "- 7 1",
                "x",
                "",
                "- 7 2 IN IP4 192.0.2.1",
                "x",
            ),
            (
                r#""replace":["SDP version"],"flags":["sdp-attr-add-audio-y"]"#,
                "- 7 1",
                "x",
                "",
                "- 7 2 IN IP4 192.0.2.1",
                "x",
            ),
            (r#""replace":["SDP version"],"ptime":30"#, "- 7 1", "x", "", "- 7 3 IN IP4 192.0.2.1", "x"),
            (
                r#""replace":["SDP version"],"extmap":{"strip":["all"]}"#,
                "- 7 1",
                "x",
                " / a=extmap:1 u",
                "- 7 4 IN IP4 192.0.2.1",
                "x",
            ),
            (VERSION, "- 7 1", "x", "", "- 7 4 IN IP4 192.0.2.1", "x"),
        ],
    );
    run(
        "the last number is followed by the first",
        &[
            (VERSION, "- 7 18446744073709551615", "x", "", "- 7 18446744073709551615 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 18446744073709551615", "x", " / a=y", "- 7 0 IN IP4 192.0.2.1", "x"),
        ],
    );
    run(
        "what is no number",
        &[
            ("", "- 7 one", "x", "", "- 7 one IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 one", "x", "", "- 7 0 IN IP4 192.0.2.1", "x"),
            (VERSION, "- 7 one", "x", " / a=y", "- 7 1 IN IP4 192.0.2.1", "x"),
        ],
    );
}

#[test]
fn names_stay_what_the_receiver_saw_first() {
    run(
        "user",
        &[
            ("", "alice 7 1", "x", "", "alice 7 1 IN IP4 192.0.2.1", "x"),
            (USER, "bob 7 1", "x", "", "alice 7 1 IN IP4 192.0.2.1", "x"),
            ("", "bob 7 1", "x", "", "bob 7 1 IN IP4 192.0.2.1", "x"),
            (USER, "carol 8 2", "y", "", "alice 8 2 IN IP4 192.0.2.1", "y"),
        ],
    );
    run(
        "session",
        &[
            (NAME, "- 7 1", "first", "", "- 7 1 IN IP4 192.0.2.1", "first"),
            (NAME, "- 7 1", "second", "", "- 7 1 IN IP4 192.0.2.1", "first"),
            ("", "- 7 1", "third", "", "- 7 1 IN IP4 192.0.2.1", "third"),
        ],
    );
    run(
        "the whole line",
        &[
            (FULL, "alice 7 3", "x", "", "alice 7 3 IN IP4 10.9.0.1", "x"),
            (FULL, "bob 8 9", "x", "", "alice 7 3 IN IP4 10.9.0.1", "x"),
            (FULL, "bob 8 9", "x", " / a=y", "alice 7 4 IN IP4 10.9.0.1", "x"),
        ],
    );
    run(
        "all of it together",
        &[
            (
                r#""replace":["origin","username","session name","SDP-version"]"#,
                "a 7 3",
                "x",
                "",
                "a 7 3 IN IP4 10.9.0.1",
                "x",
            ),
            (
                r#""flags":"replace-origin replace-username replace-session-name replace-SDP-version""#,
                "b 7 4",
                "y",
                "",
                "a 7 3 IN IP4 10.9.0.1",
                "x",
            ),
            (
                r#""flags":"replace-origin replace-username replace-session-name replace-SDP-version""#,
                "b 8 4",
                "y",
                "",
                "a 8 4 IN IP4 10.9.0.1",
                "x",
            ),
        ],
    );
}

#[test]
fn each_party_has_a_count_of_its_own() {
    let mut pair = Pair::new();
    let whole = |version: u32, port: u16| {
        format!(
            "v=0 / o=- 7 {version} IN IP4 192.0.2.1 / s=x / c=IN IP4 192.0.2.1 / t=0 0 / m=audio {port} RTP/AVP 0"
        )
    };
    let version = |text: &str| text.split(' ').nth(4).unwrap().to_owned();
    assert_eq!(version(&shown(&offer(&mut pair, VERSION, &whole(1, 2000)))), "1");
    assert_eq!(version(&shown(&answer(&mut pair, VERSION, &whole(100, 3000)))), "100");
    // A new port of theirs is none of ours, so the body is the same.
    assert_eq!(version(&shown(&offer(&mut pair, VERSION, &whole(2, 2002)))), "1");
    assert_eq!(version(&shown(&answer(&mut pair, FORCE, &whole(100, 3000)))), "101");
    assert_eq!(version(&shown(&offer(&mut pair, VERSION, &format!("{} / a=x", whole(2, 2002))))), "2");
}

#[test]
fn a_body_without_origin_gets_none() {
    let mut pair = Pair::new();
    let whole = "v=0 / s=x / c=IN IP4 192.0.2.1 / t=0 0 / m=audio 2000 RTP/AVP 0";
    let keys = r#""replace":["origin-full","SDP version","session name"]"#;
    let shown = shown(&offer(&mut pair, keys, whole));
    assert!(shown.starts_with("v=0 / s=x / c=IN IP4 10.9.0.1"), "{shown}");
}
