//! `test`: everything that `cargo test` knows, against the daemon as it is shipped.

use anyhow::{Context as _, Result, ensure};
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use crate::sh::{self, step};
use crate::{build, setup};

#[derive(clap::Args, Default)]
pub struct Arguments {
    /// A test that cannot run here (no root, no peer installed) is a failure
    #[arg(long)]
    pub strict: bool,
    /// Handed to the test programs: a name filter and their options
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub filter: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    setup::run(&setup::Arguments::default())?;
    let daemon = build::run(&build::Arguments::default())?;
    step("test", || {
        let mut cargo = sh::cargo();
        cargo.args(["test", "--workspace", "--no-fail-fast", "--"]).args(&arguments.filter);
        cargo.env("RTPENGINE_BIN", daemon);
        if arguments.strict {
            cargo.env("RTPENGINE_TESTS_STRICT", "1");
        }
        let mut child = cargo.stdout(Stdio::piped()).spawn().context("run cargo test")?;
        let mut totals = Totals::default();
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines() {
                let line = line?;
                println!("{line}");
                totals.add(&line);
            }
        }
        let status = child.wait()?;
        println!("\ntests: {} passed, {} failed, {} ignored", totals.passed, totals.failed, totals.ignored);
        ensure!(status.success(), "cargo test: {status}");
        Ok(())
    })
}

/// Sums the result lines of all test programs.
#[derive(Default)]
struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Totals {
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else { return };
        let mut words = counts.split([' ', ';', '.']).filter(|word| !word.is_empty()).peekable();
        while let Some(word) = words.next() {
            let (Ok(count), Some(kind)) = (word.parse::<u64>(), words.peek()) else { continue };
            match *kind {
                "passed" => self.passed += count,
                "failed" => self.failed += count,
                "ignored" => self.ignored += count,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn result_lines_are_summed() {
        let mut totals = Totals::default();
        totals.add(
            "test result: ok. 4 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        );
        totals.add("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured; 7 filtered out");
        totals.add("test a ... ok");
        assert_eq!((totals.passed, totals.failed, totals.ignored), (7, 2, 1));
    }
}
