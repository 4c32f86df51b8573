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

/// Variables for the process that plays the other daemon: its root folder, and that it is that process.
const OWNER_ROOT: &str = "OFFLOAD_TEST_OWNER_ROOT";

/// Not a test by itself: started as a process of its own by the test below.
#[test]
fn owner_process() {
    let Some(root) = std::env::var_os(OWNER_ROOT) else { return };
    let addresses = vec!["10.77.1.1".parse().unwrap(), "10.77.2.1".parse().unwrap()];
    let config =
        OffloadConfig { root: rtpengine::xdp::BpfRoot::new(root), ..OffloadConfig::new(1, addresses) };
    let (sender, events) = std::sync::mpsc::channel();
    let relay = std::sync::Arc::new(crate::world::NoRelay::default());
    let (handle, _) = rtpengine::xdp::start(config, relay, move |event| drop(sender.send(event))).unwrap();
    handle.command(rtpengine_core::io::FlowCommand::Install(Box::new(forward())));
    for event in events {
        if event == (MediaEvent::FlowPath { stream: FORWARD, path: Path::Kernel }) {
            println!("forwarding");
        }
    }
}

#[test]
fn the_table_of_a_killed_daemon_is_taken_over_with_its_flows() {
    use std::io::BufRead as _;
    let Some(world) = World::new() else { return };
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["tables::owner_process", "--exact", "--nocapture"]).env(OWNER_ROOT, &world.root.0);
    let mut owner = world.engine.enter(&mut command).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let lines = std::io::BufReader::new(owner.stdout.take().unwrap()).lines();
    let forwarding = lines.map_while(Result::ok).any(|line| line.contains("forwarding"));
    let refused = world.try_start(world.config(1)).err();
    owner.kill().unwrap();
    owner.wait().unwrap();
    assert!(forwarding, "the owner's flow never came into the kernel");
    assert!(matches!(refused, Some(XdpError::InUse { table: 1, pid }) if pid == owner.id()), "{refused:?}");

    assert_forwarded(&world.caller_socket(), &world.callee_socket(), 1, 2);
    let manager = world.start(1);
    assert_eq!(manager.report.adopted.len(), 1);
    manager.install(forward());
    manager.wait_for(FORWARD, Path::Kernel);
    assert_eq!(manager.handle.counters(FORWARD).packets, 2);
    manager.handle.shutdown();
    assert!(world.root.entries().is_empty(), "{:?}", world.root.entries());
}

#[test]
fn thousands_of_flows_come_and_go() {
    let Some(world) = World::new() else { return };
    let manager = world.start(1);
    let flows = 5000;
    let begin = std::time::Instant::now();
    for number in 0..flows {
        let mut spec = forward();
        spec.stream = StreamId(1000 + u64::from(number));
        spec.local.set_port(20_000 + number);
        manager.install(spec);
    }
    manager.wait_until("the installation", |handle| handle.status().kernel_flows == usize::from(flows));
    eprintln!("{flows} flows installed after {:?}", begin.elapsed());
    let begin = std::time::Instant::now();
    for number in 0..flows {
        let stream = StreamId(1000 + u64::from(number));
        manager.handle.command(rtpengine_core::io::FlowCommand::Remove { stream });
    }
    manager.wait_until("the removal", |handle| handle.status().kernel_flows == 0);
    eprintln!("{flows} flows removed after {:?}", begin.elapsed());
    manager.handle.shutdown();
}
