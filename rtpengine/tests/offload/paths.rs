//! Loopback in generic mode, IPv6, flows that only count.

use std::net::UdpSocket;

use rtpengine::xdp::{AttachMode, OffloadConfig};
use rtpengine_core::io::{FlowOutput, FlowSpec, Path, Reason};
use rtpengine_tests::wire;
use smallvec::smallvec;

use crate::world::{ENGINE_A, FORWARD, SINK, WAIT, World, forward, rtp, socket, wait_until};

fn flow(local: &str, source: &str, from: &str, to: &str) -> FlowSpec {
    FlowSpec {
        local: local.parse().unwrap(),
        source: source.parse().unwrap(),
        outputs: smallvec![FlowOutput {
            stream: SINK,
            keyring: SINK,
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            tos: None,
            crypto: None,
            restraint: Default::default(),
            turned_ssrc: None,
        }],
        ..forward()
    }
}

fn assert_passes(from: &UdpSocket, local: &str, to: &UdpSocket, egress: &str) {
    for sequence in 1..4 {
        from.send_to(&rtp(sequence), local).unwrap();
        let mut buffer = [0; 64];
        let (length, source) = to.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..length], source), (&rtp(sequence)[..], egress.parse().unwrap()));
    }
}

#[test]
fn parties_on_loopback_are_served_in_generic_mode() {
    let Some(world) = World::new() else { return };
    let config = OffloadConfig { addresses: vec!["127.0.0.1".parse().unwrap()], ..world.config(1) };
    let manager = world.try_start(config).unwrap();
    let devices = manager.handle.status().devices;
    assert_eq!((&*devices[0].name, devices[0].mode), ("lo", AttachMode::Generic));
    assert!(devices[0].reason.contains("loopback"), "{}", devices[0].reason);
    let (local, egress) = ("127.0.0.1:30000", "127.0.0.1:30002");
    manager.install(flow(local, "127.0.0.1:4000", egress, "127.0.0.1:5000"));
    manager.wait_for(FORWARD, Path::Kernel);
    let from = socket(&world.engine, "127.0.0.1:4000");
    let to = socket(&world.engine, "127.0.0.1:5000");
    assert_passes(&from, local, &to, egress);
    assert_eq!(manager.handle.counters(FORWARD).packets, 3);
    manager.handle.shutdown();
    assert_eq!(world.engine.xdp("lo").unwrap(), None);
}

#[test]
fn ipv6_neighbours_are_resolved_and_followed() {
    let Some(world) = World::new() else { return };
    world.engine.ip(&["addr add fd77:1::1/64 dev ea", "addr add fd77:2::1/64 dev eb"]).unwrap();
    world.caller.ip(&["addr add fd77:1::2/64 dev ca"]).unwrap();
    world.callee.ip(&["addr add fd77:2::2/64 dev cb"]).unwrap();
    let addresses = ["fd77:1::1", "fd77:2::1"].map(|address| address.parse().unwrap()).to_vec();
    let manager = world.try_start(OffloadConfig { addresses, ..world.config(1) }).unwrap();
    let (local, egress) = ("[fd77:1::1]:30000", "[fd77:2::1]:30002");
    manager.install(flow(local, "[fd77:1::2]:4000", egress, "[fd77:2::2]:5000"));
    manager.wait_for(FORWARD, Path::Kernel);
    let from = socket(&world.caller, "[fd77:1::2]:4000");
    let to = socket(&world.callee, "[fd77:2::2]:5000");
    assert_passes(&from, local, &to, egress);
    assert_eq!(manager.handle.counters(FORWARD).packets, 3);
    world.callee.ip(&["link set cb down"]).unwrap();
    manager.wait_for(FORWARD, Path::Userspace(Reason::NoNextHop));
    manager.handle.shutdown();
}

#[test]
fn checksums_that_a_veth_leaves_to_hardware_do_not_reach_the_receiver() {
    let Some(world) = World::new() else { return };
    let offload = || wire::prepare("ca", wire::TransmitChecksums::Offloaded);
    world.caller.run(offload).unwrap().unwrap();
    world.engine.ip(&["addr add fd77:1::1/64 dev ea", "addr add fd77:2::1/64 dev eb"]).unwrap();
    world.caller.ip(&["addr add fd77:1::2/64 dev ca"]).unwrap();
    world.callee.ip(&["addr add fd77:2::2/64 dev cb"]).unwrap();
    let addresses = ["10.77.1.1", "10.77.2.1", "fd77:1::1", "fd77:2::1"].map(|a| a.parse().unwrap());
    let manager =
        world.try_start(OffloadConfig { addresses: addresses.to_vec(), ..world.config(1) }).unwrap();
    let v4 = ["10.77.1.1:30000", "10.77.1.2:4000", "10.77.2.1:30002", "10.77.2.2:5000"];
    let v6 = ["[fd77:1::1]:30000", "[fd77:1::2]:4000", "[fd77:2::1]:30002", "[fd77:2::2]:5000"];
    for (number, (input, output)) in (10..).zip([(v4, v4), (v6, v6), (v4, v6), (v6, v4)]) {
        let (local, remote, egress, peer) = (input[0], input[1], output[2], output[3]);
        let stream = rtpengine_core::io::StreamId(number);
        manager.install(FlowSpec { stream, ..flow(local, remote, egress, peer) });
        manager.wait_for(stream, Path::Kernel);
        let (from, to) = (socket(&world.caller, remote), socket(&world.callee, peer));
        assert_passes(&from, local, &to, egress);
        assert_eq!(manager.handle.counters(stream).packets, 3, "{local} to {peer}");
        manager.handle.command(rtpengine_core::io::FlowCommand::Remove { stream });
        manager.wait_until("the removal", |handle| handle.status().kernel_flows == 0);
    }
    manager.handle.shutdown();
}

#[test]
fn a_flow_without_outputs_counts_and_drops_in_the_kernel() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    let mut spec = forward();
    spec.outputs.clear();
    manager.install(spec);
    manager.wait_for(FORWARD, Path::Kernel);
    let engine = world.engine_socket(ENGINE_A);
    engine.set_nonblocking(true).unwrap();
    let from = world.caller_socket();
    from.set_write_timeout(Some(WAIT)).unwrap();
    for sequence in 1..4 {
        from.send_to(&rtp(sequence), ENGINE_A).unwrap();
    }
    wait_until("the count", || manager.handle.counters(FORWARD).packets == 3);
    assert!(engine.recv_from(&mut [0; 64]).is_err());
    manager.handle.shutdown();
}

#[test]
fn several_outputs_stay_in_userspace() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    let mut spec = forward();
    spec.outputs.push(spec.outputs[0].clone());
    manager.install(spec);
    manager.wait_for(FORWARD, Path::Userspace(Reason::ManyOutputs));
    // Back to one: the kernel takes it.
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    manager.handle.shutdown();
}
