//! What all tables of a network namespace share: flows, counters and their chunks, the devices in use.

use std::{
    io,
    os::fd::AsFd as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use ahash::AHashSet;
use rtpengine_common::{
    abi::{
        ABI_VERSION, FLOWS_MAP_FLAGS, FlowKey, FlowStats, FlowValue, MAX_CHUNKS, MAX_FLOWS, SLOTS_PER_CHUNK,
        STATS_MAP_FLAGS,
    },
    pins,
    srtp::abi::MAX_SRTP_CONTEXTS,
};

use super::{
    bpffs::{GROUP_PIN, LockedDir, make_dir, remove_pin, remove_tree, set_mode},
    error::XdpError,
    srtp::{self, SrtpMaps},
    stats::StatsArea,
    sys::{self, Map, MapShape, MapType, Plain},
};

/// Attaching takes milliseconds; another daemon may hold the lock for a handful of devices.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
/// Pin that tells the version of the shared maps.
const VERSION: &str = "abi";
/// Devices of one network namespace that can be told apart.
const MAX_DEVICES: u32 = 4096;

/// The shared maps. Whoever changes devices or chunks holds the lock on the folder ([`NetMaps::lock`]).
#[derive(Debug)]
pub struct NetMaps {
    /// `rtpengine/net<inode>`.
    pub dir: PathBuf,
    /// Flows of all tables; read by the program.
    pub flows: Map<FlowKey, FlowValue>,
    /// Counters, as memory.
    pub stats: Arc<StatsArea>,
    /// SRTP contexts; read by the program.
    pub srtp: SrtpMaps,
    /// Tables by device index.
    pub devices: Map<u32, u64>,
    chunks: Map<u32, u32>,
}

impl NetMaps {
    /// Opens the maps of a namespace for a table, or makes them. Maps of another version are replaced: the devices get the
    /// new program with the new maps, and daemons of the other version continue in userspace.
    ///
    /// # Errors
    /// See [`XdpError`]; [`XdpError::Map`] also where no chunk of counters is left for the table.
    pub fn open(dir: &Path, table: u32) -> Result<Self, XdpError> {
        let _lock = lock(dir)?;
        make_dir(&dir.join(pins::LINKS))?;
        check_version(dir)?;
        let net = Self::maps(dir)?;
        // Whoever holds a chunk keeps the folder from being removed by others that leave.
        if net.chunks_of(table)?.is_empty() && net.hand_out(table)?.is_none() {
            return Err(map_error(pins::CHUNKS, MAX_CHUNKS)(io::Error::from_raw_os_error(libc::ENOSPC)));
        }
        Ok(net)
    }

    /// `false` once a daemon of another version has replaced the maps: the devices are its own now.
    #[must_use]
    pub fn is_current(&self) -> bool {
        recorded_version(&self.dir) == Some(ABI_VERSION)
    }

    /// Opens the maps of a namespace that has some of this version.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn existing(dir: &Path) -> Result<Option<Self>, XdpError> {
        if recorded_version(dir) == Some(ABI_VERSION) { Self::maps(dir).map(Some) } else { Ok(None) }
    }

    fn maps(dir: &Path) -> Result<Self, XdpError> {
        let shape = |map_type: MapType, key_size, value_size, max_entries, flags| MapShape {
            map_type: map_type as u32,
            key_size,
            value_size,
            max_entries,
            flags,
        };
        let word = size::<u32>();
        let flow = (size::<FlowKey>(), size::<FlowValue>());
        let flows = shape(MapType::Hash, flow.0, flow.1, MAX_FLOWS, FLOWS_MAP_FLAGS);
        let stats = shape(MapType::Array, word, size::<FlowStats>(), MAX_FLOWS, STATS_MAP_FLAGS);
        let devices = shape(MapType::Hash, word, size::<u64>(), MAX_DEVICES, 0);
        let chunks = shape(MapType::Array, word, word, MAX_CHUNKS, 0);
        let stats: Map<u32, FlowStats> = open_or_create(dir, pins::STATS, stats, GROUP_PIN)?;
        let stats = StatsArea::map(stats.fd(), MAX_FLOWS).map_err(map_error(pins::STATS, MAX_FLOWS))?;
        Ok(Self {
            dir: dir.to_owned(),
            flows: open_or_create(dir, pins::FLOWS, flows, GROUP_PIN)?,
            stats: Arc::new(stats),
            srtp: SrtpMaps::open(dir)?,
            devices: open_or_create(dir, pins::DEVICES, devices, GROUP_PIN)?,
            chunks: open_or_create(dir, pins::CHUNKS, chunks, GROUP_PIN)?,
        })
    }

    /// Locks the folder against other daemons.
    ///
    /// # Errors
    /// [`XdpError::Pin`].
    pub fn lock(&self) -> Result<LockedDir, XdpError> {
        lock(&self.dir)
    }

    /// Slots of the chunks that a table holds.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn chunks_of(&self, table: u32) -> Result<Vec<u32>, XdpError> {
        let mut own = Vec::new();
        for chunk in 0..MAX_CHUNKS {
            if self.holder(chunk)? == Some(table) {
                own.push(chunk * SLOTS_PER_CHUNK);
            }
        }
        Ok(own)
    }

    /// Hands a free chunk out to a table; returns its first slot. `None`: all are taken.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn take_chunk(&self, table: u32) -> Result<Option<u32>, XdpError> {
        let _lock = self.lock()?;
        self.hand_out(table)
    }

    fn hand_out(&self, table: u32) -> Result<Option<u32>, XdpError> {
        for chunk in 0..MAX_CHUNKS {
            if self.holder(chunk)?.is_none() {
                self.chunks.put(&chunk, &(table + 1)).map_err(map_error(pins::CHUNKS, MAX_CHUNKS))?;
                return Ok(Some(chunk * SLOTS_PER_CHUNK));
            }
        }
        Ok(None)
    }

    fn holder(&self, chunk: u32) -> Result<Option<u32>, XdpError> {
        let holder = self.chunks.get(&chunk).map_err(map_error(pins::CHUNKS, MAX_CHUNKS))?;
        Ok(holder.and_then(|holder| holder.checked_sub(1)))
    }

    /// Wipes the contexts that came with a table's chunks and that none of its flows refers to.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn wipe_unused(&self, table: u32) -> Result<(), XdpError> {
        let numbers = self.srtp.numbers().map_err(map_error(pins::SRTP_CONTEXTS, MAX_SRTP_CONTEXTS))?;
        if numbers.is_empty() {
            return Ok(());
        }
        let failed = map_error(pins::FLOWS, MAX_FLOWS);
        let mut used = AHashSet::new();
        for key in self.flows.keys().map_err(&failed)? {
            if let Some(value) = self.flows.get(&key).map_err(&failed)? {
                used.extend([value.receive_context, value.transmit_context]);
            }
        }
        for number in numbers {
            if !used.contains(&number) && self.holder(srtp::chunk_of(number))? == Some(table) {
                self.srtp.wipe(number).map_err(map_error(pins::SRTP_CONTEXTS, MAX_SRTP_CONTEXTS))?;
            }
        }
        Ok(())
    }

    /// Takes everything of a table out of the namespace: its flows, their keys, its chunks, its mark on the devices. Devices that
    /// serve no other table lose the program, and with the last table everything goes.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn purge(&self, table: u32) -> Result<(), XdpError> {
        let lock = self.lock()?;
        if !self.is_current() {
            return Ok(());
        }
        let failed = map_error(pins::FLOWS, MAX_FLOWS);
        for key in self.flows.keys().map_err(&failed)? {
            if self.flows.get(&key).map_err(&failed)?.is_some_and(|value| value.table == table) {
                self.flows.remove(&key).map_err(&failed)?;
            }
        }
        self.wipe_unused(table)?;
        let mut used = false;
        for chunk in 0..MAX_CHUNKS {
            match self.holder(chunk)? {
                Some(holder) if holder == table => {
                    self.chunks.put(&chunk, &0).map_err(map_error(pins::CHUNKS, MAX_CHUNKS))?;
                }
                Some(_) => used = true,
                None => {}
            }
        }
        let failed = map_error(pins::DEVICES, MAX_DEVICES);
        for ifindex in self.devices.keys().map_err(&failed)? {
            if self.mark(ifindex, table, false)? == 0 {
                self.detach(ifindex)?;
            } else {
                used = true;
            }
        }
        if used { Ok(()) } else { lock.remove() }
    }

    /// Notes whether a table uses a device; returns the tables that do. The caller holds the lock.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn mark(&self, ifindex: u32, table: u32, on: bool) -> Result<u64, XdpError> {
        let failed = map_error(pins::DEVICES, MAX_DEVICES);
        let bit = 1u64 << table;
        let old = self.devices.get(&ifindex).map_err(&failed)?.unwrap_or(0);
        let new = if on { old | bit } else { old & !bit };
        if new == 0 {
            self.devices.remove(&ifindex).map_err(&failed)?;
        } else if new != old {
            self.devices.put(&ifindex, &new).map_err(&failed)?;
        }
        Ok(new)
    }

    /// Forgets which tables use a device. The caller holds the lock.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn unmark(&self, ifindex: u32) -> Result<(), XdpError> {
        self.devices.remove(&ifindex).map(drop).map_err(map_error(pins::DEVICES, MAX_DEVICES))
    }

    /// Where the attachment to a device is pinned.
    #[must_use]
    pub fn link_path(&self, ifindex: u32) -> PathBuf {
        self.dir.join(pins::LINKS).join(ifindex.to_string())
    }

    fn detach(&self, ifindex: u32) -> Result<(), XdpError> {
        let path = self.link_path(ifindex);
        // The kernel detaches at once when a descriptor is the last to go, but only soon when a pin is.
        let last = sys::open_pin(&path);
        remove_pin(&path).map_err(|source| XdpError::Pin { path, source })?;
        drop(last);
        Ok(())
    }
}

fn lock(dir: &Path) -> Result<LockedDir, XdpError> {
    LockedDir::acquire(dir, LOCK_PATIENCE)?.ok_or_else(|| XdpError::Pin {
        path: dir.to_owned(),
        source: io::Error::from_raw_os_error(libc::EWOULDBLOCK),
    })
}

fn recorded_version(dir: &Path) -> Option<u32> {
    let fd = sys::open_pin(&dir.join(VERSION)).ok()?;
    Map::<u32, u32>::new(fd).ok()?.get(&0).ok()?
}

/// Unpins maps of another version and notes ours. Programs that are attached keep their maps until they are replaced.
fn check_version(dir: &Path) -> Result<(), XdpError> {
    let found = recorded_version(dir).unwrap_or(0);
    if found == ABI_VERSION {
        return Ok(());
    }
    if found != 0 {
        tracing::warn!(
            target: "core",
            found,
            ours = ABI_VERSION,
            "replacing the shared XDP maps of another version; daemons of that version continue in userspace"
        );
    }
    let failed = |source| XdpError::Pin { path: dir.to_owned(), source };
    for entry in std::fs::read_dir(dir).map_err(failed)?.flatten() {
        if entry.file_name() == pins::LINKS {
            continue;
        }
        let folder = entry.file_type().map_err(failed)?.is_dir();
        if folder { remove_tree(&entry.path()) } else { remove_pin(&entry.path()) }.map_err(failed)?;
    }
    let shape = MapShape {
        map_type: MapType::Array as u32,
        key_size: size::<u32>(),
        value_size: size::<u32>(),
        max_entries: 1,
        flags: 0,
    };
    let version: Map<u32, u32> = open_or_create(dir, VERSION, shape, GROUP_PIN)?;
    version.put(&0, &ABI_VERSION).map_err(map_error(VERSION, 1))
}

/// Opens a pinned map, or creates it and pins it for those that the mode says.
///
/// # Errors
/// [`XdpError::Map`], [`XdpError::Pin`].
pub(super) fn open_or_create<K: Plain, V: Plain>(
    dir: &Path,
    name: &str,
    shape: MapShape,
    mode: u32,
) -> Result<Map<K, V>, XdpError> {
    let path = dir.join(name);
    let failed = map_error(name, shape.max_entries);
    let fd = match sys::open_pin(&path) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fd = sys::create_map(&format!("rtpe_{name}"), shape).map_err(&failed)?;
            sys::pin(fd.as_fd(), &path).map_err(|source| XdpError::Pin { path: path.clone(), source })?;
            set_mode(&path, mode)?;
            fd
        }
        Err(source) => return Err(XdpError::Pin { path, source }),
    };
    Map::new(fd).map_err(failed)
}

pub(super) fn map_error(name: &str, entries: u32) -> impl Fn(io::Error) -> XdpError + use<> {
    let name = name.to_owned();
    move |source| XdpError::Map { name: name.clone(), entries, source }
}

pub(super) fn size<T>() -> u32 {
    // Map keys and values are at most hundreds of bytes long.
    size_of::<T>() as u32
}
