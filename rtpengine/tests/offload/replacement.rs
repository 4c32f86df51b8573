//! Daemons of different versions after each other and side by side: other maps, another program.

use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd};
use std::path::Path as FilePath;

use aya::programs::Xdp;
use rtpengine::xdp::XdpError;
use rtpengine::xdp::sys::{self, Map, MapShape, MapType, open_pin};
use rtpengine_common::abi::{ABI_VERSION, Owner};
use rtpengine_common::pins;
use rtpengine_core::io::Path;

use crate::world::{ENGINE_A, FORWARD, World, assert_forwarded, forward, rtp};

/// A version nobody has.
const OTHER: u32 = 99;

/// Version of what tables share.
fn set_version(net: &FilePath, version: u32) {
    Map::<u32, u32>::new(open_pin(&net.join("abi")).unwrap()).unwrap().put(&0, &version).unwrap();
}

/// Version in a table's record.
fn set_owner_version(world: &World, table: &str, abi_version: u32) {
    let owner = world.root.0.join(table).join(pins::OWNER);
    let owner = Map::<u32, Owner>::new(open_pin(&owner).unwrap()).unwrap();
    let recorded = owner.get(&0).unwrap().unwrap();
    owner.put(&0, &Owner { abi_version, ..recorded }).unwrap();
}

/// The kernel's number of a link: a new attachment has a new one.
fn link_id(link: BorrowedFd<'_>) -> String {
    let info = std::fs::read_to_string(format!("/proc/self/fdinfo/{}", link.as_raw_fd())).unwrap();
    info.lines().find(|line| line.starts_with("link_id")).unwrap().to_owned()
}

/// What a version leaves whose program and maps have nothing in common with ours but their names.
fn leave_another_version(world: &World, net: &FilePath) {
    for name in [pins::FLOWS, pins::STATS] {
        std::fs::remove_file(net.join(name)).unwrap();
        let shape = MapShape {
            map_type: MapType::Array as u32,
            key_size: 4,
            value_size: 40,
            max_entries: 16,
            flags: 0,
        };
        let map = sys::create_map("other", shape).unwrap();
        sys::pin(map.as_fd(), &net.join(name)).unwrap();
    }
    set_version(net, OTHER);
    set_owner_version(world, "1", OTHER);
}

#[test]
fn the_program_and_maps_of_another_version_are_replaced_under_the_same_link() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    drop(manager);
    let net = world.net();
    let device = world.engine.xdp("ea").unwrap().unwrap();
    let index = world.engine.run(|| nix::net::if_::if_nametoindex("ea").unwrap()).unwrap();
    let link = open_pin(&net.join(pins::LINKS).join(index.to_string())).unwrap();
    let before = link_id(link.as_fd());

    // Another program runs on the device, from another load of another object.
    let mut other = aya::Ebpf::load(&std::fs::read(rtpengine_tests::xdp::object_path()).unwrap()).unwrap();
    let program: &mut Xdp = other.program_mut("rtpengine_xdp_pass").unwrap().try_into().unwrap();
    program.load().unwrap();
    sys::update_link(link.as_fd(), program.fd().unwrap().as_fd()).unwrap();
    assert_ne!(world.engine.xdp("ea").unwrap().unwrap().program_id, device.program_id);
    leave_another_version(&world, &net);
    let (from, to) = (world.caller_socket(), world.callee_socket());
    let engine = world.engine_socket(ENGINE_A);
    from.send_to(&rtp(1), ENGINE_A).unwrap();
    assert_eq!(engine.recv_from(&mut [0; 64]).unwrap().0, 32, "that program forwards nothing");

    let manager = world.start(1);
    assert!(manager.report.adopted.is_empty());
    assert_eq!(link_id(link.as_fd()), before, "the device was never without a program");
    from.send_to(&rtp(2), ENGINE_A).unwrap();
    assert_eq!(engine.recv_from(&mut [0; 64]).unwrap().0, 32, "the new maps have no flow yet");
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&from, &to, 3, 2);
    assert_eq!(manager.handle.counters(FORWARD).packets, 2);
    manager.handle.shutdown();
    assert!(world.root.entries().is_empty(), "{:?}", world.root.entries());
}

#[test]
fn a_daemon_of_another_version_cannot_take_the_table_of_a_live_one() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    // To a daemon of this version, the live one is of another.
    set_owner_version(&world, "1", OTHER);
    let refused = world.try_start(world.config(1)).map(drop);
    assert!(matches!(refused, Err(XdpError::InUse { table: 1, .. })), "{refused:?}");
    assert_forwarded(&world.caller_socket(), &world.callee_socket(), 1, 2);
    manager.handle.shutdown();
}

#[test]
fn beside_a_live_daemon_of_another_version_media_goes_through_userspace() {
    let Some(world) = World::new() else { return };
    let old = world.start(1);
    old.install(forward());
    old.wait_for(FORWARD, Path::Kernel);
    let (from, to) = (world.caller_socket(), world.callee_socket());
    assert_forwarded(&from, &to, 1, 2);
    // To a daemon of this version that comes later, the shared maps are of another.
    set_version(&world.net(), OTHER);
    let new = world.start(2);
    // Nothing of the old one's media is lost: it comes to its sockets.
    let engine = world.engine_socket(ENGINE_A);
    from.send_to(&rtp(3), ENGINE_A).unwrap();
    assert_eq!(engine.recv_from(&mut [0; 64]).unwrap().0, 32);
    drop(engine);
    // The devices are the new one's, also after the old one has ended, to which the maps are now of another version.
    set_version(&world.net(), OTHER);
    old.handle.shutdown();
    set_version(&world.net(), ABI_VERSION);
    new.install(forward());
    new.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&from, &to, 4, 2);
    assert_eq!(new.handle.counters(FORWARD).packets, 2);
    new.handle.shutdown();
    assert!(world.root.entries().is_empty(), "{:?}", world.root.entries());
}
