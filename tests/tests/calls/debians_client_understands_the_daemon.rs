//! The original's own `rtpengine-ctl`, as Debian packages it, against our daemon.

use std::process::Command;

use rtpengine_tests::daemon::Table;
use rtpengine_tests::engine::Engine;
use rtpengine_tests::require::{NAMESPACES, Need, available, find_program};
use rtpengine_tests::topology::{CALLEE, CALLER};

/// What it prints.
fn debians(engine: &Engine, arguments: &[&str]) -> String {
    let mut command = Command::new(find_program("rtpengine-ctl").unwrap());
    command.args(["--ip", "127.0.0.1:9900"]).args(arguments);
    let output = engine.trio.engine.enter(&mut command).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Two looks at a call do not find the same duration.
fn without_durations(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| line.split("callduration").next().unwrap_or_default());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn and_shows_what_ours_shows() {
    if !available(&[NAMESPACES, &[Need::DebianCtl, Need::Ctl]].concat()) {
        return;
    }
    let mut engine = Engine::start(Table::Off, &["--timeout=77", "--max-sessions=9"]).unwrap();
    let mut call = engine.call(CALLER, CALLEE).unwrap();
    call.talk(10).unwrap();
    for arguments in [
        ["list", "numsessions"].as_slice(),
        &["list", "sessions"],
        &["list", "sessions", "all"],
        &["list", "sessions", &call.id],
        &["list", "timeout"],
        &["list", "silenttimeout"],
        &["list", "maxsessions"],
        &["list", "loglevels"],
        &["list", "interfaces"],
        &["help"],
    ] {
        let theirs = debians(&engine, arguments);
        let ours = engine.ctl(&[&["--plain"], arguments].concat()).unwrap();
        assert_eq!(without_durations(&theirs), without_durations(&ours), "{arguments:?}");
        assert!(!theirs.trim().is_empty(), "{arguments:?}");
    }
    assert!(debians(&engine, &["list", "numsessions"]).contains('1'));
    assert!(debians(&engine, &["list", "sessions", "all"]).contains(&call.id));
    let detail = debians(&engine, &["list", "sessions", &call.id]);
    let port = call.caller.local().unwrap().port();
    assert!(detail.contains(&call.from) && detail.contains(&format!("{CALLER}:{port}")), "{detail}");
    let totals = debians(&engine, &["list", "totals"]);
    assert!(totals.contains("Total relayed packets") && totals.contains("20"), "{totals}");
    assert!(debians(&engine, &["list", "timeout"]).contains("77"));
    // Settings can be changed and calls ended by it, too.
    debians(&engine, &["set", "timeout", "78"]);
    assert!(debians(&engine, &["list", "timeout"]).contains("78"));
    debians(&engine, &["terminate", &call.id]);
    assert!(engine.ng.list().unwrap().is_empty());
    engine.daemon.stop().unwrap();
}
