//! ICE (RFC 8445, RFC 8838, RFC 7675) for one m-line, without I/O.
//!
//! The shell hands in datagrams, signalling and the time, and takes out datagrams to send and what changed. The
//! connectivity checks are those of the `is` crate, one of its agents per component; what is added here are several
//! components, priorities, limits on what a peer can make us keep, the SOFTWARE attribute and the end of trickling.
//!
//! The crate draws transaction ids from a generator of its own that is neither seeded by us nor cryptographic. Nothing
//! depends on their values: every message is accepted for its MESSAGE-INTEGRITY alone, which needs the password.

mod agent;
mod candidate;
mod clock;
mod component;
mod credentials;
mod software;
#[cfg(test)]
mod tests;

pub use agent::{Agent, Output, Remote, Settings, we_control};
pub use candidate::{LocalCandidate, MAX_LOCAL_CANDIDATES};
pub use clock::IceClock;
pub use component::{Counters, MAX_REMOTE_ADDRESSES};
pub use credentials::Credentials;
pub use software::MAX_SOFTWARE;
