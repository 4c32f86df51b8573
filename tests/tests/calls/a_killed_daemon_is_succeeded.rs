//! `kill -9` in the middle of a call: the kernel goes on alone, and the next daemon with the table takes the call over.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::ng::NgClient;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::rtp::{Endpoint, rtcp_receiver_report};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, Place, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 200;

#[test]
fn and_what_the_parties_signalled_is_known() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    // The caller's SDP says another port than its packets come from, as behind a router.
    let (caller, callee) =
        (Place::within(&engine.trio.caller, CALLER), Place::within(&engine.trio.callee, CALLEE));
    let (caller, callee) = (caller.unwrap(), callee.unwrap());
    let mut call = Call::place(&mut engine.ng, caller, callee, &left_to_right(), &json!({})).unwrap();
    let video = |address, port| {
        sdp::audio(address, port).replace("m=audio", "m=video").replace("RTP/AVP", "RTP/AVPF")
    };
    let (offer, answer) = (video(CALLER.parse().unwrap(), 9_998), {
        let local = call.callee.local().unwrap();
        video(local.ip(), local.port())
    });
    let signal = |ng: &mut NgClient, call: &mut Call| {
        call.offer(ng, &offer, &left_to_right()).unwrap();
        call.answer(ng, &answer, &json!({})).unwrap();
    };
    signal(&mut engine.ng, &mut call);
    // Only the caller can be heard before its address is learned.
    call.callee.expect(&call.caller.stream);
    call.caller.send().unwrap();
    assert!(call.callee.receive(Duration::from_secs(5)).unwrap());
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let before = shown(&engine.ng.query(&call.id).unwrap(), &call);
    let Engine { daemon, trio, ng } = engine;
    drop(ng);
    let table = daemon.table();
    let lease = daemon.kill_hard().unwrap();
    let mut engine = Engine::on(trio, Table::Number(table), &[]).unwrap();
    let after = shown(&engine.ng.query(&call.id).unwrap(), &call);
    assert_eq!(after, before);
    let caller = &after[0];
    assert_eq!((&caller["type"], &caller["protocol"]), (&json!("video"), &json!("RTP/AVPF")));
    assert_eq!(caller["advertised endpoint"]["port"], json!(9_998));
    assert_eq!(caller["endpoint"]["port"], json!(call.caller.local().unwrap().port()));
    // The same SDP again: what was learned stays, and nothing leaves the kernel.
    signal(&mut engine.ng, &mut call);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    assert_eq!(shown(&engine.ng.query(&call.id).unwrap(), &call), before);
    engine.daemon.stop().unwrap();
    drop(lease);
}

/// Kind, profile and addresses of the RTP of caller and callee.
fn shown(query: &Value, call: &Call) -> [Value; 2] {
    [&call.from, &call.to].map(|tag| {
        let media = &query["tags"][tag]["medias"][0];
        let stream = &media["streams"][0];
        json!({
            "type": media["type"],
            "protocol": media["protocol"],
            "endpoint": stream["endpoint"],
            "advertised endpoint": stream["advertised endpoint"],
        })
    })
}

#[test]
fn and_the_call_goes_on_with_its_counters_and_its_rtcp() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let Engine { daemon, trio, ng } = engine;
    drop(ng);
    let table = daemon.table();
    let lease = daemon.kill_hard().unwrap();
    // Nobody is there, and the audio goes on.
    flows::talk_in_kernel(table, &mut call, PACKETS).unwrap();
    let mut engine = Engine::on(trio, Table::Number(table), &[]).unwrap();
    assert_eq!(engine.ng.list().unwrap(), [call.id.clone()]);
    for party in [&call.from, &call.to] {
        engine.wait_for_path(&call, party, None).unwrap();
    }
    // What the kernel has counted is known; the few packets that the dead daemon relayed itself are not.
    let known = flows::forwarded(table, &call).unwrap().unwrap();
    let query = engine.ng.query(&call.id).unwrap();
    for (tag, packets, endpoint) in
        [(&call.from, known.from_caller, &call.caller), (&call.to, known.from_callee, &call.callee)]
    {
        let stream = &query["tags"][tag]["medias"][0]["streams"][0];
        assert_eq!(stream["stats"]["packets"], json!(packets), "{query}");
        let local = endpoint.local().unwrap();
        assert_eq!(stream["endpoint"]["address"], json!(local.ip().to_string()), "{query}");
        assert_eq!(stream["endpoint"]["port"], json!(local.port()), "{query}");
    }
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();

    // RTCP passes through the new daemon's sockets.
    let rtcp = |party: &Endpoint, netns| {
        let local = party.local().unwrap();
        Endpoint::bind_in(netns, local.ip(), local.port() + 1, 9).unwrap()
    };
    let caller = rtcp(&call.caller, &engine.trio.caller);
    let callee = rtcp(&call.callee, &engine.trio.callee);
    let address = |sdp: &str| {
        let media = sdp::first_media(sdp).unwrap();
        std::net::SocketAddr::new(media.address, media.rtcp_port)
    };
    let (from_caller, from_callee) = (rtcp_receiver_report(1), rtcp_receiver_report(2));
    caller.socket().send_to(&from_caller, address(&call.answered)).unwrap();
    let received = callee.receive_raw(Duration::from_secs(5)).unwrap();
    assert_eq!(received, Some((from_caller, address(&call.offered))));
    callee.socket().send_to(&from_callee, address(&call.offered)).unwrap();
    let received = caller.receive_raw(Duration::from_secs(5)).unwrap();
    assert_eq!(received, Some((from_callee, address(&call.answered))));

    // A re-INVITE finds the call and its ports.
    let before = [&call.offered, &call.answered].map(|sdp| sdp::first_media(sdp).unwrap().port);
    call.renegotiate(&mut engine.ng, &[], &[]).unwrap();
    let after = [&call.offered, &call.answered].map(|sdp| sdp::first_media(sdp).unwrap().port);
    assert_eq!(before, after);
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    let table_packets = flows::forwarded(table, &call).unwrap().unwrap();
    let id = call.id.clone();
    let totals = call.hang_up(&mut engine.ng).unwrap();
    let packets = table_packets.from_caller + table_packets.from_callee;
    assert_eq!(totals["totals"]["RTP"]["packets"], json!(packets), "{totals}");
    assert_eq!(totals["totals"]["RTCP"]["packets"], json!(2), "{totals}");
    assert!(engine.ng.list().unwrap().is_empty());
    flows::wait_until("the flows are gone", || Ok(flows::of_call(table, &id)?.is_empty())).unwrap();
    engine.daemon.stop().unwrap();
    drop(lease);
}
