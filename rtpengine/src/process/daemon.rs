//! Daemonizing: the command returns when the daemon is ready, with its exit status and its error message.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};

use nix::fcntl::OFlag;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, pipe2, setsid};

use super::ProcessError;

/// What the child writes when it is ready; anything else is an error message.
const READY: u8 = 0;

/// The way to whoever waits for the start of this process. Reported to once, by the first call of
/// [`Startup::ready`] or [`Startup::failed`].
#[derive(Clone, Debug, Default)]
pub struct Startup {
    /// `None` in the foreground, or once reported.
    waiting: Arc<Mutex<Option<File>>>,
}

impl Startup {
    /// Nobody waits: the process stays in the foreground.
    #[must_use]
    pub fn foreground() -> Self {
        Self::default()
    }

    /// The daemon works. Detaches from the terminal and lets the command that started it end with status 0.
    pub fn ready(&self) {
        let Some(mut pipe) = self.take() else { return };
        if let Err(error) = detach() {
            tracing::warn!(target: "core", %error, "cannot detach from the terminal");
        }
        if let Err(error) = pipe.write_all(&[READY]) {
            tracing::warn!(target: "core", %error, "the command that started the daemon is gone");
        }
    }

    /// The start failed. The message goes to the standard error of the command that started the daemon, which
    /// ends with status 1. Returns `false` where nobody waits: the caller writes it itself.
    #[must_use]
    pub fn failed(&self, message: &str) -> bool {
        self.take().is_some_and(|mut pipe| pipe.write_all(message.as_bytes()).is_ok())
    }

    fn take(&self) -> Option<File> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Continues in a child process with its own session and the root directory. The parent waits until the child
/// reports through [`Startup`], passes its message on and exits; it never returns from here. To be called
/// before the first thread is started.
///
/// # Errors
/// When the child cannot be made.
pub fn daemonize() -> Result<Startup, ProcessError> {
    let failed = |step| move |errno| ProcessError::Daemonize { step, errno };
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(failed("pipe"))?;
    // SAFETY: the process has one thread, so the child inherits no lock held by another one.
    match unsafe { fork() }.map_err(failed("fork"))? {
        ForkResult::Parent { child } => {
            drop(writer);
            let mut message = Vec::new();
            let read = File::from(reader).read_to_end(&mut message);
            if read.is_ok() && message == [READY] {
                exit_parent(0);
            }
            if message.is_empty() {
                let cause = match waitpid(child, None) {
                    Ok(WaitStatus::Signaled(_, signal, _)) => format!("killed by {signal}"),
                    Ok(WaitStatus::Exited(_, status)) => format!("exit status {status}"),
                    Ok(_) | Err(_) => "for an unknown reason".to_owned(),
                };
                message = format!("rtpengine: the daemon ended while it started: {cause}\n").into_bytes();
            }
            let _unreportable = io::stderr().write_all(&message);
            exit_parent(1);
        }
        ForkResult::Child => {
            drop(reader);
            setsid().map_err(failed("setsid"))?;
            chdir("/").map_err(failed("chdir"))?;
            Ok(Startup { waiting: Arc::new(Mutex::new(Some(File::from(writer)))) })
        }
    }
}

/// Ends the parent without its exit handlers: what they would flush or remove belongs to the child now.
fn exit_parent(status: i32) -> ! {
    // SAFETY: _exit takes any status and does not return.
    unsafe { libc::_exit(status) }
}

/// Standard input, output and error become `/dev/null`.
fn detach() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(())
}
