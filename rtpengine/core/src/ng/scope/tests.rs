use super::*;
use crate::ng::json;

fn parse(text: &str) -> Request {
    Request::parse(&json::decode(text.as_bytes()).unwrap()).unwrap()
}

fn warnings(text: &str) -> Vec<String> {
    parse(text).warnings()
}

#[test]
fn what_another_command_takes_is_named() {
    for (text, names) in [
        (r#"{"command":"ping","label":"x","flags":["strict source"]}"#, "'ping': label, strict source"),
        (
            r#"{"command":"offer","limit":3,"flags":["all","SIPREC","egress"]}"#,
            "'offer': limit, all, egress, SIPREC",
        ),
        (r#"{"command":"answer","address":"192.0.2.1","from-tags":["a"]}"#, "'answer': address, from-tags"),
        (r#"{"command":"query","flags":["fatal"]}"#, "'query': fatal"),
        (r#"{"command":"block media","codec":{"strip":["all"]}}"#, "'block media': codec"),
        (r#"{"command":"publish","transport protocol":"RTP/AVP"}"#, "'publish': transport protocol"),
        (r#"{"command":"subscribe answer","rtpp_flags":"codec-strip-PCMA"}"#, "'subscribe answer': codec"),
        (r#"{"command":"unsubscribe","rtpp_flags":"sdp-attr-add-audio-x"}"#, "'unsubscribe': sdp-attr"),
        (r#"{"command":"list","rtpp_flags":"RTP/AVP WebRTC"}"#, "'list': transport protocol, WebRTC"),
    ] {
        assert_eq!(warnings(text), [format!("Without effect in {names}")], "{text}");
    }
}

#[test]
fn what_proxies_say_to_every_command_is_passed_over() {
    for command in ["offer", "answer", "delete"] {
        let text = format!(
            r#"{{"command":"{command}","call-id":"c","from-tag":"f","to-tag":"t","via-branch":"z","received from":["IP4","192.0.2.1"],
            "flags":["trust address","reset","single codec","ICE=remove","direction=a","direction=b","delete-delay=0","to-tag"],
            "replace":["origin"],"rtcp-mux":["demux"],"transport protocol":"RTP/AVP","ICE-lite":"off","ptime":20}}"#
        );
        assert_eq!(warnings(&text), Vec::<String>::new(), "{command}");
    }
    let text = r#"{"command":"ping","call-id":"c","from-tag":"f","received from":["IP4","192.0.2.1"]}"#;
    assert_eq!(warnings(text), Vec::<String>::new());
}

#[test]
fn templates_are_not_what_a_request_says() {
    let templates =
        crate::ng::Templates::new([("default".to_owned(), "replace-origin strict-source".to_owned())]);
    let dict = json::decode(br#"{"command":"ping"}"#).unwrap();
    assert_eq!(Request::parse_with(&dict, &templates).unwrap().warnings(), Vec::<String>::new());
}

/// Whatever is acted upon has a command that acts upon it.
#[test]
fn nothing_is_taken_by_no_command() {
    const ELSEWHERE: &[Key] = &[Key::ToCallId];
    for key in Key::ALL.iter().filter(|key| key.status() == Status::Built && !ELSEWHERE.contains(key)) {
        let takes = |command: &&Command| lists(**command).is_some() && of_key(**command, *key) == Use::Acts;
        assert!(Command::ALL.iter().any(|command| takes(&command)), "{key:?}");
    }
    for flag in Flag::ALL.iter().filter(|flag| flag.status() == Status::Built) {
        let takes = |command: &&Command| lists(**command).is_some() && of_flag(**command, *flag) == Use::Acts;
        assert!(Command::ALL.iter().any(|command| takes(&command)), "{flag:?}");
    }
}
