//! `bench`: measurements of the release build, printed as one table; with `--peer` side by side with the original in the
//! same run. One file per measurement.

mod calls;
mod load;
mod memory;
mod peer;
mod process;
mod relay;
mod srtp;
mod xdp;

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::sh::{self, step};
use crate::{build, setup};

#[derive(clap::Args)]
pub struct Arguments {
    /// Only these: xdp, srtp, relay, calls, memory
    names: Vec<String>,
    /// Side by side with Debian's rtpengine-daemon (fetched and unpacked, no service started)
    #[arg(long)]
    peer: bool,
}

/// Who is measured.
pub struct Subject {
    /// Column.
    name: &'static str,
    /// The daemon's binary.
    program: PathBuf,
    /// It has a kernel path here.
    kernel: bool,
}

/// One figure of one subject.
pub struct Figure {
    /// What was measured, with its unit.
    what: String,
    /// Who.
    subject: &'static str,
    /// The figure.
    value: f64,
}

impl Figure {
    fn new(what: impl Into<String>, subject: &'static str, value: f64) -> Self {
        Self { what: what.into(), subject, value }
    }
}

type Bench = fn(&[Subject]) -> Result<Vec<Figure>>;

const BENCHES: [(&str, Bench); 5] = [
    ("xdp", xdp::run),
    ("srtp", srtp::run),
    ("relay", relay::run),
    ("calls", calls::run),
    ("memory", memory::run),
];

pub fn run(arguments: &Arguments) -> Result<()> {
    ensure!(sh::is_root(), "bench needs root: it makes network namespaces and loads the XDP program");
    for name in &arguments.names {
        ensure!(
            BENCHES.iter().any(|(known, _)| known == name),
            "there is no measurement {name:?}: see bench --help"
        );
    }
    setup::run(&setup::Arguments::default())?;
    let ours = build::run(&build::Arguments::default())?;
    // As many sockets as the machine allows, for daemons that do not ask for them themselves.
    let (_, open_files) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, open_files, open_files)?;
    let mut subjects = vec![Subject { name: "ours", program: ours, kernel: true }];
    if arguments.peer {
        let program = step("fetch the original", peer::fetch)?;
        subjects.push(Subject { name: "original", program, kernel: false });
    }
    let mut figures = Vec::new();
    for (name, bench) in BENCHES {
        if arguments.names.is_empty() || arguments.names.iter().any(|wanted| wanted == name) {
            figures.extend(step(name, || bench(&subjects))?);
        }
    }
    if figures.is_empty() {
        return Ok(());
    }
    print(&figures, Path::new("/proc/cpuinfo"));
    Ok(())
}

/// The table: a row per figure, a column per subject, and the ratio where there are two.
fn print(figures: &[Figure], cpuinfo: &Path) {
    let text = std::fs::read_to_string(cpuinfo).unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    println!(
        "\n{}, {} cores",
        model.map_or("unknown CPU", |(_, name)| name),
        text.matches("processor\t").count()
    );
    println!("{:<62}{:>12}{:>12}{:>14}", "", "ours", "original", "ours/original");
    let mut done: Vec<&str> = Vec::new();
    for figure in figures {
        if done.contains(&figure.what.as_str()) {
            continue;
        }
        done.push(&figure.what);
        let of = |subject: &str| {
            figures
                .iter()
                .find(|other| other.what == figure.what && other.subject == subject)
                .map(|one| one.value)
        };
        let show = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
        let ratio = of("ours").zip(of("original")).filter(|(_, original)| *original > 0.0);
        let ratio =
            ratio.map_or_else(|| "-".to_owned(), |(ours, original)| format!("{:.2}", ours / original));
        println!("{:<62}{:>12}{:>12}{:>14}", figure.what, show(of("ours")), show(of("original")), ratio);
    }
}

fn number(value: f64) -> String {
    if value >= 1000.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}
