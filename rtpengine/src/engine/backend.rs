//! The core behind the command line and the *ng* listeners.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rtpengine_core::call::{self, ControlSource};
use rtpengine_core::legacy;
use rtpengine_core::ng::statistics::{Interval, Statistics, Traffic};
use rtpengine_core::ng::{Reply, Request};

use super::actor::EngineHandle;
use super::plane::Plane;
use crate::callback::Callback;
use crate::cli::CliBackend;
use crate::cli::model::{
    CallDetail, CallSummary, MediaDetail, RuntimeSettings, Selection, Setting, StreamDetail, TagDetail,
    TagType,
};
use crate::control::{ControlEngine, ControlTos};
use crate::dtls;
use crate::export::Capture;
use crate::http::HttpBackend;
use crate::metrics;
use crate::relay::system_clock;
use crate::xdp::OffloadHandle;

/// Shown as the proxy of calls that were adopted from the kernel: nobody asked for them in this process.
const NO_PROXY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// What listeners and command line hold.
#[derive(Clone)]
pub struct Backend {
    engine: EngineHandle,
    control_tos: Arc<ControlTos>,
    offload: Arc<OffloadHandle>,
    callback: Callback,
    capture: Capture,
}

impl Backend {
    /// Over a running core.
    #[must_use]
    pub fn new(
        engine: EngineHandle,
        control_tos: Arc<ControlTos>,
        offload: Arc<OffloadHandle>,
        callback: Callback,
        capture: Capture,
    ) -> Self {
        Self { engine, control_tos, offload, callback, capture }
    }

    /// The figures of now with those of the interval since this was last asked; `None` once the core has ended.
    #[must_use]
    pub fn interval(&self) -> Option<(Statistics, Interval)> {
        let both = |engine: &mut call::Engine, plane: &mut Plane| {
            (engine.statistics_model(system_clock(), plane), engine.take_interval())
        };
        self.engine.with(both).ok()
    }

    /// The figures of now; `None` once the core has ended.
    #[must_use]
    pub fn figures_now(&self) -> Option<Statistics> {
        self.engine.with(|engine, plane| engine.statistics_model(system_clock(), plane)).ok()
    }

    /// The names of all calls.
    #[must_use]
    pub fn call_ids(&self) -> Vec<String> {
        let ids = self.engine.with(|engine, _plane| engine.calls().map(|call| call.id).collect());
        ids.unwrap_or_default()
    }

    /// One call in full; `None` where there is none of that name.
    #[must_use]
    pub fn call_info(&self, call_id: &str) -> Option<call::CallInfo> {
        self.engine.with(|engine, plane| engine.call(call_id, plane)).ok().flatten()
    }
}

impl HttpBackend for Backend {
    async fn figures(&self) -> metrics::Source {
        metrics::Source {
            statistics: self.statistics().await,
            dtls: self.dtls().await,
            kernel: self.offload.status(),
            callbacks: self.callback.statistics(),
            homer: self.capture.statistics(),
        }
    }
}

impl ControlEngine for Backend {
    async fn request(&self, source: ControlSource, request: Request) -> Reply {
        self.engine.request(source, &request).unwrap_or_else(|stopped| Reply::error(stopped.to_string()))
    }

    async fn legacy(&self, source: ControlSource, request: legacy::Request) -> Option<legacy::Answer> {
        let answer = self.engine.legacy(source, &request).unwrap_or_else(|stopped| Err(stopped.to_string()));
        let (command, call) = (request.ng.command.wire_name(), request.ng.call_id.unwrap_or_default());
        answer
            .inspect_err(|reason| {
                tracing::warn!(target: "control", call = %call, "command '{command}' from {} failed: {reason}", source.addr);
            })
            .ok()
    }

    fn refused(&self, source: ControlSource) {
        // Nobody reads the statistics of a core that has stopped.
        let _stopped = self.engine.with(|engine, _plane| engine.record_refused(source.addr.ip()));
    }
}

impl CliBackend for Backend {
    async fn statistics(&self) -> Statistics {
        self.figures_now().unwrap_or_default()
    }

    async fn dtls(&self) -> dtls::Statistics {
        self.engine.with(|_engine, plane| plane.dtls().statistics()).unwrap_or_default()
    }

    async fn calls(&self, selection: Selection) -> Vec<CallSummary> {
        let calls = self.engine.with(|engine, _plane| engine.calls().map(summary).collect::<Vec<_>>());
        let mut calls = calls.unwrap_or_default();
        calls.retain(|call| selection.contains(call));
        calls.sort_by(|a, b| (a.created, &a.call_id).cmp(&(b.created, &b.call_id)));
        calls
    }

    async fn call(&self, call_id: String) -> Option<CallDetail> {
        self.call_info(&call_id).map(|call| detail(call, system_clock().unix_us))
    }

    async fn terminate(&self, selection: Selection) -> u64 {
        let ended = self.engine.with(move |engine, plane| {
            let doomed: Vec<String> = match &selection {
                Selection::Call(call_id) => vec![call_id.clone()],
                Selection::All | Selection::Own | Selection::Foreign => {
                    let calls = engine.calls().map(summary).filter(|call| selection.contains(call));
                    calls.map(|call| call.call_id).collect()
                }
            };
            doomed.iter().filter(|call_id| engine.terminate(system_clock(), call_id, plane)).count() as u64
        });
        ended.unwrap_or(0)
    }

    async fn set_debug(&self, call_id: String, enabled: bool) -> bool {
        self.engine.with(|engine, _plane| engine.set_debug(&call_id, enabled)).unwrap_or(false)
    }

    async fn settings(&self) -> RuntimeSettings {
        let control_tos = self.control_tos.get();
        let settings = self.engine.with(move |engine, _plane| {
            let config = engine.config();
            RuntimeSettings {
                timeout: config.timeout,
                silent_timeout: config.silent_timeout,
                final_timeout: config.final_timeout,
                offer_timeout: config.offer_timeout,
                delete_delay: config.delete_delay,
                max_sessions: config.max_sessions,
                max_cpu: config.max_cpu,
                max_load: config.max_load,
                max_bandwidth: config.max_bandwidth,
                control_tos,
            }
        });
        settings.unwrap_or(RuntimeSettings {
            timeout: 0,
            silent_timeout: 0,
            final_timeout: 0,
            offer_timeout: 0,
            delete_delay: 0,
            max_sessions: -1,
            max_cpu: 0.0,
            max_load: 0.0,
            max_bandwidth: 0,
            control_tos,
        })
    }

    async fn set(&self, setting: Setting) -> Result<(), String> {
        if let Setting::ControlTos(tos) = setting {
            return self
                .control_tos
                .set(tos)
                .map_err(|error| format!("cannot set the TOS of control sockets: {error}"));
        }
        let done = self.engine.with(move |engine, _plane| {
            let config = engine.config_mut();
            match setting {
                Setting::Timeout(seconds) => config.timeout = seconds,
                Setting::SilentTimeout(seconds) => config.silent_timeout = seconds,
                Setting::FinalTimeout(seconds) => config.final_timeout = seconds,
                Setting::OfferTimeout(seconds) => config.offer_timeout = seconds,
                Setting::DeleteDelay(seconds) => config.delete_delay = seconds,
                Setting::MaxSessions(sessions) => config.max_sessions = sessions,
                Setting::MaxCpu(percent) => config.max_cpu = percent,
                Setting::MaxLoad(average) => config.max_load = average,
                Setting::MaxBandwidth(bytes) => config.max_bandwidth = bytes,
                Setting::ControlTos(_) => {}
            }
        });
        done.map_err(|stopped| stopped.to_string())
    }
}

fn summary(call: call::CallSummary) -> CallSummary {
    CallSummary {
        call_id: call.id,
        deleting: call.deleting,
        created: call.created_unix_us / 1_000_000,
        proxy: call.proxy.unwrap_or(NO_PROXY),
        foreign: false,
    }
}

fn detail(call: call::CallInfo, now_unix_us: u64) -> CallDetail {
    CallDetail {
        summary: summary(call.summary),
        tos: call.tos.unwrap_or(0),
        last_signal: call.last_signal_unix_us / 1_000_000,
        tags: call.parties.into_iter().map(|party| tag(party, now_unix_us)).collect(),
    }
}

fn tag(party: call::PartyInfo, now_unix_us: u64) -> TagDetail {
    TagDetail {
        tag: party.tag,
        kind: if party.offerer { TagType::From } else { TagType::To },
        label: party.label,
        branch: party.branch,
        duration: now_unix_us.saturating_sub(party.created_unix_us) as f64 / 1e6,
        subscribed_to: [party.peers.clone(), party.subscriptions].concat(),
        subscribers: [party.peers, party.subscribers].concat(),
        medias: party.medias.into_iter().map(media).collect(),
    }
}

fn media(media: call::MediaInfo) -> MediaDetail {
    MediaDetail {
        index: u32::try_from(media.index).unwrap_or(u32::MAX),
        kind: media.kind,
        protocol: media.protocol,
        codec: (!media.codec.is_empty()).then_some(media.codec),
        streams: media.streams.into_iter().map(stream).collect(),
    }
}

fn stream(stream: call::StreamInfo) -> StreamDetail {
    let counters = stream.counters;
    StreamDetail {
        local: stream.local,
        endpoint: stream.endpoint,
        rtcp: stream.rtcp,
        ssrc: counters.ssrcs.last().map_or(0, |ssrc| ssrc.ssrc),
        received: Traffic { packets: counters.packets, bytes: counters.bytes, errors: counters.errors },
        last_packet: stream.last_packet_unix_us / 1_000_000,
        path: stream.path,
    }
}
