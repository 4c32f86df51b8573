//! `cargo xtask`: builds, tests, shows and measures the project.

mod ebpf;

use std::path::Path;

use anyhow::{Context as _, Result, bail};

fn main() -> Result<()> {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("xtask has no parent folder")?;
    match std::env::args().nth(1).as_deref() {
        Some("build-ebpf") => {
            let object = ebpf::build(workspace)?;
            eprintln!("built {}", object.display());
            Ok(())
        }
        verb => bail!("unknown verb {verb:?}; try `cargo xtask build-ebpf`"),
    }
}
