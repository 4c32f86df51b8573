//! Calls: the model, the engine that carries commands out on it, and what follows for ports, relay and kernel.

mod address;
mod adopt;
mod answer;
mod delete;
mod dialogue;
mod direction;
mod draft;
mod encryption;
mod engine;
mod error;
mod exchange;
mod interfaces;
mod list;
mod media;
mod model;
mod mux;
mod offer;
mod offload;
mod party;
mod plan;
mod ports;
mod query;
mod rng;
mod snapshot;
mod socket;
mod statistics;
mod timeouts;
mod wording;

pub use adopt::AdoptedFlow;
pub use engine::{ControlSource, Engine};
pub use interfaces::Family;
pub use snapshot::{CallInfo, CallSummary, InterfaceInfo, MediaInfo, PartyInfo, SessionCounts, StreamInfo};
pub use statistics::EndedBy;
