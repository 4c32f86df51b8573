//! Subscribers with ICE, with DTLS-SRTP and with both hear a copy of what a party says, and the call goes back to the
//! kernel when they have gone.

use rtpengine_tests::browser::Browser;
use rtpengine_tests::daemon::Table;
use rtpengine_tests::dtls::Role;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::ng::NgClient;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp::{self, Media};
use rtpengine_tests::talk::Call;
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};
use std::time::Duration;

use crate::ice_finds_a_way::{connect, hear, with_ice};

const PACKETS: u64 = 100;
const WAIT: Duration = Duration::from_secs(5);
const SECURE: &str = "UDP/TLS/RTP/SAVPF";

fn socket(engine: &Engine) -> Endpoint {
    Endpoint::bind_in(&engine.trio.callee, CALLEE.parse().unwrap(), 0, 0x5ab5).unwrap()
}

/// Asks for the caller's media; the tag of the subscription and what is offered.
fn ask(ng: &mut NgClient, call: &Call, more: &Value) -> (String, String, Media) {
    let mut request = json!({
        "command": "subscribe request", "call-id": call.id, "from-tag": call.from, "interface": "right",
        "rtcp-mux": ["offer", "require"],
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let reply = ng.expect_ok(&request).unwrap();
    let sdp = reply["sdp"].as_str().unwrap().to_owned();
    let media = sdp::first_media(&sdp).unwrap();
    (reply["to-tag"].as_str().unwrap().to_owned(), sdp, media)
}

fn answer(ng: &mut NgClient, call: &Call, tag: &str, sdp: &str) {
    let sdp = format!("{sdp}a=recvonly\r\n");
    let request = json!({"command": "subscribe answer", "call-id": call.id, "to-tag": tag, "sdp": sdp});
    ng.expect_ok(&request).unwrap();
}

/// A subscriber with DTLS-SRTP, and ICE or not, in this role of the handshake.
fn with_dtls(ice: bool, role: Role) {
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let more = json!({"transport protocol": SECURE, "ICE": if ice { "force" } else { "remove" }});
    let (tag, _, offered) = ask(&mut engine.ng, &call, &more);
    assert!(offered.lines[0].contains(SECURE) && offered.has("a=setup:actpass"), "{offered:?}");
    let mut party = match ice {
        true => Browser::new(socket(&engine), false).unwrap(),
        false => Browser::without_ice(socket(&engine)).unwrap(),
    };
    let setup = if role == Role::Client { "active" } else { "passive" };
    party.hear_of(&offered).unwrap();
    answer(&mut engine.ng, &call, &tag, &party.sdp(setup).unwrap());
    if ice {
        party.connect().unwrap();
        flows::wait_until("the daemon has found the way", || {
            party.endpoint.receive_ice(Duration::from_millis(5))?;
            let query = engine.ng.query(&call.id)?;
            let flags = query["tags"][&tag]["medias"][0]["streams"][0]["flags"].to_string();
            Ok(flags.contains("confirmed"))
        })
        .unwrap();
    }
    party.shake_hands(role).unwrap();
    let peer = &party.keys.as_ref().unwrap().peer;
    assert!(offered.has(peer), "the certificate is the one that was signalled");
    engine.wait_for_path(&call, &call.from, Some("ManyOutputs")).unwrap();
    call.callee.expect(&call.caller.stream.clone());
    // The daemon may still wait for the last word of the handshake, and has no keys for the copy until then.
    let mut before = 0;
    flows::wait_until("the subscriber hears the caller", || {
        call.caller.send()?;
        before += 1;
        let heard = party.endpoint.receive_raw(Duration::from_millis(50))?;
        let Some((packet, _)) = heard.filter(|(packet, _)| packet[0] >= 128) else { return Ok(false) };
        Ok(party.keys.as_mut().unwrap().receive.unprotect(packet).is_some())
    })
    .unwrap();
    for _ in 0..PACKETS {
        let wanted = call.caller.stream.packet(call.caller.stream.next).to_bytes();
        call.caller.send().unwrap();
        assert_eq!(party.hear().unwrap(), wanted);
    }
    while call.callee.tally().received < before + PACKETS {
        assert!(call.callee.receive(WAIT).unwrap());
    }
    assert!(call.callee.tally().is_perfect(before + PACKETS), "{:?}", call.callee.tally());
    engine.ng.expect_ok(&json!({"command": "unsubscribe", "call-id": call.id, "to-tag": tag})).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn with_dtls_that_begin() {
    if available(XDP) {
        with_dtls(false, Role::Client);
    }
}

#[test]
fn with_dtls_that_wait() {
    if available(XDP) {
        with_dtls(false, Role::Server);
    }
}

#[test]
fn with_dtls_and_ice() {
    if available(XDP) {
        with_dtls(true, Role::Client);
        with_dtls(true, Role::Server);
    }
}

#[test]
fn with_ice_alone() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let (tag, offer, _) = ask(&mut engine.ng, &call, &json!({"ICE": "force"}));
    let mut party = socket(&engine);
    let lines = with_ice(&mut party, false);
    hear(&mut party, &offer);
    let local = party.local().unwrap();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    // Where the body says it is, nobody is.
    let body = sdp::audio_with(local.ip(), 9, &lines);
    answer(&mut engine.ng, &call, &tag, &body);
    connect(&mut [&mut party]);
    flows::wait_until("the daemon has found the way", || {
        party.receive_ice(Duration::from_millis(5))?;
        let query = engine.ng.query(&call.id)?;
        Ok(query["tags"][&tag]["medias"][0]["streams"][0]["endpoint"]["port"] == json!(local.port()))
    })
    .unwrap();
    call.callee.expect(&call.caller.stream.clone());
    party.expect(&call.caller.stream.clone());
    for _ in 0..PACKETS {
        call.caller.send().unwrap();
        assert!(party.receive(WAIT).unwrap() && call.callee.receive(WAIT).unwrap());
    }
    assert!(party.tally().is_perfect(PACKETS), "{:?}", party.tally());
    assert!(call.callee.tally().is_perfect(PACKETS), "{:?}", call.callee.tally());
    engine.ng.expect_ok(&json!({"command": "unsubscribe", "call-id": call.id, "to-tag": tag})).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}
