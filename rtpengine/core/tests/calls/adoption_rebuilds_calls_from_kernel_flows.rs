//! A daemon starts and finds flows in the kernel.

use rtpengine_common::srtp::Suite;
use rtpengine_core::{
    call::AdoptedFlow,
    io::{FlowSpec, Reason, SourceMismatch},
    ng::{Command, Outcome, Value},
};

use crate::{
    keys::{CM_80, KEY_A2, KEY_B, accept, crypto, params, savp, to_rtp, to_srtp},
    pair::{Pair, Seen, audio},
};

pub fn adopted(flow: &FlowSpec) -> AdoptedFlow {
    AdoptedFlow {
        identity: (*flow.identity).clone(),
        local: flow.local,
        endpoint: flow.source,
        peer_local: flow.outputs[0].from,
        peer_endpoint: flow.outputs[0].to,
        rtcp_mux: flow.rtcp_mux,
        payload_types: flow.payload_types.iter().fold(0, |bits, number| bits | 1 << number),
        mismatch: flow.mismatch,
        tos: flow.outputs[0].tos,
        bridged: flow.inherits_keys || flow.crypto.is_some() || flow.outputs[0].crypto.is_some(),
    }
}

/// A call with both flows in the kernel, and a new daemon that has adopted what `keep` leaves of them.
fn restart(keep: usize) -> (Pair, Pair) {
    let mut old = Pair::new();
    let (caller, callee) = old.call();
    restarted(old, &caller, &callee, keep)
}

fn restarted(mut old: Pair, caller: &Seen, callee: &Seen, keep: usize) -> (Pair, Pair) {
    old.settle(caller, "203.0.113.1:2000");
    old.settle(callee, "192.0.2.2:3000");
    let flows = old.plane.flows.values().take(keep).map(adopted).collect();
    let mut new = Pair::new();
    new.now.unix_us += 30_000_000;
    new.now.mono_us += 30_000_000;
    assert!(new.engine.adopt(new.now, flows, &mut new.plane).is_empty());
    new.flush();
    (old, new)
}

#[test]
fn the_same_sockets_and_the_same_flows() {
    let (old, new) = restart(2);
    assert_eq!(new.open_ports(), old.open_ports());
    let flows = |pair: &Pair| {
        let mut flows: Vec<_> = pair.plane.flows.values().map(adopted).collect();
        flows.sort_by_key(|flow| flow.local);
        flows
    };
    assert_eq!(flows(&new), flows(&old));
}

/// Kind, profile, endpoint and signalled address of the RTP of both parties, as a query shows them.
fn shown(pair: &mut Pair) -> Vec<[String; 4]> {
    let query = pair.send(&Pair::request(Command::Query, "", "", "", |_| {}));
    let word = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    ["ft", "tt"]
        .map(|tag| {
            let tags = query.body.get("tags").and_then(Value::as_dict).unwrap();
            let medias = tags.get(tag).and_then(Value::as_dict).unwrap().get("medias");
            let media = medias.and_then(Value::as_list).unwrap()[0].as_dict().unwrap();
            let stream = media.get("streams").and_then(Value::as_list).unwrap()[0].as_dict().unwrap();
            let address = |key| {
                let address = stream.get(key).and_then(Value::as_dict).unwrap();
                let port = address.get("port").and_then(Value::as_int).unwrap();
                format!("{}:{port}", word(address.get("address")))
            };
            let (kind, profile) = (word(media.get("type")), word(media.get("protocol")));
            [kind, profile, address("endpoint"), address("advertised endpoint")]
        })
        .to_vec()
}

#[test]
fn what_was_signalled_is_known_beside_what_was_learned() {
    let (mut old, mut new) = restart(2);
    let known = [
        ["audio", "RTP/AVP", "203.0.113.1:2000", "192.0.2.1:2000"],
        ["audio", "RTP/AVP", "192.0.2.2:3000", "192.0.2.2:3000"],
    ];
    assert_eq!(shown(&mut old), known);
    assert_eq!(shown(&mut new), known);
    // The caller's SDP names another address than its packets came from. Repeated, it changes nothing.
    new.offer("ft", "tt", &audio("192.0.2.1", 2000));
    new.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(shown(&mut new), known);
    assert_eq!(new.plane.removes, 0);
}

#[test]
fn kind_and_profile_are_known() {
    let mut old = Pair::new();
    let video = |port| audio("192.0.2.1", port).replace("audio", "video").replace("RTP/AVP", "RTP/AVPF");
    let callee = old.offer("ft", "", &video(2000));
    let caller = old.answer("ft", "tt", &video(3000));
    old.settle(&caller, "192.0.2.1:2000");
    old.settle(&callee, "192.0.2.1:3000");
    let flows = old.plane.flows.values().map(adopted).collect();
    let mut new = Pair::new();
    assert!(new.engine.adopt(new.now, flows, &mut new.plane).is_empty());
    new.flush();
    let known = ["192.0.2.1:2000", "192.0.2.1:3000"].map(|address| ["video", "RTP/AVPF", address, address]);
    assert_eq!(shown(&mut new), known);
}

#[test]
fn the_call_goes_on_with_all_commands() {
    let (old, mut new) = restart(2);
    let query = new.send(&Pair::request(Command::Query, "", "", "", |_| {}));
    assert_eq!(query.outcome, Outcome::Ok);
    assert_eq!(query.body.get("created"), Some(&Value::from(1_795_384_091_u64)));
    new.offer("tt", "ft", &audio("192.0.2.2", 3000));
    new.answer("tt", "ft", &audio("192.0.2.1", 2000));
    assert_eq!(new.open_ports(), old.open_ports(), "a re-offer keeps the ports");
    new.delete("ft", "tt");
    new.assert_empty();
}

/// A call between RTP and SRTP, which only the kernel can read after a restart.
fn restart_bridged() -> (Pair, Pair, Seen) {
    let mut old = Pair::new();
    let callee = old.offer_with("ft", "", &audio("192.0.2.1", 2000), to_srtp);
    let body = savp("192.0.2.2", 3000, &accept(&callee, Suite::AesCm128HmacSha1_80, KEY_B));
    let caller = old.answer("ft", "tt", &body);
    let (old, new) = restarted(old, &caller, &callee, 2);
    (old, new, callee)
}

#[test]
fn keys_that_only_the_kernel_has_stay_in_use_there() {
    let (_, mut new, _) = restart_bridged();
    let inherits = |pair: &Pair| pair.plane.flows.values().filter(|flow| flow.inherits_keys).count();
    assert_eq!((new.plane.flows.len(), inherits(&new)), (2, 2));
    for flow in new.plane.flows.values() {
        assert!(flow.crypto.is_none() && flow.outputs[0].crypto.is_none());
        assert_eq!(flow.mismatch, SourceMismatch::Drop);
    }
    for relay in new.plane.relay.values() {
        assert_eq!(relay.discard, Some(Reason::NoKeys), "nothing goes out as it came in");
    }
    let removes = new.plane.removes;
    new.offer_with("tt", "ft", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_A2)), to_rtp);
    assert_eq!((inherits(&new), new.plane.removes), (2, removes), "in force until the answer");
    new.delete("ft", "tt");
    new.assert_empty();
}

#[test]
fn signalling_leads_to_new_keys_after_a_restart() {
    let (_, mut new, callee) = restart_bridged();
    new.offer_with("tt", "ft", &savp("192.0.2.2", 3000, &crypto(1, CM_80, KEY_A2)), to_rtp);
    new.answer("tt", "ft", &audio("192.0.2.1", 2000));
    let stream = new.stream(callee.rtp);
    let flow = &new.plane.flows[&stream];
    assert_eq!((flow.inherits_keys, &flow.crypto), (false, &Some(params(CM_80, KEY_A2))));
    let relay = &new.plane.relay[&stream];
    assert_eq!((relay.discard, &relay.receive_crypto), (None, &flow.crypto));
    new.delete("ft", "tt");
    new.assert_empty();
}

#[test]
fn one_flow_is_enough_and_timeouts_apply() {
    let (old, mut new) = restart(1);
    assert_eq!(new.open_ports(), old.open_ports());
    assert_eq!(new.plane.flows.len(), 1);
    new.engine.config_mut().timeout = 5;
    new.wait(5);
    new.assert_empty();
}

#[test]
fn what_cannot_be_adopted_is_given_back() {
    let (old, _) = restart(2);
    let good = adopted(old.plane.flows.values().next().unwrap());
    let mut elsewhere = good.clone();
    elsewhere.local = "172.16.0.1:40000".parse().unwrap();
    elsewhere.identity.call_id = "call2".to_owned();
    let mut nameless = good.clone();
    nameless.identity.call_id.clear();
    let mut taken = good.clone();
    taken.identity.call_id = "call3".to_owned();
    taken.mismatch = SourceMismatch::Drop;
    let mut pair = Pair::new();
    let refused = pair.engine.adopt(
        pair.now,
        vec![good, elsewhere.clone(), nameless.clone(), taken.clone()],
        &mut pair.plane,
    );
    pair.flush();
    assert_eq!(refused, [elsewhere, nameless, taken]);
    assert_eq!(pair.engine.calls().count(), 1);
    pair.delete("ft", "");
    pair.assert_empty();
}
