//! `build` and `build-ebpf`.

use std::path::PathBuf;

use anyhow::Result;

use crate::sh::{self, step};

#[derive(clap::Args, Default)]
pub struct Arguments {
    /// Build without optimisation, into target/debug
    #[arg(long)]
    debug: bool,
    /// Leave the XDP object out: the daemon then relays in userspace only and says so
    #[arg(long)]
    pub no_xdp: bool,
}

/// Builds the daemon and rtpengine-ctl, with the XDP object embedded; returns the daemon's path.
pub fn run(arguments: &Arguments) -> Result<PathBuf> {
    if !arguments.no_xdp {
        ebpf()?;
    }
    let profile = if arguments.debug { "debug" } else { "release" };
    step("build rtpengine and rtpengine-ctl", || {
        let mut cargo = sh::cargo();
        cargo.args(["build", "--package=rtpengine", "--package=rtpengine-ctl"]);
        if !arguments.debug {
            cargo.arg("--release");
        }
        if arguments.no_xdp {
            cargo.arg("--no-default-features");
        }
        sh::run(&mut cargo)
    })?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| sh::root().join("target"), PathBuf::from);
    Ok(target.join(profile).join("rtpengine"))
}

/// Builds the XDP object; returns its path.
pub fn ebpf() -> Result<PathBuf> {
    step("build the XDP object", || crate::ebpf::build(&sh::root()))
}
