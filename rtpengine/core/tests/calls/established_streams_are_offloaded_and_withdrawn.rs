//! The offload plan follows the state of the call.

use rtpengine_core::{
    config::CoreConfig,
    io::{MediaEvent, Path, Reason, SourceMismatch},
    ng::Flag,
};

use crate::pair::{Pair, audio, audio_with, config};

#[test]
fn a_flow_per_direction_once_its_sender_is_known() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    assert!(pair.plane.flows.is_empty());
    let from_caller = pair.settle(&caller, "192.0.2.1:2000");
    let flow = pair.plane.flows[&from_caller].clone();
    assert_eq!(flow.source, "192.0.2.1:2000".parse().unwrap());
    assert_eq!(flow.local, caller.rtp);
    assert_eq!(flow.mismatch, SourceMismatch::Ignore);
    assert!(!flow.rtcp_mux);
    let output = &flow.outputs[0];
    assert_eq!((output.from, output.to), (callee.rtp, "192.0.2.2:3000".parse().unwrap()));
    let identity = &flow.identity;
    assert_eq!((&*identity.call_id, &*identity.tag, &*identity.peer_tag), ("call1", "ft", "tt"));
    assert!(identity.offerer && identity.interface == "foo" && identity.media == 0);
    // The callee turns out to be behind NAT: its own flow appears and the other one is corrected.
    pair.settle(&callee, "203.0.113.8:5000");
    assert_eq!(pair.plane.flows.len(), 2);
    assert_eq!(pair.plane.flows[&from_caller].outputs[0].to, "203.0.113.8:5000".parse().unwrap());
    let installs = pair.plane.installs;
    pair.settle(&callee, "203.0.113.8:5000");
    assert_eq!(pair.plane.installs, installs, "told only of changes");
    pair.delete("ft", "tt");
    pair.assert_empty();
}

#[test]
fn hold_withdraws_and_resume_installs_again() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    pair.settle(&caller, "192.0.2.1:2000");
    let from_callee = pair.settle(&callee, "192.0.2.2:3000");
    pair.offer("ft", "tt", &audio_with("192.0.2.1", 2000, "a=sendonly\r\n"));
    pair.answer("ft", "tt", &audio_with("192.0.2.2", 3000, "a=recvonly\r\n"));
    assert_eq!(pair.plane.flows.len(), 1, "music on hold stays in the kernel");
    assert!(!pair.plane.flows.contains_key(&from_callee));
    let path = |pair: &Pair| {
        let info = pair.engine.call("call1", &pair.plane).unwrap();
        info.parties[1].medias[0].streams[0].path
    };
    assert_eq!(path(&pair), Path::Userspace(Reason::Hold));
    pair.offer("ft", "tt", &audio("192.0.2.1", 2000));
    pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    assert_eq!(pair.plane.flows.len(), 2);
    pair.path(from_callee, Path::Kernel);
    assert_eq!(path(&pair), Path::Kernel);
    pair.path(from_callee, Path::Userspace(Reason::NoNextHop));
    assert_eq!(path(&pair), Path::Userspace(Reason::NoNextHop));
}

#[test]
fn statistics_tell_the_kernel_userspace_and_a_path_of_each_apart() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let counted = |pair: &Pair| {
        let current = pair.engine.statistics_model(pair.now, &pair.plane).current;
        (current.media_userspace, current.media_kernel, current.media_mixed)
    };
    assert_eq!(counted(&pair), (2, 0, 0));
    let from_caller = pair.settle(&caller, "192.0.2.1:2000");
    pair.path(from_caller, Path::Kernel);
    assert_eq!(counted(&pair), (0, 0, 2));
    let from_callee = pair.settle(&callee, "192.0.2.2:3000");
    pair.path(from_callee, Path::Kernel);
    assert_eq!(counted(&pair), (0, 2, 0));
}

#[test]
fn a_moved_party_is_not_forwarded_until_it_is_known_again() {
    let mut pair = Pair::new();
    let (caller, callee) = pair.call();
    let from_caller = pair.settle(&caller, "192.0.2.1:2000");
    pair.settle(&callee, "192.0.2.2:3000");
    pair.offer("ft", "tt", &audio("192.0.2.9", 2900));
    assert!(!pair.plane.flows.contains_key(&from_caller));
    assert_eq!(pair.plane.flows.values().next().unwrap().outputs[0].to, "192.0.2.9:2900".parse().unwrap());
}

#[test]
fn source_policies_become_checks_and_asymmetric_parties_need_no_learning() {
    let mismatch = |flag: Flag| {
        let mut pair = Pair::new();
        pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| {
            request.flags.insert(flag);
            request.flags.insert(Flag::Asymmetric);
        });
        pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
        assert_eq!(pair.plane.flows.len(), 1, "the caller's address is taken as signalled");
        pair.plane.flows.values().next().unwrap().mismatch
    };
    assert_eq!(mismatch(Flag::StrictSource), SourceMismatch::Drop);
    assert_eq!(mismatch(Flag::MediaHandover), SourceMismatch::Punt);
}

#[test]
fn without_a_table_everything_stays_up() {
    let mut pair = Pair::with(CoreConfig { offload: false, ..config() });
    let (caller, _) = pair.call();
    pair.settle(&caller, "192.0.2.1:2000");
    assert!(pair.plane.flows.is_empty());
    let info = pair.engine.call("call1", &pair.plane).unwrap();
    assert_eq!(info.parties[0].medias[0].streams[0].path, Path::Userspace(Reason::TableOff));
}

#[test]
fn early_media_is_offloaded_before_the_answer() {
    let mut pair = Pair::new();
    let callee = pair.offer("ft", "", &audio("192.0.2.1", 2000));
    pair.settle(&callee, "192.0.2.2:3000");
    assert_eq!(
        pair.plane.flows.len(),
        1,
        "early media of the callee may pass: the caller's address is signalled"
    );
}

#[test]
fn debugging_reaches_the_kernel_and_can_be_switched() {
    let mut pair = Pair::new();
    pair.offer_with("ft", "", &audio("192.0.2.1", 2000), |request| request.flags.insert(Flag::Debug));
    let caller = pair.answer("ft", "tt", &audio("192.0.2.2", 3000));
    let stream = pair.settle(&caller, "192.0.2.1:2000");
    assert!(pair.plane.flows[&stream].debug && pair.plane.debugged.contains("call1"));
    assert!(pair.engine.set_debug("call1", false) && !pair.engine.set_debug("other", true));
    pair.flush();
    assert!(!pair.plane.flows[&stream].debug && pair.plane.debugged.is_empty());
    pair.engine.set_debug("call1", true);
    pair.flush();
    assert!(pair.plane.flows[&stream].debug && pair.plane.debugged.contains("call1"));
    pair.delete("ft", "tt");
    assert!(pair.plane.debugged.is_empty(), "the logs forget a call that has ended");
}

#[test]
fn a_report_that_was_under_way_when_the_party_moved_changes_nothing() {
    let mut pair = Pair::new();
    let (caller, _) = pair.call();
    let from_caller = pair.stream(caller.rtp);
    let epoch = pair.plane.relay[&from_caller].epoch;
    pair.offer("ft", "tt", &audio("192.0.2.9", 2900));
    let late = MediaEvent::EndpointSettled {
        stream: from_caller,
        endpoint: "203.0.113.8:5000".parse().unwrap(),
        epoch,
    };
    pair.engine.event(pair.now, late);
    pair.flush();
    let relay = pair.relay(&caller);
    assert_eq!((relay.endpoint, relay.endpoint_settled), (Some("192.0.2.9:2900".parse().unwrap()), false));
    assert!(pair.plane.flows.is_empty());
    pair.settle(&caller, "203.0.113.9:5000");
    assert_eq!(pair.plane.flows[&from_caller].source, "203.0.113.9:5000".parse().unwrap());
}
