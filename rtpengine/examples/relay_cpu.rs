//! CPU the userspace relay spends per packet, and what it loses.
//!
//! `cargo run --release -p rtpengine --example relay_cpu -- [--streams N] [--pps N] [--seconds N] [--burst N]
//! [--threads N] [--local ADDRESS] [--peer ADDRESS] [--netns NAME] [--srtp SUITE]
//! [--json]`
//!
//! One generator sends 172-byte RTP packets, `--burst` of them at a time, round robin to all streams; one drain
//! polls the sockets they are relayed to, without ever blocking in a read, so that no wake-up of a local receiver is
//! counted against the relay. With `--netns` generator and drain live in that network namespace and `--local` and
//! `--peer` are the addresses of a veth pair; otherwise everything is on loopback. Counted is the run time of the
//! relay threads (`/proc/self/task/*/schedstat`), which includes the kernel's send and receive paths and the
//! delivery to the drain's sockets. With `--srtp` the packets are encrypted, and the relay decrypts each and encrypts it
//! again with another key.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use rtpengine::relay::{RelayConfig, RelayHandle, RelayPool};
use rtpengine::srtp::{MAX_GROWTH, Session};
use rtpengine_common::srtp::abi::StreamState;
use rtpengine_common::srtp::{CryptoParams, Mki, SessionParams, Suite};
use rtpengine_core::io::{
    Affinity, Component, Learning, OpenPort, RelayCommand, RelayStream, SourcePolicy, StreamId,
};

/// Sockets the drain spreads the streams over, so that none of their queues fills up.
const DRAIN_SOCKETS: usize = 64;
/// RTP header and 20 ms of G.711.
const PACKET: usize = 172;

struct Options {
    streams: usize,
    pps: u64,
    seconds: u64,
    burst: u64,
    threads: usize,
    local: IpAddr,
    peer: IpAddr,
    netns: Option<String>,
    srtp: Option<Suite>,
    json: bool,
}

impl Options {
    fn parse() -> Result<Self> {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut options = Self {
            streams: 1000,
            pps: 50_000,
            seconds: 5,
            burst: 10,
            threads: 1,
            local: loopback,
            peer: loopback,
            netns: None,
            srtp: None,
            json: false,
        };
        let mut arguments = std::env::args().skip(1);
        while let Some(name) = arguments.next() {
            if name == "--json" {
                options.json = true;
                continue;
            }
            let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--streams" => options.streams = value.parse()?,
                "--pps" => options.pps = value.parse()?,
                "--seconds" => options.seconds = value.parse()?,
                "--burst" => options.burst = value.parse()?,
                "--threads" => options.threads = value.parse()?,
                "--local" => options.local = value.parse()?,
                "--peer" => options.peer = value.parse()?,
                "--netns" => options.netns = Some(value),
                "--srtp" => {
                    let suite = Suite::from_name(value.as_bytes());
                    options.srtp = Some(suite.with_context(|| format!("no suite {value}"))?);
                }
                _ => bail!("unknown option {name}"),
            }
        }
        Ok(options)
    }
}

fn main() -> Result<()> {
    let options = Options::parse()?;
    let config = RelayConfig { threads: options.threads, ..RelayConfig::default() };
    let pool = RelayPool::start(config, |_| ())?;
    let handle = pool.handle();
    let running = Arc::new(AtomicBool::new(true));
    let drained = Arc::new(AtomicU64::new(0));
    let (sinks, addresses) = in_namespace(&options, || {
        let sockets: Vec<_> =
            (0..DRAIN_SOCKETS).map(|_| UdpSocket::bind((options.peer, 0))).collect::<std::io::Result<_>>()?;
        let addresses = sockets.iter().map(UdpSocket::local_addr).collect::<std::io::Result<Vec<_>>>()?;
        Ok((sockets, addresses))
    })?;
    let socket = in_namespace(&options, || Ok(UdpSocket::bind((options.peer, 0))?))?;
    let targets = open_streams(&handle, &options, &addresses)?;
    let mut generator = Generator::new(socket, targets, &options)?;
    let drain = std::thread::spawn({
        let (running, drained) = (running.clone(), drained.clone());
        move || drain(&sinks, &running, &drained)
    });

    let warm_up = options.pps / 2;
    generator.run(&options, warm_up);
    let (received_before, cpu_before) = (settled(&drained), relay_cpu()?);
    let (started, total) = (Instant::now(), options.pps * options.seconds);
    generator.run(&options, total);
    let elapsed = started.elapsed();
    let received = settled(&drained) - received_before;
    let cpu = relay_cpu()? - cpu_before;
    running.store(false, Ordering::Relaxed);
    let _ = drain.join();
    pool.shutdown()?;

    let lost = total.saturating_sub(received);
    let per_packet = cpu as f64 / received.max(1) as f64 / 1000.0;
    let rate = total as f64 / elapsed.as_secs_f64();
    if options.json {
        println!(
            "{{\"cpu_us_per_packet\":{per_packet:.3},\"sent\":{total},\"lost\":{lost},\"pps\":{rate:.0},\"streams\":{},\"burst\":{},\"threads\":{}}}",
            options.streams, options.burst, options.threads
        );
    } else {
        println!(
            "{per_packet:.2} us of CPU per packet, {lost} of {total} lost, {rate:.0} packets/s, {} streams, bursts of {}, {} threads",
            options.streams, options.burst, options.threads
        );
    }
    Ok(())
}

/// Runs a closure in the generator's network namespace; the sockets it makes stay there.
fn in_namespace<T: Send>(options: &Options, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            if let Some(name) = &options.netns {
                let file = fs::File::open(format!("/run/netns/{name}"))
                    .with_context(|| format!("namespace {name}"))?;
                setns(file, CloneFlags::CLONE_NEWNET)?;
            }
            work()
        });
        thread.join().unwrap_or_else(|_| bail!("namespace thread ended early"))
    })
}

/// Opens pairs of relay sockets and returns where the generator sends to.
fn open_streams(
    handle: &RelayHandle,
    options: &Options,
    addresses: &[SocketAddr],
) -> Result<Vec<SocketAddr>> {
    let mut targets = Vec::new();
    let mut ports = 20_000..60_000u16;
    let mut next = || -> Result<SocketAddr> {
        Ok(SocketAddr::new(options.local, ports.next().context("out of ports")?))
    };
    for (index, address) in (0..options.streams).zip(addresses.iter().cycle()) {
        let affinity = Affinity(index as u32);
        let mut pair = [StreamId(0); 2];
        for (side, stream) in pair.iter_mut().enumerate() {
            *stream = StreamId((index * 2 + side + 1) as u64);
            loop {
                let local = next()?;
                if handle.open(OpenPort { stream: *stream, local, affinity }).is_ok() {
                    if side == 0 {
                        targets.push(local);
                    }
                    break;
                }
            }
        }
        let crypto = |seed| options.srtp.map(|suite| keys(suite, seed)).transpose();
        for (stream, sink) in [(pair[0], pair[1]), (pair[1], pair[0])] {
            let config = RelayStream {
                component: Component::Mux,
                endpoint: Some(*address),
                endpoint_settled: stream == pair[1],
                epoch: 0,
                learning: Learning::Immediate,
                source_policy: SourcePolicy::Strict,
                sinks: [sink].into_iter().collect(),
                rtcp_sinks: [sink].into_iter().collect(),
                discard: None,
                keyring: stream,
                handling: Default::default(),
                filter: None,
                copies: None,
                bundle: None,
                receive_crypto: crypto(1)?,
                transmit_crypto: crypto(2)?,
                ice: Default::default(),
                ice_chosen: false,
                vouched: Default::default(),
                awaits_keys: false,
                passes_dtls: false,
                rtcp: Default::default(),
                tos: None,
                clock_rates: Default::default(),
                call: "bench".into(),
            };
            handle.command(RelayCommand::Configure { stream, config: Box::new(config) });
        }
    }
    handle.flush();
    while handle.backlog() > 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(targets)
}

/// Keys by seed.
fn keys(suite: Suite, seed: u8) -> Result<Arc<CryptoParams>> {
    let (key, salt) = ([seed; 32], [seed ^ 0xff; 14]);
    let (key, salt) = (&key[..suite.key_len()], &salt[..suite.salt_len()]);
    Ok(Arc::new(CryptoParams::new(suite, key, salt, Mki::NONE, SessionParams::default())?))
}

/// Sends to all targets in turn.
struct Generator {
    socket: UdpSocket,
    targets: Vec<SocketAddr>,
    session: Option<Session>,
    /// By target.
    states: Vec<StreamState>,
    /// Packets so far.
    sent: u64,
}

impl Generator {
    fn new(socket: UdpSocket, targets: Vec<SocketAddr>, options: &Options) -> Result<Self> {
        let params = options.srtp.map(|suite| keys(suite, 1)).transpose()?;
        let session = params.map(|params| Session::new(&params));
        let states = vec![StreamState::default(); targets.len()];
        Ok(Self { socket, targets, session, states, sent: 0 })
    }

    /// Sends `total` packets at the chosen rate.
    fn run(&mut self, options: &Options, total: u64) {
        let started = Instant::now();
        let mut sent = 0;
        while sent < total {
            let due = started + Duration::from_nanos(sent * 1_000_000_000 / options.pps);
            if let Some(wait) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(wait);
            }
            for _ in 0..options.burst.min(total - sent) {
                self.packet();
                sent += 1;
            }
        }
    }

    fn packet(&mut self) {
        let (round, at) = (self.sent / self.targets.len() as u64, self.sent as usize % self.targets.len());
        self.sent += 1;
        let mut packet = [0xd5; PACKET + MAX_GROWTH];
        packet[..12].copy_from_slice(&[0x80, 8, 0, 0, 0, 0, 0, 0, 0xca, 0xfe, 0xf0, 0x0d]);
        packet[2..4].copy_from_slice(&(round as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&((round * 160) as u32).to_be_bytes());
        let (Some(target), Some(state)) = (self.targets.get(at), self.states.get_mut(at)) else { return };
        let length = match &self.session {
            Some(session) => session.protect_rtp(state, &mut packet, PACKET).unwrap_or_default(),
            None => PACKET,
        };
        // A refused packet shows up as a lost one.
        let _ = self.socket.send_to(&packet[..length], target);
    }
}

/// Counts what arrives, polling.
fn drain(sockets: &[UdpSocket], running: &AtomicBool, count: &AtomicU64) {
    let mut buffer = [0u8; 2048];
    while running.load(Ordering::Relaxed) {
        for socket in sockets {
            loop {
                // SAFETY: the buffer is valid for its length.
                let length = unsafe {
                    libc::recv(
                        socket.as_raw_fd(),
                        buffer.as_mut_ptr().cast(),
                        buffer.len(),
                        libc::MSG_DONTWAIT,
                    )
                };
                if length < 0 {
                    break;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The count once it has stopped growing.
fn settled(count: &AtomicU64) -> u64 {
    let mut last = count.load(Ordering::Relaxed);
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = count.load(Ordering::Relaxed);
        if now == last {
            return now;
        }
        last = now;
    }
}

/// Nanoseconds all relay threads have run for.
fn relay_cpu() -> Result<u64> {
    let mut total = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        // Not the main thread, whatever the executable is called.
        let name = fs::read_to_string(task.join("comm"))?;
        if name.trim_end().strip_prefix("relay-").is_some_and(|number| number.parse::<usize>().is_ok()) {
            let stat = fs::read_to_string(task.join("schedstat"))?;
            total += stat.split_whitespace().next().context("schedstat is empty")?.parse::<u64>()?;
        }
    }
    Ok(total)
}
