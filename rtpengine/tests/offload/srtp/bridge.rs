//! A relay with sockets in the engine's namespace, a manager, and parties that speak SRTP by the reference implementation.

use std::{
    net::{SocketAddr, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::Arc,
};

use rtpengine::relay::{RelayConfig, RelayHandle, RelayPool};
use rtpengine::xdp::sys::{Map, Plain, open_pin};
use rtpengine_common::srtp::{CryptoParams, abi::SrtpContext};
use rtpengine_common::{
    abi::{FlowKey, FlowValue},
    pins,
};
use rtpengine_core::io::{
    Affinity, Component, FlowCommand, FlowSpec, OpenPort, Path, RelayCommand, RelayStream, StreamId,
};

use crate::{
    relay_support::{secure::Crypto, settings},
    world::{
        CALLEE, CALLER, ENGINE_A, ENGINE_B, FORWARD, Manager, SEEN_SSRC, SINK, World, forward, wait_until,
    },
};

/// What the caller encrypts with, and what the callee decrypts with.
pub type Keys = (Option<Arc<CryptoParams>>, Option<Arc<CryptoParams>>);

pub struct Bridge {
    pub world: World,
    pub manager: Manager<RelayHandle>,
    pub pool: RelayPool,
    pub relay: RelayHandle,
    pub keys: Keys,
    pub caller: UdpSocket,
    pub callee: UdpSocket,
    pub outgoing: Crypto,
    pub incoming: Crypto,
    /// Where packets for the callee come from.
    pub engine_b: SocketAddr,
}

impl Bridge {
    /// `None` where the tests cannot run, which was said then.
    pub fn new(keys: Keys) -> Option<Self> {
        let world = World::new()?;
        let (caller, callee) = (world.caller_socket(), world.callee_socket());
        let outgoing = Crypto::new(keys.0.as_deref());
        let incoming = Crypto::new(keys.1.as_deref());
        let (manager, pool) = daemon(&world);
        let relay = pool.handle();
        let engine_b = ENGINE_B.parse().unwrap();
        let bridge = Self { world, manager, pool, relay, keys, caller, callee, outgoing, incoming, engine_b };
        bridge.configure();
        Some(bridge)
    }

    /// The daemon is gone without a word, and another one comes.
    pub fn restart(self) -> Self {
        let Self { world, manager, pool, keys, caller, callee, outgoing, incoming, engine_b, .. } = self;
        manager.handle.detach();
        pool.shutdown().unwrap();
        let (manager, pool) = daemon(&world);
        let relay = pool.handle();
        Self { world, manager, pool, relay, keys, caller, callee, outgoing, incoming, engine_b }
    }

    /// Tells the relay what the keys are.
    pub fn configure(&self) {
        let (receive, transmit) = &self.keys;
        let to = |party: &str| RelayStream {
            endpoint_settled: true,
            ..settings(Component::Rtp, Some(party.parse().unwrap()), &[])
        };
        let near = RelayStream {
            sinks: [SINK].into(),
            keyring: FORWARD,
            receive_crypto: receive.clone(),
            ..to(CALLER)
        };
        let far = RelayStream {
            sinks: [FORWARD].into(),
            keyring: SINK,
            transmit_crypto: transmit.clone(),
            ..to(CALLEE)
        };
        for (stream, config) in [(FORWARD, near), (SINK, far)] {
            self.relay.command(RelayCommand::Configure { stream, config: Box::new(config) });
        }
    }

    /// The flow with the keys.
    pub fn spec(&self) -> FlowSpec {
        let mut spec = forward();
        spec.payload_types.clear();
        spec.crypto.clone_from(&self.keys.0);
        spec.outputs[0].crypto.clone_from(&self.keys.1);
        spec
    }

    pub fn offload(&self) {
        self.manager.install(self.spec());
        self.manager.wait_for(FORWARD, Path::Kernel);
    }

    pub fn withdraw(&self) {
        self.manager.handle.command(FlowCommand::Remove { stream: FORWARD });
        self.manager.wait_until("the removal", |_| self.flow().is_none());
    }

    pub fn send(&mut self, packet: &[u8]) {
        let sealed = self.outgoing.protect(packet);
        self.caller.send_to(&sealed, ENGINE_A).unwrap();
    }

    /// The next packet, which must be authentic.
    pub fn receive(&mut self) -> Vec<u8> {
        let mut buffer = [0; 2048];
        let (length, source) = self.callee.recv_from(&mut buffer).unwrap();
        assert_eq!(source, self.engine_b);
        self.incoming.unprotect(&buffer[..length]).unwrap()
    }

    pub fn assert_forwarded(&mut self, sequences: impl IntoIterator<Item = u16>) {
        for sequence in sequences {
            let packet = crate::world::rtp(sequence);
            self.send(&packet);
            assert_eq!(self.receive(), packet, "{sequence}");
        }
    }

    /// Packets that the kernel forwarded.
    pub fn kernel_packets(&self) -> u64 {
        self.manager.handle.counters(FORWARD).packets
    }

    /// Sends until the flow has settled, and says what comes next.
    pub fn settle(&mut self, mut sequence: u16) -> u16 {
        let before = self.kernel_packets();
        while self.kernel_packets() == before {
            self.assert_forwarded([sequence]);
            sequence = sequence.wrapping_add(1);
        }
        sequence
    }

    pub fn net(&self) -> PathBuf {
        let net = self.world.engine.run(|| rtpengine::xdp::bpffs::own_net().unwrap()).unwrap();
        rtpengine::xdp::BpfRoot::new(&self.world.root.0).net_of(net)
    }

    pub fn flow(&self) -> Option<FlowValue> {
        let key = rtpengine::xdp::flow::key(ENGINE_A.parse().unwrap());
        map::<FlowKey, _>(self.net().join(pins::FLOWS)).get(&key).unwrap()
    }

    /// Numbers of the contexts that have keys.
    pub fn contexts(&self) -> Vec<u32> {
        let mut numbers = map::<u32, SrtpContext>(self.folder().join(pins::SRTP_CONTEXTS)).keys().unwrap();
        numbers.sort_unstable();
        numbers
    }

    pub fn folder(&self) -> PathBuf {
        rtpengine::xdp::srtp::folder(&self.net())
    }

    pub fn wait_for_contexts(&self, what: &str, expected: impl Fn(&[u32]) -> bool) {
        wait_until(what, || expected(&self.contexts()));
    }

    pub fn shutdown(self) {
        let Self { world, manager, pool, .. } = self;
        pool.shutdown().unwrap();
        manager.handle.shutdown();
        assert!(world.root.entries().is_empty(), "{:?}", world.root.entries());
    }
}

fn daemon(world: &World) -> (Manager<RelayHandle>, RelayPool) {
    let pool = RelayPool::start(RelayConfig { threads: 1, ..RelayConfig::default() }, |_| {}).unwrap();
    let relay = pool.handle();
    let open = |stream: StreamId, local: &str| {
        let port = OpenPort { stream, local: local.parse().unwrap(), affinity: Affinity(1) };
        world.engine.run(|| relay.open(port).unwrap()).unwrap();
    };
    open(FORWARD, ENGINE_A);
    open(SINK, ENGINE_B);
    let manager = world.try_start_with(world.config(1), Arc::new(relay)).unwrap();
    (manager, pool)
}

pub fn map<K: Plain, V: Plain>(path: PathBuf) -> Map<K, V> {
    Map::new(open_pin(&path).unwrap()).unwrap()
}

/// Mode of a file without its type.
pub fn mode(path: PathBuf) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A packet of the caller by another source.
pub fn by(ssrc: u32, sequence: u16) -> Vec<u8> {
    let mut packet = crate::world::rtp(sequence);
    assert_eq!(packet[8..12], SEEN_SSRC.to_be_bytes());
    packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
    packet
}
