//! `vm-test`: the XDP object on other kernels, in QEMU, and on the running one.

mod initramfs;
mod kernel;
mod modules;
mod qemu;
mod report;
mod stack;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use report::Measured;
use rtpengine_tests::netns::Netns;

use crate::sh::{self, step};
use crate::{build, setup};

/// Debian's kernels that the object must load on, oldest first.
const SERIES: [&str; 2] = ["6.1", "6.12"];
/// Where kernels and artefacts are kept.
const CACHE: &str = "target/vm-cache";
/// The guest's libraries are linked in: there are none in its file system.
const STATIC_TARGET: &str = "x86_64-unknown-linux-gnu";

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
    let object = build::ebpf()?;
    let guest = step("build the guest's test program", build_guest)?;
    let cache = sh::root().join(CACHE);
    std::fs::create_dir_all(&cache)?;
    let wanted = |name: &str| arguments.kernel.is_empty() || arguments.kernel.iter().any(|one| one == name);

    let mut measured = Vec::new();
    for series in SERIES.into_iter().filter(|series| wanted(series)) {
        measured
            .push(step(&format!("kernel {series} in QEMU"), || in_guest(series, &cache, &guest, &object))?);
    }
    if sh::is_root() && wanted("host") {
        measured.push(step("the running kernel", || here(&guest, &object))?);
    }
    step("verifier report", || {
        let stack = stack::largest_frame(&std::fs::read(&object)?)?;
        let path = sh::root().join(report::PATH);
        if arguments.bless {
            report::write(&path, &measured, stack)
        } else {
            report::compare(&path, &measured, stack)
        }
    })
}

fn build_guest() -> Result<PathBuf> {
    let target = sh::root().join("target/vm");
    let mut cargo = sh::cargo();
    cargo
        .args(["build", "--release", "--package=rtpengine-tests", "--bin=vm_init", "--target", STATIC_TARGET])
        .env("CARGO_TARGET_DIR", &target)
        // Fast to build is worth more here than fast to run.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
        .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
        .env("RUSTFLAGS", "-Ctarget-feature=+crt-static");
    sh::run(&mut cargo)?;
    Ok(target.join(STATIC_TARGET).join("release/vm_init"))
}

fn in_guest(series: &str, cache: &Path, guest: &Path, object: &Path) -> Result<Measured> {
    let kernel = kernel::fetch(series, cache)?;
    let mut archive = initramfs::Archive::default();
    for directory in ["dev", "proc", "sys", "modules"] {
        archive.directory(directory)?;
    }
    archive.console()?;
    archive.file("init", 0o755, &std::fs::read(guest)?)?;
    archive.file("rtpengine-xdp.o", 0o644, &std::fs::read(object)?)?;
    let mut order = String::new();
    for module in modules::closure(&kernel.modules, &["veth"])? {
        archive.file(&format!("modules/{}.ko", module.name), 0o644, &module.bytes)?;
        order.push_str(&format!("{}.ko\n", module.name));
    }
    archive.file("modules/order", 0o644, order.as_bytes())?;
    let initrd = cache.join(format!("initramfs-{series}.cpio"));
    std::fs::write(&initrd, archive.finish()?)?;
    let output = qemu::run(&kernel.image, &initrd)?;
    report::parse(&output)
}

/// The same program on this kernel, in a namespace of its own.
fn here(guest: &Path, object: &Path) -> Result<Measured> {
    let netns = Netns::new("vmtest")?;
    let mut command = Command::new(guest);
    let output = netns.enter(command.arg(object)).output().context("run the guest's test program")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    print!("{text}");
    ensure!(output.status.success(), "tests failed on the running kernel: {}", output.status);
    report::parse(&text)
}
