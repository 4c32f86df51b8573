//! Where lines go: stderr, or the syslog daemon's datagram socket.

use std::io::Write;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use super::Facility;
use super::clock;

/// The syslog daemon's socket.
pub(super) const SYSLOG_SOCKET: &str = "/dev/log";
/// LOG_WARNING.
const WARNING: u8 = 4;

/// A destination of log lines.
#[derive(Debug)]
pub(super) enum Sink {
    /// Standard error.
    Stderr {
        /// Start each line with the time.
        timestamps: bool,
    },
    /// The syslog daemon.
    Syslog(Syslog),
}

impl Sink {
    /// Writes one line of this syslog severity. Never fails: there is nowhere to report it.
    pub fn write(&self, severity: u8, line: &str) {
        match self {
            Self::Stderr { timestamps } => {
                let stamp = if *timestamps { clock::rfc3339(SystemTime::now()) + " " } else { String::new() };
                // One call per line, so that lines of several threads and processes do not mix.
                let _unreportable = std::io::stderr().lock().write_all(format!("{stamp}{line}\n").as_bytes());
            }
            Self::Syslog(syslog) => syslog.write(severity, line),
        }
    }
}

/// A connection to the syslog daemon. It never blocks: a call must not wait for a full disk. What the daemon
/// does not take is counted, and the count is logged when it takes messages again.
#[derive(Debug)]
pub(super) struct Syslog {
    path: PathBuf,
    facility: Facility,
    name: String,
    socket: Mutex<Option<UnixDatagram>>,
    lost: AtomicU64,
}

impl Syslog {
    /// Connects to the socket at `path` when it is first needed.
    pub fn new(path: impl AsRef<Path>, facility: Facility, name: &str) -> Self {
        Self {
            path: path.as_ref().to_owned(),
            facility,
            name: name.to_owned(),
            socket: Mutex::new(None),
            lost: AtomicU64::new(0),
        }
    }

    /// Whether a syslog daemon listens.
    pub fn is_reachable(&self) -> bool {
        self.connect().is_some()
    }

    fn write(&self, severity: u8, line: &str) {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = self.lost.load(Ordering::Relaxed);
        if lost > 0
            && self.send(&mut socket, WARNING, &format!("WARNING: [core] {lost} log messages were lost"))
        {
            self.lost.store(0, Ordering::Relaxed);
        }
        if !self.send(&mut socket, severity, line) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn send(&self, socket: &mut Option<UnixDatagram>, severity: u8, line: &str) -> bool {
        let priority = u16::from(self.facility.0) * 8 + u16::from(severity);
        let time = clock::rfc3164(SystemTime::now());
        let datagram = format!("<{priority}>{time} {}[{}]: {line}", self.name, std::process::id());
        if let Some(connected) = socket
            && match connected.send(datagram.as_bytes()) {
                Ok(_) => return true,
                Err(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            }
        {
            return false;
        }
        // Not connected yet, or the daemon was restarted.
        *socket = self.connect();
        socket.as_ref().is_some_and(|connected| connected.send(datagram.as_bytes()).is_ok())
    }

    fn connect(&self) -> Option<UnixDatagram> {
        let socket = UnixDatagram::unbound().ok()?;
        socket.set_nonblocking(true).ok()?;
        socket.connect(&self.path).ok()?;
        Some(socket)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(server: &UnixDatagram) -> String {
        let mut buffer = [0; 1024];
        let length = server.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_datagram_carries_priority_time_name_and_pid() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let server = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::new(&path, Facility(16), "engine");
        assert!(syslog.is_reachable());
        syslog.write(6, "INFO: [core] hello");
        let text = received(&server);
        assert!(text.starts_with("<134>"), "{text}");
        let tail = format!(" engine[{}]: INFO: [core] hello", std::process::id());
        assert!(text.ends_with(&tail), "{text}");
    }

    #[test]
    fn a_restarted_syslog_daemon_is_found_again_and_told_what_it_missed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let syslog = Syslog::new(&path, Facility::default(), "engine");
        assert!(!syslog.is_reachable());
        syslog.write(6, "one");
        syslog.write(6, "two");
        let server = UnixDatagram::bind(&path).unwrap();
        syslog.write(6, "three");
        assert!(received(&server).ends_with("2 log messages were lost"));
        assert!(received(&server).ends_with(": three"));
        drop(server);
        std::fs::remove_file(&path).unwrap();
        let server = UnixDatagram::bind(&path).unwrap();
        syslog.write(6, "four");
        assert!(received(&server).ends_with(": four"));
    }

    #[test]
    fn a_stuck_syslog_daemon_does_not_stop_us() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let server = UnixDatagram::bind(&path).unwrap();
        let syslog = Syslog::new(&path, Facility::default(), "engine");
        while syslog.lost.load(Ordering::Relaxed) == 0 {
            syslog.write(6, "nobody reads this");
        }
        server.set_nonblocking(true).unwrap();
        while server.recv(&mut [0; 1024]).is_ok() {}
        server.set_nonblocking(false).unwrap();
        syslog.write(6, "last");
        assert!(received(&server).ends_with("1 log messages were lost"));
        assert!(received(&server).ends_with(": last"));
    }
}
