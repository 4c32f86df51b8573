//! SRTP of the relay against the primitives of other libraries, by a program of its own: AWS-LC is compiled for nothing else.

use anyhow::Result;

use super::{Figure, Subject};
use crate::sh;

/// Prints a table of its own.
pub fn run(_subjects: &[Subject]) -> Result<Vec<Figure>> {
    let package = ["run", "--release", "--package=rtpengine-srtp-bench", "--features=aws-lc"];
    sh::run(sh::cargo().args(package))?;
    Ok(Vec::new())
}
