//! The kernel decrypts and encrypts established calls, every packet of them, and drops what is forged or repeated.

use std::time::Duration;

use rtpengine_common::srtp::Suite;
use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::flows;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::srtp::{Key, SecureCall};
use rtpengine_tests::topology::{CALLEE, CALLEE_V6, CALLER};
use serde_json::json;

const PACKETS: u64 = 200;
const CM: Suite = Suite::AesCm128HmacSha1_80;

fn start() -> Option<Engine> {
    available(XDP).then(|| Engine::start(Table::Own, &[]).unwrap())
}

/// Suites by which each flow decrypts and encrypts, by the tag of its sender.
fn suites(engine: &Engine, call: &SecureCall) -> [(Option<String>, Option<String>); 2] {
    let flows = flows::of_call(engine.daemon.table(), &call.id).unwrap();
    [&call.from, &call.to].map(|tag| {
        let flow = flows.iter().find(|flow| flow.tag == *tag).unwrap();
        (flow.decrypt.clone(), flow.encrypt.clone())
    })
}

/// Ends the call, in which everything was counted once, and the daemon.
fn finish(mut engine: Engine, call: SecureCall, errors: u64) {
    let sent = call.sent();
    let totals = call.hang_up(&mut engine.ng).unwrap();
    assert_eq!(totals["totals"]["RTP"]["packets"], json!(sent), "{totals}");
    assert_eq!(totals["totals"]["RTP"]["errors"], json!(errors), "{totals}");
    engine.daemon.stop().unwrap();
}

/// A call between parties with these keys, its counters rolling over in userspace and in the kernel.
fn translated(caller: Option<Key>, callee: Option<Key>, addresses: (&str, &str)) {
    let Some(mut engine) = start() else { return };
    let names = [&caller, &callee].map(|key| key.as_ref().map(|key| key.suite.name().to_owned()));
    let secrets: Vec<_> = [&caller, &callee].into_iter().flatten().map(Key::text).collect();
    let mut call = SecureCall::place(&mut engine, addresses, caller, callee).unwrap();
    let table = engine.daemon.table();
    call.talk_in_kernel(table, PACKETS).unwrap();
    // Through another rollover.
    for party in [&mut call.caller, &mut call.callee] {
        party.endpoint.stream.next += 32_000;
    }
    call.talk(1).unwrap();
    for party in [&mut call.caller, &mut call.callee] {
        party.endpoint.stream.next += 32_000;
    }
    call.talk_in_kernel(table, PACKETS).unwrap();
    let [caller, callee] = names;
    assert_eq!(suites(&engine, &call), [(caller.clone(), callee.clone()), (callee, caller)]);
    let shown = [
        engine.ctl(&["table", &table.to_string(), "flows"]).unwrap(),
        engine.ctl(&["--json", "call", &call.id, "info"]).unwrap(),
        engine.daemon.log(),
    ];
    for secret in secrets {
        assert!(shown.iter().all(|text| !text.contains(&secret)), "{shown:?}");
    }
    let flows = flows::of_call(table, &call.id).unwrap();
    assert!(flows.iter().all(|flow| flow.dropped == 0), "{flows:?}");
    // Those that were skipped were never sent.
    for party in [&mut call.caller, &mut call.callee] {
        party.endpoint.stream.next -= 64_000;
    }
    finish(engine, call, 0);
}

#[test]
fn from_srtp_to_rtp() {
    translated(Some(Key::new(CM, 1)), None, (CALLER, CALLEE));
}

#[test]
fn from_rtp_to_srtp_with_gcm_over_ipv6() {
    translated(None, Some(Key::new(Suite::AeadAes256Gcm, 1)), (CALLER, CALLEE_V6));
}

#[test]
fn between_srtp_with_different_keys() {
    translated(Some(Key::new(CM, 1)), Some(Key::new(Suite::AeadAes128Gcm, 2)), (CALLER, CALLEE));
}

#[test]
fn forged_and_repeated_packets_are_dropped_and_counted() {
    let Some(mut engine) = start() else { return };
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), Some(Key::new(CM, 1)), None).unwrap();
    let table = engine.daemon.table();
    call.establish(table).unwrap();
    let before = call.forwarded(table).unwrap().unwrap();
    for index in 0..PACKETS {
        let (plain, sealed) = call.caller.seal().unwrap();
        let mut forged = sealed.clone();
        forged[40] ^= 1;
        for packet in [&forged, &sealed, &sealed] {
            call.caller.endpoint.send_raw(packet).unwrap();
        }
        assert_eq!(call.callee.hear().unwrap(), plain, "packet {index}");
    }
    let flow = || {
        let flows = flows::of_call(table, &call.id)?;
        anyhow::Ok(flows.into_iter().find(|flow| flow.tag == call.from))
    };
    flows::wait_until("the kernel has dropped them", || {
        Ok(flow()?.is_some_and(|flow| flow.dropped == 2 * PACKETS))
    })
    .unwrap();
    let after = call.forwarded(table).unwrap().unwrap();
    assert_eq!(after.from_caller, before.from_caller + PACKETS);
    assert_eq!(call.callee.endpoint.receive_raw(Duration::ZERO).unwrap(), None);
    let reasons = engine.ctl(&["--json", "table", &table.to_string(), "reasons"]).unwrap();
    let reasons: serde_json::Value = serde_json::from_str(&reasons).unwrap();
    assert_eq!(
        (&reasons["SrtpAuthentication"], &reasons["SrtpReplay"]),
        (&json!(PACKETS), &json!(PACKETS)),
        "{reasons}"
    );
    finish(engine, call, 2 * PACKETS);
}

#[test]
fn keys_that_stay_go_on_over_reinvites_and_hold() {
    let Some(mut engine) = start() else { return };
    let (caller, callee) = (Key::new(CM, 1), Key::new(Suite::AeadAes128Gcm, 2));
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), Some(caller), Some(callee)).unwrap();
    let table = engine.daemon.table();
    call.talk_in_kernel(table, PACKETS).unwrap();
    let before = call.forwarded(table).unwrap();
    call.negotiate(&mut engine.ng, &[], &[]).unwrap();
    assert_eq!(call.forwarded(table).unwrap(), before, "the flows are the same ones");
    call.talk_in_kernel(table, PACKETS).unwrap();
    // Out of the kernel, and back.
    call.negotiate(&mut engine.ng, &["a=sendonly"], &["a=recvonly"]).unwrap();
    flows::wait_until("the flow of the held party is gone", || {
        Ok(flows::of_call(table, &call.id)?.len() == 1)
    })
    .unwrap();
    call.negotiate(&mut engine.ng, &["a=sendrecv"], &["a=sendrecv"]).unwrap();
    call.talk_in_kernel(table, PACKETS).unwrap();
    finish(engine, call, 0);
}

#[test]
fn a_new_key_counts_from_the_answer_on_in_its_direction() {
    let Some(mut engine) = start() else { return };
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), Some(Key::new(CM, 1)), None).unwrap();
    let table = engine.daemon.table();
    call.talk_in_kernel(table, PACKETS).unwrap();
    call.rekey_caller(Key::new(CM, 77));
    call.negotiate(&mut engine.ng, &[], &[]).unwrap();
    call.talk_in_kernel(table, PACKETS).unwrap();
    finish(engine, call, 0);
}

#[test]
fn what_the_program_cannot_do_is_done_in_userspace() {
    let Some(mut engine) = start() else { return };
    let key = Key::new(Suite::F8_128HmacSha1_80, 1);
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), Some(key), None).unwrap();
    call.talk(PACKETS).unwrap();
    let info = engine.ctl(&["--json", "call", &call.id, "info"]).unwrap();
    assert!(info.contains(r#""reason":"Srtp""#), "{info}");
    assert!(flows::of_call(engine.daemon.table(), &call.id).unwrap().is_empty());
    finish(engine, call, 0);
}

#[test]
fn the_kernel_goes_on_when_the_daemon_is_killed_and_the_next_one_keeps_the_call() {
    let Some(mut engine) = start() else { return };
    let (caller, callee) = (Key::new(CM, 1), Key::new(Suite::AeadAes128Gcm, 2));
    let mut call = SecureCall::place(&mut engine, (CALLER, CALLEE), Some(caller), Some(callee)).unwrap();
    call.talk_in_kernel(engine.daemon.table(), PACKETS).unwrap();
    let Engine { daemon, trio, ng } = engine;
    drop(ng);
    let table = daemon.table();
    let lease = daemon.kill_hard().unwrap();
    call.talk_in_kernel(table, PACKETS).unwrap();
    let mut engine = Engine::on(trio, Table::Number(table), &[]).unwrap();
    assert_eq!(engine.ng.list().unwrap(), [call.id.clone()]);
    call.talk_in_kernel(table, PACKETS).unwrap();
    let names = [CM.name().to_owned(), Suite::AeadAes128Gcm.name().to_owned()].map(Some);
    let [caller, callee] = names;
    assert_eq!(suites(&engine, &call), [(caller.clone(), callee.clone()), (callee, caller)]);
    // What only the kernel can read stops nowhere else: a stranger's packets lead to nothing.
    let before = call.forwarded(table).unwrap();
    let mut stray = call.caller.seal().unwrap().1;
    stray[40] ^= 1;
    call.caller.endpoint.send_raw(&stray).unwrap();
    assert_eq!(call.callee.endpoint.receive_raw(Duration::from_millis(100)).unwrap(), None);
    assert_eq!(call.forwarded(table).unwrap(), before);
    // Signalling leads to keys that the daemon knows as well.
    call.rekey_caller(Key::new(CM, 77));
    call.negotiate(&mut engine.ng, &[], &[]).unwrap();
    call.talk_in_kernel(table, PACKETS).unwrap();
    let id = call.id.clone();
    call.hang_up(&mut engine.ng).unwrap();
    assert!(engine.ng.list().unwrap().is_empty());
    flows::wait_until("the flows are gone", || Ok(flows::of_call(table, &id)?.is_empty())).unwrap();
    engine.daemon.stop().unwrap();
    drop(lease);
}
