//! Steps with their durations, and commands that say what they run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result, ensure};

/// The workspace's root.
pub fn root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Runs one step under a headline, then prints how long it took.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("==> {name}");
    let start = Instant::now();
    let result = work().with_context(|| name.to_owned());
    let outcome = if result.is_ok() { "done" } else { "FAILED" };
    eprintln!("<== {name}: {outcome}, {:.1} s", start.elapsed().as_secs_f64());
    result
}

/// Cargo in the workspace, free of the variables that `cargo run` gave this process.
pub fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let inherited = name.to_str().is_some_and(|name| {
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") || name == "CARGO"
        });
        if inherited {
            command.env_remove(name);
        }
    }
    command
}

/// Prints the command and runs it; a failure is an error that names it.
pub fn run(command: &mut Command) -> Result<()> {
    let line = show(command);
    eprintln!("  $ {line}");
    let status = command.status().with_context(|| format!("run {line}"))?;
    ensure!(status.success(), "{line}: {status}");
    Ok(())
}

/// Runs the command silently and returns its standard output.
pub fn output(command: &mut Command) -> Result<String> {
    let line = show(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("run {line}"))?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}: {}", output.status, errors.trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether the command ends with success; its output is dropped.
pub fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
