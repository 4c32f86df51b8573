//! The kernel path: loads the XDP program, attaches it, and keeps its flows in line with what the core wants.
//!
//! - [`handle`]: what the rest of the daemon uses; `manager` and `state`: the thread behind it
//! - [`table`], [`net`]: pinned maps; [`object`], [`devices`]: program, attachments; [`bpffs`] and [`sys`] below them
//! - [`srtp`]: the maps with keys; [`contexts`]: who uses which of them
//! - [`flow`]: a flow as the maps hold it; `hops`: its next hop; [`handover`]: how it changes hands
//! - [`stats`], `slots`, [`counters`]: what the kernel counted
//! - `orphans`: what daemons that are gone left behind
//!
//! Pins outlive the process. A table belongs to whoever holds the lock on its folder, which the kernel releases when that
//! process ends in whatever way; flows then go on until a successor adopts them or they fall silent.

pub mod bpffs;
pub mod clock;
pub mod contexts;
pub mod counters;
pub mod devices;
pub mod error;
pub mod flow;
pub mod handle;
pub mod handover;
mod hops;
mod manager;
pub mod mapping;
pub mod net;
pub mod object;
mod orphans;
mod packet_log;
pub mod queue;
mod slots;
pub mod srtp;
mod state;
pub mod stats;
pub mod sys;
pub mod table;

pub use bpffs::BpfRoot;
pub use counters::KernelCounters;
pub use devices::{AttachMode, DeviceStatus};
pub use error::XdpError;
pub use flow::AdoptedFlow;
pub use handle::{OffloadConfig, OffloadHandle, StartReport, Status, start};
pub use handover::Handover;
