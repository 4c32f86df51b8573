//! Numbers that parallel test processes must not share: kernel tables and port ranges.
//!
//! A lease is a locked file: the kernel gives it back when the process dies, however it dies.

use std::fs::{File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// Directory of the BPF file system where a table's maps are pinned.
#[must_use]
pub fn table_directory(table: i32) -> PathBuf {
    Path::new("/sys/fs/bpf/rtpengine").join(table.to_string())
}

/// Held for as long as the number is in use.
#[derive(Debug)]
pub struct Lease {
    number: u16,
    _lock: File,
}

impl Lease {
    /// The leased number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// A kernel table that no other test and, as far as its pins tell, no daemon uses. Pins left by
    /// a killed test are removed.
    pub fn table() -> Result<Self> {
        // From the top: operators and the default configuration start at 0.
        for number in (8..64).rev() {
            let Some(lock) = lock("table", number)? else { continue };
            let _ = std::fs::remove_dir_all(table_directory(i32::from(number)));
            return Ok(Self { number, _lock: lock });
        }
        bail!("all kernel tables are leased by other tests: wait for them or end them")
    }

    /// First port of a block of [`PORTS`] ports, for tests on the host's loopback.
    pub fn ports() -> Result<Self> {
        for index in 0..80 {
            let number = 18_000 + index * PORTS;
            if let Some(lock) = lock("ports", number)? {
                return Ok(Self { number, _lock: lock });
            }
        }
        bail!("all port blocks are leased by other tests: wait for them or end them")
    }
}

/// Ports in a leased block.
pub const PORTS: u16 = 200;

fn lock(kind: &str, number: u16) -> Result<Option<File>> {
    let directory = std::env::temp_dir().join("rtpengine-tests");
    // Shared by all users: each may add files, and lock those of others, which takes no more than reading.
    if std::fs::create_dir(&directory).is_ok() {
        std::fs::set_permissions(&directory, Permissions::from_mode(0o1777))?;
    }
    let path = directory.join(format!("{kind}-{number}.lock"));
    let existing = File::open(&path);
    let file = existing.or_else(|_| OpenOptions::new().create_new(true).write(true).open(&path));
    // Somebody else may have made it in between; then it is theirs.
    let file = match file {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        file => file.with_context(|| format!("open {}", path.display()))?,
    };
    // SAFETY: flock takes a descriptor, which `file` keeps open, and touches no memory.
    let result = unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) };
    Ok((result == 0).then_some(file))
}
