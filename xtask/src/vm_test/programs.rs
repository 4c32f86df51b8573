//! Programs of this machine for a guest, with the shared libraries they need.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::initramfs::Archive;
use crate::sh;

const EXECUTABLE: u32 = 0o755;

/// Adds a program without its debug information as `name`, and its libraries where they are here.
pub fn add(archive: &mut Archive, program: &Path, name: &str, scratch: &Path) -> Result<()> {
    let stripped = scratch.join("stripped");
    sh::output(Command::new("strip").arg("-o").arg(&stripped).arg(program))?;
    archive.file(name, EXECUTABLE, &read(&stripped)?)?;
    for library in libraries(&sh::output(Command::new("ldd").arg(program))?) {
        let name = library.to_string_lossy().trim_start_matches('/').to_owned();
        if !archive.contains(&name) {
            archive.file(&name, EXECUTABLE, &read(&library)?)?;
        }
    }
    Ok(())
}

/// Paths in the output of ldd; what has none is brought by the kernel.
fn libraries(ldd: &str) -> Vec<PathBuf> {
    let path = |line: &str| line.split_whitespace().find(|word| word.starts_with('/')).map(PathBuf::from);
    ldd.lines().filter_map(path).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::libraries;

    #[test]
    fn libraries_and_the_loader_are_found() {
        let ldd =
            "\tlinux-vdso.so.1 (0x7f00)\n\tlibc.so.6 => /lib/x/libc.so.6 (0x7f01)\n\t/lib64/ld.so (0x7f02)\n";
        let found: Vec<_> = libraries(ldd).iter().map(|path| path.display().to_string()).collect();
        assert_eq!(found, ["/lib/x/libc.so.6", "/lib64/ld.so"]);
    }
}
