//! `demo`: a call through the real daemon, and what became of its packets.

mod interrupt;
mod report;
mod stage;

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use rtpengine_tests::programs;
use rtpengine_tests::rtp::Tally;
use rtpengine_tests::talk::{Call, exchange_watched};

use crate::{build, setup, sh};
use stage::Stage;

/// 20 ms of audio in each packet, as telephones send them.
const PACKET_INTERVAL: Duration = Duration::from_millis(20);

#[derive(clap::Args)]
pub struct Arguments {
    /// Seconds of conversation
    #[arg(long, default_value_t = 5)]
    duration: u32,
    /// Keep the network and the daemon until Enter is pressed, to look around
    #[arg(long)]
    keep: bool,
    /// Relay in userspace over loopback, as without root
    #[arg(long)]
    userspace: bool,
    /// Show the daemon that is there, without building it anew
    #[arg(long)]
    no_build: bool,
}

impl Arguments {
    /// A short one.
    pub fn smoke() -> Self {
        Self { duration: 2, keep: false, userspace: false, no_build: false }
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    if !arguments.no_build {
        build()?;
    }
    interrupt::catch()?;
    let namespaces = sh::is_root() && setup::has_program("ip") && !arguments.userspace;
    println!("\nrtpengine: one call, {} s of audio both ways\n", arguments.duration);
    let mut timer = Timer::new();
    let mut stage = if namespaces { Stage::with_xdp()? } else { Stage::on_loopback()? };
    timer.line(stage.number(), "network and daemon", &stage.describe());
    play(arguments, &mut stage, &mut timer)
}

fn play(arguments: &Arguments, stage: &mut Stage, timer: &mut Timer) -> Result<()> {
    // Counting costs two clock reads a run; without root there is nothing to count.
    let counting = stage.xdp_programs()?.first().copied().map(|id| (id, programs::count_run_time()));
    let mut ng = stage.ng()?;
    let mut call = stage.place_call(&mut ng)?;
    timer.line(2, "offer and answer", &report::signalling(&call)?);

    let before = counting.as_ref().map(|(id, _)| programs::run_time(*id)).transpose()?;
    let (sent, at_caller, at_callee) = converse(arguments, &mut call)?;
    timer.line(3, "conversation", "");
    report::audio(sent, &at_caller, &at_callee);

    let query = ng.query(&call.id)?;
    timer.line(4, "streams", "as `query` of the ng protocol answers");
    report::streams(&query);
    if let Some(table) = stage.table() {
        timer.line(5, "kernel", &format!("rtpengine-ctl table {table} flows"));
        report::indent(&rtpengine_tests::ctl::run(&["table", &table.to_string(), "flows"])?);
        if let (Some((id, _)), Some(before)) = (&counting, before) {
            report::cost(programs::run_time(*id)?.since(before), stage.native()?);
        }
    }
    if arguments.keep && !interrupt::caught() {
        stage.wait_for_enter()?;
    }
    let totals = call.hang_up(&mut ng)?;
    timer.line(6, "delete", &report::totals(&totals));
    stage.stop()?;
    timer.line(7, "daemon stopped, network removed", "");
    let perfect = at_caller.is_perfect(sent) && at_callee.is_perfect(sent);
    ensure!(perfect, "not every packet arrived once, in order and intact");
    println!("\nevery packet arrived once, in order and intact\n");
    Ok(())
}

/// Both parties talk; returns packets sent each way and what arrived.
fn converse(arguments: &Arguments, call: &mut Call) -> Result<(u64, Tally, Tally)> {
    let packets = u64::from(arguments.duration) * 50;
    let style = ProgressStyle::with_template("     [{bar:40}] {pos}/{len} packets each way, {elapsed}")?;
    let bar = ProgressBar::new(packets).with_style(style.progress_chars("=> "));
    let mut sent = 0;
    let (at_caller, at_callee) =
        exchange_watched(&mut call.caller, &mut call.callee, packets, PACKET_INTERVAL, &mut |so_far| {
            sent = so_far;
            bar.set_position(so_far);
            if interrupt::caught() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
    bar.finish_and_clear();
    Ok((sent, at_caller, at_callee))
}

/// Builds the daemon, without XDP where its toolchain is missing and cannot be installed.
fn build() -> Result<()> {
    let mut arguments = build::Arguments::default();
    if let Err(error) = setup::run(&setup::Arguments::default()) {
        eprintln!("{error:#}\ngoing on without XDP\n");
        arguments.no_xdp = true;
    }
    build::run(&arguments).map(drop)
}

/// Numbered lines of the transcript with the time since the last one.
struct Timer(Instant);

impl Timer {
    fn new() -> Self {
        Self(Instant::now())
    }

    fn line(&mut self, number: u32, title: &str, detail: &str) {
        let elapsed = std::mem::replace(&mut self.0, Instant::now()).elapsed();
        println!("{number}. {title:<34}{:>8.1} ms", elapsed.as_secs_f64() * 1000.0);
        report::indent(detail);
    }
}
