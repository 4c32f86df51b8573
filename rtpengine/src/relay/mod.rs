//! The userspace relay: threads that own the media sockets and forward what the XDP program does not.
//!
//! - [`RelayPool`] starts and joins the threads, [`RelayHandle`] is how the rest of the daemon speaks to them.
//! - `shard` is one thread: an epoll loop, its command queue, its streams.
//! - `stream` is one socket with its party: judging what arrives, knowing where to send.
//! - `crypto` is where packets are encrypted, with [`crate::srtp`]; `keyring` has the keys.
//! - `batch` is the only place that moves datagrams, so that another transport can take its place.
//! - `gate` lets STUN messages of ICE through to the core, and few of those that strangers invent.
//! - `rtcp` reads what parties report, and takes it out where reports of ours go instead.
//! - `load` places calls on threads: few threads while they have time to spare.
//! - `shared` holds the counters others may read while packets flow.
//!
//! # What a packet costs
//!
//! `cargo run --release -p rtpengine --example relay_cpu` measures it: 1000 streams, 50,000 packets of 172 bytes a
//! second, one relay thread, over veth into another namespace. With a mean of a packet per stream every 20 ms a
//! wake-up finds one packet per socket, so the cost is one receive and one send system call per packet. A profile
//! shows where the time goes: 70 % in the send (of which a third is the delivery on the far side of the veth pair,
//! charged to whoever sends), 28 % in the receive, 2.6 % in user space. No packet was lost in these runs. On a shared
//! 2-core VM the same binary took between 4.6 and 9 us a packet, so only runs that alternate can be compared.
//!
//! What follows from that:
//! - Level-triggered or edge-triggered makes a difference only in system calls: with edge triggering a `recvmmsg`
//!   that returns less than a full batch has shown that the queue is empty, so that no call finds nothing.
//! - A single packet is sent with `sendto`, which copies no message headers: 7.1 instead of 7.6 us (medians of seven
//!   alternating runs).
//! - Packets are sent from the buffers they were received into, one socket's batch at a time. Collecting the
//!   batches of several sockets would save nothing, as `sendmmsg` cannot serve more than one socket.
//! - Sockets are not connected, although that would spare the route lookup (a few per cent of the profile): a connected socket hides
//!   packets from other sources, which learning, `strict source` counters and handover must see.
//! - UDP GRO was not tried: it merges packets of one stream that arrive together, and these are 20 ms apart.
//! - Wake-ups cost as much as packets where few arrive together: 200 streams at 10,000 packets a second in bursts of 5
//!   took 16.4 us a packet with four threads on two cores, 8.4 with one. Hence `load`.
//! - Letting packets gather, by a rest of 500 or 800 us between two rounds, is left out: with one thread it helped
//!   where packets came one by one (32 to 12.7 us at 10,000 a second) and did harm where they came in bursts (8.5 to
//!   13 us) or were fewer (13 to 19 us at 4,000 a second); with two threads it went either way. Each rest costs a timer
//!   and a wake-up of its own.

mod batch;
mod bundle;
mod counters;
mod crypto;
mod filter;
mod gate;
mod handling;
mod keyring;
mod load;
mod moving;
mod pool;
mod prefetch;
mod queue;
mod registry;
mod rtcp;
mod shard;
mod shared;
mod socket;
mod stream;

pub use counters::{KernelFold, RelayCounters};
pub use pool::{
    Clock, Follower, Job, Preparation, RelayConfig, RelayError, RelayHandle, RelayPool, SrtpStates,
    system_clock,
};
pub use socket::MediaSocket;
