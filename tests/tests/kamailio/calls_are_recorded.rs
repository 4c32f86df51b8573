//! A call placed through Kamailio is recorded as SIPREC (RFC 7866) does it: a subscription to both parties, made beside the
//! proxy, whose module has no such function in this version.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::peer::Peer;
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::rtp::Endpoint;
use rtpengine_tests::sdp;
use rtpengine_tests::topology::{CALLEE, CALLER, ENGINE_LEFT};
use serde_json::json;

use crate::proxy::{Kamailio, spawn};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Iproute,
    Need::Daemon,
    Need::Ctl,
    Need::BpfFs,
    Need::Kamailio,
    Need::Sipp,
    Need::Peers,
];
const PACKETS: usize = 100;

#[test]
fn a_recorder_hears_both_parties_of_a_proxied_call() {
    if !available(NEEDS) {
        return;
    }
    let mut engine =
        Engine::start(Table::Own, &["--endpoint-learning=immediate", "--delete-delay=0"]).unwrap();
    let files = tempfile::tempdir().unwrap();
    std::fs::write(files.path().join("callee.xml"), include_str!("callee.xml")).unwrap();
    let mut sipp = Command::new("sipp");
    sipp.current_dir(files.path()).args(["-sf", "callee.xml", "-rtp_echo", "-nostdin", "-i", CALLEE]);
    sipp.args(["-p", "5060", "-mi", CALLEE, "-mp", "6000"]);
    let callee = spawn(&engine.trio.callee, &mut sipp, &files.path().join("callee.log"));
    let kamailio = Kamailio::start(&engine, "");
    let arguments = ["--address", CALLER, "--proxy", ENGINE_LEFT];
    let mut caller = Peer::start(&engine.trio.caller, "sip.py", &arguments).unwrap();
    let placed = caller.ask(&json!({"do": "place", "suites": []})).unwrap();
    let call = placed["call"].as_str().unwrap().to_owned();

    let request = json!({"command": "subscribe request", "call-id": call, "interface": "right", "flags": ["all", "SIPREC"]});
    let offer = engine.ng.expect_ok(&request).unwrap();
    let medias = sdp::medias(offer["sdp"].as_str().unwrap()).unwrap();
    assert_eq!(medias.len(), 2, "{offer}");
    let recorders: Vec<Endpoint> = (0..2)
        .map(|_| Endpoint::bind_in(&engine.trio.callee, CALLEE.parse().unwrap(), 0, 0).unwrap())
        .collect();
    let mut answer = format!("v=0\r\no=- 1 1 IN IP4 {CALLEE}\r\ns=-\r\nc=IN IP4 {CALLEE}\r\nt=0 0\r\n");
    for recorder in &recorders {
        let port = recorder.local().unwrap().port();
        answer += &format!("m=audio {port} RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=recvonly\r\n");
    }
    let to = offer["to-tag"].clone();
    let request = json!({"command": "subscribe answer", "call-id": call, "to-tag": to, "sdp": answer});
    engine.ng.expect_ok(&request).unwrap();

    let heard = caller.ask(&json!({"do": "talk", "call": call, "packets": PACKETS})).unwrap();
    assert_eq!(heard, json!({"refused": 0, "extra": 0}), "the parties hear each other all the same");
    // The callee echoes what it hears, so both streams have the same bytes.
    let mut recorded: Vec<Vec<Vec<u8>>> = Vec::new();
    for (recorder, media) in recorders.iter().zip(&medias) {
        let source = SocketAddr::new(media.address, media.port);
        let mut packets = Vec::new();
        while packets.len() < PACKETS {
            let (packet, from) =
                recorder.receive_raw(Duration::from_secs(5)).unwrap().expect("a packet more");
            assert_eq!(from, source);
            packets.push(packet);
        }
        recorded.push(packets);
    }
    assert!(recorded[0] == recorded[1], "the recorder heard something else than was said");

    let request = json!({"command": "unsubscribe", "call-id": call, "to-tag": to});
    engine.ng.expect_ok(&request).unwrap();
    assert_eq!(caller.ask(&json!({"do": "hang up", "call": call})).unwrap()["status"], 200);
    flows::wait_until("no call is left", || Ok(engine.ng.list()?.is_empty())).unwrap();
    drop((kamailio, caller, callee));
    engine.daemon.stop().unwrap();
}
