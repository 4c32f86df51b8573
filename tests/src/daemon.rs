//! The real daemon as a child process.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::lease::{Lease, PORTS, table_directory};
use crate::netns::Netns;
use crate::ng::NgClient;

/// Longest wait for readiness: eBPF verification included.
const START: Duration = Duration::from_secs(30);
/// An orderly stop takes at most 5 s by specification; the rest is for a loaded machine.
const STOP: Duration = Duration::from_secs(10);
/// ng port inside a namespace of its own.
const NG_PORT: u16 = 2223;
/// ng over TCP there.
const TCP_NG_PORT: u16 = 2224;
/// CLI port there.
const CLI_PORT: u16 = 9900;

/// Path of a binary of this workspace: `RTPENGINE_BIN` (for `rtpengine`), its folder (for the
/// others), then `target/release` and `target/debug`.
pub fn binary(name: &str) -> Result<PathBuf> {
    let mut candidates = Vec::new();
    if let Some(path) = std::env::var_os("RTPENGINE_BIN").map(PathBuf::from) {
        candidates.push(path.with_file_name(name));
        if name == "rtpengine" {
            candidates.push(path);
        }
    }
    let target = target_directory();
    // The newer of the two: a test run follows a build.
    let mut built = [target.join("release").join(name), target.join("debug").join(name)];
    built.sort_by_key(|path| std::cmp::Reverse(path.metadata().and_then(|meta| meta.modified()).ok()));
    candidates.extend(built);
    candidates
        .iter()
        .find(|path| path.is_file())
        .cloned()
        .with_context(|| format!("no binary {name} among {candidates:?}: run `cargo xtask build`"))
}

pub(crate) fn target_directory() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from)
}

/// Kernel table of a daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// `--table=-1`: userspace only.
    Off,
    /// A table of its own.
    Own,
    /// This one; the caller sees to it that it is free.
    Number(i32),
}

/// How to start a daemon.
#[derive(Debug)]
pub struct Builder<'a> {
    netns: Option<&'a Netns>,
    table: Table,
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    log_level: u8,
    program: Option<PathBuf>,
    control: Option<u16>,
    media: Option<(u16, u16)>,
}

/// A running daemon. Dropping it kills it and removes its pinned maps.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    pidfd: OwnedFd,
    log: Arc<Log>,
    table: i32,
    ng: SocketAddr,
    tcp_ng: SocketAddr,
    cli: SocketAddr,
    ports: (u16, u16),
    stopped: bool,
    keep_pins: bool,
    table_lease: Option<Lease>,
    _port_lease: Option<Lease>,
    _directory: TempDir,
}

impl<'a> Builder<'a> {
    /// A daemon without a kernel table in this process's namespace.
    #[must_use]
    pub fn new() -> Self {
        Self {
            netns: None,
            table: Table::Off,
            arguments: vec![],
            environment: vec![],
            log_level: 7,
            program: None,
            control: None,
            media: None,
        }
    }

    /// Starts it inside a namespace.
    #[must_use]
    pub fn netns(mut self, netns: &'a Netns) -> Self {
        self.netns = Some(netns);
        self
    }

    /// Chooses the kernel table.
    #[must_use]
    pub fn table(mut self, table: Table) -> Self {
        self.table = table;
        self
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((key.into(), value.into()));
        self
    }

    /// `--log-level`; 7, everything, unless told.
    #[must_use]
    pub fn log_level(mut self, level: u8) -> Self {
        self.log_level = level;
        self
    }

    /// Another binary than the workspace's.
    #[must_use]
    pub fn program(mut self, path: impl Into<PathBuf>) -> Self {
        self.program = Some(path.into());
        self
    }

    /// First of three control ports (ng, ng over TCP, CLI), for a second daemon in a namespace.
    #[must_use]
    pub fn control_ports(mut self, first: u16) -> Self {
        self.control = Some(first);
        self
    }

    /// First and last media port.
    #[must_use]
    pub fn media_ports(mut self, first: u16, last: u16) -> Self {
        self.media = Some((first, last));
        self
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub fn start(self) -> Result<Daemon> {
        let directory = TempDir::with_prefix("rtpengine-test-")?;
        let socket_path = directory.path().join("notify");
        let notify = UnixDatagram::bind(&socket_path)?;

        let table_lease = if self.table == Table::Own { Some(Lease::table()?) } else { None };
        let table = match (&table_lease, self.table) {
            (Some(lease), _) => i32::from(lease.number()),
            (None, Table::Number(number)) => number,
            (None, Table::Off | Table::Own) => -1,
        };
        // In a namespace of its own the daemon shares ports with nobody.
        let port_lease = if self.netns.is_some() { None } else { Some(Lease::ports()?) };
        let (control, ports) = match &port_lease {
            Some(lease) => {
                let base = lease.number();
                ([base, base + 1, base + 2], (base + 10, base + PORTS - 1))
            }
            None => {
                let control = self.control.map(|first| [first, first + 1, first + 2]);
                (control.unwrap_or([NG_PORT, TCP_NG_PORT, CLI_PORT]), self.media.unwrap_or((30_000, 40_000)))
            }
        };
        let [ng, tcp_ng, cli] = control.map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));

        let mut command = Command::new(self.program.map_or_else(|| binary("rtpengine"), Ok)?);
        command
            .args(["--config-file=none", "--foreground", "--log-stderr", "--endpoint-learning=immediate"])
            .arg(format!("--log-level={}", self.log_level))
            .arg(format!("--table={table}"))
            .arg(format!("--listen-ng={ng}"))
            .arg(format!("--listen-tcp-ng={tcp_ng}"))
            .arg(format!("--listen-cli={cli}"))
            .args([format!("--port-min={}", ports.0), format!("--port-max={}", ports.1)])
            .args(&self.arguments)
            .envs(self.environment)
            .env("NOTIFY_SOCKET", &socket_path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        if let Some(netns) = self.netns {
            netns.enter(&mut command);
        }
        // A group of its own: Ctrl-C is for the test, which then stops the daemon.
        command.process_group(0);
        die_with_parent(&mut command);
        let mut child = command.spawn().with_context(|| format!("start {:?}", command.get_program()))?;
        let log = Arc::new(Log::default());
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            std::thread::spawn(move || log.fill(stderr));
        }
        let pidfd = open_pidfd(&child)?;
        let mut daemon = Daemon {
            child,
            pidfd,
            log,
            table,
            ng,
            tcp_ng,
            cli,
            ports,
            stopped: false,
            keep_pins: false,
            table_lease,
            _port_lease: port_lease,
            _directory: directory,
        };
        daemon.wait_ready(&notify).with_context(|| format!("arguments {:?}", self.arguments))?;
        Ok(daemon)
    }
}

impl Default for Builder<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl Daemon {
    /// Kernel table, -1 if none.
    #[must_use]
    pub fn table(&self) -> i32 {
        self.table
    }

    /// Process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// ng over UDP.
    #[must_use]
    pub fn ng_address(&self) -> SocketAddr {
        self.ng
    }

    /// ng over TCP.
    #[must_use]
    pub fn tcp_ng_address(&self) -> SocketAddr {
        self.tcp_ng
    }

    /// CLI.
    #[must_use]
    pub fn cli_address(&self) -> SocketAddr {
        self.cli
    }

    /// Media ports, both inclusive, unless arguments said otherwise.
    #[must_use]
    pub fn ports(&self) -> (u16, u16) {
        self.ports
    }

    /// An ng client for a daemon in this process's namespace.
    pub fn ng(&self) -> Result<NgClient> {
        NgClient::udp(self.ng)
    }

    /// An ng client for a daemon in `netns`.
    pub fn ng_in(&self, netns: &Netns) -> Result<NgClient> {
        NgClient::udp_in(netns, self.ng)
    }

    /// Everything logged so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lines().join("\n")
    }

    /// Waits for a log line that contains `text`.
    pub fn wait_for_log(&self, text: &str, wait: Duration) -> Result<String> {
        let found = self.log.wait_for(text, wait);
        found.with_context(|| format!("no log line with {text:?} within {wait:?}; log:\n{}", self.log()))
    }

    /// Leaves the pinned maps in place whatever happens to the daemon.
    pub fn keep_pins(&mut self) {
        self.keep_pins = true;
    }

    /// SIGTERM; insists on exit status 0 within the time an orderly stop may take.
    pub fn stop(mut self) -> Result<()> {
        self.signal_and_wait()
    }

    /// [`Daemon::stop`] for a look at what it leaves before the harness cleans up.
    pub fn signal_and_wait(&mut self) -> Result<()> {
        self.signal(Signal::SIGTERM)?;
        let status = self.wait(STOP)?;
        ensure!(status.success(), "the daemon ended with {status} after SIGTERM; log:\n{}", self.log());
        Ok(())
    }

    /// SIGKILL, leaving pinned maps in place; returns the lease of its table, for a successor.
    pub fn kill_hard(mut self) -> Result<Option<Lease>> {
        self.keep_pins = true;
        self.signal(Signal::SIGKILL)?;
        self.wait(STOP)?;
        Ok(self.table_lease.take())
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(i32::try_from(self.child.id())?), signal).context("signal the daemon")
    }

    /// Waits for the process to end.
    pub fn wait(&mut self, wait: Duration) -> Result<ExitStatus> {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let ended = poll(&mut fds, PollTimeout::try_from(wait)?)? > 0;
        ensure!(ended, "the daemon did not end within {wait:?}; log:\n{}", self.log());
        let status = self.child.wait()?;
        self.stopped = true;
        Ok(status)
    }

    fn wait_ready(&mut self, notify: &UnixDatagram) -> Result<()> {
        let deadline = Instant::now() + START;
        let mut buffer = [0; 1024];
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let mut fds = [
                PollFd::new(notify.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN),
            ];
            if poll(&mut fds, PollTimeout::try_from(left)?)? == 0 {
                bail!("the daemon was not ready within {START:?}; log:\n{}", self.log());
            }
            let [message, end] = fds.map(|fd| fd.any().unwrap_or_default());
            if message {
                let length = notify.recv(&mut buffer)?;
                if buffer[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                    return Ok(());
                }
            } else if end {
                let status = self.child.wait()?;
                self.stopped = true;
                self.log.wait_closed();
                bail!("the daemon ended at start with {status}; log:\n{}", self.log());
            }
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if !self.stopped {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            self.log.wait_closed();
            eprintln!("---- log of the daemon (pid {})\n{}\n----", self.child.id(), self.log());
        }
        // A table that the caller gave may be another daemon's.
        if self.table_lease.is_some() && !self.keep_pins {
            // Present only if the daemon was killed or failed to remove them; then nobody else would.
            let _ = std::fs::remove_dir_all(table_directory(self.table));
        }
    }
}

/// Lines of the daemon's standard error.
#[derive(Debug, Default)]
struct Log {
    state: Mutex<LogState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct LogState {
    lines: Vec<String>,
    closed: bool,
}

impl Log {
    fn fill(&self, stderr: ChildStderr) {
        let mut reader = BufReader::new(stderr);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            self.state().lines.push(text);
            self.changed.notify_all();
            line.clear();
        }
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, LogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self) -> Vec<String> {
        self.state().lines.clone()
    }

    fn wait_for(&self, text: &str, wait: Duration) -> Option<String> {
        let find = |state: &LogState| state.lines.iter().find(|line| line.contains(text)).cloned();
        let guard = self.state();
        let waited =
            self.changed.wait_timeout_while(guard, wait, |state| find(state).is_none() && !state.closed);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        find(&state)
    }

    fn wait_closed(&self) {
        let guard = self.state();
        let wait = Duration::from_secs(1);
        drop(self.changed.wait_timeout_while(guard, wait, |state| !state.closed));
    }
}

/// Lets the kernel kill the child when the thread that starts it ends: a killed test leaves no daemon behind.
fn die_with_parent(command: &mut Command) {
    // SAFETY: the closure runs between fork and exec and only makes the system call prctl, which
    // takes plain numbers.
    unsafe {
        command
            .pre_exec(|| nix::sys::prctl::set_pdeathsig(Some(Signal::SIGKILL)).map_err(std::io::Error::from));
    }
}

fn open_pidfd(child: &Child) -> Result<OwnedFd> {
    let pid = libc::pid_t::try_from(child.id())?;
    // SAFETY: pidfd_open takes plain numbers and returns a new descriptor or -1.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = i32::try_from(nix::errno::Errno::result(fd).context("open a pidfd for the daemon")?)?;
    // SAFETY: `fd` was returned by the call above and belongs to nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}
