//! `cargo xtask demo` as a user runs it: interrupted in the middle, and without root.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

use std::io::{BufRead as _, BufReader, Lines};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rtpengine_tests::daemon::binary;
use rtpengine_tests::require::{Need, XDP, available};

fn start(mut command: Command) -> (Child, Lines<BufReader<ChildStdout>>) {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    (child, lines)
}

/// Everything up to the line that contains `text`.
fn read_until(lines: &mut Lines<BufReader<ChildStdout>>, text: &str) -> Vec<String> {
    let mut read = Vec::new();
    for line in lines {
        read.push(line.unwrap());
        if read.last().is_some_and(|line| line.contains(text)) {
            return read;
        }
    }
    panic!("the demo never said {text:?}: {read:#?}")
}

#[test]
fn when_it_is_interrupted() {
    if !available(&[XDP, &[Need::Demo, Need::Ctl]].concat()) {
        return;
    }
    let mut demo = Command::new(binary("xtask").unwrap());
    demo.args(["demo", "--no-build", "--duration", "600"]);
    let (mut child, mut lines) = start(demo);
    let namespaces = || {
        let prefix = format!("rtpe-{}-", child.id());
        let entries = std::fs::read_dir("/run/netns").unwrap().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix)).count()
    };
    read_until(&mut lines, "offer and answer");
    assert_eq!(namespaces(), 3);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let rest = read_until(&mut lines, "every packet arrived once");
    let table: u32 = rest
        .iter()
        .find_map(|line| line.split_once("rtpengine-ctl table ")?.1.split(' ').next()?.parse().ok())
        .unwrap();
    assert_eq!(namespaces(), 0, "namespaces are left: {rest:#?}");
    assert!(!Path::new("/sys/fs/bpf/rtpengine").join(table.to_string()).exists(), "pins are left");
    assert!(child.wait().unwrap().success());
}

#[test]
fn when_it_is_kept_and_enter_is_pressed() {
    if !available(&[XDP, &[Need::Demo, Need::Ctl]].concat()) {
        return;
    }
    let mut demo = Command::new(binary("xtask").unwrap());
    demo.args(["demo", "--no-build", "--keep", "--duration", "1"]);
    let (mut child, mut lines) = start(demo);
    let kept = read_until(&mut lines, "Enter goes on");
    let namespace =
        kept.iter().find_map(|line| Some(line.split_once("--net=")?.1.split(' ').next()?.to_owned()));
    let namespace = namespace.unwrap();
    assert!(Path::new(&namespace).exists());
    drop(child.stdin.take());
    read_until(&mut lines, "every packet arrived once");
    assert!(!Path::new(&namespace).exists(), "{namespace} is left");
    assert!(child.wait().unwrap().success());
}

#[test]
fn and_works_without_root_over_loopback() {
    if !available(&[Need::Root, Need::Daemon, Need::Demo, Need::Ctl]) {
        return;
    }
    // Where an unprivileged user can read and run it.
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for name in ["rtpengine", "rtpengine-ctl", "xtask"] {
        std::fs::copy(binary(name).unwrap(), directory.path().join(name)).unwrap();
    }
    let mut demo = Command::new("setpriv");
    demo.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"])
        .arg(directory.path().join("xtask"))
        .args(["demo", "--no-build", "--duration", "1"])
        .env("RTPENGINE_BIN", directory.path().join("rtpengine"));
    let (mut child, mut lines) = start(demo);
    let said = read_until(&mut lines, "every packet arrived once").join("\n");
    assert!(child.wait().unwrap().success());
    assert!(said.contains("on 127.0.0.1, in userspace: namespaces and XDP need root"), "{said}");
    assert!(said.contains("100 packets and"), "{said}");
}
