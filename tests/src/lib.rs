//! Test harness: network namespaces, the real daemon as a child process, an ng client, RTP endpoints.
//!
//! The behaviour tests in `tests/tests`, the demo, the guest of `vm-test` and the benches all drive
//! the daemon through this crate. Nothing here shares code with the daemon: the ng codec and the RTP
//! parser are written a second time, so that each side is an oracle for the other; of SRTP the parties have the reference
//! implementation, which is tested against others.

pub mod bencode;
pub mod browser;
pub mod ctl;
pub mod daemon;
pub mod dtls;
pub mod engine;
pub mod flows;
pub mod ice;
pub mod lease;
pub mod legacy;
pub mod netns;
pub mod ng;
pub mod peer;
pub mod programs;
pub mod require;
pub mod rtp;
pub mod scenario;
pub mod sdp;
pub mod srtp;
pub mod talk;
pub mod topology;
pub mod wire;
pub mod xdp;
