//! The original, as Debian packages it: unpacked below `target`, never installed, so no service of it starts.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::setup;
use crate::sh;

const PACKAGE: &str = "rtpengine-daemon";

/// Fetches the package and the libraries it needs; returns its binary.
pub fn fetch() -> Result<PathBuf> {
    let directory = sh::root().join("target/peer");
    let binary = directory.join("usr/bin/rtpengine");
    if !binary.is_file() {
        std::fs::create_dir_all(&directory)?;
        setup::update()?;
        sh::run(Command::new("apt-get").args(["download", PACKAGE]).current_dir(&directory))?;
        let package = std::fs::read_dir(&directory)?
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .context("apt-get download left no package")?;
        let depends = sh::output(Command::new("dpkg-deb").arg("--field").arg(&package).arg("Depends"))?;
        // Libraries only: its other dependencies serve the service scripts.
        let libraries: Vec<&str> = depends
            .split(',')
            .filter_map(|one| one.split_whitespace().next())
            .filter(|name| name.starts_with("lib") || name.starts_with("zlib"))
            .collect();
        setup::install(&libraries)?;
        sh::run(Command::new("dpkg-deb").arg("--extract").arg(&package).arg(&directory))?;
    }
    eprintln!("  {}", sh::output(Command::new(&binary).arg("--version")).unwrap_or_default().trim());
    Ok(binary)
}
