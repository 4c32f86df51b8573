//! SIGTERM in the middle of a call: exit status 0, and nothing of the daemon stays in the kernel.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::lease::table_directory;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::topology::{CALLEE, CALLER};

#[test]
fn neither_flows_nor_pins_nor_programs() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &[]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, 10).unwrap();
    let Engine { ng, daemon, trio } = engine;
    drop(ng);
    let table = table_directory(daemon.table());
    let namespace = Path::new("/run/netns").join(trio.engine.name()).metadata().unwrap().ino();
    let shared = table.with_file_name(format!("net{namespace}"));
    assert!(table.is_dir() && shared.is_dir());
    // Before the harness cleans up after the daemon.
    let mut daemon = daemon;
    daemon.signal_and_wait().unwrap();
    assert!(!table.exists(), "{} is still there", table.display());
    assert!(!shared.exists(), "{} is still there", shared.display());
    for device in ["left", "right"] {
        assert_eq!(trio.engine.xdp(device).unwrap(), None, "{device}");
    }
}
