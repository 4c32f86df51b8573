//! `ci`: everything that must hold before a change lands.

use anyhow::Result;

use crate::sh::step;
use crate::{demo, lint, setup, test, vm_test};

#[derive(clap::Args)]
pub struct Arguments {
    /// Leave the QEMU kernels out
    #[arg(long)]
    no_vm: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    step("ci", || {
        setup::run(&setup::Arguments { tests: true })?;
        lint::run(&lint::Arguments::default())?;
        test::run(&test::Arguments { strict: true, filter: vec![] })?;
        if !arguments.no_vm {
            vm_test::run(&vm_test::Arguments::default())?;
        }
        step("demo", || demo::run(&demo::Arguments::smoke()))
    })
}
