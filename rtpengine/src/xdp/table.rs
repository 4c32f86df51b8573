//! One kernel table: its pinned maps and the record of who owns it.

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rtpengine_common::{
    abi::{ABI_VERSION, FLOWS_MAP_FLAGS, FlowInfo, FlowKey, FlowValue, MAX_FLOWS, Owner},
    pins,
};

use super::{
    bpffs::{BpfRoot, GROUP_PIN, LockedDir, remove_pin},
    clock,
    error::XdpError,
    flow::AdoptedFlow,
    net::{NetMaps, map_error, open_or_create, size},
    stats::StatsArea,
    sys::{self, Map, MapShape, MapType},
};

/// How long a daemon that starts waits for the table: an orderly predecessor may be about to leave, and another daemon's
/// sweep of ownerless tables holds it for moments.
const PATIENCE: Duration = Duration::from_secs(2);

/// The maps of a table. Shared with the handover jobs that run in relay threads.
#[derive(Debug)]
pub struct TableMaps {
    number: u32,
    /// Flows and counters, shared with other tables.
    pub net: Arc<NetMaps>,
    /// Who the flows belong to.
    pub info: Map<FlowKey, FlowInfo>,
    owner: Map<u32, Owner>,
    /// `true` once the table is closed: a handover job that comes late must not install anything.
    closed: Mutex<bool>,
}

impl TableMaps {
    fn open(dir: &Path, number: u32, net: Arc<NetMaps>) -> Result<Self, XdpError> {
        let shape = |map_type: MapType, key_size, value_size, max_entries, flags| MapShape {
            map_type: map_type as u32,
            key_size,
            value_size,
            max_entries,
            flags,
        };
        let (key, value) = (size::<FlowKey>(), size::<FlowInfo>());
        let owner = shape(MapType::Array, size::<u32>(), size::<Owner>(), 1, 0);
        let info = shape(MapType::Hash, key, value, MAX_FLOWS, FLOWS_MAP_FLAGS);
        Ok(Self {
            number,
            net,
            info: open_or_create(dir, pins::INFO, info, GROUP_PIN)?,
            owner: open_or_create(dir, pins::OWNER, owner, GROUP_PIN)?,
            closed: Mutex::new(false),
        })
    }

    /// The counters.
    #[must_use]
    pub fn stats(&self) -> &Arc<StatsArea> {
        &self.net.stats
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
        self.net.flows.put(key, value)?;
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
        if self.net.flows.get(key)?.is_some_and(|value| value.slot != slot) {
            return Ok(());
        }
        self.net.flows.remove(key)?;
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

    /// All flows of the table with what belongs to them. Flows without an info record are dropped from the map: they could not be
    /// claimed, and are what a crash between two updates leaves.
    ///
    /// # Errors
    /// As the map access.
    pub fn list(&self) -> io::Result<Vec<AdoptedFlow>> {
        let mut flows = Vec::new();
        for key in self.net.flows.keys()? {
            let Some(value) = self.net.flows.get(&key)?.filter(|value| value.table == self.number) else {
                continue;
            };
            match self.info.get(&key)? {
                Some(info) => {
                    flows.push(AdoptedFlow { key, value, info, stats: self.net.stats.read(value.slot) })
                }
                None => {
                    self.net.flows.remove(&key)?;
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
    /// Takes a table over or makes it, with its flows in the network namespace of `net`. A table of another ABI version,
    /// or whose flows are in another namespace, starts empty: its calls continue in userspace.
    ///
    /// # Errors
    /// [`XdpError::InUse`] where a live daemon owns it.
    pub fn open(
        root: &BpfRoot,
        number: u32,
        net_inode: u64,
        orphan_after: Duration,
    ) -> Result<Self, XdpError> {
        let path = root.table(number);
        let Some(dir) = LockedDir::acquire(&path, PATIENCE)? else {
            return Err(XdpError::InUse {
                table: number,
                pid: recorded_owner(&path).map_or(0, |owner| owner.pid),
            });
        };
        match recorded_owner(&path) {
            Some(previous) if previous.net == net_inode => {
                tracing::warn!(
                    target: "core",
                    table = number,
                    pid = previous.pid,
                    "taking the kernel table over from a daemon that is gone"
                );
            }
            Some(previous) => {
                tracing::warn!(
                    target: "core",
                    table = number,
                    pid = previous.pid,
                    "the kernel table was used in another network namespace; what is left there is removed"
                );
                if let Some(net) = NetMaps::existing(&root.net_of(previous.net))? {
                    net.purge(number)?;
                }
                discard(&path)?;
            }
            None => discard(&path)?,
        }
        let net = Arc::new(NetMaps::open(&root.net_of(net_inode), number)?);
        let maps = TableMaps::open(&path, number, net)?;
        let pid = std::process::id();
        let owner = Owner {
            abi_version: ABI_VERSION,
            pid,
            start_ticks: start_ticks().unwrap_or(0),
            heartbeat_ns: clock::now_ns(),
            orphan_after_ns: u64::try_from(orphan_after.as_nanos()).unwrap_or(u64::MAX),
            net: net_inode,
        };
        maps.set_owner(&owner).map_err(map_error(pins::OWNER, 1))?;
        Ok(Self { number, maps: Arc::new(maps), dir, owner })
    }

    /// Takes hold of a table whose owner is gone, without waiting and without becoming its owner. `Ok(None)`: it has a
    /// live owner, or is of another ABI version.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn ownerless(root: &BpfRoot, number: u32) -> Result<Option<Self>, XdpError> {
        let path = root.table(number);
        let Some(dir) = LockedDir::try_acquire(&path)? else { return Ok(None) };
        let Some(owner) = recorded_owner(&path) else { return Ok(None) };
        let Some(net) = NetMaps::existing(&root.net_of(owner.net))? else { return Ok(None) };
        let maps = Arc::new(TableMaps::open(&path, number, Arc::new(net))?);
        Ok(Some(Self { number, maps, dir, owner }))
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

    /// Removes the table: its flows, its pins, and the program from devices that serve no other table.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn remove(self) -> Result<(), XdpError> {
        self.maps.close();
        self.maps.net.purge(self.number)?;
        self.dir.remove()
    }
}

/// The record of this version in a table's folder. `None` for other versions: their records differ in size or number.
fn recorded_owner(dir: &Path) -> Option<Owner> {
    let fd = sys::open_pin(&dir.join(pins::OWNER)).ok()?;
    let owner = Map::<u32, Owner>::new(fd).ok()?.get(&0).ok()??;
    (owner.abi_version == ABI_VERSION).then_some(owner)
}

/// Removes what an unknown version left.
fn discard(dir: &Path) -> Result<(), XdpError> {
    let failed = |source| XdpError::Pin { path: dir.to_owned(), source };
    let mut found = false;
    for entry in std::fs::read_dir(dir).map_err(failed)?.flatten() {
        found = true;
        remove_pin(&entry.path()).map_err(failed)?;
    }
    if found {
        tracing::warn!(
            target: "core",
            dir = %dir.display(),
            ours = ABI_VERSION,
            "the kernel table is of another version; its flows are discarded and continue in userspace"
        );
    }
    Ok(())
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
