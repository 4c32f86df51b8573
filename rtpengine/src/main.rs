//! The daemon's entry: configuration, logging, process, and then the engine.

use std::process::ExitCode;
use std::sync::Arc;

use rtpengine::config::{Config, ConfigError};
use rtpengine::logging;
use rtpengine::process::{self, PidFile, Startup};

/// Descriptors besides media ports: control connections, maps, pipes, files.
const OTHER_FILES: u64 = 4096;

fn main() -> ExitCode {
    let config = match Config::load(std::env::args_os()) {
        Ok(config) => config,
        Err(ConfigError::Usage(text)) => {
            // A closed standard output is no reason to fail.
            let _unreportable = text.print();
            return if text.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
        Err(error) => {
            eprintln!("rtpengine: {error}");
            return ExitCode::FAILURE;
        }
    };
    // Before any thread exists: only the child continues.
    let startup = match config.foreground {
        true => Startup::foreground(),
        false => match process::daemonize() {
            Ok(startup) => startup,
            Err(error) => {
                eprintln!("rtpengine: {error}");
                return ExitCode::FAILURE;
            }
        },
    };
    let logs_to_stderr = config.logging.stderr;
    match run(config, &startup) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(target: "core", "{error:#}");
            let message = format!("rtpengine: {error:#}\n");
            if !startup.failed(&message) && !logs_to_stderr {
                eprint!("{message}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(config: Config, startup: &Startup) -> anyhow::Result<()> {
    let levels = logging::init(&config.logging)?;
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(target: "core", "internal error, please report it: {panic}");
    }));
    process::block_signals()?;
    let pidfile = config.pidfile.as_deref().map(PidFile::write).transpose()?.map(Arc::new);
    let left_behind = pidfile.clone();
    let shutdown = process::watch_signals(levels.clone(), move || {
        if let Some(pidfile) = left_behind {
            pidfile.remove();
        }
    })?;
    for warning in &config.warnings {
        tracing::warn!(target: "core", "{warning}");
    }
    for (primitive, library) in rtpengine::srtp::choices() {
        tracing::info!(target: "crypto", "{primitive} in userspace is left to {library}, the fastest here");
    }
    let addresses = u64::try_from(config.local_addresses().len())?;
    let ports = u64::from(config.port_max - config.port_min) + 1;
    let wanted = addresses * ports + OTHER_FILES;
    let allowed = process::raise_open_files(wanted)?;
    if allowed < wanted {
        tracing::warn!(
            target: "core",
            "only {allowed} files may be open instead of {wanted}: not all media ports can be used; raise LimitNOFILE of the service"
        );
    }
    let startup = startup.clone();
    let ready = move || {
        process::notify_ready("relaying media");
        startup.ready();
    };
    let result = rtpengine::engine::run(config, levels, ready, shutdown);
    if let Some(pidfile) = pidfile {
        pidfile.remove();
    }
    result
}
