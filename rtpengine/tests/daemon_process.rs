//! The real binary as a process: foreground and daemonized, pid file, signals, readiness, start-up errors.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long any single event may take on a busy machine before a test calls it missing.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory for one test, and a daemon's arguments: userspace only, its own port.
struct Place {
    directory: tempfile::TempDir,
    port: u16,
}

impl Place {
    fn new() -> Self {
        // Held open for a moment, then given to the daemon.
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { directory: tempfile::tempdir().unwrap(), port }
    }

    fn pidfile(&self) -> PathBuf {
        self.directory.path().join("pid")
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rtpengine"));
        command
            .args(["--config-file=none", "--table=-1", "--interface=127.0.0.1", "--num-threads=1"])
            .arg(format!("--listen-ng=127.0.0.1:{}", self.port))
            .arg("--pidfile")
            .arg(self.pidfile())
            .args(more)
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null());
        command
    }
}

/// What systemd would hear.
struct ServiceManager(UnixDatagram);

impl ServiceManager {
    fn new(directory: &Path) -> Self {
        let socket = UnixDatagram::bind(directory.join("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(socket)
    }

    fn wait_for(&self, state: &str) -> String {
        let mut buffer = [0; 4096];
        loop {
            let length = self.0.recv(&mut buffer).unwrap();
            let text = String::from_utf8(buffer[..length].to_vec()).unwrap();
            if text.lines().any(|line| line == state) {
                return text;
            }
        }
    }
}

/// A daemon in the foreground that is ready.
fn foreground(place: &Place, more: &[&str]) -> (Child, ServiceManager) {
    let manager = ServiceManager::new(place.directory.path());
    let mut command = place.command(&["--foreground", "--log-stderr"]);
    let child = command
        .args(more)
        .env("NOTIFY_SOCKET", place.directory.path().join("notify"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    manager.wait_for("READY=1");
    (child, manager)
}

fn send(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// A descriptor that becomes readable when the process ends.
fn pidfd(pid: u32) -> OwnedFd {
    // SAFETY: pidfd_open(2) takes a process id and flags, and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    assert!(fd >= 0, "{}", std::io::Error::last_os_error());
    // SAFETY: the descriptor is new and nobody else's.
    unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).unwrap()) }
}

fn wait_for_end(pid: u32, of: &OwnedFd) {
    let mut fds = [PollFd::new(std::os::fd::AsFd::as_fd(of), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(PATIENCE).unwrap();
    assert_eq!(poll(&mut fds, timeout).unwrap(), 1, "process {pid} does not end");
}

#[test]
fn sigint_and_sigterm_end_the_daemon_orderly() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let place = Place::new();
        let (mut child, manager) = foreground(&place, &[]);
        assert_eq!(fs::read_to_string(place.pidfile()).unwrap(), format!("{}\n", child.id()));
        send(child.id(), signal);
        manager.wait_for("STOPPING=1");
        assert_eq!(child.wait().unwrap().code(), Some(0), "{signal}");
        assert!(!place.pidfile().exists(), "{signal}");
    }
}

#[test]
fn sigusr1_and_sigusr2_change_the_log_level_and_sighup_does_nothing() {
    let place = Place::new();
    let (mut child, _manager) = foreground(&place, &["--log-level=6", "--no-log-timestamps"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    for (signal, level) in [(Signal::SIGUSR2, 7), (Signal::SIGUSR1, 6), (Signal::SIGUSR1, 5)] {
        send(child.id(), Signal::SIGHUP);
        send(child.id(), signal);
        let expected = format!("WARNING: [core] log level set to {level}");
        assert!(lines.any(|line| line == expected), "{expected}");
    }
    send(child.id(), Signal::SIGTERM);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // At level 5 the farewell, an INFO, is not shown any more.
    assert_eq!(lines.find(|line| line.starts_with("INFO:")), None);
}

#[test]
fn the_command_returns_when_the_daemon_is_ready() {
    let place = Place::new();
    let manager = ServiceManager::new(place.directory.path());
    let output =
        place.command(&[]).env("NOTIFY_SOCKET", place.directory.path().join("notify")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let pid: u32 = fs::read_to_string(place.pidfile()).unwrap().trim().parse().unwrap();
    let end = pidfd(pid);
    let state = manager.wait_for("READY=1");
    assert!(state.lines().any(|line| line == format!("MAINPID={pid}")), "{state}");
    // Its own session, the root directory, nothing of the terminal.
    assert_eq!(
        nix::unistd::getsid(Some(Pid::from_raw(i32::try_from(pid).unwrap()))).unwrap().as_raw(),
        i32::try_from(pid).unwrap()
    );
    assert_eq!(fs::read_link(format!("/proc/{pid}/cwd")).unwrap(), Path::new("/"));
    for fd in 0..3 {
        assert_eq!(fs::read_link(format!("/proc/{pid}/fd/{fd}")).unwrap(), Path::new("/dev/null"));
    }
    send(pid, Signal::SIGTERM);
    wait_for_end(pid, &end);
    assert!(!place.pidfile().exists());
}

#[test]
fn a_failed_start_is_reported_by_the_command_that_made_it() {
    let place = Place::new();
    let output = place.command(&["--pidfile=/nonexistent/directory/pid"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.starts_with("rtpengine: cannot write the pid file /nonexistent/directory/pid: "), "{text}");
}

#[test]
fn a_failed_start_in_the_foreground_has_status_1_too() {
    let place = Place::new();
    let output = place.command(&["-f", "-E", "--pidfile=/nonexistent/directory/pid"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("ERR: [core] cannot write the pid file"), "{text}");
}

#[test]
fn a_listener_that_is_taken_is_a_failed_start() {
    let place = Place::new();
    let taken = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output = place.command(&["--listen-ng", &address]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains(&address), "{text}");
    assert!(!place.pidfile().exists());
}
