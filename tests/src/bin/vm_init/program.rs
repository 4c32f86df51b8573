//! The loaded program with one flow, and the checks that run crafted packets through it.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{Array, HashMap, MapData};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use rtpengine_common::abi::{FLOW_ACTIVE, FLOW_OUT_V6, FlowKey, FlowStats, FlowValue};
use rtpengine_common::pins::{FLOWS, PROGRAM, STATS};

use crate::frame::{self, Wanted};

/// XDP actions (`include/uapi/linux/bpf.h`).
const XDP_PASS: u32 = 2;
const XDP_TX: u32 = 3;

/// MAC addresses of frames that arrive: destination, source.
pub const MACS_IN: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
/// MAC addresses of frames that leave.
pub const MACS_OUT: ([u8; 6], [u8; 6]) = ([2, 0, 0, 0, 0, 3], [2, 0, 0, 0, 0, 4]);

/// A path through the engine.
#[derive(Clone, Copy)]
pub struct Path {
    /// Where packets come from.
    pub remote: SocketAddr,
    /// Where they arrive.
    pub local: SocketAddr,
    /// Where they leave from.
    pub out: SocketAddr,
    /// Where they go.
    pub peer: SocketAddr,
}

/// The path over IPv4 or IPv6.
pub fn path(v6: bool) -> Path {
    let at = |host: u8, port: u16| {
        let address = if v6 {
            IpAddr::from([0xfd77, 0, 0, 0, 0, 0, 0, u16::from(host)])
        } else {
            [10, 77, 0, host].into()
        };
        SocketAddr::new(address, port)
    };
    Path { remote: at(2, 4000), local: at(1, 30_000), out: at(1, 30_002), peer: at(3, 5000) }
}

/// An RTP packet with 160 bytes of payload.
pub fn rtp() -> Vec<u8> {
    let mut packet = vec![0x80, 8, 0xff, 0xff, 0, 0, 1, 0, 0xde, 0xad, 0xbe, 0xef];
    packet.extend(0..160);
    packet
}

/// The object in the kernel.
pub struct Program {
    ebpf: Ebpf,
    stats: Array<MapData, FlowStats>,
    /// Instructions the verifier went through.
    pub verified_instructions: u32,
    /// How long verification and translation took.
    pub load_time: Duration,
}

impl Program {
    /// Loads the object and installs one flow for each IP family.
    pub fn load(object: &[u8]) -> Result<Self> {
        let mut ebpf = EbpfLoader::new().load(object).context("load the object's maps")?;
        let start = Instant::now();
        xdp(&mut ebpf)?.load().context("load the program")?;
        let load_time = start.elapsed();
        let verified_instructions = xdp(&mut ebpf)?.info()?.verified_instruction_count().unwrap_or(0);
        let map = |ebpf: &mut Ebpf, name: &str| ebpf.take_map(name).with_context(|| format!("no map {name}"));
        let mut flows: HashMap<_, FlowKey, FlowValue> = HashMap::try_from(map(&mut ebpf, FLOWS)?)?;
        for (slot, v6) in [(0, false), (1, true)] {
            let (key, value) = flow(path(v6), slot);
            flows.insert(key, value, 0).context("install a flow")?;
        }
        let stats = Array::try_from(map(&mut ebpf, STATS)?)?;
        Ok(Self { ebpf, stats, verified_instructions, load_time })
    }

    /// The program.
    pub fn xdp(&mut self) -> Result<&mut Xdp> {
        xdp(&mut self.ebpf)
    }

    /// Packets forwarded over IPv4 or IPv6 so far.
    pub fn forwarded(&self, v6: bool) -> Result<u64> {
        Ok(self.stats.get(&u32::from(v6), 0)?.packets())
    }

    /// Runs one frame through the program: action and frame afterwards.
    fn run(&mut self, frame: &[u8]) -> Result<(u32, Vec<u8>)> {
        let mut out = vec![0; frame.len() + 256];
        let options =
            TestRunOptions { data_in: Some(frame), data_out: Some(&mut out), ..TestRunOptions::new() };
        let result = self.xdp()?.test_run(options)?;
        out.truncate(usize::try_from(result.data_size_out)?);
        Ok((result.return_value, out))
    }
}

fn xdp(ebpf: &mut Ebpf) -> Result<&mut Xdp> {
    Ok(ebpf.program_mut(PROGRAM).with_context(|| format!("no program {PROGRAM}"))?.try_into()?)
}

fn flow(path: Path, slot: u32) -> (FlowKey, FlowValue) {
    let mapped = |address: IpAddr| match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    };
    let key = FlowKey {
        addr: mapped(path.local.ip()),
        port: path.local.port().to_be_bytes(),
        ..FlowKey::default()
    };
    let value = FlowValue {
        flags: FLOW_ACTIVE | if path.out.is_ipv6() { FLOW_OUT_V6 } else { 0 },
        slot,
        mtu: 1500,
        src_addr: mapped(path.out.ip()),
        dst_addr: mapped(path.peer.ip()),
        src_port: path.out.port().to_be_bytes(),
        dst_port: path.peer.port().to_be_bytes(),
        dst_mac: MACS_OUT.0,
        src_mac: MACS_OUT.1,
        ..FlowValue::default()
    };
    (key, value)
}

/// A check and its name.
pub type Test = (&'static str, fn(&mut Program) -> Result<()>);

/// Checks by test run.
pub const TESTS: &[Test] = &[
    ("RTP over IPv4 is forwarded", |program| forwards(program, false, None)),
    ("RTP over IPv6 is forwarded", |program| forwards(program, true, None)),
    ("a VLAN tag is taken off", |program| forwards(program, false, Some(7))),
    ("a packet for another port goes up", other_port_goes_up),
    ("STUN goes up", |program| {
        goes_up(program, &[0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
    }),
    ("DTLS goes up", |program| goes_up(program, &[22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0])),
    ("RTP of another version goes up", |program| goes_up(program, &[0x40; 40])),
    ("no truncated frame is forwarded", truncated_frames_stay),
];

fn forwards(program: &mut Program, v6: bool, vlan: Option<u16>) -> Result<()> {
    let path = path(v6);
    let rtp = rtp();
    let before = program.forwarded(v6)?;
    let (action, out) = program.run(&frame::build(MACS_IN, vlan, path.remote, path.local, &rtp)?)?;
    ensure!(action == XDP_TX, "action {action}");
    frame::check(&out, &Wanted { macs: MACS_OUT, from: path.out, to: path.peer, payload: &rtp })?;
    ensure!(program.forwarded(v6)? == before + 1, "the flow's counter");
    Ok(())
}

fn other_port_goes_up(program: &mut Program) -> Result<()> {
    let mut local = path(false).local;
    local.set_port(30_001);
    let frame = frame::build(MACS_IN, None, path(false).remote, local, &rtp())?;
    unchanged(program, &frame)
}

fn goes_up(program: &mut Program, payload: &[u8]) -> Result<()> {
    let path = path(false);
    let frame = frame::build(MACS_IN, None, path.remote, path.local, payload)?;
    unchanged(program, &frame)
}

fn unchanged(program: &mut Program, frame: &[u8]) -> Result<()> {
    let (action, out) = program.run(frame)?;
    ensure!(action == XDP_PASS, "action {action}");
    ensure!(out == frame, "the frame was changed");
    Ok(())
}

fn truncated_frames_stay(program: &mut Program) -> Result<()> {
    for v6 in [false, true] {
        let path = path(v6);
        let whole = frame::build(MACS_IN, None, path.remote, path.local, &rtp())?;
        for length in frame::ETHERNET..whole.len() {
            let (action, _) = program.run(&whole[..length])?;
            ensure!(action == XDP_PASS, "action {action} for {length} of {} bytes", whole.len());
        }
    }
    Ok(())
}
