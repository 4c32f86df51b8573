//! Messages as OpenSIPS's module `rtpengine` writes them: bencode with its keys in the order in which the module comes to
//! them, `sdp` first and `command` last, flags it knows as keys of their own, and everything else passed on as a flag
//! (documentation of the module, OpenSIPS 2.3 and later: "blindly sent to the rtpengine daemon").

use rtpengine_core::ng::{Outcome, Request, Value, bencode};

use crate::{
    dtls_support,
    pair::{Pair, audio},
};

/// A string in bencode.
fn text(text: &str) -> String {
    format!("{}:{text}", text.len())
}

fn list(members: &[&str]) -> String {
    format!("l{}e", members.iter().map(|member| text(member)).collect::<String>())
}

/// A dictionary in the order given.
fn dictionary(entries: &[(&str, String)]) -> Vec<u8> {
    let entries = entries.iter().map(|(key, value)| text(key) + value);
    format!("d{}e", entries.collect::<String>()).into_bytes()
}

/// The body of the reply; every key and flag has to be known.
fn send(pair: &mut Pair, entries: &[(&str, String)]) -> Option<String> {
    let request = Request::parse(&bencode::decode(&dictionary(entries)).unwrap()).unwrap();
    assert_eq!(request.unknown, Vec::<String>::new());
    assert_eq!(request.warnings(), Vec::<String>::new());
    let reply = pair.send(&request);
    assert_eq!(reply.outcome, Outcome::Ok, "{reply:?}");
    assert_eq!(reply.warnings, Vec::<String>::new());
    reply.body.get("sdp").and_then(Value::as_str).map(str::to_owned)
}

/// What every message ends with.
fn dialogue(to: Option<&str>, command: &str) -> Vec<(&'static str, String)> {
    let mut entries = vec![
        ("call-id", text("7a37@192.0.2.1")),
        ("received-from", list(&["IP4", "192.0.2.1"])),
        ("from-tag", text("as61")),
    ];
    entries.extend(to.map(|tag| ("to-tag", text(tag))));
    entries.push(("command", text(command)));
    entries
}

#[test]
fn a_call_is_placed_asked_about_and_deleted() {
    let mut pair = Pair::new();
    let offer = [
        ("sdp", text(&audio("192.0.2.1", 2000))),
        ("ICE", text("remove")),
        ("flags", list(&["trust-address", "symmetric"])),
        ("replace", list(&["origin", "session-connection"])),
        ("direction", list(&["foo", "bar"])),
        ("transport-protocol", text("RTP/AVP")),
    ];
    let offered = send(&mut pair, &[&offer[..], &dialogue(None, "offer")].concat()).unwrap();
    assert!(
        offered.contains("o=- 1 1 IN IP4 10.9.8.7\r\n") && offered.contains("c=IN IP4 10.9.8.7\r\n"),
        "{offered}"
    );
    let answer = [
        ("sdp", text(&audio("192.0.2.2", 3000))),
        ("ICE", text("remove")),
        ("flags", list(&["trust-address", "symmetric"])),
        ("replace", list(&["origin", "session-connection"])),
    ];
    let answered = send(&mut pair, &[&answer[..], &dialogue(Some("tt"), "answer")].concat()).unwrap();
    assert!(answered.contains("c=IN IP4 10.9.0.1\r\n"), "{answered}");
    assert_eq!(send(&mut pair, &dialogue(Some("tt"), "query")), None);
    assert_eq!(send(&mut pair, &dialogue(Some("tt"), "delete")), None);
    pair.wait(1);
    pair.assert_empty();
}

#[test]
fn what_the_module_does_not_know_comes_as_a_flag() {
    let mut pair = dtls_support::pair();
    let offer = [
        ("sdp", text(&audio("192.0.2.1", 2000))),
        ("ICE", text("force")),
        ("flags", list(&["trust-address", "SDES-no", "generate-mid", "codec-strip-PCMU", "loop-protect"])),
        ("replace", list(&["origin", "session-connection"])),
        ("transport-protocol", text("UDP/TLS/RTP/SAVPF")),
        ("rtcp-mux", list(&["offer"])),
        ("via-branch", text("z9hG4bK5f660d85")),
    ];
    let offered = send(&mut pair, &[&offer[..], &dialogue(None, "offer")].concat()).unwrap();
    for line in [
        "UDP/TLS/RTP/SAVPF 8 101\r\n",
        "a=fingerprint:",
        "a=ice-ufrag:",
        "a=rtcp-mux\r\n",
        "a=mid:0\r\n",
        "a=rtpengine:",
    ] {
        assert!(offered.contains(line), "{line} is not in {offered}");
    }
    assert!(!offered.contains("a=crypto"), "{offered}");
    assert_eq!(send(&mut pair, &dialogue(None, "delete")), None);
    pair.wait(1);
    pair.assert_empty();
}
