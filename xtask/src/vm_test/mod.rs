//! `vm-test`: the XDP object and the daemon on other kernels, in QEMU; on the running one, which `test`
//! covers, the verifier's numbers.

mod initramfs;
mod kernel;
mod modules;
mod programs;
mod qemu;
mod report;
mod stack;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use report::Measured;
use rtpengine_tests::require::find_program;
use rtpengine_tests::xdp::{Rig, object_path};

use crate::sh::{self, step};
use crate::{build, setup};

/// Debian's kernels that object and daemon must run on, oldest first.
const SERIES: [&str; 2] = ["6.1", "6.12"];
/// Where kernels and artefacts are kept.
const CACHE: &str = "target/vm-cache";
/// Modules of the networks that calls cross in the guest.
const MODULES: [&str; 4] = ["veth", "8021q", "bonding", "bridge"];

#[derive(clap::Args, Default)]
pub struct Arguments {
    /// Only this kernel series (6.1, 6.12, or `host` for the running kernel)
    #[arg(long)]
    kernel: Vec<String>,
    /// Write docs/verifier-report.txt instead of comparing with it
    #[arg(long)]
    bless: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if cfg!(not(target_arch = "x86_64")) {
        eprintln!("vm-test has kernels for x86-64 only: nothing to do here");
        return Ok(());
    }
    setup::run(&setup::Arguments { tests: true })?;
    let daemon = build::run(&build::Arguments::default())?;
    let guest = step("build the guest's test programs", || Guest::build(daemon))?;
    let cache = sh::root().join(CACHE);
    std::fs::create_dir_all(&cache)?;
    let wanted = |name: &str| arguments.kernel.is_empty() || arguments.kernel.iter().any(|one| one == name);

    let mut measured = Vec::new();
    for series in SERIES.into_iter().filter(|series| wanted(series)) {
        measured.push(step(&format!("kernel {series} in QEMU"), || in_guest(series, &cache, &guest))?);
    }
    if sh::is_root() && wanted("host") {
        measured.push(step("the running kernel", here)?);
    }
    step("verifier report", || {
        let stack = stack::largest_frame(&std::fs::read(object_path())?)?;
        let path = sh::root().join(report::PATH);
        if arguments.bless {
            report::write(&path, &measured, stack)
        } else {
            report::compare(&path, &measured, stack)
        }
    })
}

/// What is tested.
struct Guest {
    /// Process 1.
    init: PathBuf,
    /// Tests of the object.
    object_tests: PathBuf,
    /// The daemon, with rtpengine-ctl beside it.
    daemon: PathBuf,
}

impl Guest {
    fn build(daemon: PathBuf) -> Result<Self> {
        let mut cargo = sh::cargo();
        sh::run(cargo.args(["build", "--release", "--package=rtpengine-tests", "--bin=vm_init"]))?;
        let tests = ["test", "--no-run", "--package=rtpengine-tests", "--test=xdp_program"];
        sh::run(sh::cargo().args(tests))?;
        let artifacts = sh::output(sh::cargo().args(tests).args(["--quiet", "--message-format=json"]))?;
        let object_tests = executable(&artifacts).context("cargo names no test program")?;
        Ok(Self { init: daemon.with_file_name("vm_init"), object_tests, daemon })
    }
}

/// The test program in cargo's messages.
fn executable(messages: &str) -> Option<PathBuf> {
    messages.lines().find_map(|line| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let is_test = message["profile"]["test"] == true && message["target"]["name"] == "xdp_program";
        is_test.then(|| message["executable"].as_str().map(PathBuf::from))?
    })
}

fn in_guest(series: &str, cache: &Path, guest: &Guest) -> Result<Measured> {
    let kernel = kernel::fetch(series, cache)?;
    let mut archive = initramfs::Archive::default();
    for directory in ["proc", "sys", "tmp", "run", "var"] {
        archive.directory(directory)?;
    }
    archive.console()?;
    let ip = find_program("ip").context("no ip (package iproute2)")?;
    let ctl = guest.daemon.with_file_name("rtpengine-ctl");
    for (program, name) in [
        (&guest.init, "init"),
        (&guest.object_tests, "bin/xdp_program"),
        (&guest.daemon, "bin/rtpengine"),
        (&ctl, "bin/rtpengine-ctl"),
        (&ip, "bin/ip"),
    ] {
        programs::add(&mut archive, program, name, cache)?;
    }
    archive.file("rtpengine-xdp.o", 0o644, &std::fs::read(object_path())?)?;
    let mut order = String::new();
    for module in modules::closure(&kernel.modules, &MODULES)? {
        archive.file(&format!("modules/{}.ko", module.name), 0o644, &module.bytes)?;
        order.push_str(&format!("{}.ko\n", module.name));
    }
    archive.file("modules/order", 0o644, order.as_bytes())?;
    let initrd = cache.join(format!("initramfs-{series}.cpio"));
    std::fs::write(&initrd, archive.finish()?)?;
    let output = qemu::run(&kernel.image, &initrd)?;
    report::parse(&output)
}

/// The verifier of this kernel.
fn here() -> Result<Measured> {
    let verified = Rig::load()?.verified()?;
    let release = sh::output(Command::new("uname").arg("-r"))?;
    Ok(Measured::new(&release, verified.instructions.into(), verified.load_time.as_millis().try_into()?))
}
