//! The `bpf(2)` calls that aya does not offer: map creation at run time, inner maps, pinned links and their update.
//!
//! Layouts follow `union bpf_attr` of `include/uapi/linux/bpf.h`; the kernel accepts a shorter attribute and takes the
//! missing tail as zero.

use std::{
    ffi::CString,
    io, mem,
    os::{
        fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
    path::Path,
};

const BPF_MAP_CREATE: libc::c_long = 0;
const BPF_MAP_LOOKUP_ELEM: libc::c_long = 1;
const BPF_MAP_UPDATE_ELEM: libc::c_long = 2;
const BPF_MAP_DELETE_ELEM: libc::c_long = 3;
const BPF_MAP_GET_NEXT_KEY: libc::c_long = 4;
const BPF_OBJ_PIN: libc::c_long = 6;
const BPF_OBJ_GET: libc::c_long = 7;
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_LINK_UPDATE: libc::c_long = 29;
/// `BPF_MAP_UPDATE_ELEM` only replaces.
const BPF_EXIST: u64 = 2;
/// `BPF_XDP` of `enum bpf_attach_type`.
const ATTACH_XDP: u32 = 37;
/// `BPF_LINK_TYPE_XDP`.
const LINK_TYPE_XDP: u32 = 6;

/// Map types used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapType {
    /// `BPF_MAP_TYPE_HASH`.
    Hash = 1,
    /// `BPF_MAP_TYPE_ARRAY`.
    Array = 2,
}

/// `XDP_FLAGS_*`: how a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpFlags {
    /// `XDP_FLAGS_SKB_MODE`.
    Generic = 1 << 1,
    /// `XDP_FLAGS_DRV_MODE`.
    Native = 1 << 2,
}

/// Shape of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapShape {
    /// Type, as in `enum bpf_map_type`.
    pub map_type: u32,
    /// Bytes.
    pub key_size: u32,
    /// Bytes.
    pub value_size: u32,
    /// Entries.
    pub max_entries: u32,
    /// `BPF_F_*`.
    pub flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct CreateAttr {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
    numa_node: u32,
    map_name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct ElemAttr {
    map_fd: u32,
    pad: u32,
    key: u64,
    value: u64,
    flags: u64,
}

#[repr(C)]
#[derive(Default)]
struct ObjAttr {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct InfoAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

#[repr(C)]
#[derive(Default)]
struct LinkCreateAttr {
    prog_fd: u32,
    target_ifindex: u32,
    attach_type: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct LinkUpdateAttr {
    link_fd: u32,
    new_prog_fd: u32,
    flags: u32,
    old_prog_fd: u32,
}

#[repr(C)]
#[derive(Default)]
struct MapInfo {
    map_type: u32,
    id: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    name: [u8; 16],
}

#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    link_type: u32,
    id: u32,
    prog_id: u32,
    pad: u32,
    ifindex: u32,
    tail: [u32; 3],
}

fn bpf<T>(command: libc::c_long, attr: &mut T) -> io::Result<i64> {
    // SAFETY: `attr` is a live, exclusively borrowed `#[repr(C)]` value of exactly the length passed; every pointer the
    // callers store in it refers to memory of the size the kernel was told at map creation (checked by `Map`).
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_mut(attr), size_of::<T>()) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn owned(result: i64) -> OwnedFd {
    // SAFETY: the kernel has just returned this descriptor; nobody else knows it. Descriptors fit an i32.
    unsafe { OwnedFd::from_raw_fd(result as i32) }
}

fn raw(fd: BorrowedFd<'_>) -> u32 {
    // Borrowed descriptors are never negative.
    fd.as_raw_fd() as u32
}

fn c_path(path: &Path) -> io::Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

/// Creates a map. `name` is cut to what the kernel keeps.
///
/// # Errors
/// As `BPF_MAP_CREATE`.
pub fn create_map(name: &str, shape: MapShape) -> io::Result<OwnedFd> {
    let mut attr = CreateAttr {
        map_type: shape.map_type,
        key_size: shape.key_size,
        value_size: shape.value_size,
        max_entries: shape.max_entries,
        map_flags: shape.flags,
        ..CreateAttr::default()
    };
    for (to, from) in attr.map_name.iter_mut().take(15).zip(name.bytes()) {
        *to = from;
    }
    bpf(BPF_MAP_CREATE, &mut attr).map(owned)
}

/// The shape of an existing map.
///
/// # Errors
/// As `BPF_OBJ_GET_INFO_BY_FD`; [`io::ErrorKind::InvalidInput`] when the descriptor is no map.
pub fn map_shape(fd: BorrowedFd<'_>) -> io::Result<MapShape> {
    let mut info = MapInfo::default();
    object_info(fd, &mut info)?;
    Ok(MapShape {
        map_type: info.map_type,
        key_size: info.key_size,
        value_size: info.value_size,
        max_entries: info.max_entries,
        flags: info.map_flags,
    })
}

fn object_info<T>(fd: BorrowedFd<'_>, info: &mut T) -> io::Result<()> {
    let mut attr = InfoAttr {
        bpf_fd: raw(fd),
        // The info structures here are tens of bytes long.
        info_len: size_of::<T>() as u32,
        info: std::ptr::from_mut(info) as u64,
    };
    bpf(BPF_OBJ_GET_INFO_BY_FD, &mut attr).map(drop)
}

/// Pins an object. The path must not exist.
///
/// # Errors
/// As `BPF_OBJ_PIN`.
pub fn pin(fd: BorrowedFd<'_>, path: &Path) -> io::Result<()> {
    let path = c_path(path)?;
    let mut attr = ObjAttr { pathname: path.as_ptr() as u64, bpf_fd: raw(fd), file_flags: 0 };
    bpf(BPF_OBJ_PIN, &mut attr).map(drop)
}

/// Opens a pinned object.
///
/// # Errors
/// As `BPF_OBJ_GET`.
pub fn open_pin(path: &Path) -> io::Result<OwnedFd> {
    let path = c_path(path)?;
    let mut attr = ObjAttr { pathname: path.as_ptr() as u64, ..ObjAttr::default() };
    bpf(BPF_OBJ_GET, &mut attr).map(owned)
}

/// Attaches an XDP program to a device of the calling thread's network namespace. The attachment lives as long as the
/// descriptor or a pin of it.
///
/// # Errors
/// As `BPF_LINK_CREATE`: `EOPNOTSUPP` where the driver has no native mode, `EBUSY` where another program is attached.
pub fn attach_xdp(program: BorrowedFd<'_>, ifindex: u32, mode: XdpFlags) -> io::Result<OwnedFd> {
    let mut attr = LinkCreateAttr {
        prog_fd: raw(program),
        target_ifindex: ifindex,
        attach_type: ATTACH_XDP,
        flags: mode as u32,
    };
    bpf(BPF_LINK_CREATE, &mut attr).map(owned)
}

/// Replaces the program of a link; no packet sees neither.
///
/// # Errors
/// As `BPF_LINK_UPDATE`: `ENOLINK` where the device is gone.
pub fn update_link(link: BorrowedFd<'_>, program: BorrowedFd<'_>) -> io::Result<()> {
    let mut attr =
        LinkUpdateAttr { link_fd: raw(link), new_prog_fd: raw(program), ..LinkUpdateAttr::default() };
    bpf(BPF_LINK_UPDATE, &mut attr).map(drop)
}

/// The device an XDP link is attached to; `None` for another kind of link and when the device is gone.
///
/// # Errors
/// As `BPF_OBJ_GET_INFO_BY_FD`.
pub fn link_device(link: BorrowedFd<'_>) -> io::Result<Option<u32>> {
    let mut info = LinkInfo::default();
    object_info(link, &mut info)?;
    Ok((info.link_type == LINK_TYPE_XDP && info.ifindex != 0).then_some(info.ifindex))
}

/// Types that are plain bytes for the kernel.
///
/// # Safety
/// `#[repr(C)]`, valid for every bit pattern, free of pointers.
pub unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty),*) => { $(
        // SAFETY: integers, or `#[repr(C)]` structures of integers and byte arrays.
        unsafe impl Plain for $type {}
    )* };
}
plain!(
    u32,
    u64,
    rtpengine_common::abi::FlowKey,
    rtpengine_common::abi::FlowValue,
    rtpengine_common::abi::FlowStats,
    rtpengine_common::abi::FlowInfo,
    rtpengine_common::abi::Owner,
    rtpengine_common::srtp::abi::SrtpContext,
    rtpengine_common::srtp::abi::SrtpStreams,
    rtpengine_common::srtp::ghash::HashKey
);

/// A map with checked key and value sizes.
#[derive(Debug)]
pub struct Map<K, V> {
    fd: OwnedFd,
    types: std::marker::PhantomData<fn(K) -> V>,
}

impl<K: Plain, V: Plain> Map<K, V> {
    /// Takes over a descriptor.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] when the sizes differ from `K` and `V`.
    pub fn new(fd: OwnedFd) -> io::Result<Self> {
        use std::os::fd::AsFd;
        let shape = map_shape(fd.as_fd())?;
        let same = |size: u32, bytes: usize| usize::try_from(size) == Ok(bytes);
        if same(shape.key_size, size_of::<K>()) && same(shape.value_size, size_of::<V>()) {
            Ok(Self { fd, types: std::marker::PhantomData })
        } else {
            Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "key or value of {} and {} bytes is of another version",
                    shape.key_size, shape.value_size
                ),
            ))
        }
    }

    /// The descriptor.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        use std::os::fd::AsFd;
        self.fd.as_fd()
    }

    /// Reads one element.
    ///
    /// # Errors
    /// As `BPF_MAP_LOOKUP_ELEM`; an absent key is `Ok(None)`.
    pub fn get(&self, key: &K) -> io::Result<Option<V>> {
        let mut value = mem::MaybeUninit::<V>::zeroed();
        let mut attr = self.elem(key, value.as_mut_ptr() as u64, 0);
        match bpf(BPF_MAP_LOOKUP_ELEM, &mut attr) {
            // SAFETY: zeroed, then filled by the kernel; `Plain` allows every bit pattern.
            Ok(_) => Ok(Some(unsafe { value.assume_init() })),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Inserts or replaces one element atomically.
    ///
    /// # Errors
    /// As `BPF_MAP_UPDATE_ELEM`: `E2BIG` where the map is full.
    pub fn put(&self, key: &K, value: &V) -> io::Result<()> {
        let mut attr = self.elem(key, std::ptr::from_ref(value) as u64, 0);
        bpf(BPF_MAP_UPDATE_ELEM, &mut attr).map(drop)
    }

    /// Removes one element. `false` where there was none.
    ///
    /// # Errors
    /// As `BPF_MAP_DELETE_ELEM`.
    pub fn remove(&self, key: &K) -> io::Result<bool> {
        let mut attr = self.elem(key, 0, 0);
        match bpf(BPF_MAP_DELETE_ELEM, &mut attr) {
            Ok(_) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Overwrites one element, then removes it. An absent one is left so.
    ///
    /// # Errors
    /// As the map access.
    pub fn wipe(&self, key: &K, zero: &V) -> io::Result<()> {
        let mut attr = self.elem(key, std::ptr::from_ref(zero) as u64, BPF_EXIST);
        match bpf(BPF_MAP_UPDATE_ELEM, &mut attr) {
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => self.remove(key).map(drop),
        }
    }

    /// All keys at the time of the call. Keys that others insert or remove meanwhile may be missed.
    ///
    /// # Errors
    /// As `BPF_MAP_GET_NEXT_KEY`.
    pub fn keys(&self) -> io::Result<Vec<K>> {
        let mut keys: Vec<K> = Vec::new();
        let bound = usize::try_from(map_shape(self.fd())?.max_entries).unwrap_or(usize::MAX);
        // A concurrent removal restarts the walk from the beginning: the bound ends it in any case.
        while keys.len() < bound {
            let mut next = mem::MaybeUninit::<K>::zeroed();
            let mut attr = ElemAttr {
                map_fd: raw(self.fd()),
                key: keys.last().map_or(0, |key| std::ptr::from_ref(key) as u64),
                value: next.as_mut_ptr() as u64,
                ..ElemAttr::default()
            };
            match bpf(BPF_MAP_GET_NEXT_KEY, &mut attr) {
                // SAFETY: zeroed, then filled by the kernel; `Plain` allows every bit pattern.
                Ok(_) => keys.push(unsafe { next.assume_init() }),
                Err(error) if error.raw_os_error() == Some(libc::ENOENT) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(keys)
    }

    fn elem(&self, key: &K, value: u64, flags: u64) -> ElemAttr {
        ElemAttr { map_fd: raw(self.fd()), pad: 0, key: std::ptr::from_ref(key) as u64, value, flags }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_of_another_shape_is_refused() {
        let shape =
            MapShape { map_type: MapType::Hash as u32, key_size: 4, value_size: 4, max_entries: 4, flags: 0 };
        // Without CAP_BPF there is nothing to test.
        let Ok(fd) = create_map("shape_test", shape) else { return };
        let error = Map::<u32, u64>::new(fd).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn elements_come_back_and_absent_ones_are_told() {
        let shape =
            MapShape { map_type: MapType::Hash as u32, key_size: 4, value_size: 8, max_entries: 2, flags: 0 };
        let Ok(fd) = create_map("elem_test", shape) else { return };
        let map = Map::<u32, u64>::new(fd).unwrap();
        map.put(&1, &10).unwrap();
        map.put(&2, &20).unwrap();
        assert_eq!(map.put(&3, &30).unwrap_err().raw_os_error(), Some(libc::E2BIG));
        assert_eq!(map.get(&2).unwrap(), Some(20));
        let mut keys = map.keys().unwrap();
        keys.sort_unstable();
        assert_eq!(keys, [1, 2]);
        assert!(map.remove(&1).unwrap());
        assert!(!map.remove(&1).unwrap());
        assert_eq!(map.get(&1).unwrap(), None);
    }
}
