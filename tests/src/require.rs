//! What a test needs from the machine, and what happens where it is missing.
//!
//! Normally such a test says why it is skipped and passes. With `RTPENGINE_TESTS_STRICT=1`, as
//! `cargo xtask ci` sets it, a missing thing is a failure: nothing is skipped unseen.

use std::path::Path;

/// A thing that not every machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Namespaces, addresses, BPF: effective user id 0.
    Root,
    /// The `ip` command.
    Iproute,
    /// The BPF file system, mounted or mountable.
    BpfFs,
    /// The daemon's binary.
    Daemon,
    /// `rtpengine-ctl`.
    Ctl,
    /// Kamailio with its rtpengine module.
    Kamailio,
    /// sipp.
    Sipp,
    /// `xtask`, which has the demo.
    Demo,
    /// nftables: address translation.
    Nftables,
    /// The original's client, a Perl script.
    DebianCtl,
    /// The `openssl` command.
    Openssl,
    /// The system's Python.
    Python,
    /// aioice, for the system's Python.
    Aioice,
    /// Python with aiortc and libsrtp.
    Peers,
    /// Chromium.
    Chromium,
    /// An MQTT broker, and a client to see what it gets.
    Mosquitto,
}

impl Need {
    fn missing(self) -> Option<String> {
        match self {
            Self::Root => (!nix::unistd::geteuid().is_root()).then(|| "needs root".to_owned()),
            Self::Iproute => missing_program("ip", "iproute2"),
            Self::BpfFs => (!bpf_fs_available())
                .then(|| "needs the BPF file system: mount -t bpf bpf /sys/fs/bpf".to_owned()),
            Self::Daemon => crate::daemon::binary("rtpengine").err().map(|error| error.to_string()),
            Self::Ctl => crate::daemon::binary("rtpengine-ctl").err().map(|error| error.to_string()),
            Self::Demo => crate::daemon::binary("xtask").err().map(|error| error.to_string()),
            Self::Kamailio => missing_program("kamailio", "kamailio"),
            Self::Sipp => missing_program("sipp", "sip-tester"),
            Self::Nftables => missing_program("nft", "nftables"),
            Self::DebianCtl => missing_program("rtpengine-ctl", "rtpengine-utils"),
            Self::Openssl => missing_program("openssl", "openssl"),
            Self::Mosquitto => missing_program("mosquitto", "mosquitto")
                .or_else(|| missing_program("mosquitto_sub", "mosquitto-clients")),
            Self::Python => missing_program("python3", "python3"),
            Self::Aioice => missing_aioice(),
            Self::Peers => (!crate::peer::python().is_file())
                .then(|| "needs aiortc: run `cargo xtask setup --tests`".to_owned()),
            Self::Chromium => missing_program("chromium", "chromium"),
        }
    }
}

/// The Python that packages are installed for.
pub const PYTHON: &str = "/usr/bin/python3";

/// Root, namespaces, and the daemon.
pub const NAMESPACES: &[Need] = &[Need::Root, Need::Iproute, Need::Daemon];
/// The above with XDP.
pub const XDP: &[Need] = &[Need::Root, Need::Iproute, Need::Daemon, Need::BpfFs];

/// Whether the calling test can run here.
///
/// # Panics
/// With `RTPENGINE_TESTS_STRICT=1`, where something is missing.
#[must_use]
#[expect(clippy::panic, reason = "a strict run fails the test that cannot run")]
pub fn available(needs: &[Need]) -> bool {
    let missing: Vec<String> = needs.iter().filter_map(|need| need.missing()).collect();
    if missing.is_empty() {
        return true;
    }
    let reason = missing.join("; ");
    if strict() {
        panic!("RTPENGINE_TESTS_STRICT is set and this test cannot run: {reason}");
    }
    eprintln!("skipped: {reason}");
    false
}

fn strict() -> bool {
    std::env::var_os("RTPENGINE_TESTS_STRICT").is_some_and(|value| value == "1")
}

fn missing_program(program: &str, package: &str) -> Option<String> {
    find_program(program).is_none().then(|| format!("needs the program {program} (package {package})"))
}

fn missing_aioice() -> Option<String> {
    let found = std::process::Command::new(PYTHON).args(["-c", "import aioice"]).output();
    let found = found.is_ok_and(|output| output.status.success());
    (!found).then(|| "needs aioice for Python (package python3-aioice)".to_owned())
}

/// Full path of a program.
#[must_use]
pub fn find_program(name: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path).chain(extra).map(|dir| dir.join(name)).find(|path| path.is_file())
}

fn bpf_fs_available() -> bool {
    let mounted = std::fs::read_to_string("/proc/self/mounts")
        .is_ok_and(|mounts| mounts.lines().any(|line| line.contains(" /sys/fs/bpf bpf ")));
    mounted
        || (Path::new("/sys/fs/bpf").is_dir()
            && nix::mount::mount(
                Some("bpf"),
                "/sys/fs/bpf",
                Some("bpf"),
                nix::mount::MsFlags::empty(),
                None::<&str>,
            )
            .is_ok())
}
