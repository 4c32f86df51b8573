//! `--scheduling`, `--priority` and their `--idle-` forms: how the system shares its processors out among our threads.

use std::io;

use nix::unistd::gettid;

/// A policy of sched(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// `other`, also where nothing is asked for: the system's own.
    #[default]
    Other,
    /// `batch`.
    Batch,
    /// `idle`.
    Idle,
    /// `fifo`: realtime.
    Fifo,
    /// `rr`: realtime, in turns.
    RoundRobin,
}

impl Policy {
    /// What the options take.
    pub const NAMES: [(&'static str, Self); 7] = [
        ("default", Self::Other),
        ("none", Self::Other),
        ("other", Self::Other),
        ("batch", Self::Batch),
        ("idle", Self::Idle),
        ("fifo", Self::Fifo),
        ("rr", Self::RoundRobin),
    ];

    /// Whether its priority is one of realtime, not a nice value.
    #[must_use]
    pub const fn is_realtime(self) -> bool {
        matches!(self, Self::Fifo | Self::RoundRobin)
    }

    const fn number(self) -> libc::c_int {
        match self {
            Self::Other => libc::SCHED_OTHER,
            Self::Batch => libc::SCHED_BATCH,
            Self::Idle => libc::SCHED_IDLE,
            Self::Fifo => libc::SCHED_FIFO,
            Self::RoundRobin => libc::SCHED_RR,
        }
    }
}

/// How a thread is scheduled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scheduling {
    /// The policy.
    pub policy: Policy,
    /// 1 (low) to 99 of realtime, otherwise the nice value, -20 (high) to 19.
    pub priority: i32,
}

impl Scheduling {
    /// Has the calling thread scheduled like this, and the threads that it starts from now on.
    ///
    /// # Errors
    /// Those of sched_setscheduler(2) and setpriority(2); most need CAP_SYS_NICE.
    pub fn apply(self) -> io::Result<()> {
        let realtime = self.policy.is_realtime();
        let parameter = libc::sched_param { sched_priority: if realtime { self.priority } else { 0 } };
        // SAFETY: 0 is the calling thread, and the parameter outlives the call, which only reads it.
        if unsafe { libc::sched_setscheduler(0, self.policy.number(), &raw const parameter) } != 0 {
            return Err(io::Error::last_os_error());
        }
        if realtime {
            return Ok(());
        }
        let thread = gettid().as_raw().cast_unsigned();
        // SAFETY: no memory is involved; on Linux the id of a thread stands for that thread alone.
        if unsafe { libc::setpriority(libc::PRIO_PROCESS, thread, self.priority) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Policy and nice value of the calling thread.
    fn current() -> (libc::c_int, i32) {
        let thread = gettid().as_raw().cast_unsigned();
        // SAFETY: neither call takes memory; 0 is the calling thread.
        unsafe { (libc::sched_getscheduler(0), libc::getpriority(libc::PRIO_PROCESS, thread)) }
    }

    #[test]
    fn threads_inherit_it_and_may_leave_it_again() {
        // Towards less of the processors: anybody may.
        let own = current();
        let nice = own.1.max(5);
        std::thread::spawn(move || {
            Scheduling { policy: Policy::Batch, priority: nice }.apply().unwrap();
            assert_eq!(current(), (libc::SCHED_BATCH, nice));
            let child = std::thread::spawn(current).join().unwrap();
            assert_eq!(child, (libc::SCHED_BATCH, nice));
            std::thread::spawn(move || {
                Scheduling { policy: Policy::Idle, priority: nice }.apply().unwrap();
                assert_eq!(current(), (libc::SCHED_IDLE, nice));
            })
            .join()
            .unwrap();
        })
        .join()
        .unwrap();
        assert_eq!(current(), own);
    }
}
