//! The parties are told the codecs that the flags leave them, and media in those passes as it is: each party's payload
//! types are those it wrote itself.

use std::net::SocketAddr;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 300;

/// A body with these formats.
fn body(local: SocketAddr, formats: &str, lines: &[&str]) -> String {
    let body = sdp::audio_with(local.ip(), local.port(), lines);
    let (head, media) = body.split_once("RTP/AVP 8 0 101\r\n").unwrap();
    let media = media.replace("a=rtpmap:0 PCMU/8000\r\n", "");
    format!("{head}RTP/AVP {formats}\r\n{media}")
}

/// What a party reads of codecs: the formats, and the attributes about them.
fn told(sdp: &str) -> (String, Vec<String>) {
    let line = sdp.lines().find(|line| line.starts_with("m=audio")).unwrap();
    let formats = line.split_once("RTP/AVP ").unwrap().1.to_owned();
    let about = ["a=rtpmap:", "a=fmtp:", "a=rtcp-fb:"];
    let lines = sdp.lines().filter(|line| about.iter().any(|name| line.starts_with(name)));
    (formats, lines.map(str::to_owned).collect())
}

fn with(mut extra: Value, entries: &Value) -> Value {
    extra.as_object_mut().unwrap().extend(entries.as_object().unwrap().clone());
    extra
}

/// The caller has Opus, A-law and iLBC, the trunk behind the callee A-law and iLBC, where the callee gives iLBC another
/// number.
fn negotiate(engine: &mut Engine, call: &mut Call) {
    let flags = json!({
        "codec": {"strip": ["opus", "G729"], "offer": ["iLBC", "PCMA"]},
        "flags": ["codec-strip-telephone-event/48000"],
    });
    let offer = body(
        call.caller.local().unwrap(),
        "111 8 97 110 101",
        &[
            "a=rtpmap:111 opus/48000/2",
            "a=fmtp:111 useinbandfec=1",
            "a=rtcp-fb:111 transport-cc",
            "a=rtpmap:97 iLBC/8000",
            "a=fmtp:97 mode=30",
            "a=rtpmap:110 telephone-event/48000",
        ],
    );
    call.offer(&mut engine.ng, &offer, &with(left_to_right(), &flags)).unwrap();
    let lines = [
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=rtpmap:97 iLBC/8000",
        "a=fmtp:97 mode=30",
    ];
    assert_eq!(told(&call.offered), ("97 8 101".to_owned(), lines.map(str::to_owned).to_vec()));
    let answer = body(
        call.callee.local().unwrap(),
        "98 8 111 101",
        &["a=rtpmap:98 iLBC/8000", "a=fmtp:98 mode=20", "a=rtpmap:111 opus/48000/2"],
    );
    let flags = json!({"flags": ["allow asymmetric codecs", "single codec"]});
    call.answer(&mut engine.ng, &answer, &flags).unwrap();
    let lines = ["a=rtpmap:101 telephone-event/8000", "a=rtpmap:98 iLBC/8000", "a=fmtp:98 mode=20"];
    assert_eq!(told(&call.answered), ("98 101".to_owned(), lines.map(str::to_owned).to_vec()));
    // Each sends under the number of the other.
    call.caller.stream.payload_type = 98;
    call.callee.stream.payload_type = 97;
}

#[test]
fn in_the_kernel() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    negotiate(&mut engine, &mut call);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn in_userspace() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    negotiate(&mut engine, &mut call);
    call.talk(PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn what_needs_transcoding_is_named_and_the_rest_goes_on() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    let local = call.caller.local().unwrap();
    let offer = json!({
        "command": "offer", "call-id": call.id, "from-tag": call.from, "sdp": sdp::audio(local.ip(), local.port()),
        "direction": ["left", "right"], "rtpp-flags": "codec-mask-PCMU transcode-G729",
    });
    let reply = engine.ng.expect_ok(&offer).unwrap();
    let warning =
        "Transcoding is not supported by this version, ignored: codec-transcode-G729, codec-mask-PCMU";
    assert_eq!(reply["warning"], json!(warning));
    assert_eq!(told(reply["sdp"].as_str().unwrap()).0, "8 101");
    let local = call.callee.local().unwrap();
    call.answer(&mut engine.ng, &sdp::audio(local.ip(), local.port()), &json!({})).unwrap();
    assert_eq!(told(&call.answered).0, "8 101");
    call.talk(PACKETS).unwrap();
    engine.finish(call).unwrap();
}
