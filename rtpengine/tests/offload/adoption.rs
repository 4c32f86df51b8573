//! Flows outlive their daemon and are adopted by the next one.

use rtpengine::xdp::flow::socket_address;
use rtpengine::xdp::sys::{Map, open_pin};
use rtpengine_common::abi::{FlowKey, FlowStats, FlowValue};
use rtpengine_common::pins;
use rtpengine_core::io::Path;

use crate::world::{ENGINE_A, FORWARD, SINK, World, assert_forwarded, forward, rtp};

#[test]
fn flows_go_on_without_a_daemon_and_are_adopted_by_the_next() {
    let Some(world) = World::new() else { return };
    let (from, to) = (world.caller_socket(), world.callee_socket());
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&from, &to, 1, 2);
    drop(manager);
    assert_forwarded(&from, &to, 3, 2);

    let manager = world.start(1);
    assert_forwarded(&from, &to, 5, 2);
    let [flow] = manager.report.adopted.as_slice() else { panic!("{:?}", manager.report.adopted) };
    assert_eq!(socket_address(flow.key.addr, flow.key.port), ENGINE_A.parse().unwrap());
    assert_eq!(flow.info.call_id.iter().position(|byte| *byte == 0), Some("offload-test".len()));
    assert_eq!(flow.stats.packets(), 4);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    manager.handle.drop_unclaimed();
    assert_forwarded(&from, &to, 7, 2);
    assert_eq!(manager.handle.counters(FORWARD).packets, 8);
    assert_eq!(manager.handle.counters(SINK).packets_out, 8);
    manager.handle.shutdown();
    assert!(world.root.entries().is_empty(), "{:?}", world.root.entries());
}

#[test]
fn a_flow_that_was_settling_when_its_daemon_died_forwards_again() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    drop(manager);
    // As a daemon leaves it that is killed between the handover and the packet that ends it.
    let net = world.net();
    let flows = Map::<FlowKey, FlowValue>::new(open_pin(&net.join(pins::FLOWS)).unwrap()).unwrap();
    let stats = Map::<u32, FlowStats>::new(open_pin(&net.join(pins::STATS)).unwrap()).unwrap();
    let slot = flows.get(&flows.keys().unwrap()[0]).unwrap().unwrap().slot;
    let before = stats.get(&slot).unwrap().unwrap();
    stats.put(&slot, &FlowStats { settling: 1 << 31 | 7, handed_up: 0, relayed: 0, ..before }).unwrap();
    let (from, to) = (world.caller_socket(), world.callee_socket());
    let engine = world.engine_socket(ENGINE_A);
    for sequence in 1..=2 {
        from.send_to(&rtp(sequence), ENGINE_A).unwrap();
        assert_eq!(engine.recv_from(&mut [0; 64]).unwrap().0, 32, "nobody relays what would settle it");
    }

    let manager = world.start(1);
    assert_eq!(manager.report.adopted.len(), 1);
    assert_forwarded(&from, &to, 3, 2);
    assert_eq!(stats.get(&slot).unwrap().unwrap().settling, 0);
    manager.handle.shutdown();
}

#[test]
fn flows_that_nobody_claims_go() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    drop(manager);
    let manager = world.start(1);
    assert_eq!(manager.report.adopted.len(), 1);
    let engine = world.engine_socket(ENGINE_A);
    manager.handle.drop_unclaimed();
    let from = world.caller_socket();
    engine.set_read_timeout(Some(std::time::Duration::from_millis(50))).unwrap();
    crate::world::wait_until("the packets' return to userspace", || {
        from.send_to(&rtp(1), ENGINE_A).unwrap();
        engine.recv_from(&mut [0; 64]).is_ok()
    });
    manager.handle.shutdown();
}

#[test]
fn another_daemon_removes_a_table_whose_owner_is_gone_and_whose_flows_are_silent() {
    let Some(world) = World::new() else { return };
    let config = rtpengine::xdp::OffloadConfig {
        orphan_after: std::time::Duration::from_millis(1),
        ..world.config(1)
    };
    let manager = world.try_start(config).unwrap();
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    drop(manager);
    std::thread::sleep(std::time::Duration::from_millis(10));
    let other = world.start(2);
    let left = world.root.entries();
    assert!(!left.contains(&"1".to_owned()) && left.contains(&"2".to_owned()), "{left:?}");
    other.handle.shutdown();
}
