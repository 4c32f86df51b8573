//! The process itself: becoming a daemon, pid file, signals, limits, and what the service manager is told.

mod daemon;
mod limits;
mod load;
mod pidfile;
mod scheduling;
mod signals;

pub use daemon::{Startup, daemonize};
pub use limits::{open_files, raise_open_files, set_open_files};
pub use load::LoadMeter;
pub use pidfile::PidFile;
pub use scheduling::{Policy, Scheduling};
pub use signals::{Shutdown, block_signals, watch_signals};

use std::path::PathBuf;

use sd_notify::NotifyState;

/// Why the process cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// A system call of daemonizing failed.
    #[error("cannot become a daemon: {step}: {errno}; --foreground avoids it")]
    Daemonize {
        /// What failed.
        step: &'static str,
        /// Why.
        errno: nix::Error,
    },
    /// The pid file cannot be written.
    #[error("cannot write the pid file {}: {source}; choose another --pidfile", path.display())]
    PidFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be set up.
    #[error("cannot set up signal handling: {0}")]
    Signals(std::io::Error),
    /// The limit of open files cannot be read or changed.
    #[error("cannot change the limit of open files to {wanted}: {errno}; raise LimitNOFILE of the service")]
    OpenFiles {
        /// The limit asked for.
        wanted: u64,
        /// Why.
        errno: nix::Error,
    },
}

/// Tells systemd, if it started us, that calls can be placed. A daemonized process names itself as the main one.
pub fn notify_ready(status: &str) {
    notify(&[NotifyState::MainPid(std::process::id()), NotifyState::Ready, NotifyState::Status(status)]);
}

/// Tells systemd that the shutdown has begun.
pub fn notify_stopping() {
    notify(&[NotifyState::Stopping, NotifyState::Status("closing calls")]);
}

fn notify(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::warn!(target: "core", %error, "cannot notify the service manager");
    }
}
