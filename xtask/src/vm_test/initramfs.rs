//! An initramfs: a cpio archive in "newc" form (`Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::collections::BTreeSet;
use std::io::Write as _;

use anyhow::Result;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const CHARACTER_DEVICE: u32 = 0o020_000;
/// Device number of /dev/console.
const CONSOLE: (u32, u32) = (5, 1);

/// The archive as far as it is written.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inodes: u32,
    names: BTreeSet<String>,
}

impl Archive {
    /// Adds a folder and those above it, unless they are there.
    pub fn directory(&mut self, name: &str) -> Result<()> {
        if self.contains(name) {
            return Ok(());
        }
        self.parent_of(name)?;
        self.entry(name, DIRECTORY | 0o755, (0, 0), &[])
    }

    /// Whether there is an entry of this name.
    pub fn contains(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Adds /dev/console, without which process 1 has no standard output.
    pub fn console(&mut self) -> Result<()> {
        self.directory("dev")?;
        self.entry("dev/console", CHARACTER_DEVICE | 0o600, CONSOLE, &[])
    }

    /// Adds a file, with the folders above it.
    pub fn file(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<()> {
        self.parent_of(name)?;
        self.entry(name, FILE | mode, (0, 0), content)
    }

    /// The whole archive.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        Ok(self.bytes)
    }

    fn parent_of(&mut self, name: &str) -> Result<()> {
        name.rsplit_once('/').map_or(Ok(()), |(parent, _)| self.directory(parent))
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        self.names.insert(name.to_owned());
        self.inodes += 1;
        let fields = [
            self.inodes,
            mode,
            0, // user
            0, // group
            1, // links
            0, // time
            u32::try_from(content.len())?,
            0, // device of the file system
            0,
            device.0,
            device.1,
            u32::try_from(name.len() + 1)?,
            0, // checksum, unused in this form
        ];
        write!(self.bytes, "070701")?;
        for field in fields {
            write!(self.bytes, "{field:08x}")?;
        }
        self.bytes.extend(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(content);
        self.pad();
        Ok(())
    }

    /// Headers and contents start at multiples of four.
    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Archive;

    #[test]
    fn folders_come_once_and_before_what_is_in_them() {
        let mut archive = Archive::default();
        archive.file("lib/a/b", 0o644, b"").unwrap();
        archive.file("lib/a/c", 0o644, b"").unwrap();
        let bytes = archive.finish().unwrap();
        let names: Vec<String> = String::from_utf8(bytes)
            .unwrap()
            .split("070701")
            .filter_map(|entry| entry.get(104..)?.split('\0').next().map(str::to_owned))
            .collect();
        assert_eq!(names, ["lib", "lib/a", "lib/a/b", "lib/a/c", "TRAILER!!!"]);
    }

    #[test]
    fn entries_are_aligned_and_complete() {
        let mut archive = Archive::default();
        archive.file("ab", 0o644, b"12345").unwrap();
        let bytes = archive.finish().unwrap();
        assert!(bytes.starts_with(b"07070100000001000081a4"));
        assert_eq!(&bytes[110..113], b"ab\0");
        assert_eq!(&bytes[116..121], b"12345");
        assert_eq!(&bytes[124..130], b"070701");
    }
}
