//! Where things are pinned, and the BPF file system they are pinned in.

use std::{
    fs, io,
    os::{
        fd::{AsFd, BorrowedFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt},
    },
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use nix::{
    fcntl::{Flock, FlockArg},
    mount::{MsFlags, mount},
    sys::statfs::{BPF_FS_MAGIC, statfs},
};
use rtpengine_common::pins;

use super::error::XdpError;

/// Environment variable that moves the root, for tests and for hosts that mount the file system elsewhere.
pub const ROOT_VARIABLE: &str = "RTPENGINE_BPF_ROOT";

/// The folder everything is pinned in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BpfRoot(PathBuf);

impl Default for BpfRoot {
    fn default() -> Self {
        Self(
            std::env::var_os(ROOT_VARIABLE)
                .map_or_else(|| Path::new(pins::BPF_FS).join(pins::ROOT), PathBuf::from),
        )
    }
}

impl BpfRoot {
    /// A root at `path`, which must lie in a BPF file system.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The folder of a table.
    #[must_use]
    pub fn table(&self, table: u32) -> PathBuf {
        self.0.join(table.to_string())
    }

    /// The folder of a network namespace.
    #[must_use]
    pub fn net_of(&self, inode: u64) -> PathBuf {
        self.0.join(format!("{}{inode}", pins::NET_PREFIX))
    }

    /// Makes the root, mounting the BPF file system where it is missing.
    ///
    /// # Errors
    /// [`XdpError::BpfFs`] where the mount is not allowed, [`XdpError::Pin`] where the folder cannot be made.
    pub fn prepare(&self) -> Result<(), XdpError> {
        let base = self.0.parent().unwrap_or(&self.0);
        if base == Path::new(pins::BPF_FS) && !is_bpffs(base) {
            mount_at(base).map_err(|source| XdpError::BpfFs { path: base.to_owned(), source })?;
        }
        make_dir(&self.0)?;
        if is_bpffs(&self.0) {
            return Ok(());
        }
        Err(XdpError::BpfFs { path: self.0.clone(), source: io::Error::from_raw_os_error(libc::EINVAL) })
    }
}

/// Number of the calling thread's network namespace.
///
/// # Errors
/// `/proc` is not mounted.
pub fn own_net() -> io::Result<u64> {
    Ok(fs::metadata("/proc/thread-self/ns/net")?.ino())
}

/// Mounts the BPF file system. Daemons that start at once take turns, so that none hides the mount of another.
fn mount_at(base: &Path) -> io::Result<()> {
    let below: OwnedFd = fs::File::open(base)?.into();
    let _turn = Flock::lock(below, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    if is_bpffs(base) {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("bpf"), base, Some("bpf"), flags, Some("mode=0755"))?;
    tracing::info!(target: "core", path = %base.display(), "mounted the BPF file system");
    Ok(())
}

fn is_bpffs(path: &Path) -> bool {
    statfs(path).is_ok_and(|stat| stat.filesystem_type() == BPF_FS_MAGIC)
}

/// Makes a folder for the daemon and its group; an existing one is fine.
///
/// # Errors
/// [`XdpError::Pin`].
pub fn make_dir(path: &Path) -> Result<(), XdpError> {
    match fs::DirBuilder::new().mode(0o750).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(XdpError::Pin { path: path.to_owned(), source: error })
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Lets the daemon's group read a pin, for `rtpengine-ctl`.
///
/// # Errors
/// [`XdpError::Pin`].
pub fn share_with_group(path: &Path) -> Result<(), XdpError> {
    set_mode(path, GROUP_PIN)
}

/// Mode of pins that the daemon's group may open.
pub const GROUP_PIN: u32 = 0o660;

/// Says who may open a pin.
///
/// # Errors
/// [`XdpError::Pin`].
pub fn set_mode(path: &Path, mode: u32) -> Result<(), XdpError> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|source| XdpError::Pin { path: path.to_owned(), source })
}

/// A folder in the BPF file system held under an exclusive lock, which the kernel drops when the process ends, however
/// it ends.
#[derive(Debug)]
pub struct LockedDir {
    path: PathBuf,
    lock: Flock<OwnedFd>,
}

impl LockedDir {
    /// Makes the folder and locks it, waiting at most `patience`. `Ok(None)` where somebody else holds it.
    ///
    /// # Errors
    /// [`XdpError::Pin`].
    pub fn acquire(path: &Path, patience: Duration) -> Result<Option<Self>, XdpError> {
        let end = Instant::now() + patience;
        loop {
            make_dir(path)?;
            match Self::try_acquire(path)? {
                Some(dir) => return Ok(Some(dir)),
                None if Instant::now() >= end => return Ok(None),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// Locks an existing folder without waiting. `Ok(None)` where somebody else holds it or it has just been removed.
    ///
    /// # Errors
    /// [`XdpError::Pin`].
    pub fn try_acquire(path: &Path) -> Result<Option<Self>, XdpError> {
        let failed = |source| XdpError::Pin { path: path.to_owned(), source };
        let dir: OwnedFd = match fs::File::open(path) {
            Ok(dir) => dir.into(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        match Flock::lock(dir, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => {
                // Whoever held it may have removed it: the lock counts only for the folder that is still there.
                let held = nix::sys::stat::fstat(lock.as_fd()).map_err(|error| failed(error.into()))?.st_ino;
                match fs::metadata(path) {
                    Ok(there) if there.ino() == held => Ok(Some(Self { path: path.to_owned(), lock })),
                    Ok(_) | Err(_) => Ok(None),
                }
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(failed(error.into())),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Removes the folder and all pins in it.
    ///
    /// # Errors
    /// [`XdpError::Pin`].
    pub fn remove(self) -> Result<(), XdpError> {
        remove_tree(&self.path).map_err(|source| XdpError::Pin { path: self.path.clone(), source })
    }
}

impl AsFd for LockedDir {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

/// Removes a folder of pins. Already gone is fine.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        } else {
            remove_pin(&entry.path())?;
        }
    }
    fs::remove_dir(path)
}

/// Removes one pin. Already gone is fine.
pub(super) fn remove_pin(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
