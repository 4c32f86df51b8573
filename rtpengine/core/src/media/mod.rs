//! Per-packet decisions, free of I/O: what a datagram is, where its party is, and what it says about the stream's quality.

pub mod classify;
pub mod demux;
pub mod emodel;
pub mod learning;
pub mod rtcp;
pub mod short;
pub mod ssrc;
pub mod stun;
