//! The duties of process 1: file systems, modules, and the way out.

use std::ffi::CString;
use std::fs::File;
use std::os::fd::AsFd as _;

use anyhow::{Context as _, Result};
use nix::kmod::{ModuleInitFlags, finit_module};
use nix::mount::{MsFlags, mount};

/// Port of QEMU's isa-debug-exit device; the exit status becomes 2·code+1, so it is never 0.
const EXIT_PORT: u16 = 0xf4;
const EXIT_OK: u8 = 1;
const EXIT_FAILED: u8 = 2;

/// Mounts what the checks read and loads the modules that `/modules/order` lists.
pub fn prepare() -> Result<()> {
    for (kind, target) in [("proc", "/proc"), ("sysfs", "/sys"), ("bpf", "/sys/fs/bpf"), ("devtmpfs", "/dev")]
    {
        mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("mount {target}"))?;
    }
    // Where `ip` looks for namespaces.
    std::os::unix::fs::symlink("/run", "/var/run").context("link /var/run to /run")?;
    let order = std::fs::read_to_string("/modules/order").context("read /modules/order")?;
    for name in order.lines() {
        let file = File::open(format!("/modules/{name}")).with_context(|| format!("open module {name}"))?;
        finit_module(file.as_fd(), CString::default().as_c_str(), ModuleInitFlags::empty())
            .with_context(|| format!("load module {name}"))?;
    }
    Ok(())
}

/// Ends the machine.
pub fn leave(ok: bool) {
    // The console is slower than the exit device.
    let _ = nix::sys::termios::tcdrain(std::io::stdout());
    write_port(EXIT_PORT, if ok { EXIT_OK } else { EXIT_FAILED });
    // Only reached without the device: then the kernel's panic at the end of process 1 ends it.
}

#[cfg(target_arch = "x86_64")]
fn write_port(port: u16, value: u8) {
    // SAFETY: iopl takes a plain number. It is needed because /dev/port does not exist here.
    if unsafe { libc::iopl(3) } != 0 {
        return;
    }
    // SAFETY: iopl allowed this process to access ports; writing to this one touches no memory.
    unsafe {
        std::arch::asm!("out dx, al", in("dx") port, in("al") value, options(nomem, nostack, preserves_flags));
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn write_port(_port: u16, _value: u8) {}
