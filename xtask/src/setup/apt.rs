//! apt, with its lock waited for, one repair when an interrupted run left a mess, and no service started.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::sh;

/// Seconds to wait for another apt to finish.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=600";

/// Signs all of Debian's suites.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Whether this is a system with apt.
pub fn available() -> bool {
    Path::new("/usr/bin/apt-get").exists()
}

/// Refreshes the package lists.
pub fn update() -> Result<()> {
    sh::run(apt_get().args(["update", "--quiet"]))
}

/// Whether apt could install these now without removing anything, by its own dry run.
pub fn can_install(packages: &[&str]) -> bool {
    sh::succeeds(apt_get().args(["install", "--simulate", "--no-remove"]).args(packages))
}

/// Installs packages without starting the services they bring.
pub fn install(packages: &[&str]) -> Result<()> {
    install_with(&[], packages)
}

/// Installs from the release's backports, through a sources list of our own, so that the system's
/// configuration stays as it is.
pub fn backports(packages: &[&str]) -> Result<()> {
    let suite = format!("{}-backports", codename()?);
    let directory = sh::root().join("target/apt-backports");
    fs::create_dir_all(directory.join("lists/partial"))?;
    let list = directory.join("sources.list");
    let mirror = mirror()?;
    let codename = codename()?;
    // With the release itself, for dependencies that are not in the backports.
    let lines = [&suite, &codename, &format!("{codename}-updates")]
        .map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"));
    fs::write(&list, lines.concat())?;
    let own_source = [
        format!("Dir::Etc::sourcelist={}", list.display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        format!("Dir::State::lists={}", directory.join("lists").display()),
    ];
    let mut update = apt_get();
    for option in &own_source {
        update.args(["-o", option]);
    }
    sh::run(update.args(["update", "--quiet"]))?;
    let mut options: Vec<&str> = own_source.iter().flat_map(|option| ["-o", option.as_str()]).collect();
    options.extend(["-t", suite.as_str()]);
    install_with(&options, packages)
}

/// The release's name: `bookworm`.
pub fn codename() -> Result<String> {
    let text = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    Ok(line.context("no VERSION_CODENAME in /etc/os-release")?.trim_matches('"').to_owned())
}

/// The Debian mirror this machine already uses.
fn mirror() -> Result<String> {
    let codename = codename()?;
    let targets =
        sh::output(Command::new("apt-get").args(["indextargets", "--format", "$(CODENAME) $(REPO_URI)"]))?;
    let prefix = format!("{codename} ");
    let line = targets.lines().find_map(|line| line.strip_prefix(&prefix));
    Ok(line.with_context(|| format!("apt knows no mirror of {codename}"))?.trim_end_matches('/').to_owned())
}

fn install_with(options: &[&str], packages: &[&str]) -> Result<()> {
    let _quiet = NoServices::new()?;
    let mut install = apt_get();
    install
        .args(options)
        .args(["install", "--yes", "--no-remove", "--no-install-recommends", "--quiet"])
        .args(packages);
    let Err(error) = sh::run(&mut install) else { return Ok(()) };
    eprintln!("  {error:#}\n  repairing and trying once more");
    sh::run(apt_get().args(options).args(["--fix-broken", "install", "--yes", "--quiet"]))?;
    sh::run(&mut install)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-o", LOCK_TIMEOUT]);
    command
}

/// While it lives, installed packages start no service (`invoke-rc.d` asks `policy-rc.d`).
struct NoServices(Option<PathBuf>);

impl NoServices {
    fn new() -> Result<Self> {
        let path = PathBuf::from("/usr/sbin/policy-rc.d");
        if path.exists() {
            return Ok(Self(None));
        }
        // Exit status 101: action forbidden by policy.
        fs::write(&path, "#!/bin/sh\nexit 101\n").with_context(|| format!("write {}", path.display()))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        Ok(Self(Some(path)))
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Left behind it only keeps services from starting; the next run does not depend on it.
            let _ = fs::remove_file(path);
        }
    }
}
