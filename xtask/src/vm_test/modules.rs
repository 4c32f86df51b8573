//! Kernel modules and what they depend on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A module, uncompressed.
pub struct Module {
    /// Its name without ending, with underscores.
    pub name: String,
    /// The ELF file.
    pub bytes: Vec<u8>,
}

/// These modules and all they need, in the order in which they can be loaded. A name without a file
/// is taken to be built in.
pub fn closure(directory: &Path, names: &[&str]) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    find(&directory.join("kernel"), &mut files)?;
    let mut loaded = Vec::new();
    for name in names {
        add(name, &files, &mut loaded)?;
    }
    Ok(loaded)
}

fn add(name: &str, files: &BTreeMap<String, PathBuf>, loaded: &mut Vec<Module>) -> Result<()> {
    if loaded.iter().any(|module| module.name == name) {
        return Ok(());
    }
    let Some(path) = files.get(name) else { return Ok(()) };
    let bytes = read(path)?;
    for needed in dependencies(&bytes) {
        add(&needed, files, loaded)?;
    }
    loaded.push(Module { name: name.to_owned(), bytes });
    Ok(())
}

fn find(directory: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(directory).with_context(|| format!("read {}", directory.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if let Some((name, "ko" | "ko.xz")) =
            path.file_name().and_then(|name| name.to_str()).and_then(|name| name.split_once('.'))
        {
            files.insert(name.replace('-', "_"), path);
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_some_and(|ending| ending == "xz") {
        let output = Command::new("xz").arg("-dc").arg(path).output().context("run xz (package xz-utils)")?;
        ensure!(output.status.success(), "xz -dc {}: {}", path.display(), output.status);
        return Ok(output.stdout);
    }
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// The `depends=` entry of the module's `.modinfo` section.
fn dependencies(module: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(start) = module.windows(KEY.len()).position(|window| window == KEY) else { return vec![] };
    let value = module[start + KEY.len()..].split(|byte| *byte == 0).next().unwrap_or_default();
    let names = String::from_utf8_lossy(value);
    names.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::dependencies;

    #[test]
    fn dependencies_are_read_from_modinfo() {
        assert_eq!(dependencies(b"x\0license=GPL\0depends=a,b-c\0name=x\0"), ["a", "b_c"]);
        assert!(dependencies(b"x\0depends=\0name=x\0").is_empty());
    }
}
