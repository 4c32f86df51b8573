//! The offload manager with the real XDP program, real packets and real next hops, in namespaces of its own.

#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test")]

mod adoption;
mod next_hops;
mod paths;
#[path = "../relay_support/mod.rs"]
mod relay_support;
mod replacement;
mod srtp;
mod tables;
mod world;
