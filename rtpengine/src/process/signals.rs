//! Signals, received by one thread: SIGINT and SIGTERM end the daemon, SIGUSR1 and SIGUSR2 change the log level,
//! SIGHUP and SIGPIPE are ignored.

use std::io;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};
use tokio::sync::watch;

use super::ProcessError;
use crate::logging::LogLevels;

/// An orderly shutdown that takes longer is cut short.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Says when the daemon is to end. Clones are equal.
#[derive(Clone, Debug)]
pub struct Shutdown(watch::Receiver<bool>);

impl Shutdown {
    /// A pair for tests and for other ways to end: `true` sent by the first half, or its end, is the request.
    #[must_use]
    pub fn pair() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Waits for the request. Cancel safe.
    pub async fn requested(&mut self) {
        // An error means that nobody is left to ask: end as well.
        let _gone = self.0.wait_for(|requested| *requested).await;
    }

    /// Whether the request was made.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.0.borrow() || self.0.has_changed().is_err()
    }
}

fn handled() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGUSR2].into_iter().collect()
}

/// Holds the handled signals back from this thread and those it starts. To be called before the first thread
/// is started, so that only [`watch_signals`] gets them.
///
/// # Errors
/// Those of sigaction(2) and pthread_sigmask(3).
pub fn block_signals() -> Result<(), ProcessError> {
    let ignore = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGHUP, Signal::SIGPIPE] {
        // SAFETY: ignoring a signal installs no code.
        unsafe { sigaction(signal, &ignore) }.map_err(|errno| ProcessError::Signals(errno.into()))?;
    }
    handled().thread_block().map_err(|errno| ProcessError::Signals(errno.into()))
}

/// Starts the thread that receives the signals blocked by [`block_signals`]. `give_up` runs before the process is
/// ended by force, with status 1, because its shutdown took longer than 5 s.
///
/// # Errors
/// When the thread cannot be started.
pub fn watch_signals(
    levels: LogLevels,
    give_up: impl FnOnce() + Send + 'static,
) -> Result<Shutdown, ProcessError> {
    let (sender, shutdown) = Shutdown::pair();
    let thread = thread::Builder::new().name("signals".to_owned());
    thread.spawn(move || watch(&sender, &levels, give_up)).map_err(ProcessError::Signals)?;
    Ok(shutdown)
}

fn watch(shutdown: &watch::Sender<bool>, levels: &LogLevels, give_up: impl FnOnce()) {
    loop {
        match handled().wait() {
            Ok(Signal::SIGUSR1) => report(levels.step(-1)),
            Ok(Signal::SIGUSR2) => report(levels.step(1)),
            Ok(signal) => {
                tracing::info!(target: "core", "received {signal}: shutting down");
                break;
            }
            Err(errno) => {
                tracing::warn!(target: "core", error = %io::Error::from(errno), "cannot wait for signals")
            }
        }
    }
    super::notify_stopping();
    shutdown.send_replace(true);
    // The process ends before this thread wakes up, unless something hangs.
    thread::sleep(SHUTDOWN_LIMIT);
    tracing::error!(target: "core", "the shutdown takes longer than {} s: giving up", SHUTDOWN_LIMIT.as_secs());
    give_up();
    std::process::exit(1);
}

fn report(level: i8) {
    // One above INFO, so that turning INFO off is still confirmed.
    tracing::warn!(target: "core", "log level set to {level}");
}
