//! CPU of a DTLS handshake and of a cookie, memory of sessions.
//!
//! `cargo run --release -p rtpengine --example dtls_cost -- [--handshakes N] [--sessions N] [--rsa]`
//!
//! Both sides run in this thread, each with its engine. Counted is the CPU time of the thread while one of them has
//! a datagram, and the growth of resident memory while sessions are held.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::time::{ClockId, clock_gettime};
use rtpengine::dtls::{
    Association, CertCipher, CertificateOptions, DtlsOptions, Engine, Event, HashFunction, Identity, Limits,
    PROFILES, Role, Transmit,
};
use rtpengine_core::io::{DtlsRoute, StreamId};

/// Any moment; nobody compares the dates of certificates.
const MADE: i64 = 1_700_000_000;

struct Side {
    engine: Engine,
    identity: Arc<Identity>,
    address: SocketAddr,
    cpu: Duration,
}

impl Side {
    fn new(options: &DtlsOptions, address: [u8; 4], half_open: usize) -> Result<Self> {
        let limits = Limits { half_open, ..Limits::default() };
        Ok(Self {
            engine: Engine::new(limits, Instant::now())?,
            identity: Arc::new(Identity::generate(options, MADE)?),
            address: SocketAddr::from((address, 4000)),
            cpu: Duration::ZERO,
        })
    }

    fn association(&self, role: Role, peer: &Self) -> Result<Association> {
        Ok(Association {
            epoch: 1,
            role,
            identity: Arc::clone(&self.identity),
            remote: Some(DtlsRoute { socket: StreamId(0), peer: peer.address }),
            fingerprints: vec![peer.identity.fingerprint(HashFunction::Sha256)?],
            profiles: PROFILES.to_vec(),
        })
    }

    fn timed<T>(&mut self, act: impl FnOnce(&mut Engine) -> T) -> Result<T> {
        let before = thread_cpu()?;
        let result = act(&mut self.engine);
        self.cpu += thread_cpu()?.saturating_sub(before);
        Ok(result)
    }

    fn open(&mut self, stream: StreamId, association: Association) -> Result<Vec<Transmit>> {
        self.timed(|engine| {
            engine.open(Instant::now(), stream, association);
            sent(engine)
        })
    }

    fn receive(&mut self, stream: StreamId, source: SocketAddr, datagram: &[u8]) -> Result<Vec<Transmit>> {
        self.timed(|engine| {
            engine.receive(
                Instant::now(),
                stream,
                DtlsRoute { socket: stream, peer: source },
                false,
                datagram,
            );
            sent(engine)
        })
    }
}

fn sent(engine: &mut Engine) -> Vec<Transmit> {
    std::iter::from_fn(|| engine.poll_transmit()).collect()
}

fn thread_cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

/// Resident memory in bytes.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kib * 1024)
}

/// Runs a handshake of which `active` has made the first flight.
fn handshake(active: &mut Side, passive: &mut Side, stream: StreamId, first: Vec<Transmit>) -> Result<()> {
    let mut to_passive = first;
    while !to_passive.is_empty() {
        let mut to_active = Vec::new();
        for transmit in to_passive.drain(..) {
            to_active.extend(passive.receive(stream, active.address, &transmit.payload)?);
        }
        for transmit in to_active {
            to_passive.extend(active.receive(stream, passive.address, &transmit.payload)?);
        }
    }
    for side in [active, passive] {
        ensure!(matches!(side.engine.poll_event(), Some((_, _, Event::KeysReady { .. }))), "no keys");
    }
    Ok(())
}

fn main() -> Result<()> {
    let (mut handshakes, mut sessions, mut rsa) = (1000_u64, 2000_u64, false);
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        match name.as_str() {
            "--rsa" => rsa = true,
            "--handshakes" => handshakes = arguments.next().context("--handshakes N")?.parse()?,
            "--sessions" => sessions = arguments.next().context("--sessions N")?.parse()?,
            other => bail!("unknown option {other}"),
        }
    }
    let cipher = if rsa { CertCipher::Rsa } else { CertCipher::Prime256v1 };
    let certificate = CertificateOptions { cipher, ..CertificateOptions::default() };
    let options = DtlsOptions { certificate, ..DtlsOptions::default() };
    let room = usize::try_from(sessions + 1)?;
    let mut active = Side::new(&options, [192, 0, 2, 1], room)?;
    let mut passive = Side::new(&options, [192, 0, 2, 2], room)?;
    let each = |total: Duration, count: u64| total.as_secs_f64() * 1e6 / count as f64;

    for id in 0..handshakes {
        let stream = StreamId(id);
        let association = passive.association(Role::Passive, &active)?;
        passive.open(stream, association)?;
        let association = active.association(Role::Active, &passive)?;
        let first = active.open(stream, association)?;
        handshake(&mut active, &mut passive, stream, first)?;
        for side in [&mut active, &mut passive] {
            side.engine.close(stream);
            sent(&mut side.engine);
        }
    }
    println!("handshake, active side:  {:8.1} us of CPU", each(active.cpu, handshakes));
    println!("handshake, passive side: {:8.1} us of CPU", each(passive.cpu, handshakes));

    let hello = active.open(StreamId(0), active.association(Role::Active, &passive)?)?.remove(0);
    active.engine.close(StreamId(0));
    let association = Association { remote: None, ..passive.association(Role::Passive, &active)? };
    passive.open(StreamId(0), association)?;
    passive.cpu = Duration::ZERO;
    let cookies = 100 * handshakes;
    for _ in 0..cookies {
        passive.receive(StreamId(0), active.address, &hello.payload)?;
    }
    println!("hello of a stranger:     {:8.1} us of CPU", each(passive.cpu, cookies));
    passive.engine.close(StreamId(0));

    let start = resident()?;
    for id in 0..sessions {
        passive.open(StreamId(id), passive.association(Role::Passive, &active)?)?;
    }
    let waiting = resident()?;
    for id in 0..sessions {
        passive.receive(StreamId(id), active.address, &hello.payload)?;
    }
    let half_open = resident()?;
    ensure!(passive.engine.counters().snapshot().half_open == sessions, "not all are half open");
    let per = |from: u64, to: u64| to.saturating_sub(from) as f64 / 1024.0 / sessions as f64;
    println!("stream that waits:       {:8.1} KiB", per(start, waiting));
    println!("half-open handshake:     {:8.1} KiB", per(waiting, half_open));

    let mut fresh = Side::new(&options, [192, 0, 2, 3], room)?;
    let mut peer = Side::new(&options, [192, 0, 2, 4], room)?;
    let mut grown = 0;
    for id in 0..sessions {
        let stream = StreamId(id);
        let association = fresh.association(Role::Passive, &peer)?;
        let before = resident()?;
        fresh.open(stream, association)?;
        let first = peer.open(stream, peer.association(Role::Active, &fresh)?)?;
        handshake(&mut peer, &mut fresh, stream, first)?;
        grown += resident()?.saturating_sub(before);
    }
    println!("association, both ends:  {:8.1} KiB", grown as f64 / 1024.0 / sessions as f64);
    Ok(())
}
