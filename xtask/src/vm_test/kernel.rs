//! Debian's cloud kernels, downloaded once and unpacked without installing them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::{setup, sh};

/// An unpacked kernel.
pub struct Kernel {
    /// The bootable image.
    pub image: PathBuf,
    /// Folder with its modules, `lib/modules/<release>`.
    pub modules: PathBuf,
}

/// The newest kernel of a series, from the cache if it is there.
pub fn fetch(series: &str, cache: &Path) -> Result<Kernel> {
    let package = match newest(series)? {
        Some(package) => package,
        None => {
            setup::update()?;
            newest(series)?.with_context(|| format!("apt knows no cloud kernel {series}"))?
        }
    };
    let directory = cache.join(&package);
    if !directory.join("boot").exists() {
        download(&package, cache, &directory)?;
    }
    let image = only_entry(&directory.join("boot"), "vmlinuz-")?;
    let modules = [directory.join("lib/modules"), directory.join("usr/lib/modules")];
    let modules =
        modules.iter().find(|path| path.exists()).with_context(|| format!("no modules in {package}"))?;
    Ok(Kernel { image, modules: only_entry(modules, "")? })
}

fn download(package: &str, cache: &Path, directory: &Path) -> Result<()> {
    let debs = cache.join("debs");
    fs::create_dir_all(&debs)?;
    sh::run(Command::new("apt-get").args(["download", package]).current_dir(&debs))?;
    let deb = only_entry(&debs, &format!("{package}_"))?;
    // Unpacked beside and renamed, so that an interrupted run leaves no half kernel.
    let partial = cache.join(format!("{package}.partial"));
    sh::run(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&partial))?;
    fs::rename(&partial, directory)?;
    fs::remove_file(deb)?;
    Ok(())
}

/// The newest `linux-image-<series>.…-cloud-amd64` in the package lists.
fn newest(series: &str) -> Result<Option<String>> {
    let names = sh::output(Command::new("apt-cache").args(["pkgnames", &format!("linux-image-{series}.")]))?;
    let kernels = names.lines().filter(|name| name.ends_with("-cloud-amd64"));
    Ok(kernels.max_by_key(|name| numbers(name)).map(str::to_owned))
}

fn numbers(name: &str) -> Vec<u32> {
    name.split(|character: char| !character.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect()
}

fn only_entry(directory: &Path, prefix: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))?;
    let mut matching =
        entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
    matching
        .next()
        .map(|entry| entry.path())
        .with_context(|| format!("nothing named {prefix}… in {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::numbers;

    #[test]
    fn versions_are_ordered_by_number() {
        let older = numbers("linux-image-6.12.100+deb12-cloud-amd64");
        assert!(numbers("linux-image-6.12.99+deb12-cloud-amd64") < older);
        assert!(older < numbers("linux-image-6.12.117+deb12-cloud-amd64"));
    }
}
