//! The media plane as the core sees it: relay threads, offload manager and DTLS behind one trait.

use std::sync::Arc;
use std::time::Duration;

use rtpengine_core::io::{
    Affinity, DtlsIdentity, FlowCommand, MediaPlane, NoRandomness, OpenError, OpenPort, Output, RelayCommand,
    SsrcCounters, StreamCounters, StreamId,
};
use rtpengine_core::ng::statistics::Figures;
use smallvec::SmallVec;

use super::dtls::Dtls;
use crate::callback::Callback;
use crate::export::Capture;
use crate::logging::LogLevels;
use crate::relay::{RelayHandle, system_clock};
use crate::xdp::{KernelCounters, OffloadHandle};

/// Longest time a reply is held back for a change in the kernel. It takes some 0.1 ms, unless routes are looked up anew for
/// thousands of flows at that moment.
const LONGEST_CHANGE: Duration = Duration::from_millis(20);

/// Relay, kernel table and DTLS together.
#[derive(Clone)]
pub struct Plane {
    relay: RelayHandle,
    offload: Arc<OffloadHandle>,
    dtls: Arc<Dtls>,
    levels: LogLevels,
    callback: Callback,
    capture: Capture,
}

impl Plane {
    /// Puts its parts together. `levels` learns which calls are to be logged in full, `callback` which a timeout has ended,
    /// `capture` what parties report by RTCP.
    #[must_use]
    pub fn new(
        relay: RelayHandle,
        offload: Arc<OffloadHandle>,
        dtls: Arc<Dtls>,
        levels: LogLevels,
        callback: Callback,
        capture: Capture,
    ) -> Self {
        Self { relay, offload, dtls, levels, callback, capture }
    }

    /// DTLS of all streams.
    #[must_use]
    pub fn dtls(&self) -> &Dtls {
        &self.dtls
    }

    /// Carries out what the core decided, in its order. A change of what the kernel does with a call that goes on has taken
    /// effect afterwards: once a party reads in a reply that media goes elsewhere, none goes where it did.
    pub fn execute(&self, outputs: Vec<Output>) {
        let mut changed: SmallVec<[StreamId; 4]> = SmallVec::new();
        for output in outputs {
            match output {
                Output::Relay(RelayCommand::Close { stream }) => {
                    self.relay.command(RelayCommand::Close { stream });
                    self.offload.forget(stream);
                    changed.retain(|changed| *changed != stream);
                }
                Output::Relay(
                    command @ (RelayCommand::Configure { .. }
                    | RelayCommand::Send { .. }
                    | RelayCommand::Report { .. }),
                ) => self.relay.command(command),
                Output::Flow(command) => {
                    let stream = match &command {
                        FlowCommand::Install(spec) => spec.stream,
                        FlowCommand::Remove { stream } => *stream,
                    };
                    if self.offload.has_flow(stream) {
                        changed.push(stream);
                    }
                    self.offload.command(command);
                }
                Output::Dtls(command) => self.dtls.command(command),
                Output::TimedOut(call) => self.callback.report(*call),
                Output::Rtcp(heard) => self.capture.report(heard),
                Output::Debug { call, on } => self.levels.set_call_debug(&call, on),
            }
        }
        if !changed.is_empty() {
            self.offload.wait(LONGEST_CHANGE);
        }
    }

    /// Has the relay do what it has put off: sockets of ended calls are closed by now.
    pub fn flush(&self) {
        self.relay.flush();
    }
}

impl MediaPlane for Plane {
    fn open(&mut self, port: OpenPort) -> Result<(), OpenError> {
        self.relay.open(port)
    }

    fn abandon(&mut self, stream: StreamId) {
        self.relay.abandon(stream);
    }

    fn unite(&mut self, from: Affinity, to: Affinity) {
        self.relay.unite(from, to);
    }

    fn random(&mut self, bytes: &mut [u8]) -> Result<(), NoRandomness> {
        openssl::rand::rand_priv_bytes(bytes).map_err(|error| {
            tracing::error!(target: "crypto", "no random numbers for keys: {error}");
            NoRandomness
        })
    }

    fn identity(&mut self) -> Option<Arc<DtlsIdentity>> {
        self.dtls.identity()
    }

    fn figures(&self) -> Vec<Figures> {
        vec![Figures { name: "dtlsstatistics", counts: self.dtls.statistics().figures() }]
    }

    fn counters(&self, stream: StreamId) -> StreamCounters {
        let mut counters = self.relay.counters(stream).map(|counters| counters.stream).unwrap_or_default();
        merge(&mut counters, &self.offload.counters(stream));
        counters
    }
}

/// Adds the kernel's share to what userspace counted.
fn merge(counters: &mut StreamCounters, kernel: &KernelCounters) {
    counters.packets += kernel.packets;
    counters.bytes += kernel.bytes;
    counters.packets_out += kernel.packets_out;
    counters.bytes_out += kernel.bytes_out;
    counters.errors += kernel.dropped;
    counters.kernel_packets = kernel.packets;
    counters.kernel_bytes = kernel.bytes;
    if kernel.last_seen_ns > 0 {
        let now = system_clock();
        let age_us = now.mono_us.saturating_sub(kernel.last_seen_ns / 1000);
        counters.last_packet_unix_us = counters.last_packet_unix_us.max(now.unix_us.saturating_sub(age_us));
    }
    let last_mono_us = kernel.last_seen_ns / 1000;
    for ssrc in &kernel.ssrcs {
        match counters.ssrcs.iter_mut().find(|known| known.ssrc == ssrc.ssrc) {
            Some(known) => {
                known.packets += ssrc.packets;
                known.bytes += ssrc.bytes;
                known.highest_seq = known.highest_seq.max(ssrc.highest_seq);
                if last_mono_us > known.last_mono_us {
                    (known.last_mono_us, known.last_timestamp) = (last_mono_us, ssrc.last_timestamp);
                }
            }
            None => counters.ssrcs.push(SsrcCounters {
                ssrc: ssrc.ssrc,
                payload_type: u8::try_from(ssrc.last_payload_type).unwrap_or_default(),
                packets: ssrc.packets,
                bytes: ssrc.bytes,
                highest_seq: ssrc.highest_seq,
                last_timestamp: ssrc.last_timestamp,
                last_mono_us,
                ..SsrcCounters::default()
            }),
        }
    }
}
