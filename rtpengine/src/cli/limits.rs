//! `list maxopenfiles` and `set maxopenfiles`: the limit of open descriptors.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// `list maxopenfiles`.
#[must_use]
pub fn open_files() -> String {
    match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) => {
            format!(
                "Maximum open-files configured on rtpengine: {soft}; cat /proc/{}/limits\n",
                std::process::id()
            )
        }
        Err(error) => format!("Cannot read the limit of open files: {error}\n"),
    }
}

/// `set maxopenfiles N`.
#[must_use]
pub fn set_open_files(text: &str) -> String {
    // Fewer would stop the daemon from opening its own files.
    const LOWEST: u64 = 1024;
    let Some(number) = text.parse().ok().filter(|number| *number >= LOWEST) else {
        return format!("Invalid maxopenfiles '{text}': allowed is a number from {LOWEST} up\n");
    };
    let result = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, number, hard.max(number)));
    match result {
        Ok(()) => format!("Success setting maxopenfiles to {number}\n"),
        Err(error) => format!("Fail setting maxopenfiles to {number}: {error}\n"),
    }
}
