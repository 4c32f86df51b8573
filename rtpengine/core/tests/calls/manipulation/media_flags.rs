//! `media echo`, `drop-traffic`, `NAT-wait`, `pierce NAT`, `block short`: what relay and kernel are told.

use rtpengine_core::io::{Path, Reason, RelayStream};

use super::{HEAD, answer, offer};
use crate::pair::{Pair, Seen, seen};

struct Call {
    pair: Pair,
    caller: Seen,
    callee: Seen,
}

impl Call {
    fn new(offered: &str, answered: &str) -> Self {
        let mut pair = Pair::new();
        let (caller, callee) = negotiate(&mut pair, offered, answered);
        Self { pair, caller, callee }
    }

    /// Settings of the sockets that caller and callee send to.
    fn relays(&self) -> [&RelayStream; 2] {
        [self.pair.relay(&self.caller), self.pair.relay(&self.callee)]
    }

    fn settle(&mut self) {
        let (caller, callee) = (self.caller.clone(), self.callee.clone());
        self.pair.settle(&caller, "192.0.2.1:2000");
        self.pair.settle(&callee, "192.0.2.2:3000");
    }

    fn flows(&self) -> Vec<usize> {
        self.pair.plane.flows.values().map(|flow| flow.outputs.len()).collect()
    }

    fn kept_up(&self, which: &Seen) -> Option<Reason> {
        let stream = self.pair.stream(which.rtp);
        assert!(!self.pair.plane.flows.contains_key(&stream));
        let info = self.pair.engine.call("call1", &self.pair.plane).unwrap();
        let mut streams =
            info.parties.iter().flat_map(|party| &party.medias).flat_map(|media| &media.streams);
        match streams.find(|info| info.stream == stream).unwrap().path {
            Path::Userspace(reason) => Some(reason),
            Path::Kernel => None,
        }
    }
}

fn negotiate(pair: &mut Pair, offered: &str, answered: &str) -> (Seen, Seen) {
    let callee = seen(&offer(pair, offered, &format!("{HEAD} / m=audio 2000 RTP/AVP 0")));
    let theirs = HEAD.replace("192.0.2.1", "192.0.2.2");
    let caller = seen(&answer(pair, answered, &format!("{theirs} / m=audio 3000 RTP/AVP 0")));
    (caller, callee)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Forwarded,
    Discarded,
    Returned,
}

fn fate(call: &Call, seen: &Seen) -> Fate {
    let (stream, relay) = (call.pair.stream(seen.rtp), call.pair.relay(seen));
    match (relay.discard, relay.handling.echo) {
        (Some(Reason::Blackhole), None) => {
            assert!(relay.handling.no_rtcp);
            Fate::Discarded
        }
        (None, Some(_)) => {
            assert!(relay.handling.no_rtcp && relay.sinks.as_slice() == [stream], "{relay:?}");
            Fate::Returned
        }
        (None, None) => {
            assert!(!relay.handling.no_rtcp && relay.sinks.as_slice() != [stream], "{relay:?}");
            Fate::Forwarded
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn media_goes_where_media_echo_says() {
    use Fate::{Discarded, Forwarded, Returned};
    let echo = |mode: &str| format!(r#""media echo":"{mode}""#);
    let cases = [
        ("", "", Forwarded, Forwarded),
        ("blackhole", "", Discarded, Discarded),
        ("sinkhole", "", Discarded, Discarded),
        ("forward", "", Discarded, Returned),
        ("fwd", "", Discarded, Returned),
        ("backwards", "", Returned, Discarded),
        ("bkw", "", Returned, Discarded),
        ("both", "", Returned, Returned),
        // The receiver of an answer is the caller.
        ("", "forward", Returned, Discarded),
        ("", "backwards", Discarded, Returned),
        ("", "both", Returned, Returned),
        ("", "blackhole", Discarded, Discarded),
        ("both", "blackhole", Discarded, Discarded),
    ];
    for (offered, answered, caller, callee) in cases {
        let keys = |mode: &str| if mode.is_empty() { String::new() } else { echo(mode) };
        let call = Call::new(&keys(offered), &keys(answered));
        assert_eq!(
            (fate(&call, &call.caller), fate(&call, &call.callee)),
            (caller, callee),
            "{offered} {answered}"
        );
    }
    let flag = Call::new(r#""flags":["media-echo=both"]"#, "");
    assert_eq!(fate(&flag, &flag.caller), Returned);
}

#[test]
fn an_offer_without_the_key_ends_it() {
    let mut call = Call::new(r#""media-echo":"both""#, "");
    call.settle();
    assert_eq!(call.flows(), [1, 1]);
    negotiate(&mut call.pair, "", "");
    assert_eq!((fate(&call, &call.caller), call.flows()), (Fate::Forwarded, vec![1, 1]));
    negotiate(&mut call.pair, r#""media-echo":"both""#, "");
    assert_eq!((fate(&call, &call.caller), call.flows()), (Fate::Returned, vec![1, 1]));
}

#[test]
fn an_echo_is_another_stream_and_the_two_of_a_call_differ() {
    let call = Call::new(r#""media-echo":"both""#, "");
    let [caller, callee] = call.relays().map(|relay| relay.handling.echo.unwrap());
    assert_ne!(caller, callee);
}

#[test]
fn whoever_does_not_receive_hears_no_echo() {
    let mut pair = Pair::new();
    offer(&mut pair, r#""media-echo":"backwards""#, &format!("{HEAD} / m=audio 2000 RTP/AVP 0 / a=sendonly"));
    let caller = seen(&answer(&mut pair, "", &format!("{HEAD} / m=audio 3000 RTP/AVP 0")));
    assert_eq!(pair.relay(&caller).discard, Some(Reason::Hold));
}

#[test]
fn an_echo_is_encrypted_with_the_partys_own_keys() {
    let mut pair = Pair::new();
    let keys = r#""media-echo":"forward","transport-protocol":"RTP/SAVP""#;
    let callee = seen(&offer(&mut pair, keys, &format!("{HEAD} / m=audio 2000 RTP/AVP 0")));
    let crypto = crate::keys::crypto(1, crate::keys::CM_80, crate::keys::KEY_B);
    let caller =
        seen(&answer(&mut pair, "", &format!("{HEAD} / m=audio 3000 RTP/SAVP 0 / {}", crypto.trim_end())));
    let relay = pair.relay(&callee);
    assert!(relay.receive_crypto.is_some() && relay.transmit_crypto.is_some());
    assert_eq!(relay.sinks.as_slice(), [pair.stream(callee.rtp)]);
    assert_eq!(pair.relay(&caller).discard, Some(Reason::Blackhole));
    // Both are for the kernel.
    pair.settle(&caller, "192.0.2.1:2000");
    pair.settle(&callee, "192.0.2.1:3000");
    let flow = |seen: &Seen| &pair.plane.flows[&pair.stream(seen.rtp)];
    assert!(flow(&caller).outputs.is_empty() && flow(&caller).crypto.is_none());
    let output = &flow(&callee).outputs[0];
    assert!(flow(&callee).crypto.is_some() && output.crypto.is_some() && output.turned_ssrc.is_some());
}

#[test]
fn keys_of_others_leave_nothing_to_send_back() {
    // The suite is nobody's: it is passed through unread.
    let unread = "a=crypto:1 ROT13 inline:AAAA";
    let mut pair = Pair::new();
    offer(&mut pair, r#""media-echo":"both""#, &format!("{HEAD} / m=audio 2000 RTP/SAVP 0 / {unread}"));
    let caller = seen(&answer(&mut pair, "", &format!("{HEAD} / m=audio 3000 RTP/SAVP 0 / {unread}")));
    let relay = pair.relay(&caller);
    assert_eq!((relay.discard, relay.handling.echo), (Some(Reason::NoKeys), None));
}

#[test]
fn traffic_is_dropped_from_start_to_stop_by_offers_and_answers() {
    const START: &str = r#""drop-traffic":"start""#;
    const STOP: &str = r#""drop-traffic":"stop""#;
    for (offered, answered, dropped) in [
        ("", "", false),
        (START, "", true),
        ("", START, true),
        (START, START, true),
        (START, STOP, false),
        (STOP, START, true),
        (STOP, "", false),
        (r#""flags":["drop-traffic=start"]"#, "", true),
        (r#""drop-traffic":"sometimes""#, "", false),
    ] {
        let mut call = Call::new(offered, answered);
        call.settle();
        let expected = dropped.then_some(Reason::Blackhole);
        assert_eq!(call.relays().map(|relay| relay.discard), [expected; 2], "{offered} {answered}");
        // RTCP goes on: only RTP is dropped. The kernel drops what it can.
        assert!(call.relays().iter().all(|relay| !relay.handling.no_rtcp));
        assert_eq!(call.flows(), if dropped { [0, 0] } else { [1, 1] }, "{offered} {answered}");
        negotiate(&mut call.pair, STOP, "");
        assert_eq!(call.flows(), [1, 1]);
        negotiate(&mut call.pair, START, "");
        assert_eq!(call.flows(), [0, 0]);
        negotiate(&mut call.pair, "", "");
        assert_eq!(call.flows(), [0, 0], "it holds until it is stopped");
    }
}

#[test]
fn with_nat_wait_nothing_goes_to_a_party_unheard() {
    const WAIT: &str = r#""flags":["NAT-wait"]"#;
    let waits = |call: &Call| call.relays().map(|relay| relay.handling.awaits_packets);
    assert_eq!(waits(&Call::new("", "")), [false; 2]);
    assert_eq!(waits(&Call::new("", WAIT)), [true; 2]);
    let mut call = Call::new(WAIT, "");
    assert_eq!(waits(&call), [true; 2]);
    // The caller's media may be in the kernel once the callee was heard.
    let (caller, callee) = (call.caller.clone(), call.callee.clone());
    call.pair.settle(&caller, "192.0.2.1:2000");
    assert_eq!((call.flows(), call.kept_up(&caller)), (vec![], Some(Reason::NatWait)));
    call.pair.settle(&callee, "192.0.2.2:3000");
    assert_eq!(call.flows(), [1, 1]);
    negotiate(&mut call.pair, "", "");
    assert_eq!(waits(&call), [false; 2]);
}

#[test]
fn with_nat_wait_and_no_learning_packets_are_counted() {
    let mut call = Call::new(r#""flags":["NAT wait","asymmetric"]"#, r#""flags":["asymmetric"]"#);
    call.pair.wait(1);
    assert_eq!(call.flows(), Vec::<usize>::new());
    let (caller, callee) = (call.caller.clone(), call.callee.clone());
    call.pair.packets(&caller, 1);
    call.pair.wait(1);
    // What goes to the caller, who was heard.
    assert_eq!(call.flows(), [1]);
    call.pair.packets(&callee, 1);
    call.pair.wait(1);
    assert_eq!(call.flows(), [1, 1]);
}

/// Empty datagrams sent so far, by destination.
fn pierced(pair: &mut Pair) -> Vec<String> {
    let sent = std::mem::take(&mut pair.plane.sent);
    assert!(sent.iter().all(|(_, _, bytes)| bytes.is_empty()));
    sent.iter().map(|(_, to, _)| to.to_string()).collect()
}

#[test]
fn nats_are_pierced_until_something_comes() {
    const PIERCE: &str = r#""flags":["pierce NAT"]"#;
    let mut pair = Pair::new();
    let callee = seen(&offer(&mut pair, PIERCE, &format!("{HEAD} / m=audio 2000 RTP/AVP 0")));
    assert_eq!(pierced(&mut pair), ["192.0.2.1:2000"]);
    pair.wait(2);
    assert_eq!(pierced(&mut pair), ["192.0.2.1:2000"; 2]);
    let theirs = HEAD.replace("192.0.2.1", "192.0.2.2");
    let caller = seen(&answer(&mut pair, "", &format!("{theirs} / m=audio 3000 RTP/AVP 0")));
    let mut both = pierced(&mut pair);
    both.sort();
    assert_eq!(both, ["192.0.2.1:2000", "192.0.2.2:3000"]);
    pair.packets(&caller, 1);
    pair.wait(1);
    assert_eq!(pierced(&mut pair), ["192.0.2.2:3000"]);
    pair.packets(&callee, 1);
    pair.wait(3);
    assert_eq!(pierced(&mut pair), Vec::<String>::new());
}

#[test]
fn nats_are_not_pierced_unasked_with_ice_or_without_an_address() {
    for (keys, lines) in [
        ("", "m=audio 2000 RTP/AVP 0"),
        (r#""flags":["pierce NAT"]"#, "m=audio 0 RTP/AVP 0"),
        (r#""flags":["pierce NAT"]"#, "m=message 9 TCP/MSRP *"),
        (r#""flags":["pierce NAT"]"#, "m=audio 2000 RTP/AVP 0 / c=IN IP4 0.0.0.0"),
    ] {
        let mut pair = Pair::new();
        offer(&mut pair, keys, &format!("{HEAD} / {lines}"));
        pair.wait(2);
        assert_eq!(pierced(&mut pair), Vec::<String>::new(), "{keys} {lines}");
    }
    // With ICE on both sides, from the answer on its checks do it.
    let ice = |address: &str| {
        format!(
            "{} / m=audio 2000 RTP/AVP 0 / a=ice-ufrag:abcd / a=ice-pwd:abcd0123456789012345678901 / a=candidate:1 1 UDP 1 {address} 2000 typ host",
            HEAD.replace("192.0.2.1", address)
        )
    };
    let mut pair = Pair::new();
    offer(&mut pair, r#""flags":["pierce NAT"]"#, &ice("192.0.2.1"));
    pair.plane.sent.clear();
    answer(&mut pair, "", &ice("192.0.2.2"));
    pair.wait(2);
    assert!(!pair.plane.sent.is_empty() && pair.plane.sent.iter().all(|(_, _, bytes)| !bytes.is_empty()));
}

#[test]
fn short_packets_are_blocked_for_the_party_that_asks() {
    const BLOCK: &str = r#""flags":["block short packets"]"#;
    let blocks = |call: &Call| call.relays().map(|relay| relay.handling.block_short);
    assert_eq!(blocks(&Call::new("", "")), [false, false]);
    assert_eq!(blocks(&Call::new(BLOCK, "")), [true, false]);
    assert_eq!(blocks(&Call::new("", r#""flags":["block-short"]"#)), [false, true]);
    let mut call = Call::new(BLOCK, BLOCK);
    assert_eq!(blocks(&call), [true, true]);
    call.settle();
    assert_eq!((call.flows(), call.kept_up(&call.caller)), (vec![], Some(Reason::PacketLength)));
    negotiate(&mut call.pair, "", "");
    assert_eq!((blocks(&call), call.flows()), ([false, false], vec![1, 1]));
}
