//! `--scheduling`, `--priority`, `--idle-…` and `--socket-cpu-affinity`, as the kernel sees them.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail the test")]

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};

use rtpengine_tests::daemon::{Builder, Table};
use rtpengine_tests::require::{Need, available};
use rtpengine_tests::sdp;
use serde_json::json;
use socket2::Socket;

/// Name, policy and nice value of each thread.
fn threads(pid: u32) -> Vec<(String, i64, i64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let mut all = Vec::new();
    for task in tasks {
        // One that has ended meanwhile does not count.
        let Ok(stat) = fs::read_to_string(task.unwrap().path().join("stat")) else { continue };
        let (name, rest) = stat.split_once('(').unwrap().1.rsplit_once(')').unwrap();
        // proc(5) counts from 1; the first field behind the name is the third.
        let field = |number: usize| rest.split_whitespace().nth(number - 3).unwrap().parse().unwrap();
        all.push((name.to_owned(), field(41), field(19)));
    }
    all
}

#[test]
fn threads_have_the_policy_that_was_asked_for() {
    if !available(&[Need::Root, Need::Daemon]) {
        return;
    }
    let arguments = [
        "--interface=127.0.0.1",
        "--scheduling=batch",
        "--priority=-3",
        "--idle-scheduling=other",
        "--idle-priority=4",
    ];
    let daemon = Builder::new().table(Table::Off).args(arguments).start().unwrap();
    let threads = threads(daemon.pid());
    assert!(threads.len() > 5, "{threads:?}");
    for (name, policy, nice) in &threads {
        let wanted = match name.as_str() {
            "core" => (i64::from(libc::SCHED_OTHER), 4),
            // These were there before: the main thread's helper for signals.
            "signals" => continue,
            _ => (i64::from(libc::SCHED_BATCH), -3),
        };
        assert_eq!((*policy, *nice), wanted, "{name} of {threads:?}");
    }
    daemon.stop().unwrap();

    let realtime = Builder::new()
        .table(Table::Off)
        .args(["--interface=127.0.0.1", "--scheduling=rr", "--priority=7"])
        .start()
        .unwrap();
    let found = self::threads(realtime.pid());
    assert!(found.iter().any(|(_, policy, _)| *policy == i64::from(libc::SCHED_RR)), "{found:?}");
    // The thread for timers does not compete with those that move media.
    assert!(found.iter().any(|(name, policy, _)| name == "core" && *policy == 0), "{found:?}");
    realtime.stop().unwrap();
}

/// CPUs that the UDP sockets of these ports ask for.
fn cpus(pid: u32, ports: &BTreeSet<u16>) -> BTreeSet<usize> {
    // SAFETY: no memory is involved; a negative number is an error, checked below.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(pidfd >= 0);
    // SAFETY: the descriptor is new and belongs to nobody else.
    let pidfd = unsafe { OwnedFd::from_raw_fd(i32::try_from(pidfd).unwrap()) };
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd")).unwrap() {
        let number: i32 = entry.unwrap().file_name().to_str().unwrap().parse().unwrap();
        // SAFETY: as above; the descriptor may be closed by now, which is an error.
        let copy = unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), number, 0) };
        let Ok(copy) = i32::try_from(copy) else { continue };
        if copy < 0 {
            continue;
        }
        // SAFETY: the descriptor is new and belongs to nobody else.
        let socket = Socket::from(unsafe { OwnedFd::from_raw_fd(copy) });
        let port = socket.local_addr().ok().and_then(|local| local.as_socket()).map(|local| local.port());
        if port.is_some_and(|port| ports.contains(&port)) {
            found.insert(socket.cpu_affinity().unwrap());
        }
    }
    found
}

#[test]
fn the_sockets_of_a_call_ask_for_one_cpu_and_calls_take_turns() {
    if !available(&[Need::Root, Need::Daemon]) {
        return;
    }
    let daemon = Builder::new()
        .table(Table::Off)
        .args(["--interface=127.0.0.1", "--socket-cpu-affinity=2"])
        .start()
        .unwrap();
    let mut ng = daemon.ng().unwrap();
    let mut of_calls = BTreeSet::new();
    for id in ["c1", "c2"] {
        let body = sdp::audio("127.0.0.1".parse().unwrap(), 4000);
        let offer = json!({"command": "offer", "call-id": id, "from-tag": "a", "sdp": body});
        let reply = ng.request(&offer).unwrap();
        let media = sdp::first_media(reply["sdp"].as_str().unwrap()).unwrap();
        let cpus = cpus(daemon.pid(), &BTreeSet::from([media.port, media.rtcp_port]));
        assert_eq!(cpus.len(), 1, "{id}: {cpus:?}");
        of_calls.extend(cpus);
    }
    assert_eq!(of_calls, BTreeSet::from([0, 1]));
    daemon.stop().unwrap();
}
