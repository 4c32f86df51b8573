//! `lint`: formatting, clippy, licences and advisories, documentation.

use std::process::Command;

use anyhow::Result;

use crate::sh::{self, step};
use crate::{build, setup};

/// Crates outside the workspace, each with a manifest of its own.
const OUTSIDE: [&str; 2] = ["rtpengine-ebpf", "fuzz"];

#[derive(clap::Args, Default)]
pub struct Arguments {
    /// Format instead of checking the format
    #[arg(long)]
    fix: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    step("formatting", || formatting(arguments.fix))?;
    // The daemon embeds the object, so even checking it needs one.
    build::ebpf()?;
    step("clippy", || {
        sh::run(sh::cargo().args(["clippy", "--workspace", "--all-targets", "--quiet", "--", "-Dwarnings"]))
    })?;
    step("documentation", || {
        let mut cargo = sh::cargo();
        cargo.args(["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-Dwarnings");
        sh::run(&mut cargo)
    })?;
    step("licences and bans", deny)
}

fn formatting(fix: bool) -> Result<()> {
    let check: &[&str] = if fix { &[] } else { &["--check"] };
    sh::run(sh::cargo().args(["fmt", "--all"]).args(check))?;
    for name in OUTSIDE {
        let manifest = sh::root().join(name).join("Cargo.toml");
        if manifest.exists() {
            sh::run(sh::cargo().args(["fmt", "--manifest-path"]).arg(manifest).args(check))?;
        }
    }
    Ok(())
}

fn deny() -> Result<()> {
    if !setup::has_program("cargo-deny") {
        setup::cargo_install("cargo-deny", None)?;
    }
    sh::run(cargo_deny().args([
        "--offline",
        "check",
        "--hide-inclusion-graph",
        "bans",
        "licenses",
        "sources",
    ]))?;
    // The advisory database is a git repository somewhere else: without it there is nothing to check against.
    if sh::succeeds(cargo_deny().args(["fetch", "db"])) {
        return sh::run(cargo_deny().args(["check", "--hide-inclusion-graph", "advisories"]));
    }
    eprintln!("  the advisory database cannot be reached from here: advisories not checked");
    Ok(())
}

fn cargo_deny() -> Command {
    let mut command = sh::cargo();
    command.arg("deny");
    command
}
