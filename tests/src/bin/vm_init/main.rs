//! Checks the XDP object on the kernel it runs on, without any other program or library.
//!
//! As `/init` of a virtual machine (process 1) it prepares the machine, prints its results on the
//! console and leaves through QEMU's exit device. Started otherwise, it checks the running kernel
//! in the network namespace it is in. Each line it prints starts with `vm:`.

mod frame;
mod machine;
mod program;
mod veth;

use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};

fn main() -> ExitCode {
    let in_guest = std::process::id() == 1;
    let result = run(in_guest);
    match &result {
        Ok(()) => println!("vm: end ok"),
        Err(error) => println!("vm: end FAILED: {error:#}"),
    }
    if in_guest {
        machine::leave(result.is_ok());
    }
    if result.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run(in_guest: bool) -> Result<()> {
    if in_guest {
        machine::prepare()?;
    }
    let kernel = nix::sys::utsname::uname()?;
    println!("vm: kernel {}", kernel.release().to_string_lossy());
    // The kernel hands its own unknown parameters to process 1.
    let argument = std::env::args().nth(1).filter(|_| !in_guest);
    let path = argument.unwrap_or_else(|| "/rtpengine-xdp.o".to_owned());
    let object = std::fs::read(&path).with_context(|| format!("read {path}"))?;
    let mut program = program::Program::load(&object)?;
    println!(
        "vm: verifier instructions={} load_ms={}",
        program.verified_instructions,
        program.load_time.as_millis()
    );
    let mut failed = 0;
    for (name, test) in program::TESTS.iter().chain(&[("native XDP forwards on veth", veth::forwards as _)]) {
        match test(&mut program) {
            Ok(()) => println!("vm: test {name}: ok"),
            Err(error) => {
                failed += 1;
                println!("vm: test {name}: FAILED: {error:#}");
            }
        }
    }
    ensure!(failed == 0, "{failed} tests failed");
    Ok(())
}
