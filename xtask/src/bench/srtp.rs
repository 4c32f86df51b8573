//! SRTP of the relay against the primitives of other libraries, by a program of its own.

use anyhow::Result;

use super::{Figure, Subject};
use crate::sh;

/// Prints a table of its own.
pub fn run(_subjects: &[Subject]) -> Result<Vec<Figure>> {
    sh::run(sh::cargo().args(["run", "--release", "--package=rtpengine-srtp-bench"]))?;
    Ok(Vec::new())
}
