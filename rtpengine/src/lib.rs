//! The rtpengine daemon: shells around [`rtpengine_core`] that own everything able to fail with an errno.

pub mod callback;
pub mod cli;
pub mod config;
pub mod control;
pub mod dtls;
pub mod engine;
pub mod export;
pub mod http;
pub mod logging;
pub mod metrics;
pub mod netlink;
pub mod process;
pub mod relay;
pub mod srtp;
pub mod xdp;
