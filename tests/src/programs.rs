//! What the kernel knows about a loaded BPF program.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};

use anyhow::{Context as _, Result};
use aya::programs::loaded_programs;

/// Run-time counting of BPF programs is on while this lives.
#[derive(Debug)]
pub struct RunTimeStats {
    _keep: OwnedFd,
}

/// Switches run-time counting on. It costs two clock reads per run, about 20 ns.
pub fn count_run_time() -> Result<RunTimeStats> {
    let keep = aya::sys::enable_stats(aya::sys::Stats::RunTime)
        .context("switch BPF run-time statistics on (needs root)")?;
    Ok(RunTimeStats { _keep: keep })
}

/// Totals of a program since it was loaded, while counting was on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RunTime {
    /// Nanoseconds.
    pub nanoseconds: u64,
    /// Runs.
    pub runs: u64,
}

impl RunTime {
    /// What was added since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            nanoseconds: self.nanoseconds.saturating_sub(before.nanoseconds),
            runs: self.runs.saturating_sub(before.runs),
        }
    }

    /// Nanoseconds per run.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    pub fn mean(self) -> Option<f64> {
        (self.runs > 0).then(|| self.nanoseconds as f64 / self.runs as f64)
    }
}

/// Totals of the program with this id.
pub fn run_time(id: u32) -> Result<RunTime> {
    for program in loaded_programs() {
        let program = program.context("list the loaded BPF programs (needs root)")?;
        if program.id() == id {
            let fd = program.fd().with_context(|| format!("open BPF program {id}"))?;
            let path = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
            return Ok(parse_fdinfo(&std::fs::read_to_string(path)?));
        }
    }
    anyhow::bail!("BPF program {id} is not loaded any more")
}

fn parse_fdinfo(text: &str) -> RunTime {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse().ok()).unwrap_or_default()
    };
    RunTime { nanoseconds: field("run_time_ns"), runs: field("run_cnt") }
}
