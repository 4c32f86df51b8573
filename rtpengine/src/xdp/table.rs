//! One kernel table: its pinned maps and the record of who owns it.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rtpengine_common::{
    abi::{
        ABI_VERSION, FLOWS_MAP_FLAGS, FlowInfo, FlowKey, FlowStats, FlowValue, MAX_FLOWS, Owner,
        STATS_MAP_FLAGS,
    },
    pins,
};

use super::{
    bpffs::{BpfRoot, LockedDir, remove_pin, share_with_group},
    clock,
    error::XdpError,
    flow::AdoptedFlow,
    stats::StatsArea,
    sys::{self, Map, MapShape, MapType, Plain},
};

/// How long a daemon that starts waits for the table: an orderly predecessor may be about to leave, and another daemon's
/// sweep of ownerless tables holds it for moments.
const PATIENCE: Duration = Duration::from_secs(2);

/// The maps of a table. Shared with the handover jobs that run in relay threads.
#[derive(Debug)]
pub struct TableMaps {
    /// Flows by local address; read by the program.
    pub flows: Map<FlowKey, FlowValue>,
    /// Who the flows belong to.
    pub info: Map<FlowKey, FlowInfo>,
    /// Counters, as a map for the program's table array.
    pub stats_map: Map<u32, FlowStats>,
    /// Counters, as memory.
    pub stats: Arc<StatsArea>,
    owner: Map<u32, Owner>,
    /// `true` once the table is closed: a handover job that comes late must not install anything.
    closed: Mutex<bool>,
}

impl TableMaps {
    fn open(dir: &Path) -> Result<Self, XdpError> {
        let hash = |value_size, flags| MapShape {
            map_type: MapType::Hash as u32,
            key_size: size::<FlowKey>(),
            value_size,
            max_entries: MAX_FLOWS,
            flags,
        };
        let array = |value_size, max_entries, flags| MapShape {
            map_type: MapType::Array as u32,
            key_size: size::<u32>(),
            value_size,
            max_entries,
            flags,
        };
        let owner = open_or_create(dir, pins::OWNER, array(size::<Owner>(), 1, 0))?;
        let flows = open_or_create(dir, pins::FLOWS, hash(size::<FlowValue>(), FLOWS_MAP_FLAGS))?;
        let info = open_or_create(dir, pins::INFO, hash(size::<FlowInfo>(), FLOWS_MAP_FLAGS))?;
        let stats_map: Map<u32, FlowStats> =
            open_or_create(dir, pins::STATS, array(size::<FlowStats>(), MAX_FLOWS, STATS_MAP_FLAGS))?;
        let stats = StatsArea::map(stats_map.fd(), MAX_FLOWS).map_err(map_error(pins::STATS, MAX_FLOWS))?;
        Ok(Self { flows, info, stats_map, stats: Arc::new(stats), owner, closed: Mutex::new(false) })
    }

    /// Puts a flow into the kernel, unless the table is being closed (`Ok(false)`).
    ///
    /// # Errors
    /// As the map update.
    pub fn install(&self, key: &FlowKey, value: &FlowValue) -> io::Result<bool> {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if *closed {
            return Ok(false);
        }
        self.flows.put(key, value)?;
        Ok(true)
    }

    /// No [`TableMaps::install`] takes effect after this.
    pub fn close(&self) {
        *self.closed.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Takes a flow out of the kernel, with what is known about it, unless another one has taken its key since (its slot
    /// differs).
    ///
    /// # Errors
    /// As the map access.
    pub fn remove(&self, key: &FlowKey, slot: u32) -> io::Result<()> {
        if self.flows.get(key)?.is_some_and(|value| value.slot != slot) {
            return Ok(());
        }
        self.flows.remove(key)?;
        self.info.remove(key).map(drop)
    }

    /// The owner's record; zeroes before the first owner.
    ///
    /// # Errors
    /// As the map access.
    pub fn owner(&self) -> io::Result<Owner> {
        Ok(self.owner.get(&0)?.unwrap_or_default())
    }

    /// Writes the owner's record.
    ///
    /// # Errors
    /// As the map access.
    pub fn set_owner(&self, owner: &Owner) -> io::Result<()> {
        self.owner.put(&0, owner)
    }

    /// All flows with what belongs to them. Flows without an info record are dropped from the map: they could not be
    /// claimed, and are what a crash between two updates leaves.
    ///
    /// # Errors
    /// As the map access.
    pub fn list(&self) -> io::Result<Vec<AdoptedFlow>> {
        let mut flows = Vec::new();
        for key in self.flows.keys()? {
            let Some(value) = self.flows.get(&key)? else { continue };
            match self.info.get(&key)? {
                Some(info) => {
                    flows.push(AdoptedFlow { key, value, info, stats: self.stats.read(value.slot) })
                }
                None => {
                    self.flows.remove(&key)?;
                }
            }
        }
        Ok(flows)
    }
}

/// A table held by this process.
#[derive(Debug)]
pub struct Table {
    /// Its number.
    pub number: u32,
    /// Its maps.
    pub maps: Arc<TableMaps>,
    dir: LockedDir,
    owner: Owner,
}

impl Table {
    /// Takes a table over or makes it. Maps of another ABI version are migrated where `migrate` knows how, and discarded
    /// otherwise.
    ///
    /// # Errors
    /// [`XdpError::InUse`] where a live daemon owns it.
    pub fn open(root: &BpfRoot, number: u32, orphan_after: Duration) -> Result<Self, XdpError> {
        let path = root.table(number);
        let Some(dir) = LockedDir::acquire(&path, PATIENCE)? else {
            return Err(XdpError::InUse {
                table: number,
                pid: recorded_owner(&path).map_or(0, |owner| owner.pid),
            });
        };
        let maps = match recorded_owner(&path) {
            Some(previous) if previous.abi_version != ABI_VERSION && previous.abi_version != 0 => {
                migrate(&path, previous.abi_version)?
            }
            Some(previous) if previous.pid != 0 => {
                tracing::warn!(
                    target: "core",
                    table = number,
                    pid = previous.pid,
                    "taking the kernel table over from a daemon that is gone"
                );
                TableMaps::open(&path)?
            }
            Some(_) => TableMaps::open(&path)?,
            None => discard(&path).and_then(|()| TableMaps::open(&path))?,
        };
        let pid = std::process::id();
        let owner = Owner {
            abi_version: ABI_VERSION,
            pid,
            start_ticks: start_ticks().unwrap_or(0),
            heartbeat_ns: clock::now_ns(),
            orphan_after_ns: u64::try_from(orphan_after.as_nanos()).unwrap_or(u64::MAX),
        };
        maps.set_owner(&owner).map_err(map_error(pins::OWNER, 1))?;
        Ok(Self { number, maps: Arc::new(maps), dir, owner })
    }

    /// Takes hold of a table whose owner is gone, without waiting and without becoming its owner. `Ok(None)`: it has a
    /// live owner, or is of another ABI version.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn ownerless(path: &Path, number: u32) -> Result<Option<Self>, XdpError> {
        let Some(dir) = LockedDir::try_acquire(path)? else { return Ok(None) };
        match recorded_owner(path) {
            Some(owner) if owner.abi_version == ABI_VERSION => {
                Ok(Some(Self { number, maps: Arc::new(TableMaps::open(path)?), dir, owner }))
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The owner's record as written at start.
    #[must_use]
    pub fn owner(&self) -> Owner {
        self.owner
    }

    /// Refreshes the owner's record.
    pub fn heartbeat(&mut self, now_ns: u64) {
        self.owner.heartbeat_ns = now_ns;
        if let Err(error) = self.maps.set_owner(&self.owner) {
            tracing::warn!(target: "core", table = self.number, %error, "cannot write the owner's heartbeat");
        }
    }

    /// Removes all pins of the table.
    ///
    /// # Errors
    /// [`XdpError::Pin`].
    pub fn remove(self) -> Result<(), XdpError> {
        self.maps.close();
        self.dir.remove()
    }
}

/// The record in a table's folder, if there is a readable one.
fn recorded_owner(dir: &Path) -> Option<Owner> {
    let fd = sys::open_pin(&dir.join(pins::OWNER)).ok()?;
    Map::<u32, Owner>::new(fd).ok()?.get(&0).ok()?
}

/// Carries flows over from another version of the ABI. Version 1 is the first one, so there is nothing to read yet: what
/// an unknown version left is discarded, and its calls continue in userspace.
fn migrate(dir: &Path, version: u32) -> Result<TableMaps, XdpError> {
    tracing::warn!(
        target: "core",
        dir = %dir.display(),
        version,
        ours = ABI_VERSION,
        "the kernel table is of another version; its flows are discarded and continue in userspace"
    );
    discard(dir)?;
    TableMaps::open(dir)
}

fn discard(dir: &Path) -> Result<(), XdpError> {
    for name in [pins::FLOWS, pins::STATS, pins::INFO, pins::OWNER] {
        let path = dir.join(name);
        remove_pin(&path).map_err(|source| XdpError::Pin { path, source })?;
    }
    Ok(())
}

/// Opens a pinned map or creates and pins it.
///
/// # Errors
/// [`XdpError::Map`], [`XdpError::Pin`].
pub(super) fn open_or_create<K: Plain, V: Plain>(
    dir: &Path,
    name: &str,
    shape: MapShape,
) -> Result<Map<K, V>, XdpError> {
    let path = dir.join(name);
    let failed = map_error(name, shape.max_entries);
    let fd: OwnedFd = match sys::open_pin(&path) {
        Ok(fd) => fd,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fd = sys::create_map(&format!("rtpe_{name}"), shape).map_err(&failed)?;
            sys::pin(fd.as_fd(), &path).map_err(|source| XdpError::Pin { path: path.clone(), source })?;
            share_with_group(&path)?;
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

/// `/proc/self/stat` field 22.
fn start_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the command in parentheses and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_start_time_of_this_process_is_found() {
        assert!(super::start_ticks().unwrap() > 0);
    }
}
