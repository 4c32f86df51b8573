//! Caller, engine and callee in three namespaces, and a manager in the middle one.

use std::{
    net::UdpSocket,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, channel},
    },
    time::{Duration, Instant},
};

use rtpengine::relay::{Job, Preparation, SrtpStates};
use rtpengine::srtp::{Direction, SharedRow};
use rtpengine::xdp::{self, BpfRoot, Handover, OffloadConfig, OffloadHandle, StartReport, XdpError};
use rtpengine_common::abi::{MAX_SSRCS, SsrcStats};
use rtpengine_common::srtp::CryptoParams;
use rtpengine_core::io::{
    FlowCommand, FlowIdentity, FlowOutput, FlowSpec, MediaEvent, Path, SourceMismatch, StreamId,
};
use rtpengine_tests::{
    netns::Netns,
    require::{self, Need},
};
use smallvec::{SmallVec, smallvec};

/// A relay without sockets: jobs run at once. It remembers what the kernel counted, and claims to have seen
/// [`SEEN_SSRC`] before.
#[derive(Default)]
pub struct NoRelay {
    pub absorbed: Mutex<Vec<SsrcStats>>,
}

/// The relay has no keys.
struct NoKeys;

impl SrtpStates for NoKeys {
    fn share(&mut self, _: StreamId, _: Direction, _: &Arc<CryptoParams>, _: SharedRow) -> bool {
        false
    }
}

pub const SEEN_SSRC: u32 = 0x1234_5678;
/// Three times round the sequence numbers.
pub const SEEN_HIGHEST: u32 = 0x0003_0001;

impl Handover for NoRelay {
    fn handover(&self, _: StreamId, job: Job) {
        // Nothing is on its way to this relay: flows forward at once.
        drop(job(&mut NoKeys));
    }

    fn prepare(&self, _: StreamId, work: Preparation) {
        work(&mut NoKeys);
    }

    fn sources(&self, _: StreamId) -> SmallVec<[(u32, u32); MAX_SSRCS]> {
        smallvec![(SEEN_SSRC, SEEN_HIGHEST)]
    }

    fn absorb(&self, _: StreamId, sources: &[SsrcStats]) {
        self.absorbed.lock().unwrap().extend_from_slice(sources);
    }
}

pub const WAIT: Duration = Duration::from_secs(15);
pub const CALLER: &str = "10.77.1.2:4000";
pub const ENGINE_A: &str = "10.77.1.1:30000";
pub const ENGINE_B: &str = "10.77.2.1:30002";
pub const CALLEE: &str = "10.77.2.2:5000";

/// A folder for pins, removed with all pins at the end.
pub struct TestRoot(pub PathBuf);

impl TestRoot {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let serial = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(PathBuf::from(format!("/sys/fs/bpf/rtpengine-test-{}-{serial}", std::process::id())))
    }

    /// Names of what is pinned at the top: tables and namespaces.
    pub fn entries(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.0) else { return Vec::new() };
        let mut names: Vec<_> =
            entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for TestRoot {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub struct World {
    pub root: TestRoot,
    pub caller: Netns,
    pub engine: Netns,
    pub callee: Netns,
}

impl World {
    /// `None` where the tests cannot run, which was said then.
    pub fn new() -> Option<Self> {
        if !require::available(&[Need::Root, Need::Iproute, Need::BpfFs]) {
            return None;
        }
        let caller = Netns::new("caller").unwrap();
        let engine = Netns::new("engine").unwrap();
        let callee = Netns::new("callee").unwrap();
        engine.veth("ea", &caller, "ca").unwrap();
        engine.veth("eb", &callee, "cb").unwrap();
        engine.ip(&["addr add 10.77.1.1/24 dev ea", "addr add 10.77.2.1/24 dev eb"]).unwrap();
        caller.ip(&["addr add 10.77.1.2/24 dev ca"]).unwrap();
        callee.ip(&["addr add 10.77.2.2/24 dev cb"]).unwrap();
        Some(Self { root: TestRoot::new(), caller, engine, callee })
    }

    pub fn config(&self, table: i64) -> OffloadConfig {
        let addresses = [ENGINE_A, ENGINE_B].map(|a| a.parse::<std::net::SocketAddr>().unwrap().ip());
        OffloadConfig {
            root: BpfRoot::new(&self.root.0),
            no_fallback: true,
            ..OffloadConfig::new(table, addresses.to_vec())
        }
    }

    /// Where the maps of the engine's namespace are pinned.
    pub fn net(&self) -> PathBuf {
        let inode = self.engine.run(|| xdp::bpffs::own_net().unwrap()).unwrap();
        BpfRoot::new(&self.root.0).net_of(inode)
    }

    pub fn start(&self, table: i64) -> Manager {
        self.try_start(self.config(table)).unwrap()
    }

    pub fn try_start(&self, config: OffloadConfig) -> Result<Manager, XdpError> {
        self.try_start_with(config, Arc::default())
    }

    pub fn try_start_with<R: Handover + 'static>(
        &self,
        config: OffloadConfig,
        relay: Arc<R>,
    ) -> Result<Manager<R>, XdpError> {
        let (sender, events) = channel();
        let handover = Arc::clone(&relay);
        let started = self
            .engine
            .run(|| {
                xdp::start(config, handover, move |event| {
                    let _ = sender.send(event);
                })
            })
            .unwrap();
        started.map(|(handle, report)| Manager { handle, report, events, relay })
    }

    pub fn caller_socket(&self) -> UdpSocket {
        socket(&self.caller, CALLER)
    }

    pub fn callee_socket(&self) -> UdpSocket {
        socket(&self.callee, CALLEE)
    }

    pub fn engine_socket(&self, address: &str) -> UdpSocket {
        socket(&self.engine, address)
    }
}

pub fn socket(namespace: &Netns, address: &str) -> UdpSocket {
    let socket = namespace.run(|| UdpSocket::bind(address).unwrap()).unwrap();
    socket.set_read_timeout(Some(WAIT)).unwrap();
    socket
}

pub struct Manager<R = NoRelay> {
    pub handle: OffloadHandle,
    pub report: StartReport,
    pub events: Receiver<MediaEvent>,
    pub relay: Arc<R>,
}

impl<R> Manager<R> {
    pub fn install(&self, spec: FlowSpec) {
        self.handle.command(FlowCommand::Install(Box::new(spec)));
    }

    /// Waits until the stream is reported on `wanted`; other reports on the way are passed over.
    pub fn wait_for(&self, stream: StreamId, wanted: Path) {
        let end = Instant::now() + WAIT;
        let mut seen = Vec::new();
        while let Ok(event) = self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if event == (MediaEvent::FlowPath { stream, path: wanted }) {
                return;
            }
            seen.push(event);
        }
        panic!(
            "stream {stream:?} never came to {wanted:?}; seen: {seen:?}, status: {:?}",
            self.handle.status()
        );
    }

    /// Waits until a condition on the manager holds that no event tells.
    pub fn wait_until(&self, what: &str, condition: impl Fn(&OffloadHandle) -> bool) {
        wait_until(what, || condition(&self.handle));
    }
}

pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + WAIT;
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

pub const FORWARD: StreamId = StreamId(1);
pub const SINK: StreamId = StreamId(2);

/// Caller to callee.
pub fn forward() -> FlowSpec {
    FlowSpec {
        stream: FORWARD,
        keyring: FORWARD,
        local: ENGINE_A.parse().unwrap(),
        rtcp_mux: false,
        source: CALLER.parse().unwrap(),
        mismatch: SourceMismatch::Punt,
        outputs: smallvec![FlowOutput {
            stream: SINK,
            keyring: SINK,
            from: ENGINE_B.parse().unwrap(),
            to: CALLEE.parse().unwrap(),
            tos: None,
            crypto: None,
            restraint: Default::default(),
            turned_ssrc: None,
        }],
        crypto: None,
        inherits_keys: false,
        payload_types: smallvec![0],
        debug: false,
        identity: Box::new(FlowIdentity {
            call_id: "offload-test".into(),
            tag: "from".into(),
            peer_tag: "to".into(),
            interface: "default".into(),
            peer_interface: "default".into(),
            ..FlowIdentity::default()
        }),
    }
}

/// An RTP packet with 20 bytes of payload.
pub fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 0];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
    packet.extend_from_slice(&SEEN_SSRC.to_be_bytes());
    packet.extend_from_slice(&[0x5a; 20]);
    packet
}

/// Sends `count` packets and asserts that each arrives as sent, from the engine's other address.
pub fn assert_forwarded(from: &UdpSocket, to: &UdpSocket, first: u16, count: u16) {
    for sequence in first..first + count {
        from.send_to(&rtp(sequence), ENGINE_A).unwrap();
        let mut buffer = [0; 2048];
        let (length, source) = to.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..length], rtp(sequence));
        assert_eq!(source, ENGINE_B.parse().unwrap());
    }
}
