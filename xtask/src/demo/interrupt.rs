//! Ctrl-C ends the conversation early; everything after it, clean-up included, still happens.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, sigaction};

static CAUGHT: AtomicBool = AtomicBool::new(false);

extern "C" fn note(_: libc::c_int) {
    CAUGHT.store(true, Ordering::Relaxed);
}

/// From now on SIGINT and SIGTERM are noted instead of ending the process.
pub fn catch() -> Result<()> {
    // Without SA_RESTART, so that a read from the terminal ends, too.
    let action = SigAction::new(SigHandler::Handler(note), SaFlags::empty(), SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the handler only stores to an atomic, which is async-signal-safe.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}

/// Whether one came.
pub fn caught() -> bool {
    CAUGHT.load(Ordering::Relaxed)
}
