//! Two parties on loopback with a relay between them, a clock the test moves, and events it can wait for.
#![allow(dead_code, reason = "each test file uses a part of the helpers")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests: a failed expectation is a failed test"
)]

pub mod secure;

use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use rtpengine::relay::{RelayConfig, RelayCounters, RelayHandle, RelayPool, SrtpStates};
use rtpengine_core::io::{
    Affinity, Component, Learning, MediaEvent, Now, OpenPort, RelayCommand, RelayStream, SourcePolicy,
    StreamId,
};

/// How long something that must happen is waited for.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A relay whose clock stands still unless the test moves it.
pub struct Relay {
    pub handle: RelayHandle,
    pub clock_us: Arc<AtomicU64>,
    pub events: mpsc::Receiver<MediaEvent>,
    pool: Option<RelayPool>,
    next: u64,
    pub affinity: Affinity,
}

/// One socket of the relay.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    pub stream: StreamId,
    pub local: SocketAddr,
}

impl Relay {
    pub fn start() -> Self {
        let clock_us = Arc::new(AtomicU64::new(1_000_000));
        let (sender, events) = mpsc::channel();
        let time = clock_us.clone();
        let config = RelayConfig {
            threads: 2,
            clock: Arc::new(move || {
                let mono_us = time.load(Ordering::SeqCst);
                Now { mono_us, unix_us: 1_700_000_000_000_000 + mono_us }
            }),
            ..RelayConfig::default()
        };
        let pool = RelayPool::start(config, move |event| {
            let _ = sender.send(event);
        })
        .expect("relay starts");
        Self { handle: pool.handle(), clock_us, events, pool: Some(pool), next: 1, affinity: Affinity(7) }
    }

    /// Opens a socket on a free loopback port, for the call of [`Self::affinity`].
    pub fn open(&mut self) -> Port {
        self.open_on("127.0.0.1:0")
    }

    pub fn open_on(&mut self, address: &str) -> Port {
        for _ in 0..50 {
            let probe = UdpSocket::bind(address).expect("free port");
            let local = probe.local_addr().expect("address");
            drop(probe);
            let stream = StreamId(self.next);
            self.next += 1;
            if self.handle.open(OpenPort { stream, local, affinity: self.affinity }).is_ok() {
                return Port { stream, local };
            }
        }
        panic!("no free port");
    }

    pub fn configure(&self, port: Port, config: RelayStream) {
        self.handle.command(RelayCommand::Configure { stream: port.stream, config: Box::new(config) });
    }

    pub fn advance(&self, by: Duration) {
        self.clock_us.fetch_add(by.as_micros() as u64, Ordering::SeqCst);
    }

    /// Waits until everything handed over so far is executed.
    pub fn settle(&self, port: Port) {
        let (done, executed) = mpsc::channel();
        let job = move |_: &mut dyn SrtpStates| {
            done.send(()).expect("test waits");
            None
        };
        self.handle.handover(port.stream, Box::new(job));
        executed.recv_timeout(PATIENCE).expect("commands are executed");
    }

    /// Holds up the thread of a socket until the returned sender is dropped.
    pub fn hold_up(&self, port: Port) -> mpsc::Sender<()> {
        let (resume, wait) = mpsc::channel::<()>();
        let (started, running) = mpsc::channel();
        let job = move |_: &mut dyn SrtpStates| {
            started.send(()).expect("test waits");
            // Ends with an error once the sender is dropped.
            let _ = wait.recv();
            None
        };
        self.handle.handover(port.stream, Box::new(job));
        running.recv_timeout(PATIENCE).expect("the job runs");
        resume
    }

    pub fn counters(&self, port: Port) -> RelayCounters {
        self.handle.counters(port.stream).expect("stream is open")
    }

    /// Waits until the counters fulfil a condition.
    pub fn wait(&self, port: Port, what: impl Fn(&RelayCounters) -> bool) -> RelayCounters {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let counters = self.counters(port);
            if what(&counters) {
                return counters;
            }
            assert!(Instant::now() < deadline, "still {counters:?}");
            std::thread::yield_now();
        }
    }

    pub fn event(&self) -> MediaEvent {
        self.events.recv_timeout(PATIENCE).expect("an event")
    }

    pub fn no_event(&self) {
        assert_eq!(self.events.try_recv().ok(), None);
    }

    pub fn shutdown(&mut self) {
        self.pool.take().expect("running").shutdown().expect("threads end");
    }
}

/// Settings of a plain audio stream.
pub fn settings(component: Component, endpoint: Option<SocketAddr>, sinks: &[Port]) -> RelayStream {
    let sinks: Vec<_> = sinks.iter().map(|port| port.stream).collect();
    RelayStream {
        component,
        endpoint,
        endpoint_settled: false,
        epoch: 0,
        learning: Learning::Immediate,
        source_policy: SourcePolicy::Accept,
        sinks: sinks.clone().into(),
        rtcp_sinks: sinks.into(),
        discard: None,
        keyring: StreamId(0),
        handling: Default::default(),
        filter: None,
        copies: None,
        bundle: None,
        receive_crypto: None,
        transmit_crypto: None,
        ice: Default::default(),
        ice_chosen: false,
        vouched: Default::default(),
        awaits_keys: false,
        passes_dtls: false,
        rtcp: Default::default(),
        tos: None,
        clock_rates: Default::default(),
        call: "test".into(),
    }
}

/// A remote party.
pub struct Party {
    pub socket: UdpSocket,
    pub address: SocketAddr,
}

impl Party {
    pub fn new() -> Self {
        Self::on("127.0.0.1:0")
    }

    pub fn on(address: &str) -> Self {
        let socket = UdpSocket::bind(address).expect("bind");
        socket.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let address = socket.local_addr().expect("address");
        Self { socket, address }
    }

    pub fn send(&self, port: Port, packet: &[u8]) {
        self.socket.send_to(packet, port.local).expect("send");
    }

    /// The next datagram and its source.
    pub fn receive(&self) -> (Vec<u8>, SocketAddr) {
        let mut buffer = vec![0; 65_536];
        let (length, source) = self.socket.recv_from(&mut buffer).expect("a datagram");
        buffer.truncate(length);
        (buffer, source)
    }

    /// Throws away everything that waits. Only meaningful once the relay has finished its work.
    pub fn discard(&self) {
        self.socket.set_nonblocking(true).expect("nonblocking");
        while self.socket.recv_from(&mut [0; 2048]).is_ok() {}
        self.socket.set_nonblocking(false).expect("blocking");
    }

    /// Nothing is waiting. Only meaningful once the relay has finished its work.
    pub fn receives_nothing(&self) {
        self.socket.set_nonblocking(true).expect("nonblocking");
        let mut buffer = [0; 2048];
        let result = self.socket.recv_from(&mut buffer);
        assert!(result.is_err(), "unexpected {result:?}");
        self.socket.set_nonblocking(false).expect("blocking");
    }
}

/// 20 ms of PCMA.
pub fn rtp(sequence: u16) -> Vec<u8> {
    let mut packet = vec![0x80, 8];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(&(u32::from(sequence) * 160).to_be_bytes());
    packet.extend_from_slice(&0xcafe_f00d_u32.to_be_bytes());
    packet.extend((0..160u16).map(|n| (n ^ sequence) as u8));
    packet
}

/// An empty receiver report.
pub fn rtcp() -> Vec<u8> {
    vec![0x80, 201, 0, 1, 0xca, 0xfe, 0xf0, 0x0d]
}

/// Two sockets, each forwarding to the other's party.
pub struct Pair {
    pub relay: Relay,
    pub caller: Party,
    pub callee: Party,
    /// Where the caller sends to.
    pub near: Port,
    /// Where the callee sends to.
    pub far: Port,
}

impl Pair {
    /// Parties reachable where they said; the caller's settings are changed by `adapt`.
    pub fn new(adapt: impl FnOnce(&mut RelayStream)) -> Self {
        let mut relay = Relay::start();
        let (caller, callee) = (Party::new(), Party::new());
        let (near, far) = (relay.open(), relay.open());
        let mut config = settings(Component::Rtp, Some(caller.address), &[far]);
        adapt(&mut config);
        relay.configure(near, config);
        let mut other = settings(Component::Rtp, Some(callee.address), &[near]);
        other.endpoint_settled = true;
        relay.configure(far, other);
        relay.settle(far);
        Self { relay, caller, callee, near, far }
    }

    /// Holds up the relay thread until the returned sender is dropped.
    pub fn hold_up(&self) -> mpsc::Sender<()> {
        self.relay.hold_up(self.near)
    }

    /// The packet sent by the callee reaches this party.
    pub fn callee_reaches(&self, party: &Party, sequence: u16) {
        self.callee.send(self.far, &rtp(sequence));
        assert_eq!(party.receive(), (rtp(sequence), self.near.local));
    }
}
