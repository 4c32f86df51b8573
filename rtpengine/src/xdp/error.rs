//! What keeps the fast path from starting.

use std::{io, path::PathBuf};

use crate::netlink::NetlinkError;

/// Why the kernel table cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// No BPF file system.
    #[error(
        "no BPF file system for {path}: {source}; mount it (`mount -t bpf bpf /sys/fs/bpf`) or run with CAP_SYS_ADMIN",
        path = path.display()
    )]
    BpfFs {
        /// The folder.
        path: PathBuf,
        /// Why it could not be mounted.
        #[source]
        source: io::Error,
    },
    /// A pin could not be made, opened or removed.
    #[error("cannot use {path}: {source}; the daemon needs CAP_BPF and write access there", path = path.display())]
    Pin {
        /// The pin or its folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A map could not be created or accessed.
    #[error("BPF map {name}: {source}; the daemon needs CAP_BPF, and memory for {entries} entries")]
    Map {
        /// Map name.
        name: String,
        /// Its size.
        entries: u32,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another live daemon owns the table.
    #[error("kernel table {table} is in use by process {pid}; stop that daemon or choose another --table")]
    InUse {
        /// The table.
        table: u32,
        /// The owner; 0 while it is still starting.
        pid: u32,
    },
    /// The table number is out of range.
    #[error("kernel table {0} does not exist: --table takes 0 to 63, or a negative number for none")]
    TableNumber(i64),
    /// The daemon was built without the XDP object.
    #[error("this daemon was built without the XDP program; build it after `cargo xtask build-ebpf`")]
    NoObject,
    /// The kernel refused the program.
    #[error("the kernel refused the XDP program: {0}")]
    Load(String),
    /// No device could be attached.
    #[error("the XDP program could not be attached to any device: {0}")]
    Attach(String),
    /// Route netlink is not available.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The manager's thread could not be started.
    #[error("cannot start the offload thread: {0}")]
    Thread(#[source] io::Error),
}
