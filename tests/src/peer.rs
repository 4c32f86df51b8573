//! Peers of other makers, driven by the scripts in `tests/peers` over JSON lines.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::Value;

use crate::netns::Netns;
use crate::require::PYTHON;

/// Longest wait for one reply.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest wait for its end.
const FAREWELL: Duration = Duration::from_secs(10);

/// The Python interpreter that has the packages of `tests/peers/requirements.txt`, once `cargo xtask setup --tests` made it.
#[must_use]
pub fn python() -> PathBuf {
    directory().join("bin/python")
}

/// Its environment.
#[must_use]
pub fn directory() -> PathBuf {
    crate::daemon::target_directory().join("peers")
}

/// A running script. It ends when it is dropped.
#[derive(Debug)]
pub struct Peer {
    name: String,
    child: Child,
    stdin: Option<ChildStdin>,
    replies: Receiver<String>,
}

impl Peer {
    /// Starts a script of `tests/peers` in a namespace and waits until it is ready.
    pub fn start(netns: &Netns, script: &str, arguments: &[&str]) -> Result<Self> {
        Self::run(python(), netns, script, arguments)
    }

    /// The same of one that needs no packages, with the system's Python.
    pub fn start_plain(netns: &Netns, script: &str, arguments: &[&str]) -> Result<Self> {
        Self::run(PYTHON.into(), netns, script, arguments)
    }

    fn run(python: PathBuf, netns: &Netns, script: &str, arguments: &[&str]) -> Result<Self> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(script);
        let mut command = Command::new(&python);
        command.arg("-B").arg(path).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.process_group(0);
        let mut child =
            netns.enter(&mut command).spawn().with_context(|| format!("run {}", python.display()))?;
        let stdout = child.stdout.take().context("no stdout")?;
        let (sender, replies) = channel();
        // Ends with the child's output.
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let mut peer = Self { name: script.to_owned(), stdin: child.stdin.take(), child, replies };
        peer.ask(&serde_json::json!({"do": "ready"}))?;
        Ok(peer)
    }

    /// Has it do something; yields its reply.
    pub fn ask(&mut self, request: &Value) -> Result<Value> {
        self.tell(request)?;
        self.reply().with_context(|| format!("{}: {request}", self.name))
    }

    /// Has it do something, whose reply is read later.
    pub fn tell(&mut self, request: &Value) -> Result<()> {
        let stdin = self.stdin.as_mut().context("the peer has no stdin")?;
        writeln!(stdin, "{request}").with_context(|| format!("{} is gone", self.name))
    }

    /// The reply to what it was told.
    pub fn reply(&mut self) -> Result<Value> {
        let line = self.replies.recv_timeout(PATIENCE).context("no reply")?;
        let reply: Value = serde_json::from_str(&line).with_context(|| line.clone())?;
        if let Some(error) = reply["error"].as_str() {
            bail!("{error}");
        }
        Ok(reply)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends by itself at the end of its input, and what it started with it, unless it hangs.
        self.stdin = None;
        while self.replies.recv_timeout(FAREWELL).is_ok() {}
        if let Ok(group) = i32::try_from(self.child.id()) {
            let _gone = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
        let _status = self.child.wait();
    }
}
