//! One party does ICE, the other does not, or both do: their checks choose the way, the kernel forwards media on it, and
//! what strangers send changes nothing.

use std::net::{SocketAddr, UdpSocket};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::ice::Ice;
use rtpengine_tests::ng::cookie;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, Place, exchange_watched, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER, CALLER_V6};
use serde_json::{Value, json};

const PACKETS: u64 = 500;
/// Another address of the caller.
const OTHER: &str = "10.77.1.9";
/// Longest wait for checks, or for consent to be lost (RFC 7675 §5.1: 30 s).
const PATIENCE: Duration = Duration::from_secs(60);

/// Endpoints of a call, not placed yet.
pub fn parties(engine: &Engine, caller: &str, callee: &str) -> Call {
    let unique = cookie();
    let place = |netns, address, ssrc| Place::within(netns, address).unwrap().endpoint(ssrc).unwrap();
    Call {
        id: format!("call-{unique}"),
        from: format!("from-{unique}"),
        to: format!("to-{unique}"),
        caller: place(&engine.trio.caller, caller, 0x0ca1_1e40),
        callee: place(&engine.trio.callee, callee, 0x0ca1_1ee0),
        offered: String::new(),
        answered: String::new(),
    }
}

/// Gives a party ICE with its socket as the only candidate; its lines of SDP.
pub fn with_ice(party: &mut Endpoint, controlling: bool) -> Vec<String> {
    let mut ice = Ice::new(party.local().unwrap(), controlling);
    let mut lines = vec!["a=rtcp-mux".to_owned()];
    lines.extend(ice.credentials());
    lines.push(format!("a=candidate:{}", ice.add_own(100)));
    party.ice = Some(Box::new(ice));
    lines
}

fn body(party: &Endpoint, lines: &[String]) -> String {
    let local = party.local().unwrap();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    sdp::audio_with(local.ip(), local.port(), &lines)
}

pub fn hear(party: &mut Endpoint, sdp: &str) {
    let media = sdp::first_media(sdp).unwrap();
    party.ice.as_mut().unwrap().hear(&media.lines).unwrap();
}

pub fn offer(engine: &mut Engine, call: &mut Call, lines: &[String], extra: &Value) {
    let mut entries = left_to_right();
    entries.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let sdp = body(&call.caller, lines);
    call.offer(&mut engine.ng, &sdp, &entries).unwrap();
}

pub fn answer(engine: &mut Engine, call: &mut Call, lines: &[String], extra: &Value) {
    let sdp = body(&call.callee, lines);
    call.answer(&mut engine.ng, &sdp, extra).unwrap();
}

/// A call from a caller with ICE to a callee without.
pub fn ice_to_plain(engine: &mut Engine, caller: &str) -> Call {
    let mut call = parties(engine, caller, CALLEE);
    let lines = with_ice(&mut call.caller, true);
    let family = if caller.contains(':') { "IP6" } else { "IP4" };
    offer(
        engine,
        &mut call,
        &lines,
        &json!({"ICE": "remove", "rtcp-mux": ["demux"], "address family": "IP4"}),
    );
    assert!(!call.offered.contains("a=ice-") && !call.offered.contains("a=candidate"), "{}", call.offered);
    answer(engine, &mut call, &[], &json!({"ICE": "force", "address family": family}));
    let answered = call.answered.clone();
    hear(&mut call.caller, &answered);
    call
}

/// Lets the parties' checks go on until `done`.
pub fn until(what: &str, parties: &mut [&mut Endpoint], mut done: impl FnMut(&[&mut Endpoint]) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done(parties) {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        for party in parties.iter_mut() {
            party.receive_ice(Duration::from_millis(1)).unwrap();
        }
    }
}

pub fn connect(parties: &mut [&mut Endpoint]) {
    until("a pair is selected", parties, |parties| {
        parties
            .iter()
            .all(|party| party.ice.as_ref().is_none_or(|ice| ice.is_connected() && ice.selected.is_some()))
    });
}

/// The endpoint that the daemon shows for a party.
pub fn endpoint(engine: &mut Engine, call: &str, tag: &str) -> Option<SocketAddr> {
    let query = engine.ng.query(call).unwrap();
    let endpoint = &query["tags"][tag]["medias"][0]["streams"][0]["endpoint"];
    let (address, port) = (endpoint["address"].as_str()?, endpoint["port"].as_u64()?);
    Some(SocketAddr::new(address.parse().unwrap(), u16::try_from(port).unwrap()))
}

#[test]
fn for_a_caller_that_controls() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &["--software-id=proxy of a test"]).unwrap();
    let mut call = ice_to_plain(&mut engine, CALLER);
    connect(&mut [&mut call.caller]);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let ice = call.caller.ice.as_ref().unwrap();
    assert!(ice.controls() && ice.is_connected());
    assert_eq!(ice.software.as_deref(), Some("proxy-of-a-test"));
    let caller = call.caller.local().unwrap();
    assert_eq!(endpoint(&mut engine, &call.id, &call.from), Some(caller));
    engine.finish(call).unwrap();
}

#[test]
fn for_a_callee_that_is_controlled() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = parties(&engine, CALLER, CALLEE);
    offer(&mut engine, &mut call, &[], &json!({"ICE": "force", "rtcp-mux": ["require"]}));
    let lines = with_ice(&mut call.callee, false);
    let offered = call.offered.clone();
    hear(&mut call.callee, &offered);
    answer(&mut engine, &mut call, &lines, &json!({"ICE": "remove"}));
    assert!(!call.answered.contains("a=ice-"), "{}", call.answered);
    connect(&mut [&mut call.callee]);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let ice = call.callee.ice.as_ref().unwrap();
    assert!(!ice.controls() && ice.is_connected());
    engine.finish(call).unwrap();
}

#[test]
fn between_two_that_both_do_it() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = parties(&engine, CALLER, CALLEE);
    let lines = with_ice(&mut call.caller, true);
    offer(&mut engine, &mut call, &lines, &json!({}));
    let lines = with_ice(&mut call.callee, false);
    let offered = call.offered.clone();
    hear(&mut call.callee, &offered);
    answer(&mut engine, &mut call, &lines, &json!({}));
    let answered = call.answered.clone();
    hear(&mut call.caller, &answered);
    connect(&mut [&mut call.caller, &mut call.callee]);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn in_userspace_too() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = ice_to_plain(&mut engine, CALLER);
    connect(&mut [&mut call.caller]);
    call.talk(PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn by_the_second_address_of_an_interface() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    // Our side names its IPv4 address first; the caller has IPv6 alone.
    let mut call = parties(&engine, CALLER_V6, CALLEE);
    let lines = with_ice(&mut call.caller, true);
    let mut entries = json!({"ICE": "remove", "rtcp-mux": ["demux"], "address family": "IP4"});
    entries["direction"] = json!(["left", "right"]);
    offer(&mut engine, &mut call, &lines, &entries);
    answer(&mut engine, &mut call, &[], &json!({"ICE": "force", "address family": "IP6"}));
    let media = sdp::first_media(&call.answered).unwrap();
    let candidates: Vec<_> = media.lines.iter().filter(|line| line.starts_with("a=candidate:")).collect();
    assert_eq!(candidates.len(), 2, "{candidates:?}");
    let answered = call.answered.clone();
    hear(&mut call.caller, &answered);
    connect(&mut [&mut call.caller]);
    let (_, remote) = call.caller.ice.as_ref().unwrap().selected.unwrap();
    assert!(remote.is_ipv6());
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn and_a_better_one_later_without_losing_a_packet() {
    if !available(XDP) {
        return;
    }
    const MANY: u64 = 6000;
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    engine.trio.caller.ip(&[format!("addr add {OTHER}/24 dev eth0")]).unwrap();
    let mut call = ice_to_plain(&mut engine, CALLER);
    connect(&mut [&mut call.caller]);
    engine.establish(&mut call).unwrap();
    let (old, _) = call.caller.ice.as_ref().unwrap().selected.unwrap();
    let ice = call.caller.ice.as_mut().unwrap();
    let candidate = ice.add_other(&engine.trio.caller, OTHER.parse().unwrap(), 200).unwrap();
    // Told by a fragment, as trickled candidates are.
    let [ufrag, pwd] = ice.credentials();
    let fragment = format!("{ufrag}\r\n{pwd}\r\nm=audio 9 RTP/AVP 0\r\na=candidate:{candidate}\r\n");
    let request = json!({
        "command": "offer", "call-id": call.id, "from-tag": call.from, "sdp": fragment, "flags": ["fragment"],
    });
    let reply = engine.ng.expect_ok(&request).unwrap();
    assert!(reply.get("sdp").is_none() && reply.get("warning").is_none(), "{reply}");
    let interval = Duration::from_micros(500);
    let (at_caller, at_callee) =
        exchange_watched(&mut call.caller, &mut call.callee, MANY, interval, &mut |_| {
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(at_callee.is_perfect(MANY), "caller to callee: {at_callee:?}");
    assert!(at_caller.is_perfect(MANY), "callee to caller: {at_caller:?}");
    let (new, _) = call.caller.ice.as_ref().unwrap().selected.unwrap();
    assert!(new != old && new.ip().to_string() == OTHER, "{old} {new}");
    flows::wait_until("the daemon sends to the new address", || {
        Ok(engine.flows(&call)?.iter().any(|flow| flow.to == new))
    })
    .unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn and_strangers_who_know_the_name_are_not_answered() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    engine.trio.caller.ip(&[format!("addr add {OTHER}/24 dev eth0")]).unwrap();
    let mut call = ice_to_plain(&mut engine, CALLER);
    connect(&mut [&mut call.caller]);
    engine.establish(&mut call).unwrap();
    let remote = call.caller.remote.unwrap();
    let stranger = engine.trio.caller.run(|| UdpSocket::bind((OTHER, 0))).unwrap().unwrap();
    stranger.set_nonblocking(true).unwrap();
    let mut forger = Ice::new(stranger.local_addr().unwrap(), true);
    forger.add_own(65535);
    let mut lines = sdp::first_media(&call.answered).unwrap().lines;
    for line in &mut lines {
        if line.starts_with("a=ice-pwd:") {
            *line = "a=ice-pwd:0123456789abcdef0123456789".to_owned();
        }
    }
    forger.hear(&lines).unwrap();
    // Its checks arrive while the parties talk, some of them bare.
    let interval = Duration::from_micros(500);
    let mut attack = |sent: u64| {
        forger.poll(&stranger);
        if sent.is_multiple_of(2) {
            stranger.send_to(&rtpengine_tests::rtp::stun_binding_request([7; 12]), remote).unwrap();
        }
        ControlFlow::Continue(())
    };
    let (at_caller, at_callee) =
        exchange_watched(&mut call.caller, &mut call.callee, 2000, interval, &mut attack).unwrap();
    assert!(at_callee.is_perfect(2000), "{at_callee:?}");
    assert!(at_caller.is_perfect(2000), "{at_caller:?}");
    assert!(forger.sent >= 2, "{}", forger.sent);
    let mut buffer = [0; 2048];
    let heard = stranger.recv_from(&mut buffer).map(|(_, source)| source);
    assert!(heard.is_err(), "the stranger hears {heard:?}");
    let caller = call.caller.local().unwrap();
    assert_eq!(endpoint(&mut engine, &call.id, &call.from), Some(caller));
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn and_nothing_is_sent_there_any_more_once_nobody_answers() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = ice_to_plain(&mut engine, CALLER);
    connect(&mut [&mut call.caller]);
    engine.establish(&mut call).unwrap();
    call.caller.ice.as_mut().unwrap().silent = true;
    let (id, from) = (call.id.clone(), call.from.clone());
    // What a silent party does with checks is nothing; it may as well sleep.
    let deadline = Instant::now() + PATIENCE;
    while endpoint(&mut engine, &id, &from).is_some() {
        assert!(Instant::now() < deadline, "consent is not lost");
        std::thread::sleep(Duration::from_millis(50));
    }
    flows::wait_until("nothing is left in the kernel", || Ok(engine.flows(&call)?.is_empty())).unwrap();
    call.callee.send().unwrap();
    flows::wait_until("what the callee sends is discarded", || {
        let query = engine.ng.query(&call.id)?;
        Ok(query["tags"][&call.to]["medias"][0]["streams"][0]["stats"]["errors"].as_u64() > Some(0))
    })
    .unwrap();
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}
