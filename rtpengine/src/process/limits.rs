//! The limit of open files: every media port is one.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::ProcessError;

/// The limit in force.
///
/// # Errors
/// Those of getrlimit(2).
pub fn open_files() -> Result<u64, ProcessError> {
    let (soft, _) =
        getrlimit(Resource::RLIMIT_NOFILE).map_err(|errno| ProcessError::OpenFiles { wanted: 0, errno })?;
    Ok(soft)
}

/// Sets the limit, and the hard limit too where it is lower, which takes CAP_SYS_RESOURCE.
///
/// # Errors
/// Those of setrlimit(2).
pub fn set_open_files(wanted: u64) -> Result<(), ProcessError> {
    let failed = |errno| ProcessError::OpenFiles { wanted, errno };
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    setrlimit(Resource::RLIMIT_NOFILE, wanted, hard.max(wanted)).map_err(failed)
}

/// Raises the limit to `wanted`, or as far towards it as the process may, and returns what it is then.
///
/// # Errors
/// When the limit cannot even be read.
pub fn raise_open_files(wanted: u64) -> Result<u64, ProcessError> {
    let failed = |errno| ProcessError::OpenFiles { wanted, errno };
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).map_err(failed)?;
    if soft >= wanted {
        return Ok(soft);
    }
    // With the privilege to raise the hard limit, the system-wide ceiling is what counts.
    for possible in [wanted, wanted.min(ceiling())] {
        if possible > hard && set_open_files(possible).is_ok() {
            return Ok(possible);
        }
    }
    let reachable = wanted.min(hard);
    if soft < reachable {
        setrlimit(Resource::RLIMIT_NOFILE, reachable, hard).map_err(failed)?;
    }
    Ok(reachable.max(soft))
}

/// `fs.nr_open`: no process may have more, whatever its privileges. 0 where it cannot be read.
fn ceiling() -> u64 {
    std::fs::read_to_string("/proc/sys/fs/nr_open")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_never_lowered() {
        let before = open_files().unwrap();
        assert!(raise_open_files(1).unwrap() >= before);
        assert_eq!(open_files().unwrap(), before);
    }
}
