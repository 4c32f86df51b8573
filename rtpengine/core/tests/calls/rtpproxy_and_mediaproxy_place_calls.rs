//! The protocols before ng: the same calls from bare addresses and ports.

use std::net::SocketAddr;

use rtpengine_core::{
    call::ControlSource,
    config::CoreConfig,
    io::{Component, Learning, Path},
    legacy::{Answer, tcp, udp},
    ng::Command,
};

use crate::pair::{Pair, audio, config};

fn source() -> ControlSource {
    ControlSource { addr: "127.0.0.1:38921".parse().unwrap(), transport: "udp" }
}

/// Sends a datagram without its cookie; yields the reply without cookie and line end.
pub fn say(pair: &mut Pair, body: &str) -> String {
    let parsed = udp::Parsed::of(body.as_bytes());
    let answer = match &parsed {
        udp::Parsed::Request(request) => {
            let answer = pair.engine.legacy(pair.now, &source(), request, &mut pair.plane).ok();
            pair.flush();
            answer
        }
        udp::Parsed::Extension(_) | udp::Parsed::Echo { .. } | udp::Parsed::Unknown => None,
    };
    let reply = String::from_utf8(udp::reply(b"c", &parsed, answer.as_ref())).unwrap();
    reply.strip_prefix("c ").unwrap().trim_end().to_owned()
}

/// The address in a reply.
fn place(reply: &str) -> SocketAddr {
    let words: Vec<&str> = reply.split(' ').collect();
    let address = SocketAddr::new(words[1].parse().unwrap(), words[0].parse().unwrap());
    assert_eq!(words[2], if address.is_ipv4() { "4" } else { "6" });
    address
}

fn line(pair: &mut Pair, line: &str) -> String {
    let tcp::Parsed::Request(request) = tcp::Parsed::of(line.as_bytes()) else { panic!("{line}") };
    let answer = pair.engine.legacy(pair.now, &source(), &request, &mut pair.plane).ok();
    pair.flush();
    tcp::reply(answer.as_ref(), "1").trim_end().to_owned()
}

/// The settings of the socket at this address.
fn relay(pair: &Pair, at: SocketAddr) -> rtpengine_core::io::RelayStream {
    pair.plane.relay[&pair.stream(at)].clone()
}

#[test]
fn a_call_is_placed_counted_and_deleted() {
    let mut pair = Pair::new();
    let callee_sends_to = place(&say(&mut pair, "U call 192.0.2.1 2000 ft;1"));
    let caller_sends_to = place(&say(&mut pair, "L call 192.0.2.2 3000 ft;1 tt;1"));
    assert_eq!(callee_sends_to.ip(), caller_sends_to.ip());
    let (to_caller, to_callee) = (relay(&pair, caller_sends_to), relay(&pair, callee_sends_to));
    assert_eq!(to_caller.endpoint, Some("192.0.2.1:2000".parse().unwrap()));
    assert_eq!(to_callee.endpoint, Some("192.0.2.2:3000".parse().unwrap()));
    assert_eq!(to_caller.sinks.as_slice(), [pair.stream(callee_sends_to)]);
    assert_eq!(to_caller.component, Component::Rtp);
    let rtcp = SocketAddr::new(caller_sends_to.ip(), caller_sends_to.port() + 1);
    assert_eq!(relay(&pair, rtcp).endpoint, Some("192.0.2.1:2001".parse().unwrap()));

    for (address, packets) in [(caller_sends_to, 3), (callee_sends_to, 5), (rtcp, 1)] {
        let stream = pair.stream(address);
        pair.plane.counters.entry(stream).or_default().packets = packets;
    }
    pair.wait(1);
    assert_eq!(say(&mut pair, "Q call ft tt"), "3600 8 1 0 0");
    pair.wait(10);
    assert_eq!(say(&mut pair, "Q call tt"), "3590 8 1 0 0");
    assert_eq!(say(&mut pair, "Q call ft other"), "E8");
    assert_eq!(say(&mut pair, "D call ft tt"), "0");
    assert_eq!(say(&mut pair, "D call ft tt"), "E8");
    assert_eq!(say(&mut pair, "Q call ft tt"), "E8");
    pair.assert_empty();
}

#[test]
fn the_kernel_forwards_what_is_established() {
    let mut pair = Pair::new();
    let callee_sends_to = place(&say(&mut pair, "U call 192.0.2.1 2000 ft;1"));
    let caller_sends_to = place(&say(&mut pair, "L call 192.0.2.2 3000 ft;1 tt;1"));
    for (at, endpoint) in [(caller_sends_to, "192.0.2.1:2000"), (callee_sends_to, "192.0.2.2:3000")] {
        let seen = crate::pair::Seen { rtp: at, rtcp: None, text: String::new() };
        let stream = pair.settle(&seen, endpoint);
        assert!(pair.plane.flows.contains_key(&stream));
        pair.path(stream, Path::Kernel);
    }
    let flow = &pair.plane.flows[&pair.stream(caller_sends_to)];
    assert_eq!((flow.identity.tag.as_str(), flow.identity.peer_tag.as_str()), ("ft", "tt"));
    // A repeated offer with the same address leaves the flows as they are.
    let installs = pair.plane.installs;
    assert_eq!(place(&say(&mut pair, "U call 192.0.2.1 2000 ft;1 tt;1")), callee_sends_to);
    assert_eq!(place(&say(&mut pair, "L call 192.0.2.2 3000 ft;1 tt;1")), caller_sends_to);
    assert_eq!((pair.plane.installs, pair.plane.removes), (installs, 0));
}

#[test]
fn m_lines_come_one_by_one_in_any_order() {
    let mut pair = Pair::new();
    let video = place(&say(&mut pair, "U call 192.0.2.1 2010 ft;2"));
    let audio = place(&say(&mut pair, "U call 192.0.2.1 2000 ft;1"));
    assert_ne!(video, audio);
    assert_eq!(say(&mut pair, "L call 192.0.2.2 3020 ft;3 tt;3"), "0 0.0.0.0");
    let audio_back = place(&say(&mut pair, "L call 192.0.2.2 3000 ft;1 tt;1"));
    let video_back = place(&say(&mut pair, "L call 192.0.2.2 3010 ft;2 tt;2"));
    for (at, sink, endpoint) in [(audio_back, audio, "192.0.2.1:2000"), (video_back, video, "192.0.2.1:2010")]
    {
        let relay = relay(&pair, at);
        assert_eq!(relay.sinks.as_slice(), [pair.stream(sink)]);
        assert_eq!(relay.endpoint, Some(endpoint.parse().unwrap()));
    }
    // One is switched off, the other one goes on.
    assert_eq!(say(&mut pair, "U call 192.0.2.1 0 ft;2 tt;2"), "0 0.0.0.0");
    assert!(pair.open_ports().contains(&audio) && !pair.open_ports().contains(&video));
    assert_eq!(say(&mut pair, "D call ft"), "0");
    pair.assert_empty();
}

#[test]
fn unknown_calls_and_refused_offers_change_nothing() {
    let mut pair = Pair::with(CoreConfig { max_sessions: 1, ..config() });
    assert_eq!(say(&mut pair, "L nocall 192.0.2.2 3000 ft;1 tt;1"), "0 0.0.0.0");
    place(&say(&mut pair, "U call 192.0.2.1 2000 ft;1"));
    assert_eq!(say(&mut pair, "L call 192.0.2.2 3000 other;1 tt;1"), "0 0.0.0.0");
    assert_eq!(say(&mut pair, "L call 192.0.2.2 3000 ft;1"), "0 0.0.0.0");
    assert_eq!(say(&mut pair, "U second 192.0.2.1 2000 ft;1"), "E8");
    let long = "x".repeat(2000);
    assert_eq!(say(&mut pair, &format!("U call 192.0.2.1 2000 {long};1")), "E8");
    assert_eq!(say(&mut pair, &format!("Q {long} a")), "E8");
    assert_eq!(pair.engine.calls().count(), 1);
    let statistics = pair.engine.statistics_model(pair.now, &pair.plane);
    let proxy = &statistics.control[0];
    assert_eq!(proxy.commands[Command::Offer.index()].count, 3);
    assert_eq!(proxy.commands[Command::Answer.index()].count, 3);
    assert_eq!(proxy.commands[Command::Query.index()].count, 1);
    assert_eq!(proxy.errors, 6);
    assert_eq!(statistics.total.rejected_sessions, 1);
}

#[test]
fn letters_choose_interfaces_by_name_or_by_family() {
    let mut named = config();
    named.interfaces[0].name = "internal".to_owned();
    named.interfaces[1].name = "external".to_owned();
    let mut pair = Pair::with(named);
    // 10.9.0.2 is advertised as another address.
    assert_eq!(place(&say(&mut pair, "Uie call 192.0.2.1 2000 ft;1")).ip().to_string(), "10.9.8.7");
    assert_eq!(place(&say(&mut pair, "Lie call 192.0.2.2 3000 ft;1 tt;1")).ip().to_string(), "10.9.0.1");
    assert_eq!(place(&say(&mut pair, "Uei call 192.0.2.2 3000 tt;1 ft;1")).ip().to_string(), "10.9.0.1");

    let mut both = config();
    both.interfaces.swap(0, 2);
    let mut pair = Pair::with(both);
    assert_eq!(place(&say(&mut pair, "Uie call 192.0.2.1 2000 ft;1")).ip().to_string(), "fd00::3");
    assert_eq!(place(&say(&mut pair, "L call 2001:db8::2 3000 ft;1 tt;1")).ip().to_string(), "10.9.0.3");
    assert_eq!(place(&say(&mut pair, "UEI6 other 2001:db8::1 2000 ft;1")).ip().to_string(), "10.9.0.3");
    assert_eq!(place(&say(&mut pair, "L6 other 192.0.2.2 3000 ft;1 tt;1")).ip().to_string(), "fd00::3");
    assert_eq!(place(&say(&mut pair, "U6 third 192.0.2.1 2000 ft;1")).ip().to_string(), "fd00::3");
    assert_eq!(place(&say(&mut pair, "U6 fourth 2001:db8::1 2000 ft;1")).ip().to_string(), "fd00::3");
}

#[test]
fn a_holding_party_is_told_where_to_send_and_hears_nothing() {
    let mut pair = Pair::new();
    let callee_sends_to = place(&say(&mut pair, "U call 192.0.2.1 2000 ft;1"));
    place(&say(&mut pair, "L call 192.0.2.2 3000 ft;1 tt;1"));
    assert_eq!(place(&say(&mut pair, "U call 0.0.0.0 2000 ft;1 tt;1")), callee_sends_to);
    assert!(relay(&pair, callee_sends_to).discard.is_some());
    place(&say(&mut pair, "U call 192.0.2.1 2000 ft;1 tt;1"));
    assert!(relay(&pair, callee_sends_to).discard.is_none());
}

#[test]
fn asymmetric_parties_are_not_learned_from() {
    let mut pair = Pair::new();
    let callee_sends_to = place(&say(&mut pair, "Ua call 192.0.2.1 2000 ft;1"));
    let caller_sends_to = place(&say(&mut pair, "Ls call 192.0.2.2 3000 ft;1 tt;1"));
    assert_eq!(relay(&pair, caller_sends_to).learning, Learning::Off);
    assert_ne!(relay(&pair, callee_sends_to).learning, Learning::Off);
}

#[test]
fn branches_are_deleted_one_by_one() {
    let mut pair = Pair::new();
    let one = place(&say(&mut pair, "U call;b1 192.0.2.1 2000 ft;1"));
    let two = place(&say(&mut pair, "U call;b2 192.0.2.1 2000 ft;1"));
    assert_ne!(one, two);
    assert_eq!(say(&mut pair, "D call;b1 ft"), "0");
    assert!(!pair.open_ports().contains(&one) && pair.open_ports().contains(&two));
    place(&say(&mut pair, "L call;b2 192.0.2.2 3000 ft;1 tt;1"));
    assert_eq!(say(&mut pair, "D call ft"), "0");
    pair.assert_empty();
}

#[test]
fn calls_of_all_protocols_are_the_same() {
    let mut pair = Pair::new();
    place(&say(&mut pair, "U call1 192.0.2.1 2000 ft;1"));
    // The answer may come by ng, and so may a re-INVITE.
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    pair.offer("tt", "ft", &audio("192.0.2.2", 3002));
    place(&say(&mut pair, "L call1 192.0.2.1 2000 tt;1 ft;1"));
    assert_eq!(line(&mut pair, "status"), "proxy 1 0/0/0\nsession call1 - - - - 0");
    assert_eq!(line(&mut pair, "delete call1 info="), "");
    pair.assert_empty();
}

#[test]
fn a_mediaproxy_line_has_all_m_lines() {
    let mut pair = Pair::new();
    let tail = "192.0.2.9 fromdom remote todom unknown agent";
    let offer =
        format!("request call 192.0.2.1:2000:audio,192.0.2.1:2010:image {tail} info=fromtag:ft,totag:");
    let answer =
        format!("lookup call 192.0.2.2:3000:audio,192.0.2.2:3010:image {tail} info=fromtag:ft,totag:tt");
    let offered = line(&mut pair, &offer);
    let answered = line(&mut pair, &answer);
    let ports = |reply: &str| -> Vec<SocketAddr> {
        let mut words = reply.split(' ');
        let address = words.next().unwrap().parse().unwrap();
        words.map(|port| SocketAddr::new(address, port.parse().unwrap())).collect()
    };
    let (offered, answered) = (ports(&offered), ports(&answered));
    assert_eq!((offered.len(), answered.len()), (2, 2));
    let fax = relay(&pair, answered[1]);
    assert_eq!(fax.component, Component::Raw);
    assert_eq!(fax.sinks.as_slice(), [pair.stream(offered[1])]);
    assert_eq!(relay(&pair, answered[0]).endpoint, Some("192.0.2.1:2000".parse().unwrap()));
    assert_eq!(line(&mut pair, "lookup nocall 192.0.2.2:3000:audio x info=fromtag:ft,totag:tt"), "");
    assert_eq!(line(&mut pair, "version"), "Version: 1");
    assert_eq!(line(&mut pair, "delete call info=fromtag:ft,totag:tt"), "");
    pair.assert_empty();
    let tcp::Parsed::Request(request) = tcp::Parsed::of(b"delete call info=") else { panic!() };
    let refused = pair.engine.legacy(pair.now, &source(), &request, &mut pair.plane);
    assert_ne!(refused, Ok(Answer::Deleted));
}
