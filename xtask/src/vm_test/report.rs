//! What the verifier said, kept in the repository and compared with every run.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use super::stack::LIMIT;

/// Below the workspace's root.
pub const PATH: &str = "docs/verifier-report.txt";
/// More instructions than recorded by this share fail the comparison; compilers differ a little.
const TOLERANCE_PERCENT: u64 = 10;

/// Verification on one kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// `6.12`
    series: String,
    /// Instructions the verifier went through.
    instructions: u64,
    /// Verification and translation, milliseconds: emulated for other kernels than the running one.
    load_ms: u64,
}

impl Measured {
    /// `release`: as uname(1) tells it.
    pub fn new(release: &str, instructions: u64, load_ms: u64) -> Self {
        let series = release.splitn(3, '.').take(2).collect::<Vec<_>>().join(".");
        Self { series, instructions, load_ms }
    }
}

/// Reads the lines of the test program.
pub fn parse(output: &str) -> Result<Measured> {
    let release =
        output.lines().find_map(|line| line.strip_prefix("vm: kernel ")).context("no kernel line")?;
    let verifier =
        output.lines().find_map(|line| line.strip_prefix("vm: verifier ")).context("no verifier line")?;
    let value = |key: &str| -> Result<u64> {
        let word = verifier.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        Ok(word.with_context(|| format!("no {key} in {verifier:?}"))?.parse()?)
    };
    Ok(Measured::new(release, value("instructions")?, value("load_ms")?))
}

/// Replaces the entries of the kernels measured, keeps the others.
pub fn write(path: &Path, measured: &[Measured], stack: u32) -> Result<()> {
    let mut all = if path.exists() { read(path)?.0 } else { vec![] };
    for new in measured {
        all.retain(|old| old.series != new.series);
        all.push(new.clone());
    }
    all.sort_by_key(|entry| {
        entry.series.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>()
    });
    let mut text = format!(
        "# The XDP object as the kernel's verifier sees it. Written by `cargo xtask vm-test --bless`;\n\
         # `cargo xtask vm-test` fails when instructions grow by more than {TOLERANCE_PERCENT} %.\n\
         # Load times are for orientation: other kernels than the host's run emulated.\n\n\
         largest stack frame: {stack} of {LIMIT} bytes\n\n\
         kernel  instructions  load ms\n"
    );
    for entry in &all {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{:<6}  {:>12}  {:>7}", entry.series, entry.instructions, entry.load_ms);
    }
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

/// Fails where the program became harder to verify.
pub fn compare(path: &Path, measured: &[Measured], stack: u32) -> Result<()> {
    let (recorded, recorded_stack) = read(path)?;
    let mut worse = Vec::new();
    if stack > recorded_stack {
        worse.push(format!("largest stack frame: {stack} bytes, {recorded_stack} recorded"));
    }
    for now in measured {
        let Some(then) = recorded.iter().find(|entry| entry.series == now.series) else {
            println!("kernel {}: {} instructions, none recorded", now.series, now.instructions);
            continue;
        };
        let line = format!(
            "kernel {}: {} instructions, {} recorded",
            now.series, now.instructions, then.instructions
        );
        println!("{line}, load time {} ms", now.load_ms);
        if now.instructions * 100 > then.instructions * (100 + TOLERANCE_PERCENT) {
            worse.push(line);
        }
    }
    ensure!(
        worse.is_empty(),
        "{}\nif that is meant, run `cargo xtask vm-test --bless` and commit {PATH}",
        worse.join("\n")
    );
    Ok(())
}

fn read(path: &Path) -> Result<(Vec<Measured>, u32)> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("read {} (`cargo xtask vm-test --bless` writes it)", path.display()))?;
    let (mut entries, mut stack) = (Vec::new(), 0);
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', 'k'])) {
        if let Some(rest) = line.strip_prefix("largest stack frame: ") {
            stack = rest.split(' ').next().unwrap_or_default().parse().context(line.to_owned())?;
            continue;
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let [series, instructions, load_ms] = words[..] else { bail!("{}: {line:?}", path.display()) };
        entries.push(Measured {
            series: series.to_owned(),
            instructions: instructions.parse().context(line.to_owned())?,
            load_ms: load_ms.parse().context(line.to_owned())?,
        });
    }
    Ok((entries, stack))
}

#[cfg(test)]
mod tests {
    use super::{compare, parse, write};

    #[test]
    fn growth_beyond_the_tolerance_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report.txt");
        let run = |instructions: u64| {
            parse(&format!(
                "vm: kernel 6.1.0-50-cloud-amd64\nvm: verifier instructions={instructions} load_ms=7\n"
            ))
            .unwrap()
        };
        write(&path, &[run(1000)], 64).unwrap();
        compare(&path, &[run(1099)], 64).unwrap();
        compare(&path, &[run(1101)], 64).unwrap_err();
        compare(&path, &[run(1000)], 72).unwrap_err();
    }
}
