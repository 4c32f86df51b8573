//! Two parties, an engine and a media plane that keeps books instead of sockets.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use rtpengine_core::{
    call::{ControlSource, Engine},
    config::{CoreConfig, LocalAddress, LogicalInterface},
    ice::IceClock,
    io::{
        Affinity, DtlsAssociation, DtlsCommand, DtlsIdentity, FlowCommand, FlowSpec, HeardRtcp, MediaEvent,
        MediaPlane, NoRandomness, Now, OpenError, OpenPort, Output, Path, RelayCommand, RelayStream, RtcpUse,
        StreamCounters, StreamId, TimedOut,
    },
    ng::{Command, Outcome, Reply, Request, Value},
    sdp,
};

/// Books of open sockets, their settings and their flows. Every breach of the border's contract panics.
#[derive(Default)]
pub struct FakePlane {
    pub open: BTreeMap<StreamId, OpenPort>,
    pub relay: BTreeMap<StreamId, RelayStream>,
    pub flows: BTreeMap<StreamId, FlowSpec>,
    pub busy: HashSet<SocketAddr>,
    pub broken: Option<OpenError>,
    pub no_randomness: bool,
    pub random: u64,
    pub counters: HashMap<StreamId, StreamCounters>,
    pub debugged: BTreeSet<String>,
    /// Datagrams of ICE: from, to, what.
    pub sent: Vec<(SocketAddr, SocketAddr, Vec<u8>)>,
    /// RTCP of ours: from where, what.
    pub reports: Vec<(StreamId, Vec<u8>)>,
    /// Where any were sent.
    pub reached: BTreeSet<SocketAddr>,
    /// The certificate, and what is to be done with it by stream.
    pub identity: Option<Arc<DtlsIdentity>>,
    pub dtls: BTreeMap<StreamId, DtlsAssociation>,
    pub dtls_opens: usize,
    /// Calls that a timeout has ended.
    pub timed_out: Vec<TimedOut>,
    pub heard_rtcp: Vec<HeardRtcp>,
    pub configures: usize,
    pub installs: usize,
    pub removes: usize,
}

impl MediaPlane for FakePlane {
    fn open(&mut self, port: OpenPort) -> Result<(), OpenError> {
        if let Some(error) = &self.broken {
            return Err(error.clone());
        }
        if self.busy.contains(&port.local) {
            return Err(OpenError::InUse);
        }
        assert!(!self.open.values().any(|open| open.local == port.local), "{} opened twice", port.local);
        assert!(self.open.insert(port.stream, port).is_none(), "stream id used twice");
        Ok(())
    }

    fn abandon(&mut self, stream: StreamId) {
        assert!(!self.relay.contains_key(&stream), "abandon of a configured stream");
        assert!(self.open.remove(&stream).is_some(), "abandon of an unknown stream");
    }

    fn unite(&mut self, from: Affinity, to: Affinity) {
        for port in self.open.values_mut().filter(|port| port.affinity == from) {
            port.affinity = to;
        }
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        if self.no_randomness {
            return Err(NoRandomness);
        }
        for byte in bytes {
            self.random =
                self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.random >> 56) as u8;
        }
        Ok(())
    }

    fn identity(&mut self) -> Option<Arc<DtlsIdentity>> {
        self.identity.clone()
    }

    fn counters(&self, stream: StreamId) -> StreamCounters {
        self.counters.get(&stream).cloned().unwrap_or_default()
    }
}

impl FakePlane {
    fn apply(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Relay(RelayCommand::Configure { stream, config }) => {
                    assert!(self.open.contains_key(&stream), "configure of an unknown stream");
                    assert_ne!(self.relay.get(&stream), Some(&*config), "nothing changed");
                    self.configures += 1;
                    self.relay.insert(stream, *config);
                }
                Output::Relay(RelayCommand::Send { stream, to, bytes }) => {
                    let from = self.open.get(&stream).expect("send from a closed socket").local;
                    self.reached.insert(to);
                    self.sent.push((from, to, bytes));
                }
                Output::Relay(RelayCommand::Report { stream, packet }) => {
                    let relay = self.relay.get(&stream).expect("report from an unconfigured stream");
                    assert!(relay.rtcp == RtcpUse::Consume && !relay.awaits_keys, "report without keys");
                    self.reports.push((stream, packet));
                }
                Output::Relay(RelayCommand::Close { stream }) => {
                    assert!(!self.flows.contains_key(&stream), "closed below its flow");
                    assert!(!self.dtls.contains_key(&stream), "closed below its association");
                    assert!(self.relay.remove(&stream).is_some(), "close of an unconfigured stream");
                    self.open.remove(&stream).expect("close of an open stream");
                    self.counters.remove(&stream);
                }
                Output::Flow(FlowCommand::Install(flow)) => {
                    assert!(self.relay.contains_key(&flow.stream), "flow of an unconfigured stream");
                    assert_ne!(self.flows.get(&flow.stream), Some(&*flow), "nothing changed");
                    self.installs += 1;
                    self.flows.insert(flow.stream, *flow);
                }
                Output::Flow(FlowCommand::Remove { stream }) => {
                    self.removes += 1;
                    assert!(self.flows.remove(&stream).is_some(), "remove of an unknown flow");
                }
                Output::Dtls(command) => self.dtls(command),
                Output::TimedOut(call) => self.timed_out.push(*call),
                Output::Rtcp(heard) => self.heard_rtcp.push(*heard),
                Output::Debug { call, on: true } => {
                    assert!(self.debugged.insert(call.to_string()), "debugged twice");
                }
                Output::Debug { call, on: false } => {
                    assert!(self.debugged.remove(&*call), "was not debugged");
                }
            }
        }
        for (stream, config) in &self.relay {
            let affinity = self.open[stream].affinity;
            let copies =
                config.copies.iter().flat_map(|copies| copies.sinks.iter().chain(&copies.rtcp_sinks));
            for sink in config.sinks.iter().chain(&config.rtcp_sinks).chain(copies) {
                let sink = self.open.get(sink).expect("sink that is open");
                assert_eq!(sink.affinity, affinity, "a sink of another shard");
            }
        }
        for flow in self.flows.values() {
            for output in &flow.outputs {
                assert!(self.open.contains_key(&output.stream), "output that is not open");
            }
        }
    }
}

impl FakePlane {
    fn dtls(&mut self, command: DtlsCommand) {
        match command {
            DtlsCommand::Open { stream, association } => {
                assert!(self.relay.contains_key(&stream), "association of an unconfigured stream");
                let old = self.dtls.insert(stream, *association);
                let new = &self.dtls[&stream];
                assert!(old.is_none_or(|old| old.epoch < new.epoch), "an epoch used twice");
                self.dtls_opens += 1;
            }
            DtlsCommand::Fingerprints { stream, fingerprints } => {
                let known = self.dtls.get_mut(&stream).expect("fingerprints of an open association");
                assert!(known.fingerprints.is_empty() && !fingerprints.is_empty(), "fingerprints changed");
                known.fingerprints = fingerprints;
            }
            DtlsCommand::Remote { stream, remote } => {
                let known = self.dtls.get_mut(&stream).expect("address of an open association");
                assert_ne!(known.remote.replace(remote), Some(remote), "nothing changed");
            }
            DtlsCommand::Sockets { stream, sockets } => {
                let known = self.dtls.get_mut(&stream).expect("sockets of an open association");
                assert_ne!(known.sockets, sockets, "nothing changed");
                known.sockets = sockets;
            }
            DtlsCommand::Close { stream } => {
                assert!(self.dtls.remove(&stream).is_some(), "close of an unknown association");
            }
        }
    }
}

/// The engine with its surroundings.
pub struct Pair {
    pub engine: Engine,
    pub plane: FakePlane,
    pub now: Now,
}

/// What a party reads in the SDP it gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub rtp: SocketAddr,
    pub rtcp: Option<SocketAddr>,
    pub text: String,
}

/// `10.9.0.1` on `foo`, `10.9.0.2` advertised as `10.9.8.7` on `bar`, both families on `both`, `lb:1` and `lb:2`.
pub fn config() -> CoreConfig {
    let interface = |name: &str, addresses: &[(&str, &str)]| LogicalInterface {
        name: name.to_owned(),
        addresses: addresses
            .iter()
            .map(|(address, advertised)| LocalAddress {
                address: address.parse().unwrap(),
                advertised: advertised.parse().unwrap(),
            })
            .collect(),
    };
    CoreConfig {
        interfaces: vec![
            interface("foo", &[("10.9.0.1", "10.9.0.1")]),
            interface("bar", &[("10.9.0.2", "10.9.8.7")]),
            interface("both", &[("10.9.0.3", "10.9.0.3"), ("fd00::3", "fd00::3")]),
            interface("lb:1", &[("10.9.1.1", "10.9.1.1")]),
            interface("lb:2", &[("10.9.1.2", "10.9.1.2")]),
        ],
        port_min: 40000,
        port_max: 40099,
        delete_delay: 0,
        ..CoreConfig::default()
    }
}

/// A body with one audio stream.
pub fn audio(address: &str, port: u16) -> String {
    audio_with(address, port, "")
}

/// The same with further lines (`a=...`, each ended by CRLF).
pub fn audio_with(address: &str, port: u16, lines: &str) -> String {
    let family = if address.contains(':') { "IP6" } else { "IP4" };
    format!(
        "v=0\r\no=- 1 1 IN {family} {address}\r\ns=x\r\nc=IN {family} {address}\r\nt=0 0\r\nm=audio {port} RTP/AVP 8 0 101\r\na=rtpmap:101 telephone-event/8000\r\n{lines}"
    )
}

impl Pair {
    pub fn new() -> Self {
        Self::with(config())
    }

    pub fn with(config: CoreConfig) -> Self {
        let now = Now { mono_us: 5_000_000, unix_us: 1_795_384_091_508_178 };
        let clock = IceClock::new(Instant::now(), now);
        Self { engine: Engine::new(config, 42, clock), plane: FakePlane::default(), now }
    }

    pub fn send(&mut self, request: &Request) -> Reply {
        let source = ControlSource { addr: "127.0.0.1:38921".parse().unwrap(), transport: "udp" };
        let reply = self.engine.request(self.now, &source, request, &mut self.plane);
        self.flush();
        reply
    }

    pub fn flush(&mut self) {
        let outputs = self.engine.take_outputs();
        self.plane.apply(outputs);
    }

    /// Lets time pass in steps of a second.
    pub fn wait(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.now.mono_us += 1_000_000;
            self.now.unix_us += 1_000_000;
            self.engine.handle_timers(self.now);
            self.engine.tick(self.now, &mut self.plane);
            self.flush();
        }
    }

    pub fn request(
        command: Command,
        from: &str,
        to: &str,
        body: &str,
        change: impl FnOnce(&mut Request),
    ) -> Request {
        let mut request = Request::new(command);
        request.call_id = Some("call1".to_owned());
        request.from_tag = Some(from.to_owned()).filter(|tag| !tag.is_empty());
        request.to_tag = Some(to.to_owned()).filter(|tag| !tag.is_empty());
        request.sdp = Some(body.as_bytes().to_vec()).filter(|body| !body.is_empty());
        change(&mut request);
        request
    }

    pub fn offer(&mut self, from: &str, to: &str, body: &str) -> Seen {
        self.offer_with(from, to, body, |_| {})
    }

    pub fn offer_with(
        &mut self,
        from: &str,
        to: &str,
        body: &str,
        change: impl FnOnce(&mut Request),
    ) -> Seen {
        let reply = self.send(&Self::request(Command::Offer, from, to, body, change));
        seen(&reply)
    }

    pub fn answer(&mut self, from: &str, to: &str, body: &str) -> Seen {
        self.answer_with(from, to, body, |_| {})
    }

    pub fn answer_with(
        &mut self,
        from: &str,
        to: &str,
        body: &str,
        change: impl FnOnce(&mut Request),
    ) -> Seen {
        let reply = self.send(&Self::request(Command::Answer, from, to, body, change));
        seen(&reply)
    }

    pub fn delete(&mut self, from: &str, to: &str) -> Reply {
        self.send(&Self::request(Command::Delete, from, to, "", |_| {}))
    }

    /// A call between `ft` at 192.0.2.1:2000 and `tt` at 192.0.2.2:3000: what the caller and the callee were told.
    pub fn call(&mut self) -> (Seen, Seen) {
        let callee = self.offer("ft", "", &audio("192.0.2.1", 2000));
        let caller = self.answer("ft", "tt", &audio("192.0.2.2", 3000));
        (caller, callee)
    }

    pub fn stream(&self, local: SocketAddr) -> StreamId {
        let found = self
            .plane
            .open
            .values()
            .find(|open| open.local.port() == local.port() && open.local.is_ipv4() == local.is_ipv4());
        found.map(|open| open.stream).unwrap_or_else(|| panic!("{local} is not open"))
    }

    pub fn relay(&self, seen: &Seen) -> &RelayStream {
        &self.plane.relay[&self.stream(seen.rtp)]
    }

    pub fn settle(&mut self, seen: &Seen, endpoint: &str) -> StreamId {
        let stream = self.stream(seen.rtp);
        let endpoint = endpoint.parse().unwrap();
        let epoch = self.plane.relay[&stream].epoch;
        self.engine.event(self.now, MediaEvent::EndpointSettled { stream, endpoint, epoch });
        self.flush();
        stream
    }

    pub fn path(&mut self, stream: StreamId, path: Path) {
        self.engine.event(self.now, MediaEvent::FlowPath { stream, path });
        self.flush();
    }

    /// Packets arrived on a socket just now.
    pub fn packets(&mut self, seen: &Seen, packets: u64) {
        let stream = self.stream(seen.rtp);
        let counters = self.plane.counters.entry(stream).or_default();
        counters.packets += packets;
        counters.bytes += packets * 172;
        counters.last_packet_unix_us = self.now.unix_us;
    }

    pub fn ports_used(&self) -> u32 {
        // Addresses are unique in `config`, so nothing is counted twice.
        self.engine.interfaces().map(|interface| interface.used).sum()
    }

    /// Nothing is left of anything.
    pub fn assert_empty(&self) {
        assert_eq!(self.engine.calls().count(), 0, "calls");
        assert_eq!(self.ports_used(), 0, "ports");
        assert!(self.plane.open.is_empty(), "sockets");
        assert!(self.plane.relay.is_empty(), "streams");
        assert!(self.plane.flows.is_empty(), "flows");
        assert!(self.plane.dtls.is_empty(), "associations");
    }

    pub fn open_ports(&self) -> BTreeSet<SocketAddr> {
        self.plane.open.values().map(|open| open.local).collect()
    }
}

/// Reads the reply the way its receiver would.
pub fn seen(reply: &Reply) -> Seen {
    assert_eq!(reply.outcome, Outcome::Ok, "{reply:?}");
    let text = reply.body.get("sdp").and_then(Value::as_str).expect("a body").to_owned();
    let session = sdp::parse(text.as_bytes(), sdp::ParseOptions::default()).expect("our own SDP parses");
    let media = session.medias.first().expect("a media section");
    let nowhere = SocketAddr::new(IpAddr::from([0, 0, 0, 0]), 0);
    Seen { rtp: media.endpoint().unwrap_or(nowhere), rtcp: media.rtcp_endpoint(), text: text.clone() }
}

pub fn error(reply: &Reply) -> &str {
    match &reply.outcome {
        Outcome::Error(reason) => reason,
        Outcome::Ok | Outcome::Pong | Outcome::LoadLimit(_) => panic!("no error: {reply:?}"),
    }
}
