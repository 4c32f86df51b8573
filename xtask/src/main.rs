//! `cargo xtask`: builds, tests, shows and measures the project.

mod bench;
mod build;
mod ci;
mod demo;
mod ebpf;
mod lint;
mod setup;
mod sh;
mod test;
mod vm_test;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Install what the other verbs need; says what to install where it cannot
    Setup(setup::Arguments),
    /// Build the XDP object, the daemon and rtpengine-ctl
    Build(build::Arguments),
    /// Build the XDP object alone
    BuildEbpf,
    /// Place a call through the daemon and show what happens to its packets
    Demo(demo::Arguments),
    /// Run all tests
    Test(test::Arguments),
    /// Run the XDP tests on other kernels, in QEMU
    VmTest(vm_test::Arguments),
    /// Measure: XDP, relay, call set-up, memory
    Bench(bench::Arguments),
    /// Check formatting, lints, licences and documentation
    Lint(lint::Arguments),
    /// Everything that must hold before a change lands
    Ci(ci::Arguments),
}

fn main() -> Result<()> {
    match Arguments::parse().verb {
        Verb::Setup(arguments) => setup::run(&arguments),
        Verb::Build(arguments) => build::run(&arguments).map(drop),
        Verb::BuildEbpf => build::ebpf().map(drop),
        Verb::Demo(arguments) => demo::run(&arguments),
        Verb::Test(arguments) => test::run(&arguments),
        Verb::VmTest(arguments) => vm_test::run(&arguments),
        Verb::Bench(arguments) => bench::run(&arguments),
        Verb::Lint(arguments) => lint::run(&arguments),
        Verb::Ci(arguments) => ci::run(&arguments),
    }
}
