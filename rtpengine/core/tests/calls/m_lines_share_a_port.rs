//! BUNDLE (RFC 9143): which m-lines share a port towards which party, and where their packets go.

use std::net::SocketAddr;

use rtpengine_core::{
    io::{MediaEvent, Reason, RelayStream, StreamId},
    ng::Reply,
    sdp::{ParseOptions, parse},
};

use crate::{
    adoption_rebuilds_calls_from_kernel_flows::adopted,
    keys::{CM_80, KEY_A, KEY_A2, KEY_B, crypto, params},
    manipulation::{HEAD, answer, body, offer, request, shown},
    pair::{Pair, seen},
};

const MID: &str = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";

/// Audio and video in one group.
fn grouped(port: u16) -> String {
    let other = port + 2;
    format!(
        "{HEAD} / a=group:BUNDLE a v / m=audio {port} RTP/AVP 0 / a=mid:a / a=rtcp-mux / {MID} / m=video {other} RTP/AVP 96 / a=rtpmap:96 VP8/90000 / a=mid:v / a=rtcp-mux / {MID} / a=ssrc:77 cname:x"
    )
}

/// The same on one port, as an answer and later offers have it.
fn joined(port: u16) -> String {
    grouped(port).replace(&format!("m=video {}", port + 2), &format!("m=video {port}"))
}

/// The same without a group.
fn apart(port: u16) -> String {
    grouped(port).replace(" / a=group:BUNDLE a v", "")
}

const ACCEPT: &str = r#""bundle":["accept"]"#;
const OFFER: &str = r#""bundle":["offer"]"#;
const BOTH: &str = r#""bundle":["accept","offer"]"#;

/// The addresses in the m-lines of a body.
fn addresses(reply: &Reply) -> Vec<SocketAddr> {
    let text = seen(reply).text;
    let session = parse(text.as_bytes(), ParseOptions::default()).unwrap();
    let address = |port: u16, ip| SocketAddr::new(ip, port);
    session.medias.iter().map(|media| address(media.port, media.connection.unwrap().ip.unwrap())).collect()
}

struct Call {
    pair: Pair,
    /// What the callee was offered.
    callee: Vec<SocketAddr>,
    /// What the caller was answered.
    caller: Vec<SocketAddr>,
    answer: String,
}

fn call(keys: &str, offered: &str, answered: &str) -> Call {
    let mut pair = Pair::new();
    let callee = addresses(&offer(&mut pair, keys, offered));
    let reply = answer(&mut pair, "", answered);
    assert!(reply.warnings.is_empty(), "{:?}", reply.warnings);
    Call { callee, caller: addresses(&reply), answer: shown(&reply), pair }
}

impl Call {
    fn stream(&self, at: SocketAddr) -> StreamId {
        self.pair.stream(at)
    }

    fn relay(&self, at: SocketAddr) -> &RelayStream {
        &self.pair.plane.relay[&self.stream(at)]
    }

    /// Sinks of each m-line of a socket on which they are told apart.
    fn lines(&self, at: SocketAddr) -> Vec<StreamId> {
        let bundle = self.relay(at).bundle.as_ref().expect("told apart");
        bundle.lines.iter().map(|line| line.sinks[0]).collect()
    }

    fn settle(&mut self, at: SocketAddr, endpoint: &str) -> StreamId {
        let stream = self.stream(at);
        let epoch = self.pair.plane.relay[&stream].epoch;
        let endpoint = endpoint.parse().unwrap();
        self.pair.engine.event(self.pair.now, MediaEvent::EndpointSettled { stream, endpoint, epoch });
        self.pair.flush();
        stream
    }

    fn end(mut self) {
        self.pair.delete("ft", "tt");
        self.pair.assert_empty();
    }
}

#[test]
fn both_sides_bundle() {
    let mut call = call(BOTH, &grouped(2000), &joined(3000));
    let (near, far) = (call.caller[0], call.callee[0]);
    assert_eq!(call.caller, [near, near]);
    assert_ne!(call.callee[0], call.callee[1], "the first offer is for parties without groups too");
    assert!(call.answer.contains("a=group:BUNDLE a v"), "{}", call.answer);
    // What the callee does not use is given back.
    assert_eq!(call.pair.open_ports().len(), 2);
    for (at, other) in [(near, far), (far, near)] {
        let relay = call.relay(at);
        assert!(relay.bundle.is_none(), "all of it goes the same way");
        assert_eq!(relay.sinks.as_slice(), [call.stream(other)]);
        assert!(relay.clock_rates.contains(&(0, 8000)) && relay.clock_rates.contains(&(96, 90000)));
    }
    assert_eq!(call.relay(near).endpoint, Some("192.0.2.1:2000".parse().unwrap()));
    assert_eq!(call.relay(far).endpoint, Some("192.0.2.1:3000".parse().unwrap()));
    // One flow each way, for everything.
    call.settle(near, "192.0.2.1:2000");
    call.settle(far, "192.0.2.1:3000");
    assert_eq!(call.pair.plane.flows.len(), 2);
    assert!(call.pair.plane.flows.values().all(|flow| flow.payload_types.is_empty()));
    call.end();
}

#[test]
fn the_caller_alone_bundles() {
    let mut call = call(ACCEPT, &grouped(2000), &apart(3000));
    let near = call.caller[0];
    assert_eq!(call.caller, [near, near]);
    assert!(call.answer.contains("a=group:BUNDLE a v"), "{}", call.answer);
    let far: Vec<StreamId> = call.callee.iter().map(|at| call.stream(*at)).collect();
    assert_ne!(far[0], far[1]);
    assert_eq!(call.lines(near), far);
    let bundle = call.relay(near).bundle.clone().unwrap();
    let [audio, video] = bundle.lines.as_slice() else { panic!("{bundle:?}") };
    assert_eq!((audio.mid.as_deref(), audio.mid_extension, audio.payload_types), (Some("a"), Some(4), 1));
    assert_eq!((video.mid.as_deref(), video.payload_types), (Some("v"), 1 << 96));
    assert_eq!(video.ssrcs.as_slice(), [77]);
    for at in &call.callee {
        assert_eq!(call.relay(*at).sinks.as_slice(), [call.stream(near)]);
    }
    // The kernel has what comes to the caller, and its video.
    let (audio, video) = (call.callee[0], call.callee[1]);
    let stream = call.settle(near, "192.0.2.1:2000");
    call.settle(audio, "192.0.2.1:3000");
    call.settle(video, "192.0.2.1:3002");
    assert_eq!(call.pair.plane.flows.len(), 3);
    let flow = &call.pair.plane.flows[&stream];
    assert_eq!((flow.payload_types.as_slice(), flow.outputs[0].stream), (&[96][..], far[1]));
    assert_eq!(flow.identity.media, 1);
    call.end();
}

#[test]
fn the_callee_alone_bundles() {
    let call = call(OFFER, &apart(2000), &joined(3000));
    assert_ne!(call.caller[0], call.caller[1]);
    assert!(!call.answer.contains("BUNDLE"), "{}", call.answer);
    let far = call.callee[0];
    let near: Vec<StreamId> = call.caller.iter().map(|at| call.stream(*at)).collect();
    assert_eq!(call.lines(far), near);
    assert_eq!(call.pair.open_ports().len(), 3);
    call.end();
}

#[test]
fn the_callee_wants_no_group() {
    let call = call(OFFER, &apart(2000), &apart(3000));
    assert_ne!(call.callee[0], call.callee[1]);
    for (near, far) in call.caller.iter().zip(&call.callee) {
        assert_eq!(call.relay(*far).sinks.as_slice(), [call.stream(*near)]);
        assert_eq!(call.relay(*near).sinks.as_slice(), [call.stream(*far)]);
    }
    call.end();
}

#[test]
fn a_callee_that_is_known_to_bundle_gets_one_port_at_once() {
    let mut pair = Pair::new();
    let reply = offer(&mut pair, r#""bundle":["require","accept"]"#, &grouped(2000));
    assert_eq!(addresses(&reply)[1].port(), 0);
    assert_eq!(pair.open_ports().len(), 2);
    let reply = answer(&mut pair, "", &joined(3000));
    let near = addresses(&reply);
    assert_eq!(near[0], near[1]);
    assert_eq!(pair.open_ports().len(), 2);
}

#[test]
fn the_tagged_m_line_is_the_transport() {
    // Tagged is the video, and its address is the one that counts.
    let offered = grouped(2000).replace("BUNDLE a v", "BUNDLE v a");
    let answered = joined(3000).replace("BUNDLE a v", "BUNDLE v a");
    let call = call(BOTH, &offered, &answered);
    let near = call.caller[0];
    assert_eq!(call.caller[1], near);
    assert!(call.answer.contains("a=group:BUNDLE v a"), "{}", call.answer);
    assert_eq!(call.relay(near).endpoint, Some("192.0.2.1:2002".parse().unwrap()));
    assert_eq!(call.pair.open_ports().len(), 2);
    assert_eq!(call.relay(near).sinks.as_slice(), [call.stream(call.callee[1])]);
    call.end();
}

#[test]
fn a_tagged_m_line_that_is_rejected_leaves_its_transport_to_the_next() {
    let answered = apart(3000).replace("m=audio 3000", "m=audio 0");
    let call = call(ACCEPT, &grouped(2000), &answered);
    assert_eq!(call.caller[0].port(), 0);
    assert!(call.answer.contains("a=group:BUNDLE v /"), "{}", call.answer);
    assert_eq!(call.pair.open_ports().len(), 2);
    let near = call.caller[1];
    assert_eq!(call.relay(near).sinks.as_slice(), [call.stream(call.callee[1])]);
    call.end();
}

#[test]
fn what_is_for_a_group_alone_has_a_port_where_there_is_none() {
    let offered =
        grouped(2000).replace("m=video 2002", "m=video 0").replace("a=mid:v", "a=mid:v / a=bundle-only");
    let call = call(ACCEPT, &offered, &apart(3000));
    assert_ne!(call.callee[1].port(), 0);
    assert_ne!(call.callee[0], call.callee[1]);
    assert_eq!(call.caller[0], call.caller[1]);
    let far: Vec<StreamId> = call.callee.iter().map(|at| call.stream(*at)).collect();
    assert_eq!(call.lines(call.caller[0]), far);
    assert_eq!(call.relay(call.callee[1]).endpoint, Some("192.0.2.1:3002".parse().unwrap()));
    call.end();
}

/// A re-offer of the caller and its answer.
fn again(call: &mut Call, keys: &str, offered: &str, answered: &str) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let tags = r#""from-tag":"ft","to-tag":"tt""#;
    let reply = call.pair.send(&request("offer", tags, keys, &body(offered)));
    let callee = addresses(&reply);
    let reply = answer(&mut call.pair, "", answered);
    (callee, addresses(&reply))
}

#[test]
fn a_reoffer_keeps_the_shared_port() {
    let mut call = call(BOTH, &grouped(2000), &joined(3000));
    let (near, far) = (call.caller[0], call.callee[0]);
    let (callee, caller) = again(&mut call, BOTH, &joined(2000), &joined(3000));
    assert_eq!((callee, caller), (vec![far, far], vec![near, near]));
    assert_eq!(call.pair.open_ports().len(), 2);
    call.end();
}

#[test]
fn an_m_line_leaves_the_group() {
    let mut call = call(BOTH, &grouped(2000), &joined(3000));
    let (near, far) = (call.caller[0], call.callee[0]);
    let left = |body: String| body.replace("BUNDLE a v", "BUNDLE a");
    let (callee, caller) = again(&mut call, ACCEPT, &left(grouped(2000)), &left(grouped(3000)));
    assert_eq!((caller[0], callee[0]), (near, far));
    assert!(caller[1] != near && callee[1] != far);
    assert_eq!(call.relay(caller[1]).sinks.as_slice(), [call.stream(callee[1])]);
    assert_eq!(call.relay(caller[1]).endpoint, Some("192.0.2.1:2002".parse().unwrap()));
    assert_eq!(call.relay(near).clock_rates.as_slice(), [(0, 8000)]);
    call.end();
}

#[test]
fn a_tagged_m_line_that_is_switched_off_leaves_the_port_to_the_next() {
    let mut call = call(BOTH, &grouped(2000), &joined(3000));
    let (near, far) = (call.caller[0], call.callee[0]);
    let off = |body: String, port: u16| {
        body.replace("BUNDLE a v", "BUNDLE v").replace(&format!("m=audio {port}"), "m=audio 0")
    };
    let (callee, caller) = again(&mut call, BOTH, &off(joined(2000), 2000), &off(joined(3000), 3000));
    assert_eq!((caller[1], callee[1]), (near, far));
    assert_eq!(call.pair.open_ports().len(), 2);
    assert_eq!(call.relay(near).sinks.as_slice(), [call.stream(far)]);
    // And back again, into the group.
    let (callee, caller) = again(&mut call, BOTH, &joined(2000), &joined(3000));
    assert_eq!(caller, [near, near]);
    assert_eq!(callee[0], callee[1]);
    assert_eq!(call.pair.open_ports().len(), 2);
    call.end();
}

#[test]
fn a_group_that_is_rejected_later_falls_apart() {
    let mut call = call(BOTH, &grouped(2000), &joined(3000));
    let (callee, caller) = again(&mut call, r#""bundle":["reject","strip"]"#, &grouped(2000), &apart(3000));
    assert!(caller[0] != caller[1] && callee[0] != callee[1]);
    assert_eq!(call.pair.open_ports().len(), 4);
    call.end();
}

#[test]
fn hold_of_one_m_line_keeps_nothing_of_the_other() {
    let held = joined(3000).replace("a=mid:v", "a=mid:v / a=sendonly");
    let mut call = call(BOTH, &grouped(2000), &held);
    let near = call.caller[0];
    let bundle = call.relay(near).bundle.clone().expect("told apart");
    let discards: Vec<_> = bundle.lines.iter().map(|line| line.discard).collect();
    assert_eq!(discards, [None, Some(Reason::Hold)]);
    // The kernel forwards what is certainly audio.
    let stream = call.settle(near, "192.0.2.1:2000");
    assert_eq!(call.pair.plane.flows[&stream].payload_types.as_slice(), [0]);
    call.end();
}

#[test]
fn payload_types_that_tell_nothing_keep_a_port_in_userspace() {
    let same = |body: String| body.replace("RTP/AVP 96 / a=rtpmap:96 VP8/90000", "RTP/AVP 0");
    let mut call = call(ACCEPT, &same(grouped(2000)), &same(apart(3000)));
    let near = call.caller[0];
    let stream = call.settle(near, "192.0.2.1:2000");
    assert!(!call.pair.plane.flows.contains_key(&stream));
    let info = call.pair.engine.call("call1", &call.pair.plane).unwrap();
    let paths = info.parties.iter().flat_map(|party| &party.medias).flat_map(|media| &media.streams);
    let path = paths.filter(|known| known.stream == stream).map(|known| known.path).next();
    assert_eq!(path, Some(rtpengine_core::io::Path::Userspace(Reason::Bundle)));
    call.end();
}

#[test]
fn a_new_daemon_keeps_what_the_kernel_forwards_of_a_shared_port() {
    let mut call = call(ACCEPT, &grouped(2000), &apart(3000));
    let (near, audio, video) = (call.caller[0], call.callee[0], call.callee[1]);
    for (at, endpoint) in [(near, "192.0.2.1:2000"), (audio, "192.0.2.1:3000"), (video, "192.0.2.1:3002")] {
        call.settle(at, endpoint);
    }
    let flows: Vec<_> = call.pair.plane.flows.values().map(adopted).collect();
    let ports = call.pair.open_ports();
    call.pair = Pair::new();
    let now = call.pair.now;
    assert!(call.pair.engine.adopt(now, flows.clone(), &mut call.pair.plane).is_empty());
    call.pair.flush();
    assert_eq!(call.pair.open_ports(), ports);
    let mut again: Vec<_> = call.pair.plane.flows.values().map(adopted).collect();
    let mut before = flows;
    for flows in [&mut before, &mut again] {
        flows.sort_by_key(|flow| flow.local);
    }
    assert_eq!(again, before);
    // What comes up goes nowhere but to its own m-line.
    let lines = call.relay(near).bundle.clone().unwrap().lines;
    assert_eq!(lines.iter().map(|line| line.payload_types).collect::<Vec<_>>(), [0, 1 << 96]);
    let (callee, caller) = again_with(&mut call);
    assert_eq!((caller, callee), (vec![near, near], vec![audio, video]));
    assert_eq!(call.lines(near), [call.stream(audio), call.stream(video)]);
    call.end();
}

fn again_with(call: &mut Call) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    again(call, ACCEPT, &joined(2000), &apart(3000))
}

/// A body whose m-lines are encrypted with these keys.
fn sealed(body: &str, keys: [&str; 2]) -> String {
    let line = |key: &str| crypto(1, CM_80, key).trim_end().to_owned();
    let body = body.replace("RTP/AVP", "RTP/SAVP");
    let body = body.replacen("a=rtcp-mux", &format!("a=rtcp-mux / {}", line(keys[0])), 1);
    let (audio, video) = body.split_at(body.find("m=video").unwrap());
    format!("{audio}{}", video.replace("a=rtcp-mux", &format!("a=rtcp-mux / {}", line(keys[1]))))
}

#[test]
fn a_group_has_one_pair_of_keys() {
    let (offered, answered) =
        (sealed(&grouped(2000), [KEY_A, KEY_A2]), sealed(&apart(3000), [KEY_B, KEY_A2]));
    let call = call(ACCEPT, &offered, &answered);
    let near = call.relay(call.caller[0]);
    // Those of the tagged m-line.
    assert_eq!(near.receive_crypto, Some(params(CM_80, KEY_A)));
    let lines = near.bundle.clone().unwrap().lines;
    for (index, (at, key)) in call.callee.iter().zip([KEY_B, KEY_A2]).enumerate() {
        let far = call.relay(*at);
        assert_eq!(lines[index].sinks.as_slice(), [call.stream(*at)]);
        assert_eq!(far.sinks.as_slice(), [call.stream(call.caller[0])]);
        assert_eq!(far.receive_crypto, Some(params(CM_80, key)));
        // Keys of one side are no keys of the other.
        assert_ne!(far.transmit_crypto, near.receive_crypto);
        assert_ne!(near.transmit_crypto, far.receive_crypto);
    }
    call.end();
}

#[test]
fn candidates_that_follow_are_for_all_m_lines_of_a_port() {
    let ice = "a=rtcp-mux / a=ice-ufrag:aaaa / a=ice-pwd:aaaa0123456789012345678901 / a=ice-options:trickle";
    let with_ice = |body: String| body.replace("a=rtcp-mux", ice);
    let mut pair = Pair::new();
    offer(&mut pair, ACCEPT, &with_ice(grouped(2000)));
    answer(&mut pair, r#""ICE":"force""#, &apart(3000));
    let fragment = "a=ice-ufrag:aaaa / a=ice-pwd:aaaa0123456789012345678901 / m=audio 9 RTP/AVP 0 / a=mid:a / a=candidate:1 1 UDP 2130706431 192.0.2.99 2000 typ host";
    let tags = r#""from-tag":"ft""#;
    pair.send(&request("offer", tags, r#""flags":["fragment"]"#, &body(fragment)));
    pair.wait(1);
    assert!(pair.plane.reached.contains(&"192.0.2.99:2000".parse().unwrap()), "{:?}", pair.plane.reached);
    pair.delete("ft", "tt");
    pair.assert_empty();
    assert_eq!(pair.engine.next_timeout(), None);
}
