//! A daemon that cannot do what it is told ends at once with exit status 1 and says why.

use std::os::unix::fs::PermissionsExt as _;

use rtpengine_tests::daemon::{Builder, Table, binary};
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{XDP, available};
use rtpengine_tests::topology::{CALLEE, CALLER, Trio};

/// What a start that fails says.
fn failure(builder: Builder<'_>) -> String {
    let error = builder.start().map(|daemon| daemon.pid()).unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("exit status: 1;"), "{text}");
    text
}

#[test]
fn with_no_fallback_and_without_the_capabilities_for_xdp() {
    if !available(XDP) {
        return;
    }
    let trio = Trio::new().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("powerless");
    let daemon = binary("rtpengine").unwrap();
    let script = format!("#!/bin/sh\nexec setpriv --bounding-set=-all -- {} \"$@\"\n", daemon.display());
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let start = |fallback: &[&str]| {
        let builder = Builder::new().netns(&trio.engine).table(Table::Own).program(&program);
        builder.args(Trio::interface_options()).args(fallback)
    };
    let text = failure(start(&["--no-fallback"]));
    assert!(text.contains("kernel") && text.contains("no-fallback"), "{text}");
    // Without the option it says why and relays in userspace.
    let daemon = start(&[]).start().unwrap();
    let mut ng = daemon.ng_in(&trio.engine).unwrap();
    ng.ping().unwrap();
    assert_eq!(trio.engine.xdp("left").unwrap(), None);
    daemon.stop().unwrap();
}

#[test]
fn with_no_fallback_and_a_negative_table_nothing_is_missing() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &["--no-fallback"]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(10).unwrap();
    engine.finish(call).unwrap();
}

#[test]
fn with_the_table_of_a_daemon_that_runs() {
    if !available(XDP) {
        return;
    }
    let mut engine = Engine::start(Table::Own, &["--port-max=30999"]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    engine.talk_in_kernel(&mut call, 10).unwrap();
    let table = engine.daemon.table();
    let second = Builder::new()
        .netns(&engine.trio.engine)
        .table(Table::Number(table))
        .args(Trio::interface_options())
        .control_ports(3223)
        .media_ports(31_000, 31_999);
    let text = failure(second);
    assert!(text.contains(&format!("table {table} is in use")), "{text}");
    assert!(text.contains(&engine.daemon.pid().to_string()), "{text}");
    // The owner is not disturbed.
    engine.talk_in_kernel(&mut call, 10).unwrap();
    engine.finish(call).unwrap();
}
