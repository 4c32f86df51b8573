//! `media echo`, `drop-traffic`, `pierce NAT`, `NAT-wait` and `block short`, with packets: who hears what, and where it says so.

use std::time::Duration;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{NAMESPACES, XDP, available};
use rtpengine_tests::rtp::{Endpoint, Packet};
use rtpengine_tests::sdp;
use rtpengine_tests::talk::{Call, Place, left_to_right};
use rtpengine_tests::topology::{CALLEE, CALLER};
use serde_json::{Value, json};

const PACKETS: u64 = 100;
const PATIENCE: Duration = Duration::from_secs(5);

fn is_silent(endpoint: &Endpoint) -> bool {
    endpoint.receive_raw(Duration::ZERO).unwrap().is_none()
}

/// One party speaks and hears itself as another stream, from where it sends to.
fn hears_itself(party: &mut Endpoint) {
    let mut ssrc = None;
    for index in party.stream.next..party.stream.next + PACKETS {
        let sent = party.stream.packet(index);
        party.send().unwrap();
        let (bytes, source) = party.receive_raw(PATIENCE).unwrap().unwrap();
        let heard = Packet::parse(&bytes).unwrap();
        assert_eq!(Some(source), party.remote);
        assert_ne!(heard.ssrc, sent.ssrc);
        assert_eq!(*ssrc.get_or_insert(heard.ssrc), heard.ssrc, "one stream");
        assert_eq!(heard, Packet { ssrc: heard.ssrc, ..sent });
    }
}

/// Speaks without being heard by anybody.
fn speaks_in_vain(party: &mut Endpoint) {
    for _ in 0..PACKETS {
        party.send().unwrap();
    }
}

/// Re-offers and answers with these entries in the offer.
fn renegotiate(engine: &mut Engine, call: &mut Call, extra: &Value) {
    let mut keys = left_to_right();
    keys.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    let local = call.caller.local().unwrap();
    call.offer(&mut engine.ng, &sdp::audio(local.ip(), local.port()), &keys).unwrap();
    let local = call.callee.local().unwrap();
    call.answer(&mut engine.ng, &sdp::audio(local.ip(), local.port()), &json!({})).unwrap();
}

fn echo(table: Table) {
    let mut engine = Engine::start(table, &[]).unwrap();
    let in_kernel = engine.daemon.table() >= 0;
    let reason = if in_kernel { None } else { Some("TableOff") };
    let mut call = engine.call_with(CALLER, CALLEE, &json!({"media echo": "both"})).unwrap();
    hears_itself(&mut call.caller);
    hears_itself(&mut call.callee);
    engine.wait_for_path(&call, &call.from, reason).unwrap();
    if in_kernel {
        let relayed =
            |engine: &mut Engine| engine.statistic("totalstatistics", "relayedpackets_kernel").unwrap();
        // A new flow hands packets up until no earlier one is on its way.
        hears_itself(&mut call.caller);
        let before = relayed(&mut engine);
        hears_itself(&mut call.caller);
        assert_eq!(relayed(&mut engine), before + PACKETS);
    }
    // Towards the callee only: the caller's media is discarded.
    renegotiate(&mut engine, &mut call, &json!({"media-echo": "forward"}));
    speaks_in_vain(&mut call.caller);
    hears_itself(&mut call.callee);
    engine.wait_for_count(&call, 0).unwrap();
    assert!(is_silent(&call.caller) && is_silent(&call.callee));
    // The other way round.
    renegotiate(&mut engine, &mut call, &json!({"flags": ["media-echo=backwards"]}));
    speaks_in_vain(&mut call.callee);
    hears_itself(&mut call.caller);
    engine.wait_for_count(&call, 0).unwrap();
    assert!(is_silent(&call.caller) && is_silent(&call.callee));
    // Nobody.
    renegotiate(&mut engine, &mut call, &json!({"media echo": "blackhole"}));
    speaks_in_vain(&mut call.caller);
    speaks_in_vain(&mut call.callee);
    engine.wait_for_count(&call, 0).unwrap();
    assert!(is_silent(&call.caller) && is_silent(&call.callee));
    // And an ordinary call again.
    renegotiate(&mut engine, &mut call, &json!({}));
    match engine.daemon.table() {
        table if table >= 0 => engine.talk_in_kernel(&mut call, PACKETS).unwrap(),
        _ => call.talk(PACKETS).unwrap(),
    }
    engine.finish(call).unwrap();
}

#[test]
fn echo_in_userspace() {
    if available(NAMESPACES) {
        echo(Table::Off);
    }
}

#[test]
fn echo_with_a_kernel_table() {
    if available(XDP) {
        echo(Table::Own);
    }
}

/// Drops, on top of an established call, and forwards again.
fn drop_traffic(table: Table) {
    let mut engine = Engine::start(table, &[]).unwrap();
    let in_kernel = engine.daemon.table() >= 0;
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    let talk = |engine: &Engine, call: &mut Call| match in_kernel {
        true => engine.talk_in_kernel(call, PACKETS).unwrap(),
        false => call.talk(PACKETS).unwrap(),
    };
    talk(&engine, &mut call);
    for round in 0..2 {
        renegotiate(&mut engine, &mut call, &json!({"drop-traffic": "start"}));
        if in_kernel {
            // The flows are there, without a way out.
            for tag in [&call.from, &call.to] {
                engine.wait_for_path(&call, tag, None).unwrap();
            }
            let before = engine.statistic("totalstatistics", "relayedpackets_kernel").unwrap();
            speaks_in_vain(&mut call.caller);
            speaks_in_vain(&mut call.callee);
            flows::wait_until("the kernel counts what it drops", || {
                Ok(engine.statistic("totalstatistics", "relayedpackets_kernel")? == before + 2 * PACKETS)
            })
            .unwrap();
        } else {
            speaks_in_vain(&mut call.caller);
            speaks_in_vain(&mut call.callee);
        }
        engine.wait_for_count(&call, 0).unwrap();
        assert!(is_silent(&call.caller) && is_silent(&call.callee), "round {round}");
        renegotiate(&mut engine, &mut call, &json!({"drop-traffic": "stop"}));
        talk(&engine, &mut call);
    }
    engine.finish(call).unwrap();
}

#[test]
fn dropped_in_userspace() {
    if available(NAMESPACES) {
        drop_traffic(Table::Off);
    }
}

#[test]
fn dropped_in_the_kernel() {
    if available(XDP) {
        drop_traffic(Table::Own);
    }
}

#[test]
fn a_nat_is_pierced_until_the_party_speaks() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = engine.call_with(CALLER, CALLEE, &json!({"flags": ["pierce NAT"]})).unwrap();
    // More than those that signalling brings: as long as nothing comes from the party.
    for party in [&call.caller, &call.callee] {
        for _ in 0..4 {
            let (bytes, source) = party.receive_raw(PATIENCE).unwrap().unwrap();
            assert_eq!((bytes.len(), Some(source)), (0, party.remote));
        }
    }
    let mut parties = [&mut call.caller, &mut call.callee];
    for party in &mut parties {
        while !is_silent(party) {}
        party.send().unwrap();
    }
    engine.wait_for_count(&call, 0).unwrap();
    // What was under way: media of the other party, and no more than one more tick's.
    let rest = |party: &Endpoint| {
        let mut empty = 0;
        while let Some((bytes, _)) = party.receive_raw(Duration::from_millis(2500)).unwrap() {
            empty += u32::from(bytes.is_empty());
        }
        empty
    };
    assert!(rest(&call.caller) <= 1);
    assert!(rest(&call.callee) <= 1);
    engine.hang_up(call).unwrap();
    engine.daemon.stop().unwrap();
}

#[test]
fn a_party_behind_nat_hears_nothing_before_it_speaks() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let mut call = engine.call_with(CALLER, CALLEE, &json!({"flags": ["NAT-wait"]})).unwrap();
    speaks_in_vain(&mut call.caller);
    engine.wait_for_count(&call, 0).unwrap();
    assert!(is_silent(&call.callee));
    // The caller was heard, so the callee's first packet arrives; from then on everything does.
    call.caller.expect(&call.callee.stream);
    call.callee.send().unwrap();
    assert!(call.caller.receive(PATIENCE).unwrap());
    call.talk(PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn a_waiting_flow_enters_the_kernel_when_its_receiver_speaks() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &["--endpoint-learning=immediate"]).unwrap();
    let mut call = engine.call_with(CALLER, CALLEE, &json!({"flags": ["NAT-wait"]})).unwrap();
    speaks_in_vain(&mut call.caller);
    engine.wait_for_path(&call, &call.from, Some("NatWait")).unwrap();
    assert!(is_silent(&call.callee));
    call.caller.expect(&call.callee.stream);
    call.callee.send().unwrap();
    assert!(call.caller.receive(PATIENCE).unwrap());
    engine.talk_in_kernel(&mut call, PACKETS).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn short_packets_are_blocked() {
    if !available(NAMESPACES) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &[]).unwrap();
    let caller = Place::within(&engine.trio.caller, CALLER).unwrap();
    let callee = Place::within(&engine.trio.callee, CALLEE).unwrap();
    let mut keys = left_to_right();
    keys["flags"] = json!(["block short packets"]);
    let mut call = Call::place(&mut engine.ng, caller, callee, &keys, &json!({})).unwrap();
    call.talk(PACKETS).unwrap();
    let mut short = call.caller.stream.packet(call.caller.stream.next);
    short.payload.truncate(20);
    for _ in 0..5 {
        call.caller.send_raw(&short.to_bytes()).unwrap();
    }
    call.talk(PACKETS).unwrap();
    // Of the callee, who did not ask for it, everything is passed on.
    let mut short = call.callee.stream.packet(call.callee.stream.next);
    short.payload.truncate(20);
    call.callee.send_raw(&short.to_bytes()).unwrap();
    assert_eq!(call.caller.receive_raw(PATIENCE).unwrap().map(|(bytes, _)| bytes), Some(short.to_bytes()));
    engine.wait_for_count(&call, 6).unwrap();
    assert!(is_silent(&call.callee));
    call.hang_up(&mut engine.ng).unwrap();
    engine.daemon.stop().unwrap();
}
