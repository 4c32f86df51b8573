//! The userspace relay: threads that own the media sockets and forward what the XDP program does not.
//!
//! - [`RelayPool`] starts and joins the threads, [`RelayHandle`] is how the rest of the daemon speaks to them.
//! - `shard` is one thread: an epoll loop, its command queue, its streams.
//! - `stream` is one socket with its party: judging what arrives, knowing where to send.
//! - `batch` is the only place that moves datagrams, so that another transport can take its place.
//! - `shared` holds the counters others may read while packets flow.

mod batch;
mod counters;
mod pool;
mod queue;
mod registry;
mod shard;
mod shared;
mod socket;
mod stream;

pub use counters::{KernelFold, RelayCounters};
pub use pool::{Clock, Job, RelayConfig, RelayError, RelayHandle, RelayPool, system_clock};
