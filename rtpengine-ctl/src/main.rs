//! Command line client of rtpengine.
//!
//! Commands it does not know go to the daemon's `--listen-cli` unchanged; `table` reads the pinned kernel tables
//! itself, so it works when the daemon is down.

mod args;
mod client;
mod daemon;
mod kernel;
mod render;
mod table;
mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use args::{Arguments, Verb};

/// Why the client failed, as its exit status.
#[derive(Debug)]
pub enum Failure {
    /// 1: the daemon refused the command, or what was asked for does not exist. The text was printed already or is here.
    Refused(String),
    /// 3: the daemon cannot be reached.
    Unreachable(anyhow::Error),
    /// 4: the kernel tables cannot be read.
    Kernel(anyhow::Error),
    /// 1: standard output is gone.
    Output(std::io::Error),
}

impl Failure {
    /// Exit status; clap uses 2 for wrong usage.
    const fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Output(_) => 1,
            Self::Unreachable(_) => 3,
            Self::Kernel(_) => 4,
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Refused(text) => text.trim().to_owned(),
            Self::Unreachable(error) | Self::Kernel(error) => format!("{error:#}"),
            Self::Output(error) => format!("cannot write: {error}"),
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse_from(args::modern(std::env::args_os()));
    match run(&arguments) {
        Ok(text) => match print(&text) {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        },
        Err(failure) => {
            let text = failure.text();
            if !text.is_empty() {
                eprintln!("rtpengine-ctl: {text}");
            }
            ExitCode::from(failure.code())
        }
    }
}

fn run(arguments: &Arguments) -> Result<String, Failure> {
    match &arguments.verb {
        Verb::Watch { interval, words } => watch::run(arguments, *interval, words),
        Verb::Table(selection) => table::run(selection, arguments.json || selection.json),
        Verb::Completion { shell } => {
            let mut out = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "rtpengine-ctl", &mut out);
            Ok(String::from_utf8_lossy(&out).into_owned())
        }
        Verb::Man => {
            let mut out = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut out)?;
            Ok(String::from_utf8_lossy(&out).into_owned())
        }
        Verb::Daemon(words) => daemon::run(arguments, words),
    }
}

/// Writes to standard output; a closed pipe is how `| head` ends, not an error to report.
fn print(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
