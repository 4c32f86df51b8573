//! CPU per relayed packet, and the highest rate without loss, over veth.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rtpengine_tests::daemon::{Builder, Daemon, Table};
use rtpengine_tests::programs::{RunTime, count_run_time, run_time};
use rtpengine_tests::sdp;
use rtpengine_tests::srtp::{Key, Suite};
use rtpengine_tests::talk::left_to_right;
use rtpengine_tests::topology::{CALLEE, CALLER, Trio};
use serde_json::json;

use super::process::cpu_time;
use super::{Figure, Subject, load};

/// One-way streams at a time.
const STREAMS: u32 = 200;
/// Rate for the CPU figure: far from saturation on two cores.
const RATE: u64 = 10_000;
const TIME: Duration = Duration::from_secs(4);
/// Rates tried for the lossless one.
const STEPS: [u64; 6] = [20_000, 40_000, 60_000, 80_000, 120_000, 160_000];
const STEP_TIME: Duration = Duration::from_secs(2);

/// What is made of the packets.
#[derive(Clone, Copy)]
enum Media {
    /// They are forwarded as they are.
    Plain,
    /// They are encrypted by this suite.
    Encrypted(Suite),
}

const MEDIA: [Media; 3] =
    [Media::Plain, Media::Encrypted(Suite::AesCm128HmacSha1_80), Media::Encrypted(Suite::AeadAes128Gcm)];

pub fn run(subjects: &[Subject]) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for subject in subjects {
        let tables: &[_] = if subject.kernel { &[Table::Own, Table::Off] } else { &[Table::Off] };
        for media in MEDIA {
            for table in tables {
                figures.extend(measure(subject, *table, media)?);
            }
        }
    }
    // The original's kernel path is a module; its userspace mode is what both of ours are held against.
    for media in MEDIA {
        let title = cpu_title(media, false);
        let original = figures.iter().find(|figure| figure.subject == "original" && figure.what == title);
        if let Some(value) = original.map(|figure| figure.value) {
            figures.push(Figure::new(cpu_title(media, true), "original", value));
        }
    }
    Ok(figures)
}

fn cpu_title(media: Media, kernel: bool) -> String {
    let way = if kernel { "XDP (original: userspace)" } else { "userspace" };
    match media {
        Media::Plain => format!("relay: CPU per packet, {way}, µs"),
        Media::Encrypted(suite) => {
            let name = if suite == Suite::AeadAes128Gcm { "GCM-128" } else { "CM-128" };
            format!("relay: CPU per packet to SRTP {name}, {way}, µs")
        }
    }
}

fn measure(subject: &Subject, table: Table, media: Media) -> Result<Vec<Figure>> {
    let kernel = table == Table::Own;
    let trio = Trio::new()?;
    let daemon = Builder::new()
        .netns(&trio.engine)
        .table(table)
        .program(&subject.program)
        .log_level(3)
        .args(Trio::interface_options())
        .start()?;
    let bind = |address: &str| UdpSocket::bind((address, 0));
    let caller = trio.caller.run(|| bind(CALLER))??;
    let callee = trio.callee.run(|| bind(CALLEE))??;
    let targets = place(&trio, &daemon, &caller, &callee, media)?;
    let programs = if kernel { trio.engine.xdp("left")?.map(|xdp| xdp.program_id) } else { None };
    let _counting = count_run_time()?;
    let program_time = || programs.map_or(Ok(RunTime::default()), run_time);

    let stop = AtomicBool::new(false);
    let mut sequence = u64::from(STREAMS);
    // Endpoints are learned and flows installed before anything counts.
    run_load(&caller, &callee, &targets, RATE, Duration::from_secs(1), &mut sequence, &stop)?;
    let (cpu, program) = (cpu_time(daemon.pid())?, program_time()?);
    let (sent, received) = run_load(&caller, &callee, &targets, RATE, TIME, &mut sequence, &stop)?;
    let process = (cpu_time(daemon.pid())? - cpu).as_secs_f64();
    let program = program_time()?.since(program).nanoseconds as f64 / 1e9;
    let per_packet = (process + program) * 1e6 / received.max(1) as f64;
    let mut figures = vec![Figure::new(cpu_title(media, kernel), subject.name, per_packet)];
    if matches!(media, Media::Encrypted(_)) {
        ensure!(received * 100 >= sent * 99, "{received} of {sent} packets arrived");
        daemon.stop()?;
        return Ok(figures);
    }
    let way = if kernel { "XDP" } else { "userspace" };
    let lost = 100.0 * (sent - received.min(sent)) as f64 / sent.max(1) as f64;
    figures.push(Figure::new(format!("relay: lost at 10,000 packets/s, {way}, %"), subject.name, lost));

    let mut best = if received >= sent { RATE } else { 0 };
    for rate in STEPS {
        let (sent, received) = run_load(&caller, &callee, &targets, rate, STEP_TIME, &mut sequence, &stop)?;
        let reached = sent as f64 / STEP_TIME.as_secs_f64();
        if received < sent || reached < rate as f64 * 0.9 {
            break;
        }
        best = rate;
    }
    figures.push(Figure::new(
        format!("relay: highest rate tried without loss, {way}, packets/s"),
        subject.name,
        best as f64,
    ));
    daemon.stop()?;
    Ok(figures)
}

/// Places the calls; returns where the caller sends. Both parties have sent a packet in each, unless the callee's would have
/// to be encrypted.
fn place(
    trio: &Trio,
    daemon: &Daemon,
    caller: &UdpSocket,
    callee: &UdpSocket,
    media: Media,
) -> Result<Vec<SocketAddr>> {
    let mut ng = daemon.ng_in(&trio.engine)?;
    let offer = sdp::audio(CALLER.parse()?, caller.local_addr()?.port());
    let mut extra = left_to_right();
    if matches!(media, Media::Encrypted(_)) {
        extra["transport protocol"] = json!("RTP/SAVP");
    }
    let mut targets = Vec::new();
    for call in 0..STREAMS {
        let call = format!("load-{call}@bench.example");
        let offered = sdp::first_media(&ng.offer(&call, "a", &offer, &extra)?)?;
        let mut answer = sdp::audio(CALLEE.parse()?, callee.local_addr()?.port());
        if let Media::Encrypted(suite) = media {
            let start = format!(" {} ", suite.name());
            let line = offered.lines.iter().find(|line| line.contains(&start)).context("no crypto line")?;
            let tag = line.split([':', ' ']).nth(1).context("no tag")?.parse()?;
            answer = answer.replace("RTP/AVP", "RTP/SAVP") + &Key::new(suite, 1).line(tag) + "\r\n";
        }
        let answered = sdp::first_media(&ng.answer(&call, "a", "b", &answer, &json!({}))?)?;
        let target = SocketAddr::new(answered.address, answered.port);
        let mut rtp = vec![0x80, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9];
        rtp.resize(172, 0xd5);
        if matches!(media, Media::Plain) {
            callee.send_to(&rtp, (offered.address, offered.port)).context("callee's packet")?;
        }
        caller.send_to(&rtp, target).context("caller's packet")?;
        targets.push(target);
    }
    Ok(targets)
}

/// Packets sent and received.
fn run_load(
    caller: &UdpSocket,
    callee: &UdpSocket,
    targets: &[SocketAddr],
    rate: u64,
    time: Duration,
    sequence: &mut u64,
    stop: &AtomicBool,
) -> Result<(u64, u64)> {
    stop.store(false, Ordering::Relaxed);
    std::thread::scope(|scope| {
        let sink = scope.spawn(|| load::count(callee, stop));
        let sent = load::send(caller, targets, rate, time, sequence);
        stop.store(true, Ordering::Relaxed);
        let received = sink.join().map_err(|_| anyhow::anyhow!("the sink panicked"))??;
        Ok((sent?, received))
    })
}
