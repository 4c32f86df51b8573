//! aiortc and libsrtp from PyPI, in an environment of their own below `target`.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::sh;

fn requirements() -> PathBuf {
    sh::root().join("tests/peers/requirements.txt")
}

/// A copy of what was installed last.
fn installed() -> PathBuf {
    directory().join("requirements.txt")
}

fn directory() -> PathBuf {
    rtpengine_tests::peer::directory()
}

/// Whether Python can make environments.
pub fn has_venv() -> bool {
    sh::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
}

/// Whether everything is there in the versions asked for.
pub fn present() -> bool {
    let same = fs::read(requirements()).ok().zip(fs::read(installed()).ok());
    same.is_some_and(|(wanted, have)| wanted == have) && rtpengine_tests::peer::python().is_file()
}

/// Makes the environment and installs into it.
pub fn install() -> Result<()> {
    sh::run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(directory()))?;
    let mut pip = Command::new(rtpengine_tests::peer::python());
    pip.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--only-binary=:all:",
        "--requirement",
    ]);
    sh::run(pip.arg(requirements()))?;
    fs::copy(requirements(), installed()).context("note what was installed")?;
    Ok(())
}
