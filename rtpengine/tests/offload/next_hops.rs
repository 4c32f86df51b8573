//! Next hops are resolved, followed, and never blackholed.

use rtpengine::xdp::AttachMode;
use rtpengine_core::io::{FlowCommand, Path, Reason};

use crate::world::{
    CALLEE, CALLER, ENGINE_A, ENGINE_B, FORWARD, SEEN_SSRC, SINK, World, assert_forwarded, forward, rtp,
    wait_until,
};

#[test]
fn an_installed_flow_is_forwarded_by_the_kernel_and_counted() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    let devices = manager.handle.status().devices;
    assert!(devices.iter().all(|device| device.mode == AttachMode::Native), "{devices:?}");
    // No neighbour is known yet: the manager has it resolved without any packet of ours.
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    let (from, to) = (world.caller_socket(), world.callee_socket());
    assert_forwarded(&from, &to, 100, 5);
    let counters = manager.handle.counters(FORWARD);
    assert_eq!((counters.packets, counters.bytes), (5, 5 * 32));
    // Sequence numbers go on from where the relay was.
    assert_eq!((counters.ssrcs[0].ssrc, counters.ssrcs[0].highest_seq), (SEEN_SSRC, 0x0003_0000 + 104));
    let out = manager.handle.counters(SINK);
    assert_eq!((out.packets, out.packets_out, out.bytes_out), (0, 5, 5 * 32));

    // Withdrawn: packets reach the socket again, the counters stay.
    let engine = world.engine_socket(ENGINE_A);
    manager.handle.command(FlowCommand::Remove { stream: FORWARD });
    let table = pinned_flows(&world);
    wait_until("the removal", || table().is_empty());
    from.send_to(&rtp(105), ENGINE_A).unwrap();
    let mut buffer = [0; 64];
    let (length, source) = engine.recv_from(&mut buffer).unwrap();
    assert_eq!((&buffer[..length], source), (&rtp(105)[..], CALLER.parse().unwrap()));
    let counters = manager.handle.counters(FORWARD);
    assert_eq!((counters.packets, counters.ssrcs.len()), (5, 0));
    // What the kernel counted by source has moved to the relay.
    let absorbed = manager.relay.absorbed.lock().unwrap().clone();
    assert_eq!(
        absorbed.iter().map(|source| (source.ssrc, source.packets)).collect::<Vec<_>>(),
        [(SEEN_SSRC, 5)]
    );

    // And into the kernel again: both stays add up, and a source unknown so far begins with its first number.
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&from, &to, 106, 3);
    assert_eq!(manager.handle.counters(FORWARD).packets, 8);
    assert_eq!(manager.handle.counters(SINK).packets_out, 8);
    let mut packet = rtp(0xf000);
    packet[8..12].copy_from_slice(&[9, 9, 9, 9]);
    from.send_to(&packet, ENGINE_A).unwrap();
    assert_eq!(to.recv_from(&mut buffer).unwrap().0, packet.len());
    let sources = manager.handle.counters(FORWARD).ssrcs;
    let newest = sources.last().map(|source| (source.ssrc, source.highest_seq));
    assert_eq!(newest, Some((0x0909_0909, 0xf000)));
    manager.handle.shutdown();
    assert!(world.root.entries().is_empty(), "{:?}", world.root.entries());
    assert_eq!(world.engine.xdp("ea").unwrap(), None);
    assert_eq!(world.engine.xdp("eb").unwrap(), None);
}

#[test]
fn a_route_for_a_tos_is_taken_by_flows_that_set_it() {
    let Some(world) = World::new() else { return };
    world.engine.ip(&["neigh replace 10.77.2.3 dev eb lladdr 02:00:00:00:77:03 nud permanent"]).unwrap();
    world.engine.ip(&["route add 10.77.2.2/32 tos 0x10 via 10.77.2.3 dev eb"]).unwrap();
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    let table = pinned_flows(&world);
    let gateway = [2, 0, 0, 0, 0x77, 3];
    assert!(table().iter().all(|value| value.dst_mac != gateway));
    let mut low_delay = forward();
    low_delay.outputs[0].tos = Some(0x10);
    manager.install(low_delay);
    wait_until("the flow's update", || table().iter().all(|value| value.dst_mac == gateway));
    manager.handle.shutdown();
}

#[test]
fn a_changed_mac_address_reaches_the_flow() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    let (from, to) = (world.caller_socket(), world.callee_socket());
    assert_forwarded(&from, &to, 1, 2);
    world.callee.ip(&["link set cb address 02:00:00:00:77:02"]).unwrap();
    // The engine hears of it, as after a failover.
    world.engine.ip(&["neigh replace 10.77.2.2 dev eb lladdr 02:00:00:00:77:02 nud reachable"]).unwrap();
    let table = pinned_flows(&world);
    wait_until("the flow's update", || table().iter().all(|value| value.dst_mac == [2, 0, 0, 0, 0x77, 2]));
    assert_forwarded(&from, &to, 3, 2);
    assert_eq!(manager.handle.counters(FORWARD).packets, 4);
    manager.handle.shutdown();
}

fn pinned_flows(world: &World) -> impl Fn() -> Vec<rtpengine_common::abi::FlowValue> {
    let net = world.engine.run(|| rtpengine::xdp::bpffs::own_net().unwrap()).unwrap();
    let path = rtpengine::xdp::BpfRoot::new(&world.root.0).net_of(net).join(rtpengine_common::pins::FLOWS);
    move || {
        let fd = rtpengine::xdp::sys::open_pin(&path).unwrap();
        let map = rtpengine::xdp::sys::Map::<rtpengine_common::abi::FlowKey, rtpengine_common::abi::FlowValue>::new(fd)
            .unwrap();
        map.keys().unwrap().iter().filter_map(|key| map.get(key).unwrap()).collect()
    }
}

#[test]
fn a_link_that_goes_down_withdraws_its_flows_until_it_is_back() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    world.callee.ip(&["link set cb down"]).unwrap();
    manager.wait_for(FORWARD, Path::Userspace(Reason::NoNextHop));
    let engine = world.engine_socket(ENGINE_A);
    let from = world.caller_socket();
    from.send_to(&rtp(1), ENGINE_A).unwrap();
    assert_eq!(engine.recv_from(&mut [0; 64]).unwrap().0, 32);
    world.callee.ip(&["link set cb up"]).unwrap();
    manager.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&from, &world.callee_socket(), 2, 2);
    manager.handle.shutdown();
}

#[test]
fn a_neighbour_that_fails_withdraws_and_a_new_route_brings_the_flow_back() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    world.engine.ip(&["neigh replace 10.77.2.2 dev eb nud failed"]).unwrap();
    manager.wait_for(FORWARD, Path::Userspace(Reason::NoNextHop));
    // The manager asks for it at once and it answers.
    manager.wait_for(FORWARD, Path::Kernel);

    // The callee becomes reachable through a router only.
    world.callee.ip(&["addr add 10.77.2.9/24 dev cb"]).unwrap();
    world.engine.ip(&["route add blackhole 10.77.2.2/32"]).unwrap();
    manager.wait_for(FORWARD, Path::Userspace(Reason::NoNextHop));
    world.engine.ip(&["route replace 10.77.2.2/32 via 10.77.2.9 dev eb"]).unwrap();
    world.engine.ip(&["route flush type blackhole"]).unwrap();
    manager.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&world.caller_socket(), &world.callee_socket(), 1, 2);
    manager.handle.shutdown();
}

#[test]
fn an_idle_flow_returns_to_userspace_and_comes_back_with_the_packets() {
    let Some(world) = World::new() else { return };
    let config = rtpengine::xdp::OffloadConfig {
        idle_after: std::time::Duration::from_millis(1500),
        ..world.config(1)
    };
    let manager = world.try_start(config).unwrap();
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    manager.wait_for(FORWARD, Path::Userspace(Reason::Idle));
    let (from, to) = (world.caller_socket(), world.callee_socket());
    let engine = world.engine_socket(ENGINE_A);
    from.send_to(&rtp(1), ENGINE_A).unwrap();
    assert_eq!(engine.recv_from(&mut [0; 64]).unwrap().0, 32);
    manager.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&from, &to, 2, 2);
    let counters = manager.handle.counters(FORWARD);
    assert_eq!((counters.packets, counters.punted), (2, 1));
    manager.handle.shutdown();
}

#[test]
fn a_vlan_sub_interface_is_attached_below_and_keeps_its_tag() {
    let Some(world) = World::new() else { return };
    if let Err(error) = world.engine.ip(&["link add eb.42 link eb type vlan id 42"]) {
        assert!(error.to_string().contains("Unknown device type"), "{error}");
        eprintln!("skipped: this kernel has no VLAN devices");
        return;
    }
    world
        .engine
        .ip(&["addr del 10.77.2.1/24 dev eb", "link set eb.42 up", "addr add 10.77.2.1/24 dev eb.42"])
        .unwrap();
    world
        .callee
        .ip(&[
            "addr del 10.77.2.2/24 dev cb",
            "link add cb.42 link cb type vlan id 42",
            "link set cb.42 up",
            "addr add 10.77.2.2/24 dev cb.42",
        ])
        .unwrap();
    let manager = world.start(1);
    let names: Vec<_> =
        manager.handle.status().devices.iter().map(|device| device.name.to_string()).collect();
    assert_eq!(names, ["ea", "eb"]);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&world.caller_socket(), &world.callee_socket(), 1, 3);
    assert_eq!(manager.handle.counters(FORWARD).packets, 3);
    manager.handle.shutdown();
}

#[test]
fn a_peer_on_this_host_is_left_to_userspace() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    let mut spec = forward();
    spec.outputs[0].to = ENGINE_B.parse().unwrap();
    manager.install(spec);
    manager.wait_for(FORWARD, Path::Userspace(Reason::LocalPeer));
    let mut spec = forward();
    spec.source = ENGINE_B.parse().unwrap();
    spec.outputs[0].to = CALLEE.parse().unwrap();
    spec.stream = rtpengine_core::io::StreamId(9);
    spec.local = "10.77.1.1:30004".parse().unwrap();
    manager.install(spec);
    manager.wait_for(rtpengine_core::io::StreamId(9), Path::Userspace(Reason::LocalPeer));
    manager.handle.shutdown();
}

#[test]
fn the_neighbour_of_a_forwarded_flow_is_kept_alive() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    world.engine.sysctl("net/ipv4/neigh/eb/delay_first_probe_time", "1").unwrap();
    world.engine.ip(&["neigh change 10.77.2.2 dev eb nud stale"]).unwrap();
    wait_until("the confirmation", || {
        let entries = world.engine.ip_json(&["neigh", "show", "10.77.2.2", "dev", "eb"]).unwrap();
        entries[0]["state"][0] == "REACHABLE"
    });
    assert_forwarded(&world.caller_socket(), &world.callee_socket(), 1, 2);
    assert_eq!(manager.handle.counters(FORWARD).packets, 2);
    manager.handle.shutdown();
}
