//! The offload manager: brings the kernel's flows in line with what the core wants and the network allows.
//!
//! One thread, one current-thread runtime. It wakes for commands, reports of handover jobs, netlink notifications and a
//! clock, and is the only writer of the table's maps except for the handover jobs it hands to the relay.

use std::{
    sync::{Arc, RwLock, mpsc},
    thread::JoinHandle,
    time::Duration,
};

use rtpengine_core::io::FlowCommand;
use tokio::{
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
    time::{Instant, MissedTickBehavior, interval, sleep_until},
};

use super::{
    bpffs::own_net,
    clock,
    counters::CounterBook,
    devices::Devices,
    error::XdpError,
    flow::AdoptedFlow,
    handle::{Events, OffloadConfig, Status},
    handover::{Handover, Report},
    orphans,
    packet_log::PacketLog,
    queue::{Queue, Stop},
    state::State,
    table::Table,
};
use crate::netlink::{NetlinkError, RouteClient};

/// What a started manager leaves with its caller.
pub(super) struct Started {
    pub queue: Arc<Queue>,
    pub counters: Arc<CounterBook>,
    pub status: Arc<RwLock<Status>>,
    pub adopted: Vec<AdoptedFlow>,
    pub thread: JoinHandle<()>,
}

/// Starts the thread and waits until it has taken the table and attached the devices.
///
/// # Errors
/// See [`XdpError`].
pub(super) fn spawn(
    config: OffloadConfig,
    table: u32,
    relay: Arc<dyn Handover>,
    events: Events,
) -> Result<Started, XdpError> {
    let queue = Arc::new(Queue::default());
    let status = Arc::new(RwLock::new(Status { table: Some(table), ..Status::default() }));
    let (ready, started) = mpsc::channel();
    let (thread_queue, thread_status) = (Arc::clone(&queue), Arc::clone(&status));
    let thread = std::thread::Builder::new()
        .name("offload".to_owned())
        .spawn(move || {
            let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(XdpError::Thread(error)))),
            };
            runtime.block_on(async {
                let (reporter, reports) = unbounded_channel();
                let setup = set_up(&config, table).await.map(|(routes, table, devices, packets)| {
                    let state =
                        State::new(config.clone(), table, devices, relay, reporter, events, thread_status);
                    (routes, packets, state)
                });
                match setup {
                    Ok((mut routes, mut packets, mut state)) => match state.begin(&routes) {
                        Ok(adopted) => {
                            if ready.send(Ok((state.counters(), adopted))).is_ok() {
                                let stop =
                                    run(&mut state, &mut routes, &mut packets, &thread_queue, reports).await;
                                state.end(stop);
                            }
                        }
                        Err(error) => {
                            state.end(Stop::Remove);
                            drop(ready.send(Err(error)));
                        }
                    },
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
        })
        .map_err(XdpError::Thread)?;
    match started.recv() {
        Ok(Ok((counters, adopted))) => Ok(Started { queue, counters, status, adopted, thread }),
        Ok(Err(error)) => {
            // It has nothing left to do; a panic in it was reported by its hook.
            let _ = thread.join();
            Err(error)
        }
        Err(_) => Err(XdpError::Thread(std::io::ErrorKind::BrokenPipe.into())),
    }
}

async fn set_up(
    config: &OffloadConfig,
    table: u32,
) -> Result<(RouteClient, Table, Devices, PacketLog), XdpError> {
    config.root.prepare()?;
    let net =
        own_net().map_err(|source| XdpError::Pin { path: "/proc/thread-self/ns/net".into(), source })?;
    let table = Table::open(&config.root, table, net, config.orphan_after)?;
    orphans::sweep(&config.root, table.number, clock::now_ns());
    let (devices, packets) = Devices::open(Arc::clone(&table.maps.net), table.number)?;
    let routes = RouteClient::connect().await?;
    Ok((routes, table, devices, packets))
}

/// Heartbeat, idle flows, slots at rest.
const TICK: Duration = Duration::from_secs(1);
/// Neighbours in use are looked at this often: a stale entry survives the kernel's collection for a minute by default.
const NEIGHBOUR_TICKS: u64 = 5;
/// Ownerless tables are looked at this often.
const ORPHAN_TICKS: u64 = 30;
/// Route changes come in bursts; lookups are repeated once after this calm.
const ROUTE_CALM: Duration = Duration::from_millis(50);
/// The status shown to others lags by this: counting all flows after each command would cost more than the command.
const PUBLISH: Duration = Duration::from_millis(50);
/// Pause before the netlink sockets are opened again.
const RECONNECT: Duration = Duration::from_secs(1);

async fn run(
    state: &mut State,
    routes: &mut RouteClient,
    packets: &mut PacketLog,
    queue: &Queue,
    mut reports: UnboundedReceiver<Report>,
) -> Stop {
    let mut ticks = 0u64;
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut relookup: Option<Instant> = None;
    let mut publish: Option<Instant> = None;
    loop {
        if state.is_changed() {
            publish.get_or_insert_with(|| Instant::now() + PUBLISH);
        }
        tokio::select! {
            () = queue.ready() => {
                let batch = queue.take();
                // The flows that earlier messages speak of may go with these commands.
                state.log_packets(packets.flush());
                for command in batch.commands {
                    match command {
                        FlowCommand::Install(spec) => state.install(routes, spec).await,
                        FlowCommand::Remove { stream } => state.remove(stream),
                    }
                }
                queue.done(batch.reaches);
                if batch.drop_unclaimed {
                    state.drop_unclaimed();
                }
                if let Some(stop) = batch.stop {
                    return stop;
                }
            }
            messages = packets.messages() => state.log_packets(messages),
            Some(report) = reports.recv() => state.reported(routes, report),
            change = routes.changed() => match change {
                Ok(change) => {
                    if change.lost && let Err(error) = routes.resync().await {
                        tracing::warn!(target: "core", %error, "cannot read the network's state anew");
                    }
                    if change.routes || change.addresses || change.lost || !change.links.is_empty() {
                        relookup.get_or_insert(Instant::now() + ROUTE_CALM);
                    }
                    state.network_changed(routes, &change).await;
                }
                Err(error) => {
                    reconnect(routes, &error).await;
                    relookup = Some(Instant::now());
                }
            },
            () = sleep_until(relookup.unwrap_or_else(Instant::now)), if relookup.is_some() => {
                relookup = None;
                state.relookup(routes).await;
            }
            () = sleep_until(publish.unwrap_or_else(Instant::now)), if publish.is_some() => {
                publish = None;
                state.publish();
            }
            _ = tick.tick() => {
                ticks += 1;
                state.tick();
                if ticks.is_multiple_of(NEIGHBOUR_TICKS) {
                    state.keep_neighbours(routes).await;
                    state.retry(routes);
                }
                if ticks.is_multiple_of(ORPHAN_TICKS) {
                    state.expire_orphans();
                }
            }
        }
    }
}

async fn reconnect(routes: &mut RouteClient, error: &NetlinkError) {
    tracing::warn!(target: "core", %error, "next hops are not followed until route netlink is back");
    loop {
        tokio::time::sleep(RECONNECT).await;
        match RouteClient::connect().await {
            Ok(client) => {
                *routes = client;
                return;
            }
            Err(error) => tracing::debug!(target: "core", %error, "route netlink is not back yet"),
        }
    }
}
