//! Calls placed by the protocols before ng: media goes the same ways.

use std::net::SocketAddr;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::legacy::{RtpproxyClient, mediaproxy};
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::talk::{Call, Place};
use rtpengine_tests::topology::{CALLEE, CALLEE_V6, CALLER, ENGINE_LEFT, ENGINE_RIGHT, ENGINE_RIGHT_V6};
use serde_json::json;

const PACKETS: u64 = 500;
/// The original's version number of the protocol.
const VERSION: &str = "20040107";

fn udp() -> SocketAddr {
    "127.0.0.1:2225".parse().unwrap()
}

fn tcp() -> SocketAddr {
    "127.0.0.1:2226".parse().unwrap()
}

/// With the two sides under the names that the modifiers `i` and `e` stand for, too.
fn start(table: Table) -> Engine {
    let options = [
        format!("--listen-udp={}", udp()),
        format!("--listen-tcp={}", tcp()),
        format!("--interface=internal/{ENGINE_LEFT}"),
        format!("--interface=external/{ENGINE_RIGHT}"),
        format!("--interface=external/{ENGINE_RIGHT_V6}"),
        "--delete-delay=0".to_owned(),
    ];
    Engine::start(table, &options.each_ref().map(String::as_str)).unwrap()
}

fn rtpproxy(engine: &Engine) -> RtpproxyClient {
    RtpproxyClient::within(&engine.trio.engine, udp()).unwrap()
}

fn place(engine: &Engine, caller: &str, callee: &str, modifiers: &str) -> Call {
    let caller = Place::within(&engine.trio.caller, caller).unwrap();
    let callee = Place::within(&engine.trio.callee, callee).unwrap();
    rtpproxy(engine).call(caller, callee, modifiers).unwrap()
}

/// Ends a call; `Q` and `D` count every packet of it.
fn end(mut engine: Engine, call: Call) {
    let client = rtpproxy(&engine);
    let Call { id, from, to, .. } = &call;
    engine.wait_for_count(&call, 0).unwrap();
    let words = client.ask(&format!("Q {id} {from} {to}")).unwrap();
    assert_eq!(words[1..], [call.sent().to_string(), "0".into(), "0".into(), "0".into()]);
    let remaining: u64 = words[0].parse().unwrap();
    assert!((3500..=3600).contains(&remaining), "{words:?}");
    assert_eq!(client.ask(&format!("D {id} {from} {to}")).unwrap(), ["0"]);
    assert_eq!(client.ask(&format!("D {id} {from} {to}")).unwrap(), ["E8"]);
    assert!(engine.ng.list().unwrap().is_empty());
    assert_eq!(engine.statistic("totalstatistics", "relayedpackets").unwrap(), call.sent());
    engine.daemon.stop().unwrap();
}

#[test]
fn rtpproxy_in_the_kernel() {
    if !available(XDP) {
        return;
    }
    let engine = start(Table::Own);
    let mut call = place(&engine, CALLER, CALLEE, "wie");
    assert_eq!(call.callee.remote.unwrap().ip().to_string(), ENGINE_RIGHT);
    assert_eq!(call.caller.remote.unwrap().ip().to_string(), ENGINE_LEFT);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    end(engine, call);
}

#[test]
fn rtpproxy_in_userspace() {
    if !available(NAMESPACES) {
        return;
    }
    let engine = start(Table::Off);
    let mut call = place(&engine, CALLER, CALLEE, "ie");
    call.talk(PACKETS).unwrap();
    end(engine, call);
}

#[test]
fn rtpproxy_from_ipv4_to_ipv6() {
    if !available(XDP) {
        return;
    }
    let engine = start(Table::Own);
    let mut call = place(&engine, CALLER, CALLEE_V6, "ie6");
    assert_eq!(call.callee.remote.unwrap().ip().to_string(), ENGINE_RIGHT_V6);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    end(engine, call);
}

#[test]
fn a_repeated_datagram_opens_no_second_port() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = start(Table::Off);
    let client = rtpproxy(&engine);
    let offer = format!("c1 U one {CALLER} 4000 f;1");
    let reply = client.raw(offer.as_bytes()).unwrap();
    assert_eq!(client.raw(offer.as_bytes()).unwrap(), reply);
    // From another socket too, and whatever it says.
    assert_eq!(rtpproxy(&engine).raw(b"c1 V").unwrap(), reply);
    assert_eq!(engine.ng.list().unwrap(), ["one"]);
    // The cookies of ng are others.
    let ng = engine.ng.message("c1", &json!({"command": "ping"})).unwrap();
    engine.ng.send_raw(&ng).unwrap();
    let pong = engine.ng.receive_raw(std::time::Duration::from_secs(5)).unwrap().unwrap();
    assert!(pong.ends_with(b"6:result4:ponge"), "{pong:?}");
    engine.daemon.stop().unwrap();
}

#[test]
fn hostile_datagrams_and_lines_are_answered_once_and_counted() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = start(Table::Off);
    let client = rtpproxy(&engine);
    let corpus = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/legacy");
    for (index, file) in std::fs::read_dir(corpus).unwrap().enumerate() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        let words = bytes.iter().position(|byte| *byte == b' ').map_or(&[][..], |space| &bytes[space..]);
        let datagram = [format!("h{index}").as_bytes(), &words[..words.len().min(60_000)]].concat();
        let reply = client.raw(&datagram).unwrap();
        assert!(reply.starts_with(format!("h{index} ").as_bytes()) && reply.ends_with(b"\n"), "{reply:?}");
    }
    assert_eq!(mediaproxy(&engine.trio.engine, tcp(), "garbage").unwrap(), "");
    assert_eq!(client.ask("V").unwrap(), [VERSION]);
    let reply = engine.ng.expect_ok(&json!({"command": "statistics"})).unwrap();
    let errors = reply["statistics"]["controlstatistics"]["proxies"][0]["errorcount"].as_u64().unwrap();
    assert!(errors > 20, "{errors}");
    engine.daemon.stop().unwrap();
}

#[test]
fn mediaproxy_in_the_kernel() {
    if !available(XDP) {
        return;
    }
    let engine = start(Table::Own);
    let say = |line: &str| mediaproxy(&engine.trio.engine, tcp(), line).unwrap();
    let caller = Place::within(&engine.trio.caller, CALLER).unwrap();
    let callee = Place::within(&engine.trio.callee, CALLEE).unwrap();
    let mut call = Call::unplaced(caller, callee).unwrap();
    let Call { id, from, to, .. } = &call;
    let tail = format!("{CALLER} fromdom remote todom unknown agent");
    let (one, two) = (call.caller.local().unwrap(), call.callee.local().unwrap());
    let place = |reply: &str| -> SocketAddr {
        let (address, port) = reply.trim_end().split_once(' ').unwrap();
        SocketAddr::new(address.parse().unwrap(), port.parse().unwrap())
    };
    let offered = say(&format!("request {id} {one}:audio {tail} info=from:a@x,fromtag:{from},to:b@y,totag:"));
    let answered =
        say(&format!("lookup {id} {two}:audio {tail} info=from:a@x,fromtag:{from},to:b@y,totag:{to}"));
    (call.callee.remote, call.caller.remote) = (Some(place(&offered)), Some(place(&answered)));
    assert_eq!(say("status"), format!("proxy 1 0/0/0\nsession {} - - - - 0\n", call.id));
    assert!(say("version").starts_with("Version: "));
    let controls = say("controls");
    assert!(controls.starts_with("127.0.0.1:") && controls.ends_with("\nEnd.\n"), "{controls}");
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    assert_eq!(say(&format!("delete {} info=", call.id)), "");
    assert_eq!(say("status"), "proxy 0 0/0/0\n");
    let mut engine = engine;
    assert_eq!(engine.statistic("totalstatistics", "relayedpackets").unwrap(), call.sent());
    engine.daemon.stop().unwrap();
}
