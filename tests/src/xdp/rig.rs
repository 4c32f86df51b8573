//! Loads the object, fills its maps and runs frames through it.

use std::{
    fs,
    os::fd::{AsFd as _, OwnedFd},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Array, HashMap, Map, MapData, PerCpuArray},
    programs::{ProgramInfo, TestRun as _, TestRunOptions, Xdp},
};
use rtpengine_common::{
    abi::{FlowKey, FlowStats, FlowValue, REASON_ROWS},
    pins,
    reason::{PACKET_REASONS, Reason},
    srtp::{
        Session,
        abi::{CIPHER_GCM, SrtpContext, SrtpStreams},
        ghash::HashKey,
    },
};

use super::replay;

/// The program that does nothing.
const PASS: &str = "rtpengine_xdp_pass";
/// Room for the outgoing frame.
const OUT_LEN: usize = 4096;

/// The XDP actions (`enum xdp_action`).
pub mod action {
    /// Broken program.
    pub const ABORTED: u32 = 0;
    /// Dropped.
    pub const DROP: u32 = 1;
    /// Handed up.
    pub const PASS: u32 = 2;
    /// Sent back out.
    pub const TX: u32 = 3;
    /// Sent out of another device.
    pub const REDIRECT: u32 = 4;
}

/// Where `cargo xtask build-ebpf` puts the object.
pub fn object_path() -> PathBuf {
    std::env::var_os("RTPENGINE_XDP_OBJECT").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/ebpf/rtpengine-xdp.o"),
        PathBuf::from,
    )
}

/// Why programs cannot be loaded here; `None`: they can.
pub fn unavailable() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("loading XDP programs needs root".to_owned());
    }
    let object = object_path();
    if !object.exists() {
        return Some(format!("{} is missing; build it with `cargo xtask build-ebpf`", object.display()));
    }
    None
}

/// The loaded program with its maps.
pub struct Rig {
    ebpf: Ebpf,
    /// Name of the program that is run.
    name: &'static str,
    load_time: Duration,
    /// Whether the program that does nothing is loaded.
    pass_loaded: bool,
}

/// What became of a frame.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    /// XDP action.
    pub action: u32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
}

/// What the verifier says of the program on this kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Instructions the verifier walked through.
    pub instructions: u32,
    /// Bytes of BPF code after the kernel's rewriting.
    pub translated_bytes: u32,
    /// Bytes of machine code.
    pub jitted_bytes: u32,
    /// Time of the load call.
    pub load_time: Duration,
}

/// The loaded program, for several threads.
#[derive(Debug)]
pub struct Runner {
    program: OwnedFd,
}

impl Runner {
    /// Runs one frame through the program.
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn run(&self, frame: &[u8]) -> Result<Run> {
        let mut out = vec![0; OUT_LEN];
        let (action, len) = replay::run(self.program.as_fd(), frame, &mut out)?;
        out.truncate(len);
        Ok(Run { action, frame: out })
    }
}

impl Rig {
    /// Loads the object.
    ///
    /// # Errors
    /// When the object cannot be read or the kernel refuses it.
    pub fn load() -> Result<Self> {
        Self::with(pins::PROGRAM)
    }

    /// As [`Rig::load`] with the program that does nothing: what it takes is the cost of the test run itself.
    ///
    /// # Errors
    /// As [`Rig::load`].
    pub fn load_empty() -> Result<Self> {
        Self::with("rtpengine_xdp_pass")
    }

    fn with(name: &'static str) -> Result<Self> {
        let path = object_path();
        let object = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut ebpf = EbpfLoader::new().load(&object).context("the object's maps cannot be created")?;
        let program: &mut Xdp = ebpf.program_mut(name).context("no such program")?.try_into()?;
        let start = Instant::now();
        program.load().context("the verifier refuses the program")?;
        let load_time = start.elapsed();
        Ok(Self { ebpf, name, load_time, pass_loaded: false })
    }

    /// Installs or replaces a flow.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn install(&mut self, key: FlowKey, value: FlowValue) -> Result<()> {
        Ok(self.flows()?.insert(key, value, 0)?)
    }

    /// Removes a flow.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove(&mut self, key: FlowKey) -> Result<()> {
        Ok(self.flows()?.remove(&key)?)
    }

    /// Installs the keys of a session as the context with a number.
    ///
    /// # Errors
    /// When the kernel refuses them, or they are none for the program.
    pub fn install_context(&mut self, number: u32, session: &Session) -> Result<()> {
        let (context, hash_key) = session.kernel_context().context("not for the program")?;
        self.contexts()?.insert(number, context, 0)?;
        if context.cipher == CIPHER_GCM {
            self.hash_keys()?.insert(number, hash_key, 0)?;
        }
        Ok(())
    }

    /// Removes the hash key of a context.
    ///
    /// # Errors
    /// When there is none.
    pub fn remove_hash_key(&mut self, number: u32) -> Result<()> {
        Ok(self.hash_keys()?.remove(&number)?)
    }

    /// Streams of a context.
    ///
    /// # Errors
    /// When the number is 0 or too large.
    pub fn streams(&mut self, number: u32) -> Result<SrtpStreams> {
        let map = Array::<_, SrtpStreams>::try_from(self.map(pins::SRTP_STREAMS)?)?;
        Ok(map.get(&(number - 1), 0)?)
    }

    /// Sets the streams of a context.
    ///
    /// # Errors
    /// As [`Rig::streams`].
    pub fn set_streams(&mut self, number: u32, streams: SrtpStreams) -> Result<()> {
        let mut map = Array::<_, SrtpStreams>::try_from(self.map(pins::SRTP_STREAMS)?)?;
        Ok(map.set(number - 1, streams, 0)?)
    }

    /// Counters of a slot.
    ///
    /// # Errors
    /// When the slot does not exist.
    pub fn stats(&mut self, slot: u32) -> Result<FlowStats> {
        Ok(self.counters()?.get(&slot, 0)?)
    }

    /// Sets the counters of a slot.
    ///
    /// # Errors
    /// When the slot does not exist.
    pub fn set_stats(&mut self, slot: u32, stats: FlowStats) -> Result<()> {
        Ok(self.counters()?.set(slot, stats, 0)?)
    }

    /// Sum over the CPUs of one reason counter; `row` is a table or [`rtpengine_common::abi::NO_TABLE`].
    ///
    /// # Errors
    /// When the row does not exist.
    pub fn reason(&mut self, row: u32, reason: Reason) -> Result<u64> {
        let map = PerCpuArray::<_, u64>::try_from(self.map(pins::REASONS)?)?;
        Ok(map.get(&(row * PACKET_REASONS + reason as u32), 0)?.iter().sum())
    }

    /// All reason counters that are not zero: row, number of the reason, count.
    ///
    /// # Errors
    /// When the map cannot be read.
    pub fn reasons(&mut self) -> Result<Vec<(u32, u32, u64)>> {
        let map = PerCpuArray::<_, u64>::try_from(self.map(pins::REASONS)?)?;
        let mut all = Vec::new();
        for index in 0..REASON_ROWS * PACKET_REASONS {
            let count: u64 = map.get(&index, 0)?.iter().sum();
            if count != 0 {
                all.push((index / PACKET_REASONS, index % PACKET_REASONS, count));
            }
        }
        Ok(all)
    }

    /// Runs one frame through the program.
    ///
    /// # Errors
    /// When the kernel refuses the test run (it wants at least the 14 bytes of an Ethernet header).
    pub fn run(&mut self, frame: &[u8]) -> Result<Run> {
        let mut out = vec![0; OUT_LEN];
        let options =
            TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), ..TestRunOptions::new() };
        let result = self.program()?.test_run(options)?;
        out.truncate(result.data_size_out as usize);
        Ok(Run { action: result.return_value, frame: out })
    }

    /// Runs frames as [`Rig::run`] does, from several threads at once.
    ///
    /// # Errors
    /// When the program is not loaded.
    pub fn runner(&mut self) -> Result<Runner> {
        let program = self.program()?;
        Ok(Runner { program: program.fd()?.as_fd().try_clone_to_owned()? })
    }

    /// As [`Rig::time`] where the program changes the frame and remembers packets: before every run the frame is as
    /// it was, and the streams of the contexts in `contexts` are without memory of packets, apart from the SSRC. The time
    /// of the harness is taken off. The program has to send the frame back.
    ///
    /// # Errors
    /// When the kernel refuses anything, or the frame is not sent back.
    pub fn measure_changing(
        &mut self,
        frame: &[u8],
        contexts: &[u32],
        (repeat, rounds): (u32, u32),
    ) -> Result<Duration> {
        let rows: Vec<u32> = contexts.iter().map(|number| number - 1).collect();
        if !self.pass_loaded {
            let pass: &mut Xdp = self.ebpf.program_mut(PASS).context("no such program")?.try_into()?;
            pass.load()?;
            self.pass_loaded = true;
        }
        let mut times = [Duration::ZERO; 2];
        for (time, (name, action)) in
            times.iter_mut().zip([(PASS, action::PASS), (pins::PROGRAM, action::TX)])
        {
            let program: &Xdp = self.ebpf.program(name).context("no such program")?.try_into()?;
            let Map::Array(streams) = self.ebpf.map(pins::SRTP_STREAMS).context("no such map")? else {
                bail!("{} is not an array", pins::SRTP_STREAMS)
            };
            let streams = (streams.fd().as_fd(), &rows[..]);
            *time = replay::measure(program.fd()?.as_fd(), streams, frame, action, (repeat, rounds))?;
        }
        Ok(times[1].saturating_sub(times[0]))
    }

    /// Time per run of `repeat` runs of the same frame. Meaningful where the program leaves the frame as it was for its
    /// own purposes (same headers out as in, or handed up).
    ///
    /// # Errors
    /// As [`Rig::run`].
    pub fn time(&mut self, frame: &[u8], repeat: u32) -> Result<Duration> {
        let options = TestRunOptions { data_in: Some(frame), repeat, ..TestRunOptions::new() };
        Ok(self.program()?.test_run(options)?.duration)
    }

    /// What the verifier says of a program of the object.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn verified(&mut self) -> Result<Verified> {
        let load_time = self.load_time;
        let info: ProgramInfo = self.program()?.info()?;
        Ok(Verified {
            instructions: info.verified_instruction_count().context("kernel 5.16 or later tells")?,
            translated_bytes: info.size_translated().context("no size")?,
            jitted_bytes: info.size_jitted(),
            load_time,
        })
    }

    fn program(&mut self) -> Result<&mut Xdp> {
        Ok(self.ebpf.program_mut(self.name).context("no such program")?.try_into()?)
    }

    fn map(&mut self, name: &str) -> Result<&mut Map> {
        self.ebpf.map_mut(name).with_context(|| format!("the object has no map {name}"))
    }

    fn flows(&mut self) -> Result<HashMap<&mut MapData, FlowKey, FlowValue>> {
        Ok(self.map(pins::FLOWS)?.try_into()?)
    }

    fn counters(&mut self) -> Result<Array<&mut MapData, FlowStats>> {
        Ok(self.map(pins::STATS)?.try_into()?)
    }

    fn contexts(&mut self) -> Result<HashMap<&mut MapData, u32, SrtpContext>> {
        Ok(self.map(pins::SRTP_CONTEXTS)?.try_into()?)
    }

    fn hash_keys(&mut self) -> Result<HashMap<&mut MapData, u32, HashKey>> {
        Ok(self.map(pins::SRTP_HASH_KEYS)?.try_into()?)
    }
}
