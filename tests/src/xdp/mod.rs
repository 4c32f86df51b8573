//! The real XDP object in a test run of the kernel: nothing is attached, no traffic flows.

pub mod bench;
mod packet;
mod replay;
mod rig;

pub use packet::{Transport, UdpFrame, flow, key, mapped, rtp};
pub use rig::{Rig, Run, Runner, Verified, action, object_path, unavailable};
