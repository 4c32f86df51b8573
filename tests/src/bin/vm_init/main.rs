//! `/init` of a virtual machine: checks the XDP object and the daemon on the machine's kernel.
//!
//! It prepares the machine, prints its results on the console and leaves through QEMU's exit device.
//! Each line it prints starts with `vm:`; what else comes to the console explains failures.

mod calls;
mod machine;
mod networks;

use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use rtpengine_tests::xdp::Rig;

/// The tests of the object in test runs of the kernel.
const OBJECT_TESTS: &str = "/bin/xdp_program";

fn main() -> ExitCode {
    let result = run();
    match &result {
        Ok(()) => println!("vm: end ok"),
        Err(error) => println!("vm: end FAILED: {error:#}"),
    }
    machine::leave(result.is_ok());
    ExitCode::FAILURE
}

fn run() -> Result<()> {
    machine::prepare()?;
    let kernel = nix::sys::utsname::uname()?;
    println!("vm: kernel {}", kernel.release().to_string_lossy());
    let mut report = Report::default();
    report.note("the verifier accepts the program", || {
        let verified = Rig::load()?.verified()?;
        println!(
            "vm: verifier instructions={} load_ms={}",
            verified.instructions,
            verified.load_time.as_millis()
        );
        Ok(())
    });
    report.note("the program rewrites byte by byte", object_tests);
    for network in networks::NETWORKS {
        report.note(network.name, || calls::are_carried(network));
    }
    ensure!(report.failed == 0, "{} tests failed", report.failed);
    Ok(())
}

fn object_tests() -> Result<()> {
    let status = Command::new(OBJECT_TESTS).status().with_context(|| format!("run {OBJECT_TESTS}"))?;
    ensure!(status.success(), "{status}");
    Ok(())
}

/// Prints the outcomes and counts failures.
#[derive(Default)]
struct Report {
    failed: u32,
}

impl Report {
    fn note(&mut self, name: &str, test: impl FnOnce() -> Result<()>) {
        let start = Instant::now();
        let outcome = match test() {
            Ok(()) => "ok".to_owned(),
            Err(error) => {
                self.failed += 1;
                format!("FAILED: {error:#}")
            }
        };
        println!("vm: test {name}: {outcome} ({:.1} s)", start.elapsed().as_secs_f64());
    }
}
