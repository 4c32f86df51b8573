//! `statistics` and what it counts.

use std::{fmt, net::IpAddr};

use ahash::AHashMap;

use super::{
    engine::Engine, interfaces::LocalIdx, media::Side, model::Call, quality::Finding, socket::Socket,
};
use crate::{
    io::{MediaPlane, Now, Path, StreamCounters},
    ng::{
        Command, Dict, Reply,
        statistics::{
            Current, Figures, InterfaceStatistics, Interval, ProxyStatistics, Statistics, Total, Traffic,
            VoipMetrics,
        },
    },
};

/// Proxies counted one by one; further ones share the last place, so that forged sources cannot fill the memory.
const MAX_PROXIES: usize = 256;
/// Interarrival jitter is in timestamp units; without a known clock rate 8 kHz is assumed.
const DEFAULT_CLOCK_RATE: u32 = 8000;

/// Why a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndedBy {
    /// `delete`.
    Proxy,
    /// The command line, or the daemon's end.
    Operator,
    /// `--timeout`.
    Timeout,
    /// `--silent-timeout`.
    SilentTimeout,
    /// `--final-timeout`.
    FinalTimeout,
    /// `--offer-timeout`.
    OfferTimeout,
}

impl EndedBy {
    /// The daemon ended the call by itself.
    pub(super) fn is_timeout(self) -> bool {
        match self {
            Self::Timeout | Self::SilentTimeout | Self::FinalTimeout | Self::OfferTimeout => true,
            Self::Proxy | Self::Operator => false,
        }
    }
}

impl fmt::Display for EndedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Proxy => "deleted by the proxy",
            Self::Operator => "terminated by the operator",
            Self::Timeout => "no media (timeout)",
            Self::SilentTimeout => "no media while muted (silent-timeout)",
            Self::FinalTimeout => "lifetime over (final-timeout)",
            Self::OfferTimeout => "no answer (offer-timeout)",
        })
    }
}

/// Traffic and quality of one local address or of all.
#[derive(Clone, Debug, Default)]
struct Flow {
    user: Traffic,
    kernel: Traffic,
    egress: Traffic,
    voip: VoipMetrics,
    lost: u64,
    duplicates: u64,
    skips: u64,
    resets: u64,
    reordered: u64,
}

impl Flow {
    fn add(&mut self, socket: &Socket, counters: &StreamCounters) {
        self.kernel = self.kernel + kernel_traffic(counters);
        self.user = self.user + user_traffic(counters);
        self.egress = self.egress
            + Traffic {
                packets: counters.packets_out,
                bytes: counters.bytes_out,
                errors: counters.errors_out,
            };
        if socket.rtcp {
            return;
        }
        for ssrc in &counters.ssrcs {
            self.lost = self.lost.saturating_add(u64::try_from(ssrc.lost).unwrap_or(0));
            self.duplicates += ssrc.duplicates;
            self.skips += ssrc.skips;
            self.resets += ssrc.resets;
            self.reordered += ssrc.reordered;
            let rate = socket.clock_rate_of(ssrc.payload_type).map_or(DEFAULT_CLOCK_RATE, |rate| rate.max(1));
            self.voip.jitter_measured.add((ssrc.jitter * 1000.0 / f64::from(rate)).round());
        }
    }

    fn quality(&mut self, finding: &Finding) {
        let Finding { mos, jitter_ms, loss_percent, round_trip_us, round_trip_leg_us } = *finding;
        self.voip.packetloss.add(loss_percent);
        for (sampled, value) in [
            (&mut self.voip.mos, mos),
            (&mut self.voip.jitter, jitter_ms),
            (&mut self.voip.rtt_e2e, round_trip_us),
            (&mut self.voip.rtt_dsct, round_trip_leg_us),
        ] {
            value.into_iter().for_each(|value| sampled.add(value));
        }
    }

    fn ingress(&self) -> Traffic {
        self.user + self.kernel
    }
}

/// Everything counted since the start.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally {
    started: Option<Now>,
    total: Total,
    /// Of sockets that are closed.
    all: Flow,
    by_local: AHashMap<LocalIdx, Flow>,
    proxies: Vec<ProxyStatistics>,
    interval: Interval,
    last_rates: Option<(Now, Traffic, Traffic)>,
    rate_user: Traffic,
    rate_kernel: Traffic,
}

impl Tally {
    /// The first input starts the clock.
    pub(super) fn start(&mut self, now: Now) {
        self.started.get_or_insert(now);
    }

    pub(super) fn count(&mut self, proxy: IpAddr, command: Command, failed: bool) {
        self.interval.count(command);
        let proxy = self.proxy(proxy);
        if let Some(statistics) = proxy.commands.get_mut(command.index()) {
            statistics.count += 1;
        }
        proxy.errors += u64::from(failed);
    }

    pub(super) fn refused(&mut self, proxy: IpAddr) {
        self.proxy(proxy).errors += 1;
    }

    pub(super) fn took(&mut self, proxy: IpAddr, command: Command, microseconds: u64) {
        self.interval.took(command, microseconds as f64 / 1e6);
        if let Some(statistics) = self.proxy(proxy).commands.get_mut(command.index()) {
            statistics.duration += microseconds as f64 / 1e6;
        }
    }

    fn proxy(&mut self, address: IpAddr) -> &mut ProxyStatistics {
        let known = self.proxies.iter().position(|proxy| proxy.proxy == address);
        let index = known.unwrap_or_else(|| {
            if self.proxies.len() < MAX_PROXIES {
                self.proxies.push(ProxyStatistics::new(address));
            }
            self.proxies.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "found, or the last of a list that cannot be empty here")]
        &mut self.proxies[index]
    }

    /// Bytes received per second, over the last tick.
    pub(super) fn received_per_second(&self) -> u64 {
        self.rate_user.bytes.saturating_add(self.rate_kernel.bytes)
    }

    /// Takes in the quality of media to or from a local address.
    pub(super) fn quality(&mut self, local: LocalIdx, finding: &Finding) {
        self.all.quality(finding);
        self.by_local.entry(local).or_default().quality(finding);
    }

    pub(super) fn rejected(&mut self) {
        self.total.rejected_sessions += 1;
    }

    /// A socket is being closed: its counters move into the sums.
    pub(super) fn closed(&mut self, socket: &Socket, counters: &StreamCounters) {
        self.all.add(socket, counters);
        self.by_local.entry(socket.local_idx).or_default().add(socket, counters);
    }

    /// A call is ending; its sockets are still there.
    pub(super) fn ended(&mut self, now: Now, call: &Call, by: EndedBy, plane: &dyn MediaPlane) {
        let total = &mut self.total;
        total.managed_sessions += 1;
        *match by {
            EndedBy::Proxy => &mut total.regular_terminated_sessions,
            EndedBy::Operator => &mut total.forced_terminated_sessions,
            EndedBy::Timeout => &mut total.timeout_sessions,
            EndedBy::SilentTimeout => &mut total.silent_timeout_sessions,
            EndedBy::FinalTimeout => &mut total.final_timeout_sessions,
            EndedBy::OfferTimeout => &mut total.offer_timeout_sessions,
        } += 1;
        total.call_duration.add(now.unix_us.saturating_sub(call.created.unix_us) as f64 / 1e6);
        for pair in call.dialogues.iter().flat_map(|dialogue| &dialogue.medias) {
            let received = Side::BOTH.map(|side| {
                let stream = pair.faces.get(side).rtp;
                stream.map(|stream| plane.counters(stream).packets > 0)
            });
            match received {
                [Some(false), Some(false)] => total.zero_way_streams += 1,
                [Some(true), Some(false)] | [Some(false), Some(true)] => total.one_way_streams += 1,
                [Some(true), Some(true)] | [None, _] | [_, None] => {}
            }
        }
    }
}

impl Engine {
    pub(super) fn statistics(&mut self, now: Now, plane: &dyn MediaPlane) -> Reply {
        Reply::ok_with(Dict::new().with("statistics", self.statistics_model(now, plane).to_dict()))
    }

    fn ice_figures(&self) -> Figures {
        let counters = self.ice_counters();
        Figures {
            name: "icestatistics",
            counts: vec![
                ("agents", self.agents.running()),
                ("accepted", counters.accepted),
                ("malformed", counters.malformed),
                ("refused", counters.refused),
                ("limited", counters.limited),
            ],
        }
    }

    /// All figures of the daemon, running calls included.
    #[must_use]
    pub fn statistics_model(&self, now: Now, plane: &dyn MediaPlane) -> Statistics {
        let tally = &self.tally;
        let mut all = tally.all.clone();
        let mut by_local = tally.by_local.clone();
        let mut current = self.current();
        for (call, socket) in self.calls.values().flat_map(|call| call.sockets.iter().map(move |s| (call, s)))
        {
            let counters = plane.counters(socket.stream);
            all.add(socket, &counters);
            by_local.entry(socket.local_idx).or_default().add(socket, &counters);
            if !socket.rtcp {
                *path_counter(&mut current, call, socket) += 1;
            }
        }
        let uptime =
            tally.started.map_or(0, |started| now.mono_us.saturating_sub(started.mono_us) / 1_000_000);
        let interfaces = self.interfaces.all().map(|(index, local, pool)| {
            let flow = by_local.remove(&index).unwrap_or_default();
            let (port_min, port_max) = pool.range();
            InterfaceStatistics {
                name: local.interface.clone(),
                address: local.address,
                port_min,
                port_max,
                ports_used: pool.used().into(),
                packets_lost: flow.lost,
                duplicates: flow.duplicates,
                ingress: flow.ingress(),
                egress: flow.egress,
                voip: flow.voip,
            }
        });
        Statistics {
            current,
            total: Total { uptime, relayed_user: all.user, relayed_kernel: all.kernel, ..tally.total },
            packets_lost: all.lost,
            rtp_duplicates: all.duplicates,
            rtp_skips: all.skips,
            rtp_seq_resets: all.resets,
            rtp_reordered: all.reordered,
            voip: all.voip,
            control: tally.proxies.clone(),
            interfaces: interfaces.collect(),
            own: std::iter::once(self.ice_figures()).chain(plane.figures()).collect(),
        }
    }

    /// How commands and calls went since this was last asked, for the one exporter that tells it.
    pub fn take_interval(&mut self) -> Interval {
        self.tally.interval.take()
    }

    fn current(&self) -> Current {
        let counts = self.session_counts();
        Current {
            sessions_own: counts.total as u64,
            sessions_ipv4: counts.ipv4 as u64,
            sessions_ipv6: counts.ipv6 as u64,
            sessions_mixed: counts.mixed as u64,
            rate_user: self.tally.rate_user,
            rate_kernel: self.tally.rate_kernel,
            ..Current::default()
        }
    }

    /// Packet rates since the last tick, and which sockets have shown life meanwhile.
    pub(super) fn measure(&mut self, now: Now, plane: &dyn MediaPlane) {
        let (mut user, mut kernel) = (self.tally.all.user, self.tally.all.kernel);
        for socket in self.calls.values_mut().flat_map(|call| &mut call.sockets) {
            let counters = plane.counters(socket.stream);
            if socket.packets_seen != counters.packets {
                socket.packets_seen = counters.packets;
                socket.alive_mono_us = now.mono_us;
                if let Some(ssrc) = counters.ssrcs.last() {
                    socket.clock_rate = socket.clock_rate_of(ssrc.payload_type);
                }
            }
            kernel = kernel + kernel_traffic(&counters);
            user = user + user_traffic(&counters);
        }
        let tally = &mut self.tally;
        tally.interval.tick(self.calls.len());
        if let Some((since, user_before, kernel_before)) = tally.last_rates {
            let elapsed = now.mono_us.saturating_sub(since.mono_us).max(1);
            tally.rate_user = rate(user_before, user, elapsed);
            tally.rate_kernel = rate(kernel_before, kernel, elapsed);
        }
        tally.last_rates = Some((now, user, kernel));
    }
}

/// Where an RTP socket is counted: as mixed where only one of its two directions is forwarded by the kernel.
fn path_counter<'c>(current: &'c mut Current, call: &Call, socket: &Socket) -> &'c mut u64 {
    let kernel = |socket: &Socket| socket.shown_path() == Path::Kernel;
    let sinks = socket.configured.iter().flat_map(|relay| relay.all_sinks());
    let mixed = sinks.filter_map(|sink| call.socket(sink)).any(|sink| kernel(sink) != kernel(socket));
    match (mixed, kernel(socket)) {
        (true, _) => &mut current.media_mixed,
        (false, true) => &mut current.media_kernel,
        (false, false) => &mut current.media_userspace,
    }
}

fn kernel_traffic(counters: &StreamCounters) -> Traffic {
    Traffic { packets: counters.kernel_packets, bytes: counters.kernel_bytes, errors: 0 }
}

fn user_traffic(counters: &StreamCounters) -> Traffic {
    Traffic {
        packets: counters.packets.saturating_sub(counters.kernel_packets),
        bytes: counters.bytes.saturating_sub(counters.kernel_bytes),
        errors: counters.errors,
    }
}

fn rate(before: Traffic, after: Traffic, elapsed_us: u64) -> Traffic {
    let per_second = |before: u64, after: u64| {
        u64::try_from(u128::from(after.saturating_sub(before)) * 1_000_000 / u128::from(elapsed_us))
            .unwrap_or(u64::MAX)
    };
    Traffic {
        packets: per_second(before.packets, after.packets),
        bytes: per_second(before.bytes, after.bytes),
        errors: per_second(before.errors, after.errors),
    }
}
