//! One boot in QEMU.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// For a whole run; an emulated boot takes some seconds.
const TIMEOUT: Duration = Duration::from_secs(300);
/// How long a guest under KVM may be silent before emulation is tried.
const KVM_FIRST_LINE: Duration = Duration::from_secs(10);
/// QEMU's exit status for the guest's code 1, success: 2·1+1. Never 0, which a panic could give.
const SUCCESS: i32 = 3;
/// What the kernel does not know goes into the environment of its process 1.
const COMMAND_LINE: &str = "console=ttyS0 panic=-1 quiet nokaslr mitigations=off tsc=reliable no_timer_check \
                            audit=0 apparmor=0 selinux=0 random.trust_cpu=on \
                            PATH=/bin RTPENGINE_BIN=/bin/rtpengine \
                            RTPENGINE_XDP_OBJECT=/rtpengine-xdp.o";

/// Boots and returns the lines that the test program printed.
pub fn run(kernel: &Path, initrd: &Path) -> Result<String> {
    if has_virtualisation()
        && let Some(result) = boot(kernel, initrd, "kvm", KVM_FIRST_LINE)?
    {
        return Ok(result);
    }
    boot(kernel, initrd, "tcg,thread=multi,tb-size=512", TIMEOUT)?.context("the guest said nothing")
}

/// `None`: nothing came within `first_line`.
fn boot(kernel: &Path, initrd: &Path, accelerator: &str, first_line: Duration) -> Result<Option<String>> {
    let mut child = Command::new("qemu-system-x86_64")
        .args(["-accel", accelerator, "-cpu", "max", "-m", "1024", "-smp", "2", "-nodefaults", "-no-reboot"])
        .args(["-display", "none", "-serial", "stdio", "-device", "isa-debug-exit,iobase=0xf4,iosize=0x4"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initrd)
        .args(["-append", COMMAND_LINE])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("run qemu-system-x86_64 (package qemu-system-x86)")?;
    let stdout = child.stdout.take().context("no output of QEMU")?;
    let (lines, received) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            if lines.send(line).is_err() {
                break;
            }
        }
    });
    let deadline = Instant::now() + TIMEOUT;
    let (mut console, mut report) = (Vec::new(), String::new());
    loop {
        let wait = if report.is_empty() { first_line } else { TIMEOUT };
        match received.recv_timeout(wait.min(deadline.saturating_duration_since(Instant::now()))) {
            Ok(line) => {
                if line.starts_with("vm: ") {
                    println!("{line}");
                    report.push_str(&line);
                    report.push('\n');
                }
                console.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                child.kill()?;
                child.wait()?;
                if report.is_empty() && first_line < TIMEOUT {
                    return Ok(None);
                }
                bail!("the guest hangs; its console:\n{}", console.join("\n"));
            }
        }
    }
    let status = child.wait()?;
    ensure!(
        status.code() == Some(SUCCESS),
        "the guest failed ({status}); its console:\n{}",
        console.join("\n")
    );
    Ok(Some(report))
}

/// Hardware virtualisation that runs ordinary guests; /dev/kvm alone does not tell.
fn has_virtualisation() -> bool {
    let flags = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|word| word == flag);
    Path::new("/dev/kvm").exists() && (has("svm") || has("vmx"))
}
