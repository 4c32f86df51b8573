//! Runs `rtpengine-ctl`.

use std::process::Command;

use anyhow::{Result, bail};

use crate::daemon::binary;

/// Output of `rtpengine-ctl ARGS`, run in this process's namespaces: pinned maps can be read from anywhere.
pub fn run(args: &[&str]) -> Result<String> {
    output(Command::new(binary("rtpengine-ctl")?).args(args))
}

/// Same inside a network namespace, where the daemon's CLI socket is.
pub fn run_in(namespace: &crate::netns::Netns, args: &[&str]) -> Result<String> {
    let mut command = Command::new(binary("rtpengine-ctl")?);
    output(namespace.enter(command.args(args)))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        bail!("{command:?}: {}: {text}{}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(text)
}
