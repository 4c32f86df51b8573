//! Maps of maps, made before the object is loaded, which then finds them pinned.
//!
//! Kernels before 6.2 take an inner map only if it was made with type information exactly when the
//! outer map's template was (`bpf_map_meta_equal`). Maps made at run time have none, and the loader
//! gives its templates some: so the outer maps must not come from the loader.

use std::ffi::CString;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use aya::maps::MapFd;
use nix::errno::Errno;

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_MAP_TYPE_ARRAY_OF_MAPS: u32 = 12;

/// Head of `union bpf_attr` for `BPF_MAP_CREATE`; the kernel takes what is missing as zero.
#[repr(C)]
struct CreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
}

/// The same for `BPF_OBJ_PIN`.
#[repr(C)]
struct PinAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// A folder of the BPF file system, removed with its pins when dropped.
pub struct PinDirectory(PathBuf);

impl PinDirectory {
    /// Makes one for this process.
    pub fn new() -> Result<Self> {
        let path = Path::new("/sys/fs/bpf").join(format!("rtpengine-vm-{}", std::process::id()));
        std::fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        Ok(Self(path))
    }

    /// Path of a pin.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Makes an array of maps like `inner` and pins it; returns the pin's path.
    pub fn array_of_maps(&self, name: &str, entries: u32, inner: &MapFd) -> Result<PathBuf> {
        let inner_map_fd = inner.as_fd().as_raw_fd().cast_unsigned();
        let attr = CreateAttr {
            map_type: BPF_MAP_TYPE_ARRAY_OF_MAPS,
            key_size: 4,
            value_size: 4,
            max_entries: entries,
            map_flags: 0,
            inner_map_fd,
        };
        let fd = bpf(BPF_MAP_CREATE, &attr).with_context(|| format!("create map {name}"))?;
        // SAFETY: the call above returned this new descriptor, which belongs to nobody else.
        let map = unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) };
        let path = self.path(name);
        let c_path = CString::new(path.as_os_str().as_encoded_bytes())?;
        let attr = PinAttr {
            pathname: c_path.as_ptr() as u64,
            bpf_fd: map.as_raw_fd().cast_unsigned(),
            file_flags: 0,
        };
        bpf(BPF_OBJ_PIN, &attr).with_context(|| format!("pin {}", path.display()))?;
        Ok(path)
    }
}

impl Drop for PinDirectory {
    fn drop(&mut self) {
        // What stays behind is seen, and named after a process that is gone.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bpf<T>(command: libc::c_long, attr: &T) -> Result<libc::c_long> {
    // SAFETY: `attr` is the beginning of a `union bpf_attr` of the size given and outlives the
    // call, as does the path that a `PinAttr` points to.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attr), size_of::<T>()) };
    Ok(Errno::result(result)?)
}
