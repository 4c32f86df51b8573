//! SRTP: the kernel and the relay work on the same streams, with real packets between namespaces.

mod bridge;
mod handover;
mod inherited;
mod keys;
