//! Loads the XDP program with the maps that all tables of a network namespace share.

use std::{
    os::fd::{AsFd, BorrowedFd},
    path::Path,
};

use aya::{EbpfLoader, programs::Xdp};
use rtpengine_common::{abi::ABI_VERSION, pins};

use super::{
    bpffs::{remove_pin, share_with_group},
    error::XdpError,
    sys::{self, Map, MapShape, MapType},
    table::{map_error, open_or_create, size},
};

/// The object `cargo xtask build-ebpf` made.
#[cfg(feature = "xdp")]
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("RTPENGINE_XDP_OBJECT"));
#[cfg(not(feature = "xdp"))]
static OBJECT: &[u8] = &[];

/// Pin that tells the version of the shared maps.
const VERSION: &str = "abi";
const SHARED: [&str; 4] = [pins::TABLE_FLOWS, pins::TABLE_STATS, pins::DEVICES, pins::REASONS];

/// The program and the shared maps of one network namespace.
pub struct Program {
    /// Keeps the program and its maps.
    ebpf: aya::Ebpf,
    /// Flows maps by table: descriptors are written, so the value is a plain number.
    flows: Map<u32, u32>,
    stats: Map<u32, u32>,
    /// Tables to consult by device index.
    pub devices: Map<u32, u64>,
}

impl Program {
    /// Loads the embedded object. Shared maps already pinned in `dir` are used, others are pinned there. The caller holds
    /// the lock on `dir`.
    ///
    /// # Errors
    /// See [`XdpError`].
    pub fn load(dir: &Path) -> Result<Self, XdpError> {
        if OBJECT.is_empty() {
            return Err(XdpError::NoObject);
        }
        check_version(dir)?;
        let mut loader = EbpfLoader::new();
        for name in SHARED {
            loader.map_pin_path(name, dir.join(name));
        }
        let mut ebpf = loader.load(OBJECT).map_err(|error| XdpError::Load(chain(&error)))?;
        let program: &mut Xdp = ebpf
            .program_mut(pins::PROGRAM)
            .ok_or_else(|| XdpError::Load(format!("the object has no program {}", pins::PROGRAM)))?
            .try_into()
            .map_err(|error| XdpError::Load(chain(&error)))?;
        program.load().map_err(|error| XdpError::Load(chain(&error)))?;
        for name in SHARED {
            share_with_group(&dir.join(name))?;
        }
        Ok(Self {
            ebpf,
            flows: shared(dir, pins::TABLE_FLOWS)?,
            stats: shared(dir, pins::TABLE_STATS)?,
            devices: shared(dir, pins::DEVICES)?,
        })
    }

    /// The program's descriptor.
    ///
    /// # Errors
    /// [`XdpError::Load`]; cannot happen after a successful load.
    pub fn fd(&self) -> Result<BorrowedFd<'_>, XdpError> {
        match self.ebpf.program(pins::PROGRAM) {
            Some(program) => program.fd().map(AsFd::as_fd).map_err(|error| XdpError::Load(chain(&error))),
            None => Err(XdpError::NoObject),
        }
    }

    /// Lets the program find a table.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn connect(&self, table: u32, flows: BorrowedFd<'_>, stats: BorrowedFd<'_>) -> Result<(), XdpError> {
        use std::os::fd::AsRawFd;
        // Counters first: a flow is never found without them. Descriptors are not negative.
        let write = |map: &Map<u32, u32>, fd: BorrowedFd<'_>| map.put(&table, &(fd.as_raw_fd() as u32));
        write(&self.stats, stats).map_err(map_error(pins::TABLE_STATS, table))?;
        write(&self.flows, flows).map_err(map_error(pins::TABLE_FLOWS, table))
    }

    /// Takes a table from the program.
    ///
    /// # Errors
    /// [`XdpError::Map`].
    pub fn disconnect(&self, table: u32) -> Result<(), XdpError> {
        self.flows.remove(&table).map_err(map_error(pins::TABLE_FLOWS, table))?;
        self.stats.remove(&table).map_err(map_error(pins::TABLE_STATS, table))?;
        Ok(())
    }
}

fn shared<K: sys::Plain, V: sys::Plain>(dir: &Path, name: &str) -> Result<Map<K, V>, XdpError> {
    let path = dir.join(name);
    let fd = sys::open_pin(&path).map_err(|source| XdpError::Pin { path, source })?;
    Map::new(fd).map_err(map_error(name, 0))
}

/// Discards shared maps of another version: the devices get the new program with the new maps, and daemons of the other
/// version continue in userspace.
fn check_version(dir: &Path) -> Result<(), XdpError> {
    let shape = MapShape {
        map_type: MapType::Array as u32,
        key_size: size::<u32>(),
        value_size: size::<u32>(),
        max_entries: 1,
        flags: 0,
    };
    let version: Map<u32, u32> = open_or_create(dir, VERSION, shape)?;
    let failed = map_error(VERSION, 1);
    let found = version.get(&0).map_err(&failed)?.unwrap_or(0);
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
    for name in SHARED {
        let path = dir.join(name);
        remove_pin(&path).map_err(|source| XdpError::Pin { path, source })?;
    }
    version.put(&0, &ABI_VERSION).map_err(failed)
}

/// An error with all its causes: aya's own text names only the outermost.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
