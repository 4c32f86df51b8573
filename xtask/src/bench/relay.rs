//! CPU per relayed packet, and the highest rate without loss, over veth.

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
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
/// Rounds for the CPU figure, in each of which everybody is measured once: a slow phase of the machine meets all.
const ROUNDS: usize = 9;
const ROUND_TIME: Duration = Duration::from_secs(1);
/// Rates tried for the lossless one.
const STEPS: [u64; 7] = [40_000, 80_000, 120_000, 160_000, 200_000, 250_000, 300_000];
const STEP_TIME: Duration = Duration::from_secs(1);

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
    let mut candidates = Vec::new();
    for subject in subjects {
        let tables: &[_] = if subject.kernel { &[Table::Own, Table::Off] } else { &[Table::Off] };
        for media in MEDIA {
            for table in tables {
                candidates.push(Candidate::start(subject, *table, media)?);
            }
        }
    }
    let _counting = count_run_time()?;
    // Endpoints are learned and flows installed before anything counts.
    for candidate in &mut candidates {
        candidate.load(RATE, ROUND_TIME)?;
    }
    for _ in 0..ROUNDS {
        for candidate in &mut candidates {
            candidate.round()?;
        }
        // Nobody always comes after the same other.
        candidates.reverse();
    }
    let mut figures = Vec::new();
    for mut candidate in candidates {
        figures.extend(candidate.cpu());
        if matches!(candidate.media, Media::Plain) {
            figures.push(candidate.highest_rate()?);
        }
        candidate.daemon.stop()?;
    }
    // The original's kernel path is a module; its userspace mode is what both of ours are held against.
    let original: Vec<_> =
        figures.iter().filter(|figure| figure.subject == "original" && figure.what.contains(CPU)).collect();
    let copies: Vec<_> = original
        .iter()
        .map(|figure| Figure::new(figure.what.replace("userspace", XDP), "original", figure.value))
        .collect();
    figures.extend(copies);
    Ok(figures)
}

const CPU: &str = "CPU per packet";
const XDP: &str = "XDP (original: userspace)";

/// A daemon with calls through it.
struct Candidate {
    subject: &'static str,
    kernel: bool,
    media: Media,
    daemon: Daemon,
    caller: UdpSocket,
    callee: UdpSocket,
    targets: Vec<SocketAddr>,
    program: Option<u32>,
    sequence: u64,
    /// Of each round, µs per packet.
    cpu: Vec<f64>,
    sent: u64,
    received: u64,
    /// Dropped last.
    _trio: Trio,
}

impl Candidate {
    fn start(subject: &Subject, table: Table, media: Media) -> Result<Self> {
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
        let program = if kernel { trio.engine.xdp("left")?.map(|xdp| xdp.program_id) } else { None };
        Ok(Self {
            subject: subject.name,
            kernel,
            media,
            daemon,
            caller,
            callee,
            targets,
            program,
            sequence: u64::from(STREAMS),
            cpu: Vec::new(),
            sent: 0,
            received: 0,
            _trio: trio,
        })
    }

    /// Packets sent and received.
    fn load(&mut self, rate: u64, time: Duration) -> Result<(u64, u64)> {
        let (caller, callee, targets) = (&self.caller, &self.callee, &self.targets);
        let sequence = &mut self.sequence;
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let sink = scope.spawn(|| load::count(callee, &stop));
            let sent = load::send(caller, targets, rate, time, sequence);
            stop.store(true, Ordering::Relaxed);
            let received = sink.join().map_err(|_| anyhow::anyhow!("the sink panicked"))??;
            Ok((sent?, received))
        })
    }

    /// CPU time of the daemon and the XDP program so far.
    fn cpu_time(&self) -> Result<Duration> {
        let program = self.program.map_or(Ok(RunTime::default()), run_time)?;
        Ok(cpu_time(self.daemon.pid())? + Duration::from_nanos(program.nanoseconds))
    }

    fn round(&mut self) -> Result<()> {
        let before = self.cpu_time()?;
        let (sent, received) = self.load(RATE, ROUND_TIME)?;
        let used = (self.cpu_time()? - before).as_secs_f64();
        self.cpu.push(used * 1e6 / received.max(1) as f64);
        self.sent += sent;
        self.received += received;
        Ok(())
    }

    fn way(&self) -> String {
        let way = if self.kernel { XDP } else { "userspace" };
        match self.media {
            Media::Plain => way.to_owned(),
            Media::Encrypted(suite) => format!("to {}, {way}", suite.name()),
        }
    }

    fn cpu(&mut self) -> Vec<Figure> {
        self.cpu.sort_by(f64::total_cmp);
        let at = |index: usize| self.cpu.get(index).copied().unwrap_or_default();
        let lost = 100.0 * self.sent.saturating_sub(self.received) as f64 / self.sent.max(1) as f64;
        let way = self.way();
        vec![
            Figure::new(format!("relay: {CPU}, {way}, median, µs"), self.subject, at(self.cpu.len() / 2)),
            Figure::new(format!("relay: {CPU}, {way}, best, µs"), self.subject, at(0)),
            Figure::new(format!("relay: lost at 10,000 packets/s, {way}, %"), self.subject, lost),
        ]
    }

    fn highest_rate(&mut self) -> Result<Figure> {
        let mut best = if self.received >= self.sent { RATE } else { 0 };
        for rate in STEPS {
            let (sent, received) = self.load(rate, STEP_TIME)?;
            let reached = sent as f64 / STEP_TIME.as_secs_f64();
            if received < sent || reached < rate as f64 * 0.9 {
                break;
            }
            best = rate;
        }
        let what = format!("relay: highest rate tried without loss, {}, packets/s", self.way());
        Ok(Figure::new(what, self.subject, best as f64))
    }
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
