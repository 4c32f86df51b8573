//! The command line server of `--listen-cli`: one line in, one answer out, connection closed.
//!
//! Commands and texts are those of the original, so that its `rtpengine-ctl` and scripts around it keep working.
//! `json COMMAND` and `list dtls` are ours: the same information for programs, and what became of DTLS handshakes.

pub mod backend;
pub mod commands;
pub mod dtls;
pub mod help;
pub mod json;
pub mod levels;
pub mod limits;
pub mod model;
pub mod params;
pub mod server;
pub mod settings;
pub mod text;
pub mod totals;

#[cfg(test)]
mod tests;

pub use backend::CliBackend;
pub use commands::Cli;
pub use server::serve;
