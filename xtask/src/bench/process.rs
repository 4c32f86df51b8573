//! What a process has used, from `/proc`.

use std::fs::{read_dir, read_to_string};
use std::time::Duration;

use anyhow::{Context as _, Result};

/// CPU time of the threads a process has: user and system, to the nanosecond.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let mut total = 0;
    for task in read_dir(format!("/proc/{pid}/task"))? {
        let Ok(text) = read_to_string(task?.path().join("schedstat")) else { continue };
        let on_cpu: u64 = text.split_whitespace().next().context("/proc/PID/task/TID/schedstat")?.parse()?;
        total += on_cpu;
    }
    Ok(Duration::from_nanos(total))
}

/// Resident memory in bytes.
pub fn resident(pid: u32) -> Result<u64> {
    let status = read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}
