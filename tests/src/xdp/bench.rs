//! Program time per packet.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context as _, Result, ensure};
use rtpengine_common::{
    abi::{FLOW_PT_FILTER, FLOW_SET_TOS, FLOW_SOURCE_DROP, FLOW_VLAN, FlowValue},
    srtp::{Cipher, CryptoParams, Mki, Session, SessionParams, Suite, abi::StreamState},
};

use super::{Rig, UdpFrame, flow, key, rtp};

/// Payload of G.711 at 20 ms: with the RTP header the 172 bytes that figures are quoted for.
const PAYLOAD: usize = 160;
/// Payloads with SRTP: little, G.711 at 20 ms, video.
const PAYLOADS: [usize; 3] = [20, 160, 1200];
/// Packets in a row: a few milliseconds, shorter than what else runs on the machine leaves alone.
const REPEAT: u32 = 20_000;
/// As [`REPEAT`], of packets with SRTP.
const REPEAT_SRTP: u32 = 5_000;
/// Rounds of these.
const ROUNDS_SRTP: u32 = 20;

/// One measured path through the program. Times are per packet, the harness of the kernel's test run included.
#[derive(Clone, Debug)]
pub struct Case {
    /// What the packets are.
    pub name: String,
    /// Of the best round: what the path costs where nothing disturbs it. With SRTP the harness is taken off.
    pub best: Duration,
    /// Of the middle round: what it cost on this machine at this time. Not with SRTP.
    pub median: Option<Duration>,
}

/// Measures the paths that matter in `rounds` short rounds, each path once in every round, so that a slow phase of the
/// machine meets all of them. The first case is a program that does nothing: the cost of the harness.
///
/// # Errors
/// When the program cannot be loaded or run.
pub fn measure(rounds: usize) -> Result<Vec<Case>> {
    let v4 = Path::new("192.0.2.1:30000", "198.51.100.7:4000")?;
    let v6 = Path::new("[2001:db8::1]:30000", "[2001:db8:1::7]:4000")?;
    let stranger = UdpFrame::new(v4.remote, v4.local, rtp(0, 1, 0x1122_3344, PAYLOAD));
    let mut subjects = vec![
        Subject::new("empty program", Rig::load_empty()?, vec![0; 64]),
        forwarded("IPv4", &v4, |_, _| {})?,
        forwarded("IPv6", &v6, |_, _| {})?,
        forwarded("IPv4 in a VLAN, TOS set", &v4, |frame, flow| {
            frame.tags = vec![(0x8100, 7)];
            frame.transport.tos = 0xb8;
            flow.flags |= FLOW_VLAN | FLOW_SET_TOS;
            flow.vlan = [0, 7];
            flow.tos = 0xb8;
        })?,
        Subject::new("IPv4 without a flow", Rig::load()?, stranger.bytes()),
    ];
    for _ in 0..rounds {
        for subject in &mut subjects {
            subject.times.push(subject.rig.time(&subject.frame, REPEAT)?);
        }
    }
    let mut cases: Vec<Case> = subjects.into_iter().map(Subject::finish).collect::<Result<_>>()?;
    for suite in Suite::ALL.into_iter().filter(|suite| suite.cipher() != Cipher::F8) {
        for (direction, way) in
            [("encrypted", (false, true)), ("decrypted", (true, false)), ("both", (true, true))]
        {
            for payload in PAYLOADS {
                let name = format!("{} {direction}, {payload} bytes", suite.name());
                cases.push(Case { name, best: secure(suite, way, payload)?, median: None });
            }
        }
    }
    Ok(cases)
}

/// A path with the program loaded for it.
struct Subject {
    name: &'static str,
    rig: Rig,
    frame: Vec<u8>,
    /// The program forwards the frame, and has to count it every time.
    counted: bool,
    times: Vec<Duration>,
}

impl Subject {
    fn new(name: &'static str, rig: Rig, frame: Vec<u8>) -> Self {
        Self { name, rig, frame, counted: false, times: Vec::new() }
    }

    fn finish(mut self) -> Result<Case> {
        self.times.sort_unstable();
        if self.counted {
            let (sent, packets) = (u64::from(REPEAT) * self.times.len() as u64, self.rig.stats(0)?.packets());
            ensure!(packets == sent, "{}: {packets} of {sent} packets were forwarded", self.name);
        }
        let at = |index: usize| self.times.get(index).copied().context("no rounds");
        Ok(Case { name: self.name.to_owned(), best: at(0)?, median: Some(at(self.times.len() / 2)?) })
    }
}

/// Time for a packet with SRTP, over IPv4 and without the harness. `receive`, `transmit`: whether it is decrypted and
/// encrypted, with different keys of one suite.
fn secure(suite: Suite, (receive, transmit): (bool, bool), payload: usize) -> Result<Duration> {
    let path = Path::new("192.0.2.1:30000", "198.51.100.7:4000")?;
    let mut rig = Rig::load()?;
    let session = |seed: u8| -> Result<Session> {
        let (key, salt) = ([seed; 32], [!seed; 14]);
        let (key, salt) = (&key[..suite.key_len()], &salt[..suite.salt_len()]);
        let params = CryptoParams::new(suite, key, salt, Mki::NONE, SessionParams::default())?;
        Ok(Session::new(&params))
    };
    let sessions = [session(1)?, session(2)?];
    for (number, session) in (1..).zip(&sessions) {
        rig.install_context(number, session)?;
    }
    let mut packet = rtp(0, 1, 0x1122_3344, payload);
    if receive {
        let len = packet.len();
        packet.resize(len + 16, 0);
        let len = sessions[0].protect_rtp(&mut StreamState::default(), &mut packet, len)?;
        packet.truncate(len);
    }
    let frame = UdpFrame::new(path.remote, path.local, packet);
    let mut value = flow(0, path.remote, path.remote, path.local);
    value.flags |= FLOW_SOURCE_DROP | FLOW_PT_FILTER;
    value.payload_types = [1, 0];
    (value.receive_context, value.transmit_context) = (u32::from(receive), 2 * u32::from(transmit));
    rig.install(key(path.local), value)?;
    rig.measure_changing(&frame.bytes(), &[1, 2], (REPEAT_SRTP, ROUNDS_SRTP))
}

/// Where the packets go from and to.
struct Path {
    local: SocketAddr,
    remote: SocketAddr,
}

impl Path {
    fn new(local: &str, remote: &str) -> Result<Self> {
        Ok(Self { local: local.parse().context("address")?, remote: remote.parse().context("address")? })
    }
}

/// The kernel feeds each run what the one before left behind, so the flow maps the frame to itself.
fn forwarded(
    name: &'static str,
    path: &Path,
    change: impl FnOnce(&mut UdpFrame, &mut FlowValue),
) -> Result<Subject> {
    let mut rig = Rig::load()?;
    let mut frame = UdpFrame::new(path.remote, path.local, rtp(0, 1, 0x1122_3344, PAYLOAD));
    let mut value = flow(0, path.remote, path.remote, path.local);
    value.flags |= FLOW_SOURCE_DROP | FLOW_PT_FILTER;
    value.payload_types = [1, 0];
    value.dst_mac = frame.dst_mac;
    value.src_mac = frame.src_mac;
    change(&mut frame, &mut value);
    rig.install(key(path.local), value)?;
    Ok(Subject { counted: true, ..Subject::new(name, rig, frame.bytes()) })
}
