//! Reads the maps the daemon pins. Nothing is written, nothing is locked: safe on a live system.

pub mod device;
pub mod flow;
pub mod owner;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray};
use rtpengine_common::abi::{FlowInfo, FlowKey, FlowStats, FlowValue, MAX_TABLES, Owner};
use rtpengine_common::pins;
use rtpengine_common::reason::PACKET_REASONS;

use flow::Flow;

/// One table.
#[derive(Debug)]
pub struct Table {
    /// Its number.
    pub number: u32,
    directory: PathBuf,
}

/// All tables below `root`, by number. None where nothing was ever pinned.
pub fn tables(root: &Path) -> Result<Vec<Table>> {
    let entries = match std::fs::read_dir(root) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {} (root is needed)", root.display()));
        }
    };
    let mut tables = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", root.display()))?;
        let number = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(number) = number.filter(|number| *number < MAX_TABLES) {
            tables.push(Table { number, directory: entry.path() });
        }
    }
    tables.sort_by_key(|table| table.number);
    Ok(tables)
}

impl Table {
    /// Who it belongs to.
    pub fn owner(&self) -> Result<Owner> {
        let map: Array<MapData, Owner> = open(&self.directory, pins::OWNER)?;
        map.get(&0, 0).with_context(|| format!("cannot read {}", self.directory.join(pins::OWNER).display()))
    }

    /// The number of flows.
    pub fn count(&self) -> Result<usize> {
        let Some(net) = self.net()? else { return Ok(0) };
        let map: HashMap<MapData, FlowKey, FlowValue> = open(&net, pins::FLOWS)?;
        Ok(map.iter().flatten().filter(|(_, value)| value.table == self.number).count())
    }

    /// The flows, or those of one call, by call and local address. Flows that vanish meanwhile are left out.
    pub fn flows(&self, call: Option<&str>) -> Result<Vec<Flow>> {
        let Some(net) = self.net()? else { return Ok(Vec::new()) };
        let flows: HashMap<MapData, FlowKey, FlowValue> = open(&net, pins::FLOWS)?;
        let stats: Array<MapData, FlowStats> = open(&net, pins::STATS)?;
        let infos: HashMap<MapData, FlowKey, FlowInfo> = open(&self.directory, pins::INFO)?;
        let mut found = Vec::new();
        for (key, value) in flows.iter().flatten().filter(|(_, value)| value.table == self.number) {
            let info = infos.get(&key, 0).ok();
            let flow = Flow::new(&key, &value, stats.get(&value.slot, 0).ok(), info.as_ref());
            if call.is_none_or(|call| flow.call_id == call) {
                found.push(flow);
            }
        }
        found.sort_by(|a, b| (&a.call_id, a.local).cmp(&(&b.call_id, b.local)));
        Ok(found)
    }

    /// Folder of the network namespace the flows are in; `None` before the first owner.
    fn net(&self) -> Result<Option<PathBuf>> {
        let net = self.owner()?.net;
        let root = self.directory.parent().unwrap_or(&self.directory);
        Ok((net != 0).then(|| root.join(format!("{}{net}", pins::NET_PREFIX))))
    }
}

/// Devices of all network namespaces whose packets consult each table.
pub fn devices(root: &Path) -> Result<BTreeMap<u32, Vec<device::Device>>> {
    let mut by_table: BTreeMap<u32, Vec<device::Device>> = BTreeMap::new();
    let Ok(entries) = std::fs::read_dir(root) else { return Ok(by_table) };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let Some(inode) =
            name.to_str().and_then(|name| name.strip_prefix(pins::NET_PREFIX)?.parse::<u64>().ok())
        else {
            continue;
        };
        let map: HashMap<MapData, u32, u64> = match open(&entry.path(), pins::DEVICES) {
            Ok(map) => map,
            // A daemon that is just starting has not pinned it yet.
            Err(_) => continue,
        };
        for (index, tables) in map.iter().flatten() {
            for table in (0..MAX_TABLES).filter(|table| tables & (1 << table) != 0) {
                by_table.entry(table).or_default().push(device::Device::new(inode, index));
            }
        }
    }
    Ok(by_table)
}

/// Packets of a table by [`rtpengine_common::reason::Reason`], over all CPUs and network namespaces.
pub fn reasons(root: &Path, table: u32) -> Result<Vec<u64>> {
    let mut sums = vec![0_u64; PACKET_REASONS as usize];
    for entry in std::fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?.flatten()
    {
        if !entry.file_name().to_string_lossy().starts_with(pins::NET_PREFIX) {
            continue;
        }
        // A daemon that is just starting has not pinned it yet.
        let Ok(map) = open::<PerCpuArray<MapData, u64>>(&entry.path(), pins::REASONS) else { continue };
        for (reason, sum) in (0_u32..).zip(&mut sums) {
            let counts = map
                .get(&(table * PACKET_REASONS + reason), 0)
                .with_context(|| format!("cannot read {}", entry.path().join(pins::REASONS).display()))?;
            *sum = counts.iter().fold(*sum, |sum, count| sum.wrapping_add(*count));
        }
    }
    Ok(sums)
}

fn open<T>(directory: &Path, name: &str) -> Result<T>
where
    T: TryFrom<Map, Error = aya::maps::MapError>,
{
    let path = directory.join(name);
    if !path.exists() {
        bail!("{} does not exist: the daemon has not set the table up, or root is needed", path.display());
    }
    let data = MapData::from_pin(&path).with_context(|| format!("cannot open {}", path.display()))?;
    let map = Map::from_map_data(data).with_context(|| format!("cannot use {}", path.display()))?;
    T::try_from(map).with_context(|| {
        format!(
            "{} has another layout: rtpengine-ctl and the daemon are of different versions",
            path.display()
        )
    })
}
