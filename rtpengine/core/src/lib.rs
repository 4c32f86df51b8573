//! The sans-IO signalling core of rtpengine.
//!
//! It takes requests, media events and timer ticks with the current time, and yields replies and
//! [`io::Output`]s. It owns no socket, clock, thread, file or source of randomness; the daemon
//! ("the shell") passes those in through [`io::MediaPlane`], [`io::Now`] and a seed.

pub mod call;
pub mod codecs;
pub mod config;
pub mod ice;
pub mod io;
pub mod media;
pub mod ng;
pub mod sdp;
pub mod secure;
