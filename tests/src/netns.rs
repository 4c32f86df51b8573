//! Network namespaces and what stands in them.
//!
//! Namespaces are named `rtpe-<pid>-<n>-<label>`, so that what a killed run left behind is known as
//! such and removed by [`sweep`]. Namespaces are entered with `setns`, never with `ip netns exec`:
//! that one remounts `/sys` and so hides the BPF file system.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, setns};

use crate::wire::{self, TransmitChecksums};

const PREFIX: &str = "rtpe-";
const DIRECTORY: &str = "/run/netns";
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// A network namespace, removed with everything in it when dropped.
#[derive(Debug)]
pub struct Netns {
    name: String,
    handle: Arc<File>,
    keep: bool,
}

impl Netns {
    /// Makes a namespace with its loopback device up and IPv6 usable at once (no duplicate address detection).
    pub fn new(label: &str) -> Result<Self> {
        let serial = COUNTER.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{serial}-{label}", std::process::id());
        run_ip(&["netns", "add", &name])?;
        let handle = File::open(path_of(&name)).with_context(|| format!("open namespace {name}"))?;
        let namespace = Self { name, handle: Arc::new(handle), keep: false };
        namespace.sysctl("net/ipv6/conf/all/accept_dad", "0")?;
        namespace.sysctl("net/ipv6/conf/default/accept_dad", "0")?;
        namespace.ip(&["link set lo up"])?;
        Ok(namespace)
    }

    /// Its name, as `ip -n NAME` takes it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Leaves the namespace in place when this value is dropped.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    /// Runs `ip` commands, one a line, without the word `ip`: `link add a type veth peer name b`.
    pub fn ip<S: AsRef<str>>(&self, lines: &[S]) -> Result<()> {
        let mut child = Command::new("ip")
            .args(["-n", &self.name, "-batch", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("run ip (package iproute2)")?;
        if let Some(mut stdin) = child.stdin.take() {
            for line in lines {
                writeln!(stdin, "{}", line.as_ref())?;
            }
        }
        let output = child.wait_with_output()?;
        if !output.status.success() {
            let script: Vec<&str> = lines.iter().map(AsRef::as_ref).collect();
            bail!("ip -n {}: {}in: {script:?}", self.name, String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
    }

    /// The JSON answer of one `ip -j -d` command.
    pub fn ip_json(&self, args: &[&str]) -> Result<serde_json::Value> {
        let output = Command::new("ip").args(["-n", &self.name, "-j", "-d"]).args(args).output()?;
        if !output.status.success() {
            bail!("ip -n {} {args:?}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        }
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    /// Writes a sysctl of the namespace, `key` with slashes: `net/ipv4/ip_forward`.
    pub fn sysctl(&self, key: &str, value: &str) -> Result<()> {
        let path = PathBuf::from("/proc/sys").join(key);
        // The kernel chooses the namespace by the thread that opens the file.
        self.run(move || std::fs::write(&path, value).with_context(|| format!("write {}", path.display())))?
    }

    /// Connects two namespaces: device `here` in this one, `there` in `other`, both up, with NAPI and
    /// without transmit checksum offload.
    pub fn veth(&self, here: &str, other: &Self, there: &str) -> Result<()> {
        self.veth_with(here, other, there, TransmitChecksums::InStack)
    }

    /// Same with a choice of who computes the checksums of what both ends send.
    pub fn veth_with(
        &self,
        here: &str,
        other: &Self,
        there: &str,
        checksums: TransmitChecksums,
    ) -> Result<()> {
        self.ip(&[
            format!("link add {here} type veth peer name {there} netns {}", other.name),
            format!("link set {here} up"),
        ])?;
        other.ip(&[format!("link set {there} up")])?;
        self.prepare_wire(here, checksums)?;
        other.prepare_wire(there, checksums)
    }

    /// Switches transmit offload of VLAN tags off, NAPI on, and has checksums computed where it is wanted.
    pub fn prepare_wire(&self, device: &str, checksums: TransmitChecksums) -> Result<()> {
        let device = device.to_owned();
        self.run(move || wire::prepare(&device, checksums))?
    }

    /// Runs a closure on a thread of its own inside the namespace. Sockets it makes stay in the namespace.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let handle = Arc::clone(&self.handle);
        std::thread::scope(|scope| {
            let thread = scope.spawn(move || -> Result<T> {
                setns(handle.as_fd(), CloneFlags::CLONE_NEWNET).context("enter the network namespace")?;
                Ok(work())
            });
            match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Makes `command` start inside the namespace.
    pub fn enter<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        let handle = Arc::clone(&self.handle);
        // SAFETY: the closure runs between fork and exec and only makes the system call setns; the
        // descriptor it uses is kept open by the `Arc` it owns.
        unsafe {
            command.pre_exec(move || {
                setns(handle.as_fd(), CloneFlags::CLONE_NEWNET).map_err(std::io::Error::from)
            })
        }
    }

    /// XDP on a device as the kernel reports it: mode and program id.
    pub fn xdp(&self, device: &str) -> Result<Option<XdpAttachment>> {
        let links = self.ip_json(&["link", "show", "dev", device])?;
        let xdp = &links[0]["xdp"];
        let (Some(mode), Some(program)) = (xdp["mode"].as_u64(), xdp["prog"]["id"].as_u64()) else {
            return Ok(None);
        };
        Ok(Some(XdpAttachment { native: mode == 1, program_id: u32::try_from(program)? }))
    }
}

/// An XDP program on a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpAttachment {
    /// Native (driver) mode; otherwise generic.
    pub native: bool,
    /// Kernel's id of the program.
    pub program_id: u32,
}

impl Drop for Netns {
    fn drop(&mut self) {
        if !self.keep {
            // Attachments are pinned per namespace, and would keep programs of a killed daemon loaded.
            if let Ok(inode) = self.handle.metadata().map(|metadata| metadata.ino()) {
                let _ = std::fs::remove_dir_all(format!("/sys/fs/bpf/rtpengine/net{inode}"));
            }
            // A namespace that cannot be removed now is removed by the next sweep.
            let _ = run_ip(&["netns", "del", &self.name]);
        }
    }
}

/// Removes namespaces of runs whose process is gone. Cheap when there are none.
pub fn sweep() {
    let Ok(entries) = std::fs::read_dir(DIRECTORY) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next()) else { continue };
        if !Path::new("/proc").join(pid).exists() {
            let _ = run_ip(&["netns", "del", &name]);
        }
    }
}

fn path_of(name: &str) -> PathBuf {
    Path::new(DIRECTORY).join(name)
}

fn run_ip(args: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(args).output().context("run ip (package iproute2)")?;
    if !output.status.success() {
        bail!("ip {}: {}", args.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
