//! Tables: several on one device, one live owner each, nothing left behind.

use rtpengine::xdp::{OffloadConfig, XdpError};
use rtpengine_core::io::{MediaEvent, Path, Reason, StreamId};

use crate::world::{FORWARD, World, assert_forwarded, forward};

#[test]
fn two_tables_share_the_devices_and_the_last_one_out_detaches() {
    let Some(world) = World::new() else { return };
    let first = world.start(1);
    let second = world.start(2);
    first.install(forward());
    first.wait_for(FORWARD, Path::Kernel);
    let mut other = forward();
    other.local = "10.77.1.1:31000".parse().unwrap();
    second.install(other);
    second.wait_for(FORWARD, Path::Kernel);
    let (from, to) = (world.caller_socket(), world.callee_socket());
    assert_forwarded(&from, &to, 1, 2);
    from.send_to(&crate::world::rtp(9), "10.77.1.1:31000").unwrap();
    assert_eq!(to.recv_from(&mut [0; 64]).unwrap().0, 32);
    assert_eq!(first.handle.counters(FORWARD).packets, 2);
    assert_eq!(second.handle.counters(FORWARD).packets, 1);

    first.handle.shutdown();
    assert!(world.engine.xdp("ea").unwrap().is_some());
    from.send_to(&crate::world::rtp(10), "10.77.1.1:31000").unwrap();
    assert_eq!(to.recv_from(&mut [0; 64]).unwrap().0, 32);
    second.handle.shutdown();
    assert_eq!(world.engine.xdp("ea").unwrap(), None);
    assert!(world.root.entries().is_empty(), "{:?}", world.root.entries());
}

#[test]
fn a_table_with_a_live_owner_is_refused_by_its_process_id() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    let Err(error) = world.try_start(OffloadConfig { no_fallback: false, ..world.config(1) }) else {
        panic!("the table was given out twice");
    };
    assert!(matches!(error, XdpError::InUse { table: 1, pid } if pid == std::process::id()), "{error}");
    manager.handle.shutdown();
}

#[test]
fn without_a_table_every_stream_is_told_so() {
    let Some(world) = World::new() else { return };
    let manager = world.start(-1);
    manager.install(forward());
    let expected = MediaEvent::FlowPath { stream: FORWARD, path: Path::Userspace(Reason::TableOff) };
    assert_eq!(manager.events.recv().unwrap(), expected);
    assert_eq!(manager.handle.counters(StreamId(1)), rtpengine::xdp::KernelCounters::default());
    manager.handle.shutdown();
}

#[test]
fn without_a_bpf_file_system_media_stays_in_userspace_unless_that_is_forbidden() {
    let Some(world) = World::new() else { return };
    let folder = tempfile::tempdir().unwrap();
    let config =
        OffloadConfig { root: rtpengine::xdp::BpfRoot::new(folder.path().join("x")), ..world.config(1) };
    assert!(matches!(world.try_start(config.clone()).err(), Some(XdpError::BpfFs { .. })));
    let manager = world.try_start(OffloadConfig { no_fallback: false, ..config }).unwrap();
    assert!(manager.report.status.off.as_ref().is_some_and(|reason| reason.contains("BPF file system")));
    manager.install(forward());
    let expected = MediaEvent::FlowPath { stream: FORWARD, path: Path::Userspace(Reason::NoXdp) };
    assert_eq!(manager.events.recv().unwrap(), expected);
}

#[test]
fn an_address_that_appears_later_is_attached_then() {
    let Some(world) = World::new() else { return };
    world.engine.ip(&["addr del 10.77.1.1/24 dev ea"]).unwrap();
    let manager = world.start(1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Userspace(Reason::NoXdp));
    world.engine.ip(&["addr add 10.77.1.1/24 dev ea"]).unwrap();
    manager.wait_for(FORWARD, Path::Kernel);
    assert_forwarded(&world.caller_socket(), &world.callee_socket(), 1, 2);
    manager.handle.shutdown();
}
