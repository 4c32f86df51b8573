//! `bench`: measurements, printed as one table each.

use anyhow::Result;

#[derive(clap::Args)]
pub struct Arguments {
    /// Only these, by name
    names: Vec<String>,
    /// Side by side with Debian's rtpengine-daemon (installs it, starts no service)
    #[arg(long)]
    peer: bool,
}

pub fn run(_arguments: &Arguments) -> Result<()> {
    Ok(())
}
