//! Whether the owner of a table is alive.

use std::time::Duration;

use rtpengine_common::abi::{ABI_VERSION, Owner};

/// Age of a heartbeat beyond which the owner counts as hung; it beats every second.
const STALE: Duration = Duration::from_secs(5);

/// State of a table's owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody owns the table.
    None,
    /// Running.
    Alive,
    /// The process exists but its heartbeat is old.
    Silent,
    /// The process is gone; its flows go on until they expire or a new daemon adopts them.
    Gone,
    /// Written by another version.
    OtherVersion,
}

impl State {
    /// Its name in tables and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Alive => "alive",
            Self::Silent => "silent",
            Self::Gone => "gone",
            Self::OtherVersion => "other version",
        }
    }

    /// Judges an owner. `start_ticks` is the start time of the process with its id, if there is one.
    pub fn of(owner: &Owner, start_ticks: Option<u64>, now_ns: u64) -> Self {
        if owner.pid == 0 {
            return Self::None;
        }
        if owner.abi_version != ABI_VERSION {
            return Self::OtherVersion;
        }
        let fresh = now_ns.saturating_sub(owner.heartbeat_ns) <= STALE.as_nanos() as u64;
        match start_ticks {
            Some(ticks) if ticks == owner.start_ticks && fresh => Self::Alive,
            Some(ticks) if ticks == owner.start_ticks => Self::Silent,
            // Another PID namespace may hide the process; its heartbeat shows that it lives.
            Some(_) | None if fresh => Self::Alive,
            Some(_) | None => Self::Gone,
        }
    }
}

/// Start time of a process in clock ticks since boot: field 22 of `/proc/<pid>/stat` (proc(5)).
pub fn start_ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field may contain spaces and parentheses; the last `)` ends it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_judged_by_process_and_heartbeat() {
        let second = 1_000_000_000;
        let owner = Owner {
            abi_version: ABI_VERSION,
            pid: 7,
            start_ticks: 5,
            heartbeat_ns: 10 * second,
            orphan_after_ns: 0,
            net: 1,
        };
        assert_eq!(State::of(&owner, Some(5), 11 * second), State::Alive);
        assert_eq!(State::of(&owner, Some(5), 60 * second), State::Silent);
        assert_eq!(State::of(&owner, Some(6), 60 * second), State::Gone);
        assert_eq!(State::of(&owner, None, 60 * second), State::Gone);
        assert_eq!(State::of(&owner, None, 11 * second), State::Alive);
        assert_eq!(State::of(&Owner::default(), None, 0), State::None);
        assert_eq!(State::of(&Owner { abi_version: 0, ..owner }, None, 0), State::OtherVersion);
    }

    #[test]
    fn the_start_time_of_this_process_is_known() {
        assert!(start_ticks(std::process::id()).is_some());
        assert_eq!(start_ticks(0), None);
    }
}
